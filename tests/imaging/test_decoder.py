"""The decoder's processes: bounded, replaceable, and no danger to their neighbours."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from app.errors import AppError, ErrorCode, UploadProblem
from app.imaging import Decoder, Limits, inspect, make_thumbnails, rgb_picture
from tests.imaging import make

MIB = 1024 * 1024
ROOMY = Limits.for_pixels(100_000_000)


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(max_pixels=100_000_000)
    yield decoder
    await decoder.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return make.written(tmp_path / "good", make.encoded(make.corners(), "PNG"))


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that opens for ever: whoever decodes it hangs."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def children(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    texts = [read(path / "children") for path in Path(f"/proc/{pid}/task").glob("*")]
    return [int(one) for text in texts for one in text.split()]


def read(path: Path) -> str:
    """A file of /proc; its process may end at any moment."""
    try:
        return path.read_text()
    except OSError:
        return ""


def processes() -> set[int]:
    return {
        pid
        for pid in children(os.getpid())
        if "app.imaging.worker" in read(Path(f"/proc/{pid}/cmdline"))
    }


def jobs() -> list[int]:
    """The children that decode just now."""
    return [child for worker in processes() for child in children(worker)]


others: set[int] = set()


@pytest.fixture(autouse=True)
def note_others() -> None:
    """Decoders that other tests keep open are left alone."""
    others.clear()
    others.update(processes())


def workers() -> list[int]:
    """The decoding processes that the present test has started."""
    return sorted(processes() - others)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(6_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def reason(job: object) -> UploadProblem | None:
    with pytest.raises(AppError) as caught:
        await job  # type: ignore[misc]  # a coroutine of any answer
    return caught.value.reason


async def test_the_answers_are_those_of_the_functions(decoder: Decoder, tmp_path: Path) -> None:
    record = make.exif({0x010F: "Pictor"}, detail={0x9003: "2024:05:01 23:30:00"}, place={})
    path = make.written(tmp_path / "x", make.encoded(make.corners(900, 600), "JPEG", exif=record))
    assert await decoder.inspect(path) == inspect(path)
    assert await decoder.thumbnails(path) == make_thumbnails(path)
    pixels = await decoder.picture(path, 224)
    assert np.array_equal(pixels, rgb_picture(path, 224))
    assert pixels.flags.writeable


async def test_refusals_come_whole(decoder: Decoder, tmp_path: Path) -> None:
    path = make.written(tmp_path / "x", make.png(60_000, 60_000))
    with pytest.raises(AppError) as caught:
        await decoder.inspect(path)
    assert caught.value.extensions == {
        "code": "PAYLOAD_TOO_LARGE",
        "reason": "TOO_MANY_PIXELS",
        "limit": 100_000_000,
    }
    with pytest.raises(FileNotFoundError):
        await decoder.inspect(tmp_path / "never was")


async def test_processes_start_late_and_end(picture: Path) -> None:
    decoder = Decoder(max_pixels=1000_000)
    assert workers() == []
    await asyncio.gather(*(decoder.inspect(picture) for _ in range(20)))
    assert 1 <= len(workers()) <= 2
    await decoder.close()
    assert workers() == []
    await decoder.close()


async def test_a_worker_is_light_and_knows_no_secret(
    decoder: Decoder, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTOR_SECRET_KEY", "hush-hush")
    await decoder.inspect(picture)
    [worker] = workers()
    proc = Path(f"/proc/{worker}")
    assert "torch" not in proc.joinpath("maps").read_text()
    assert b"hush" not in proc.joinpath("environ").read_bytes()
    assert len(list(proc.joinpath("task").iterdir())) == 1


async def test_wall_clock(tmp_path: Path, picture: Path, pipe: Path) -> None:
    decoder = Decoder(max_pixels=1000, limits=Limits(ROOMY.memory_bytes, wall_seconds=0.5))
    meanwhile: set[UploadProblem | None] = set()
    # Nobody ever writes into the pipe: without the limit it would be read for ever.
    async with asyncio.timeout(120):
        # On a machine that stands still for so long, good pictures pass the limit too.
        while UploadProblem.TOO_MANY_PIXELS not in meanwhile:
            hanging = asyncio.ensure_future(reason(decoder.inspect(pipe)))
            while not hanging.done():
                refused = await reason(decoder.inspect(picture))
                assert refused in {UploadProblem.TOO_MANY_PIXELS, UploadProblem.TOO_EXPENSIVE}
                if not hanging.done():
                    meanwhile.add(refused)
            assert await hanging is UploadProblem.TOO_EXPENSIVE
    await until(lambda: not jobs())
    await decoder.close()


async def test_processor_time(tmp_path: Path, picture: Path) -> None:
    decoder = Decoder(max_pixels=100_000_000, limits=Limits(ROOMY.memory_bytes, cpu_seconds=1))
    path = make.written(tmp_path / "x", make.scan_bomb(95, 6000))
    assert await reason(decoder.inspect(path)) is UploadProblem.TOO_EXPENSIVE
    for _ in range(3):
        assert (await decoder.inspect(picture)).width == 64
    await decoder.close()


async def test_memory(tmp_path: Path, picture: Path) -> None:
    decoder = Decoder(max_pixels=100_000_000, limits=Limits(400 * MIB))
    path = make.written(tmp_path / "x", make.large_png(9_000))
    assert await reason(decoder.inspect(path)) is UploadProblem.TOO_EXPENSIVE
    assert await reason(decoder.thumbnails(path)) is UploadProblem.TOO_EXPENSIVE
    assert (await decoder.inspect(picture)).width == 64
    await decoder.close()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGSEGV, UploadProblem.NOT_AN_IMAGE),
        (signal.SIGABRT, UploadProblem.NOT_AN_IMAGE),
        (signal.SIGKILL, UploadProblem.TOO_EXPENSIVE),
    ],
)
async def test_a_child_that_dies(
    decoder: Decoder, picture: Path, pipe: Path, number: int, expected: UploadProblem
) -> None:
    dying = asyncio.ensure_future(reason(decoder.inspect(pipe)))
    await until(jobs)
    [child] = jobs()
    neighbours = [asyncio.ensure_future(decoder.inspect(picture)) for _ in range(10)]
    os.kill(child, number)
    assert await dying is expected
    assert {(await neighbour).width for neighbour in neighbours} == {64}


async def test_a_worker_that_dies_is_replaced(decoder: Decoder, picture: Path, pipe: Path) -> None:
    await decoder.inspect(picture)
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
    assert (await decoder.inspect(picture)).width == 64
    hanging = asyncio.ensure_future(decoder.inspect(pipe))
    await until(jobs)
    [worker] = [worker for worker in workers() if children(worker)]
    [child] = children(worker)
    os.kill(worker, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{child}").exists())
    # The job is done once more, by a new worker; this time the file can be read.
    await until(jobs)
    await asyncio.to_thread(pipe.write_bytes, b"no picture")
    with pytest.raises(AppError):
        await hanging


async def test_a_worker_that_falls_silent_is_killed(picture: Path) -> None:
    decoder = Decoder(max_pixels=100_000)
    await decoder.inspect(picture)
    # Short for this worker, which is up, and not for the next, which takes a while to start.
    [worker] = decoder._workers
    worker._patience = 0.2
    os.kill(workers()[0], signal.SIGSTOP)
    assert await reason(decoder.inspect(picture)) is UploadProblem.TOO_EXPENSIVE
    assert (await decoder.inspect(picture)).width == 64
    await decoder.close()


async def test_closing_cuts_off(picture: Path, pipe: Path) -> None:
    decoder = Decoder(max_pixels=1000_000)
    hanging = asyncio.ensure_future(decoder.inspect(pipe))
    await until(jobs)
    await decoder.close()
    with pytest.raises(AppError) as caught:
        await hanging
    assert caught.value.code is ErrorCode.UNAVAILABLE
    await until(lambda: workers() == [])


SCRIPT = """
import asyncio, sys
from pathlib import Path
from app.imaging import Decoder

decoder = Decoder(max_pixels=1000_000)
print(asyncio.run(decoder.inspect(Path(sys.argv[1]))).width)
print(asyncio.run(decoder.inspect(Path(sys.argv[1]))).height)
"""


def test_from_a_script_that_has_no_main_and_never_closes(picture: Path, tmp_path: Path) -> None:
    script = make.written(tmp_path / "script.py", SCRIPT.encode())
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, script, picture],
        env={"PYTHONPATH": root},
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"64\n48\n", b"", 0)
