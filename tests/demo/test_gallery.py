"""The demo gallery: repeatable files with true words, dates over two years, and useful tags."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from app.demo.gallery import DemoPicture, gallery
from app.demo.gallery.scene_texts import SCENE_TEXTS
from app.demo.gallery.subjects import ANIMALS, CATS, DOGS, PORTRAITS, SPOTS, STILL_LIFES, THINGS
from app.demo.glyphs import glyph_names
from app.demo.scenes import SCENES

NOW = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
EXIF_IFD, DATE_TIME_ORIGINAL = 0x8769, 0x9003


@pytest.fixture(scope="module")
def pictures() -> list[DemoPicture]:
    return list(gallery(80, now=NOW))


def test_same_seed_same_bytes(pictures: list[DemoPicture]) -> None:
    first = gallery(80, now=NOW)

    assert [next(first) for _ in range(8)] == pictures[:8]
    assert next(gallery(80, seed=1, now=NOW)) != pictures[0]


def test_files_open_in_three_formats(pictures: list[DemoPicture]) -> None:
    formats = Counter()
    for picture in pictures:
        with Image.open(io.BytesIO(picture.data)) as image:
            image.load()
            formats[image.format] += 1
            assert 640 <= image.width <= 1024
            if image.format == "JPEG":
                taken = image.getexif().get_ifd(EXIF_IFD)[DATE_TIME_ORIGINAL]
                assert taken == picture.taken_at.strftime("%Y:%m:%d %H:%M:%S")

    assert formats.keys() == {"JPEG", "PNG", "WEBP"}
    assert formats["JPEG"] > 40
    assert len({picture.data for picture in pictures}) == 80
    assert len({picture.filename for picture in pictures}) == 80


def test_words_and_tags(pictures: list[DemoPicture]) -> None:
    tags = Counter(tag for picture in pictures for tag in picture.tags)

    assert all(1 <= len(picture.tags) <= 5 for picture in pictures)
    assert all(len(set(picture.tags)) == len(picture.tags) for picture in pictures)
    assert all(picture.title[0].isupper() for picture in pictures)
    assert all(picture.description.endswith(".") for picture in pictures)
    assert tags["cat"] >= 3  # of 300: 10 and more
    assert tags["dog"] >= 3


def test_dates_cover_two_years_before_now(pictures: list[DemoPicture]) -> None:
    taken = sorted(picture.taken_at for picture in pictures)

    assert NOW - timedelta(days=731) < taken[0] < NOW - timedelta(days=640)
    assert NOW - timedelta(days=90) < taken[-1] < NOW
    for picture in pictures:
        if picture.created_days_ago is not None:
            created_at = NOW - timedelta(days=picture.created_days_ago)
            assert picture.taken_at - timedelta(minutes=1) <= created_at <= NOW


def test_weights_are_log_normal_in_cents(pictures: list[DemoPicture]) -> None:
    weights = sorted(picture.weight for picture in pictures)

    assert all(weight == round(weight, 2) >= 0 for weight in weights)
    assert weights[0] < 0.3 < 0.6 < weights[40] < 1.6 < 2 < weights[-1]


def test_casting_names_what_exists() -> None:
    names = set(glyph_names())

    assert SCENE_TEXTS.keys() == SCENES.keys() >= SPOTS.keys()
    for subject in (*CATS, *DOGS, *ANIMALS, *THINGS):
        assert subject.glyph in names
        assert set(subject.scenes) <= SPOTS.keys(), subject.words
    assert {item.glyph for item in (*STILL_LIFES, *PORTRAITS)} <= names
