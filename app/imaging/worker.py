"""The decoding process that a Decoder starts: forks a bounded child for each job and tells how it ended.

It imports Pillow and numpy and nothing heavier, and has one thread, so that a fork is quick and safe. One job, one
child: what a hostile picture does to a decoder's memory ends with its own job.
"""

import ctypes
import gc
import io
import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from app.errors import AppError
from app.imaging import pictures, wire

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CHUNK: Final = 1024 * 1024


def main() -> None:
    limits = json.loads(sys.argv[1])
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    gc.freeze()
    while True:
        try:
            _, request = wire.read_frame(requests)
        except EOFError:
            return
        wire.write_frame(replies, *_supervised(request, limits))


def _supervised(request: bytes, limits: dict[str, Any]) -> tuple[int, bytes]:
    """How the job ended, and its reply, or the signal that killed it as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _child(request, writing, limits)
    os.close(writing)
    deadline = time.monotonic() + limits["wall_seconds"]
    with io.FileIO(reading) as pipe:
        reply = _gather(pipe, deadline)
    status = _ended(child, deadline if reply is not None else 0.0)
    if reply is None or status is None:
        return wire.TOO_LONG, b""
    if os.WIFSIGNALED(status):
        return wire.DIED, str(os.WTERMSIG(status)).encode()
    return (wire.DONE, reply) if reply else (wire.DIED, b"0")


def _gather(pipe: io.FileIO, deadline: float) -> bytes | None:
    """All that the child writes; None when it writes too long or too much."""
    parts: list[bytes] = []
    size = 0
    while (left := deadline - time.monotonic()) > 0 and size <= wire.MAX_REPLY:
        if select.select([pipe], [], [], left)[0]:
            part = pipe.read(_CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
    return None


def _ended(child: int, deadline: float) -> int | None:
    """The status of the child, which ends as it closes its pipe; None when it must be killed instead."""
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _child(request: bytes, writing: int, limits: dict[str, Any]) -> None:
    """Does the job and ends the process, whatever happens."""
    status = 1
    try:
        _confine(writing, limits)
        pipe = os.fdopen(writing, "wb")
        pipe.write(_reply(request))
        pipe.flush()
        status = 0
    finally:
        os._exit(status)


def _confine(writing: int, limits: dict[str, Any]) -> None:
    """Takes from the child what decoding does not need: the supervisor's pipes, memory, time, files to write."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, writing)
    os.closerange(writing + 1, 256)
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        with suppress(OSError):
            # Where memory runs out, the kernel shall end this process before any other.
            Path("/proc/self/oom_score_adj").write_text("1000")
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"], limits["memory_bytes"]))
    cpu = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reply(request: bytes) -> bytes:
    job, _ = wire.unpack(request)
    try:
        return _TASKS[job["task"]](Path(job["path"]), job)
    except AppError as error:
        return wire.pack({"error": wire.error_facts(error)})


def _inspect(path: Path, job: dict[str, Any]) -> bytes:
    seen = pictures.inspect(path, max_pixels=job["max_pixels"])
    facts = {
        "format": seen.format.value,
        "width": seen.width,
        "height": seen.height,
        "taken_at": seen.taken_at.isoformat() if seen.taken_at else None,
        "exif": seen.exif,
    }
    return wire.pack(facts, [seen.thumb_hash])


def _thumbnails(path: Path, job: dict[str, Any]) -> bytes:
    made = pictures.make_thumbnails(path, job["boxes"], max_pixels=job["max_pixels"])
    sizes = {name: (one.width, one.height) for name, one in made.items()}
    return wire.pack({"sizes": sizes}, [one.data for one in made.values()])


def _picture(path: Path, job: dict[str, Any]) -> bytes:
    pixels = pictures.rgb_picture(path, job["max_side"], max_pixels=job["max_pixels"])
    return wire.pack({"shape": pixels.shape}, [pixels.tobytes()])


_TASKS: Final = {"inspect": _inspect, "thumbnails": _thumbnails, "picture": _picture}
