"""Bad files are refused by name, before they cost anything, and nothing but AppError comes out."""

import random
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image, ImageFile

from app.errors import AppError, ErrorCode, UploadProblem
from app.imaging import Decoder, inspect, make_thumbnails
from app.imaging.outline import MAX_PARTS
from tests.imaging import make

LIMIT = 1_000_000


def problem(path: Path, data: bytes) -> AppError:
    """The refusal of the file, the same from both ways in."""
    make.written(path, data)
    with pytest.raises(AppError) as caught:
        inspect(path, max_pixels=LIMIT)
    with pytest.raises(AppError) as again:
        make_thumbnails(path, max_pixels=LIMIT)
    assert again.value.reason is caught.value.reason
    return caught.value


@contextmanager
def little_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is decoded meanwhile, and no more functions are called than a walk over MAX_PARTS parts calls."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def decode(_image: ImageFile.ImageFile) -> None:
        raise AssertionError("it is decoded")

    with monkeypatch.context() as patched:
        patched.setattr(ImageFile.ImageFile, "load", decode)
        sys.setprofile(count)
        try:
            yield
        finally:
            sys.setprofile(None)
    # Ten for a part, on each of the two ways in; in a small file twice as many parts are refused.
    assert calls < 2 * 10 * MAX_PARTS


def good(name: str) -> bytes:
    return make.encoded(make.noise(40, 30), name)


NOT_TAKEN: dict[str, tuple[Callable[[], bytes], UploadProblem, ErrorCode]] = {
    "nothing": (lambda: b"", UploadProblem.EMPTY_FILE, ErrorCode.BAD_USER_INPUT),
    "a text": (
        lambda: b"dear sir or madam",
        UploadProblem.NOT_AN_IMAGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ),
    "a page": (
        lambda: b"<!DOCTYPE html><script>",
        UploadProblem.NOT_AN_IMAGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ),
    "a bitmap": (
        lambda: good("BMP"),
        UploadProblem.FORMAT_NOT_ALLOWED,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ),
    "a drawing": (
        lambda: b"<svg onload='alert(1)'>",
        UploadProblem.FORMAT_NOT_ALLOWED,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_is_no_picture_of_ours(tmp_path: Path, name: str) -> None:
    data, reason, code = NOT_TAKEN[name]
    error = problem(tmp_path / "x.jpg", data())
    assert (error.reason, error.code) == (reason, code)


def test_a_foreign_format_is_named(tmp_path: Path) -> None:
    error = problem(tmp_path / "x.jpg", good("TIFF"))
    assert "TIFF" in error.message
    assert error.extensions["allowed"] == list(make.FORMATS)


@pytest.mark.parametrize("name", make.FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_truncated(tmp_path: Path, name: str, part: float) -> None:
    data = good(name)
    error = problem(tmp_path / "x", data[: int(len(data) * part)])
    assert (error.reason, error.code) == (UploadProblem.TRUNCATED, ErrorCode.BAD_USER_INPUT)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_an_animation_cut_after_its_first_frame(tmp_path: Path, name: str) -> None:
    data = make.animation(name, 8)
    assert problem(tmp_path / "x", data[: len(data) * 3 // 4]).reason is UploadProblem.TRUNCATED


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"".join(blocks)
    )


GIF_FRAME = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
FLOODS: dict[str, Callable[[], bytes]] = {
    "PNG header": lambda: make.png(60_000, 60_000),
    "PNG line": lambda: make.png(LIMIT + 1, 1),
    "PNG": lambda: make.large_png(1_001),
    "JPEG": lambda: good("JPEG").replace(struct.pack(">HH", 30, 40), b"\xff\xdc\xff\xdc", 1),
    "WebP": lambda: make.riff((b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(9))),
    "WebP canvas": lambda: make.riff((b"VP8X", bytes(4) + b"\xff\xff\xff" * 2)),
    "GIF screen": lambda: gif(65535, 65535, GIF_FRAME, b";"),
    "GIF frame": lambda: gif(1, 1, GIF_FRAME.replace(b"\1\0\1\0", b"\xff\xff\xff\xff"), b";"),
    "AVIF": lambda: make.encoded(Image.new("RGB", (1_001, 1_001)), "AVIF"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_too_many_pixels(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FLOODS[name]()
    with little_work(monkeypatch):
        error = problem(tmp_path / "x", data)
    assert (error.reason, error.code) == (
        UploadProblem.TOO_MANY_PIXELS,
        ErrorCode.PAYLOAD_TOO_LARGE,
    )
    assert error.extensions["limit"] == LIMIT


def test_junk_cannot_hide_a_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow skips what it does not know, and fills the canvas of the frame behind it."""
    frame = GIF_FRAME.replace(b"\1\0\1\0", b"\xff\xff\xff\xff")
    with little_work(monkeypatch):
        assert problem(tmp_path / "x", gif(1, 1, b"junk", frame, b";")).reason
    assert inspect(make.written(tmp_path / "x", gif(1, 1, bytes(9), GIF_FRAME, b";"))).width == 1


def before_data(data: bytes, extra: bytes) -> bytes:
    """The PNG with chunks after its header."""
    return data[:33] + extra + data[33:]


COSTLY: dict[str, Callable[[], bytes]] = {
    "JPEG scans": lambda: make.scan_bomb(200, 64),
    "JPEG segments": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 20_000 + good("JPEG")[2:],
    "JPEG markers": lambda: b"\xff\xd8" + b"\xff\x01" * 50_000 + good("JPEG")[2:],
    "JPEG fill bytes": lambda: b"\xff\xd8" + b"\xff" * 1_000_000 + good("JPEG")[2:],
    "PNG chunks": lambda: before_data(good("PNG"), make.png_chunk(b"teSt") * 20_000),
    "PNG empty data": lambda: before_data(good("PNG"), make.png_chunk(b"IDAT") * 20_000),
    "PNG texts": lambda: before_data(
        good("PNG"), make.png_chunk(b"zTXt", b"a\0\0" + bytes(900_000)) * 10
    ),
    "WebP frames": lambda: make.riff((b"VP8X", bytes(10)), *[(b"ANMF", b"")] * 20_000),
    "GIF frames": lambda: gif(1, 1, GIF_FRAME * 20_000, b";"),
    "GIF blocks": lambda: gif(1, 1, b"!\xfe" + b"\1x" * 50_000 + b"\0", GIF_FRAME, b";"),
    "AVIF items": lambda: make.avif_grid(40, 40),
    "AVIF boxes": lambda: good("AVIF") + make.box(b"free") * 20_000,
}


@pytest.mark.parametrize("name", COSTLY)
def test_too_expensive(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = COSTLY[name]()
    with little_work(monkeypatch):
        assert problem(tmp_path / "x", data).reason is UploadProblem.TOO_EXPENSIVE


RUN = 1_000_000
ERASED: dict[str, Callable[[], bytes]] = {
    "a photo cut off and padded": lambda: good("JPEG")[:-20] + b"\xff" * RUN,
    "no photo": lambda: b"\xff\xd8" + b"\xff" * RUN + b"\0",
    "in four": lambda: b"\xff\xd8" + (b"\xff" * (RUN // 4) + b"\0") * 4,
}
"""What erased flash memory holds. A look at each byte from each of those before it takes hours."""


@pytest.mark.parametrize("name", ERASED)
async def test_a_run_of_fill_bytes_is_read_once(tmp_path: Path, name: str) -> None:
    path = make.written(tmp_path / "x", ERASED[name]())
    decoder = Decoder(max_pixels=LIMIT)
    try:
        with pytest.raises(AppError) as caught:
            await decoder.inspect(path)
    finally:
        await decoder.close()
    assert caught.value.reason is UploadProblem.TRUNCATED


def test_fill_bytes_before_a_marker_are_no_fault(tmp_path: Path) -> None:
    data = good("JPEG")
    at = data.index(b"\xff\xdb")
    path = make.written(tmp_path / "x", data[:at] + b"\xff" * 1000 + data[at:])
    assert inspect(path).width == 40


def test_scans_are_weighed_by_pixels(tmp_path: Path) -> None:
    path = make.written(tmp_path / "x", make.scan_bomb(80, 64))
    assert inspect(path).width == 64
    large = make.scan_bomb(80, 64).replace(
        struct.pack(">HH", 64, 64), struct.pack(">HH", 9999, 9999)
    )
    make.written(path, large)
    with pytest.raises(AppError) as caught:
        inspect(path)
    assert caught.value.reason is UploadProblem.TOO_EXPENSIVE


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The file with some bytes changed, swapped, cut out or doubled; the head, which steers, more often."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            at = chance.randrange(min(len(changed), chance.choice((64, 200, len(data)))))
            match chance.randrange(4):
                case 0:
                    changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
                case 1:
                    changed[at : at + 4] = chance.randbytes(4)
                case 2:
                    del changed[at : at + chance.randrange(1, 30)]
                case 3:
                    changed[at:at] = changed[at : at + chance.randrange(1, 30)]
        yield bytes(changed)


def outcome(path: Path, data: bytes) -> UploadProblem | None:
    """None for a picture; any error but a reasoned AppError fails the test."""
    make.written(path, data)
    try:
        inspect(path, max_pixels=LIMIT)
    except AppError as error:
        return UploadProblem(str(error.reason))
    return None


@pytest.mark.parametrize("name", make.FORMATS)
def test_mutations_end_well(tmp_path: Path, name: str) -> None:
    record = make.exif({0x010F: "Pictor"}, detail={0x9003: "2024:05:01 23:30:00"}, place={1: "N"})
    data = make.encoded(make.noise(24, 16), name, exif=record) if name != "GIF" else good("GIF")
    outcomes = {outcome(tmp_path / "x", one) for one in mutations(data, 250, seed=1)}
    assert outcomes >= {None, UploadProblem.TRUNCATED}


@pytest.mark.parametrize("name", make.FORMATS)
def test_every_cut_ends_well(tmp_path: Path, name: str) -> None:
    data = make.encoded(make.noise(24, 16), name)
    step = max(1, len(data) // 150)
    for end in range(1, len(data) - 2, step):
        assert outcome(tmp_path / "x", data[:end]) is not None
    assert outcome(tmp_path / "x", data) is None


def test_random_bytes_end_well(tmp_path: Path) -> None:
    chance = random.Random(2)
    magics = [good(name)[:16] for name in make.FORMATS]
    for number in range(300):
        head = magics[number % 5][: chance.randrange(17)]
        assert outcome(tmp_path / "x", head + chance.randbytes(chance.randrange(200))) is not None
