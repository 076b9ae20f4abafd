"""Decodes untrusted pictures in bounded child processes. The server's own process never decodes one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock, Timer
from typing import IO, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from app.domain import ImageFormat
from app.errors import AppError, UploadProblem, unavailable
from app.imaging import wire
from app.imaging.pictures import THUMBNAIL_BOXES, Derivative, Inspection
from app.imaging.refusals import refusal

T = TypeVar("T")
Facts = dict[str, Any]
Build = Callable[[Facts, Sequence[bytes]], T]

MIB: Final = 1024 * 1024
_ROOT: Final = Path(__file__).resolve().parents[2]
_GRACE_SECONDS: Final = 5.0
"""After its jobs' own limit, a worker that says nothing is killed."""
_PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[2]); from app.imaging.worker import main; main()"
)
_DEATHS: Final = {
    0: UploadProblem.TOO_EXPENSIVE,  # no signal and no reply: out of memory
    int(signal.SIGXCPU): UploadProblem.TOO_EXPENSIVE,
    int(signal.SIGKILL): UploadProblem.TOO_EXPENSIVE,
}
"""By signal; any other is a decoder that crashed on damaged bytes."""
_KEPT_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one job."""

    memory_bytes: int
    """Address space, of which an idle worker takes 170 MiB."""
    cpu_seconds: int = 10
    wall_seconds: float = 20

    @classmethod
    def for_pixels(cls, max_pixels: int) -> "Limits":
        """WebP needs most: libwebp holds two canvases, its answer is a third and Pillow's copy the fourth, 4 bytes a pixel each."""
        return cls(memory_bytes=256 * MIB + 18 * max_pixels)


class Decoder:
    """Decodes in at most `workers` processes at a time; further calls wait in line.

    The processes start with the first calls and are light: they hold Pillow and numpy, none of the server's secrets, and
    fork a child for each job. A job that passes a limit or kills its child is TOO_EXPENSIVE or NOT_AN_IMAGE; others do not notice.
    It belongs to no event loop. Files must not change while they are decoded.
    """

    def __init__(self, *, max_pixels: int, workers: int = 2, limits: Limits | None = None) -> None:
        self._max_pixels = max_pixels
        self._limits = limits or Limits.for_pixels(max_pixels)
        self.limit = workers
        self.busy = 0
        self._asked = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decoder")
        self._idle: LifoQueue[_Worker] = LifoQueue()
        self._workers: set[_Worker] = set()
        self._closed = False
        self._lock = Lock()

    async def inspect(self, path: Path) -> Inspection:
        """As `pictures.inspect`."""
        return await self._run(_inspection, {"task": "inspect"}, path)

    async def thumbnails(
        self, path: Path, boxes: Mapping[str, int] = THUMBNAIL_BOXES
    ) -> dict[str, Derivative]:
        """As `pictures.make_thumbnails`."""
        return await self._run(_derivatives, {"task": "thumbnails", "boxes": dict(boxes)}, path)

    async def picture(self, path: Path, max_side: int) -> NDArray[np.uint8]:
        """As `pictures.rgb_picture`."""
        return await self._run(_pixels, {"task": "picture", "max_side": max_side}, path)

    async def close(self) -> None:
        """Ends the processes; what is being decoded is cut off."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()

    async def _run(self, build: "Build[T]", job: dict[str, Any], path: Path) -> T:
        self._count(asked=1)
        try:
            turn = self._threads.submit(self._in_turn, build, job, path)
            return await asyncio.wrap_future(turn)
        finally:
            self._count(asked=-1)

    @property
    def waiting(self) -> int:
        """Calls in line; `busy` of the `limit` are being served."""
        return max(self._asked - self.busy, 0)

    def _count(self, *, asked: int = 0, busy: int = 0) -> None:
        with self._lock:
            self._asked += asked
            self.busy += busy

    def _in_turn(self, build: "Build[T]", job: dict[str, Any], path: Path) -> T:
        self._count(busy=1)
        try:
            return self._answer(build, job, path)
        finally:
            self._count(busy=-1)

    def _answer(self, build: "Build[T]", job: dict[str, Any], path: Path) -> T:
        whole = {**job, "path": str(path.resolve(strict=True)), "max_pixels": self._max_pixels}
        kind, reply = self._exchange(wire.pack(whole))
        if kind == wire.TOO_LONG:
            raise refusal(UploadProblem.TOO_EXPENSIVE)
        if kind == wire.DIED:
            raise refusal(_DEATHS.get(int(reply), UploadProblem.NOT_AN_IMAGE))
        try:
            facts, blobs = wire.unpack(reply)
            answer = wire.error_of(facts["error"]) if "error" in facts else build(facts, blobs)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # Only a decoder that a picture has taken over answers so.
            raise refusal(UploadProblem.NOT_AN_IMAGE) from error
        if isinstance(answer, AppError):
            raise answer
        return answer

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """How the job ended. A worker that was killed from outside is replaced, and its job done once more."""
        for _ in range(2):
            worker = self._hire()
            try:
                answer = worker.ask(request)
            except (EOFError, OSError, ValueError):
                self._dismiss(worker)
                if worker.was_silent:
                    return wire.TOO_LONG, b""
            else:
                self._idle.put(worker)
                return answer
        raise unavailable("Pictures cannot be decoded just now.")

    def _hire(self) -> "_Worker":
        while True:
            try:
                worker = self._idle.get_nowait()
            except Empty:
                break
            if worker.is_alive:
                return worker
            self._dismiss(worker)
        with self._lock:
            if self._closed:
                raise unavailable("The server is stopping.")
            worker = _Worker(self._limits)
            self._workers.add(worker)
            return worker

    def _dismiss(self, worker: "_Worker") -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.kill()


class _Worker:
    """One decoding process, asked one thing at a time."""

    def __init__(self, limits: Limits) -> None:
        self._patience = limits.wall_seconds + _GRACE_SECONDS
        self.was_silent = False
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 (nothing in the command comes from outside)
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(asdict(limits)), str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            # Ctrl-C in the server's terminal is the server's to handle.
            start_new_session=True,
        )
        self._requests = cast(IO[bytes], self._process.stdin)
        self._replies = cast(IO[bytes], self._process.stdout)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """EOFError, OSError or ValueError (pipe closed) when the process is gone."""
        watch = Timer(self._patience, self._give_up)
        watch.start()
        try:
            wire.write_frame(self._requests, 0, request)
            return wire.read_frame(self._replies)
        finally:
            watch.cancel()

    def _give_up(self) -> None:
        self.was_silent = True
        self._process.kill()

    def kill(self) -> None:
        """Its child, if it has one, dies with it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):
                pipe.close()


def _inspection(facts: Facts, blobs: Sequence[bytes]) -> Inspection:
    [thumb_hash] = blobs
    taken_at = facts["taken_at"]
    return Inspection(
        ImageFormat(facts["format"]),
        facts["width"],
        facts["height"],
        datetime.fromisoformat(taken_at) if taken_at else None,
        tuple((name, value) for name, value in facts["exif"]),
        thumb_hash,
    )


def _derivatives(facts: Facts, blobs: Sequence[bytes]) -> dict[str, Derivative]:
    made = zip(facts["sizes"].items(), blobs, strict=True)
    return {name: Derivative(data, width, height) for (name, (width, height)), data in made}


def _pixels(facts: Facts, blobs: Sequence[bytes]) -> NDArray[np.uint8]:
    [pixels] = blobs
    # A copy, for torch takes no array that cannot be written to.
    return np.frombuffer(pixels, np.uint8).reshape(facts["shape"]).copy()
