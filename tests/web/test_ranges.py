"""Ranges, entity tags and file names, without a server."""

from urllib.parse import unquote

import pytest

from app.web import ranges, streams
from app.web.ranges import Span


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", Span(0, 1, 10)),
        ("bytes=2-5", Span(2, 4, 10)),
        ("Bytes=2-5", Span(2, 4, 10)),
        ("bytes=2-", Span(2, 8, 10)),
        ("bytes=2-999", Span(2, 8, 10)),
        ("bytes=-3", Span(7, 3, 10)),
        ("bytes=-99", Span(0, 10, 10)),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=-1-2", None),
        ("lines=0-1", None),
        ("bytes=0-99999999999999999999999", None),
    ],
)
def test_one_range_is_understood_and_the_rest_gets_the_whole(
    header: str | None, span: Span | None
) -> None:
    assert ranges.span(header, 10) == span


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_range_behind_the_end(header: str) -> None:
    with pytest.raises(ranges.Unsatisfiable):
        ranges.span(header, 10)


def test_range_of_nothing() -> None:
    with pytest.raises(ranges.Unsatisfiable):
        ranges.span("bytes=0-", 0)


def test_content_range() -> None:
    assert Span(2, 4, 10).content_range == "bytes 2-5/10"


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
    ],
)
def test_if_none_match(header: str | None, unchanged: bool) -> None:
    assert ranges.is_unchanged(header, '"a"') is unchanged


@pytest.mark.parametrize(
    ("header", "counts"),
    [
        (None, True),
        ('"a"', True),
        ('W/"a"', False),
        ('"b"', False),
        ("Wed, 21 Oct 2026 07:28:00 GMT", False),
    ],
)
def test_if_range_needs_the_very_version(header: str | None, counts: bool) -> None:
    assert ranges.range_counts(header, '"a"') is counts


@pytest.mark.parametrize(
    "filename",
    ["cat.jpg", 'a"b\\c.png', "naïve ☃.webp", "a\r\nX-Evil: 1", "100%.gif", "..;filename=x"],
)
def test_disposition_cannot_be_broken_out_of(filename: str) -> None:
    header = streams.disposition(filename)
    header.encode("ascii")
    kind, plain, extended = header.split("; ", 1)[0], *header.split("; ", 1)[1].rsplit("; ", 1)
    assert kind == "inline"
    assert plain.startswith('filename="')
    assert plain.count('"') == 2
    assert not {"\r", "\n", "\\"} & set(header)
    assert unquote(extended.removeprefix("filename*=UTF-8''")) == filename
