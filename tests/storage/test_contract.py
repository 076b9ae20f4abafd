"""What every Storage promises, on each of them."""

import asyncio
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.storage import ObjectMissing, Storage

MIB = 1024 * 1024


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    return path


async def read(storage: Storage, key: str, start: int = 0, length: int | None = None) -> bytes:
    async with await storage.open(key, start, length) as stream:
        return b"".join([chunk async for chunk in stream])


async def keys(storage: Storage, prefix: str) -> set[str]:
    return {one.key async for one in storage.list(prefix)}


async def test_what_was_put_is_read(storage: Storage, prefix: str, source: Path) -> None:
    key = f"{prefix}/image/attempt"
    assert await storage.size(key) is None
    await storage.put(key, source, size=10)
    assert await storage.size(key) == 10
    assert await read(storage, key) == b"0123456789"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 1, b"0"),
        (3, 4, b"3456"),
        (8, 100, b"89"),
        (10, 5, b""),
        (999, None, b""),
    ],
)
async def test_ranges(
    storage: Storage, prefix: str, source: Path, start: int, length: int | None, expected: bytes
) -> None:
    await storage.put(f"{prefix}/a/b", source, size=10)
    assert await read(storage, f"{prefix}/a/b", start, length) == expected
    async with await storage.open(f"{prefix}/a/b", start, length) as stream:
        assert stream.length == len(expected)


async def test_an_empty_object(storage: Storage, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    await storage.put(f"{prefix}/a/b", tmp_path / "empty", size=0)
    assert await storage.size(f"{prefix}/a/b") == 0
    assert await read(storage, f"{prefix}/a/b") == b""
    assert await read(storage, f"{prefix}/a/b", 0, 10) == b""


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, 0), (0, -5)])
async def test_no_range(storage: Storage, prefix: str, start: int, length: int | None) -> None:
    with pytest.raises(ValueError, match="range"):
        await storage.open(f"{prefix}/a/b", start, length)


async def test_a_missing_object(storage: Storage, prefix: str, source: Path) -> None:
    await storage.put(f"{prefix}/a/b", source, size=10)
    for key in (f"{prefix}/a/c", f"{prefix}/a", f"{prefix}/a/b/c"):
        with pytest.raises(ObjectMissing):
            await storage.open(key)
        assert await storage.size(key) is None


async def test_a_source_of_another_size_is_refused(
    storage: Storage, prefix: str, source: Path
) -> None:
    with pytest.raises(ValueError, match="10 bytes, not 11"):
        await storage.put(f"{prefix}/a/b", source, size=11)
    assert await storage.size(f"{prefix}/a/b") is None


NO_KEYS = (
    "",
    "a",
    "/etc/passwd",
    "t/../x",
    "t/a/..",
    "t//a",
    "t/a/",
    "t/.a/b",
    "t/a b",
    "t/ä",
    "t/a\n",
    "t/a\0",
    "t/" + "a" * 600,
    "t\\a/b",
    "t/a..b/c",
    "t/%2e%2e/c",
)


@pytest.mark.parametrize("key", NO_KEYS)
async def test_what_is_no_key(storage: Storage, source: Path, key: str) -> None:
    calls = (
        storage.put(key, source, size=10),
        storage.open(key),
        storage.size(key),
        storage.delete([key]),
    )
    for call in calls:
        with pytest.raises(ValueError, match="not a storage key"):
            await call


async def test_list(storage: Storage, prefix: str, source: Path) -> None:
    names = {f"{prefix}/{name}" for name in ("a/1", "a/1.small.webp", "ab/2", "b/3")}
    for name in names:
        await storage.put(name, source, size=10)
    assert await keys(storage, f"{prefix}/") == names
    assert await keys(storage, f"{prefix}/a/") == {f"{prefix}/a/1", f"{prefix}/a/1.small.webp"}
    assert await keys(storage, f"{prefix}/a") == names - {f"{prefix}/b/3"}
    assert await keys(storage, f"{prefix}/a/1.") == {f"{prefix}/a/1.small.webp"}
    assert await keys(storage, f"{prefix}/nothing/here") == set()
    assert await keys(storage, "") >= names
    [one] = [one async for one in storage.list(f"{prefix}/b/3")]
    assert one.size == 10
    assert abs(datetime.now(UTC) - one.modified_at) < timedelta(minutes=1)
    for bad in ("/", "../", "t/../"):
        with pytest.raises(ValueError, match="prefix"):
            await keys(storage, bad)


async def test_delete(storage: Storage, prefix: str, source: Path) -> None:
    names = [f"{prefix}/{number}/x" for number in range(30)]
    for name in names:
        await storage.put(name, source, size=10)
    await storage.delete([*names[1:], f"{prefix}/never/was"])
    await storage.delete([names[1]])
    await storage.delete([])
    assert await keys(storage, f"{prefix}/") == {names[0]}


async def test_fifty_puts_at_once(storage: Storage, prefix: str, tmp_path: Path) -> None:
    async def put(number: int) -> None:
        path = tmp_path / f"source-{number}"
        path.write_bytes(bytes([number]) * 20_000)
        await storage.put(f"{prefix}/{number}/x", path, size=20_000)
        assert await read(storage, f"{prefix}/{number}/x") == bytes([number]) * 20_000

    await asyncio.gather(*(put(number) for number in range(50)))
    assert len(await keys(storage, f"{prefix}/")) == 50


async def test_a_large_object_streams_in_flat_memory(
    storage: Storage, prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    size = 20 * MIB + 17
    path.write_bytes(os.urandom(MIB) * 20 + b"x" * 17)
    tracemalloc.start()
    await storage.put(f"{prefix}/a/large", path, size=size)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    count, last, expected = 0, b"", path.open("rb")
    async with await storage.open(f"{prefix}/a/large") as stream:
        async for chunk in stream:
            assert chunk == expected.read(len(chunk))
            count, last = count + len(chunk), chunk
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected.close()
    assert count == size
    assert last.endswith(b"x" * 17)
    assert peak - before < 3 * MIB


async def test_readers_that_stop_early_leak_nothing(
    storage: Storage, prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (4 * MIB))
    await storage.put(f"{prefix}/a/large", path, size=4 * MIB)
    assert len(await read(storage, f"{prefix}/a/large")) == 4 * MIB
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        stream = await storage.open(f"{prefix}/a/large")
        match number % 4:
            case 0:  # never begun, only dropped
                del stream
            case 1:
                await stream.aclose()
            case 2:
                async with stream:
                    assert await anext(stream)
            case 3:
                reading = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait([reading])
    assert await storage.size(f"{prefix}/a/large") == 4 * MIB
    await asyncio.sleep(0.2)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


async def test_an_opening_that_is_cancelled_leaks_nothing(
    storage: Storage, prefix: str, source: Path
) -> None:
    await storage.put(f"{prefix}/a/b", source, size=10)
    assert await read(storage, f"{prefix}/a/b")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        opening = asyncio.ensure_future(storage.open(f"{prefix}/a/b"))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
    assert await read(storage, f"{prefix}/a/b")
    await asyncio.sleep(0.2)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


async def test_a_stream_that_ended_stays_ended(storage: Storage, prefix: str, source: Path) -> None:
    await storage.put(f"{prefix}/a/b", source, size=10)
    stream = await storage.open(f"{prefix}/a/b")
    assert [chunk async for chunk in stream] == [b"0123456789"]
    assert [chunk async for chunk in stream] == []
    await stream.aclose()


async def test_check_leaves_nothing(storage: Storage) -> None:
    await storage.check()
    assert await keys(storage, "check/") == set()
