"""Facets and timelines: their sums are the lists' own counts, and their spans find the images they count."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.domain import Actor, ImageFormat, ProcessingStatus, Role
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.services.test_sampling import fill

FACETS = """
query($filter: ImageFilter, $first: Int! = 50) {
  imageFacets(filter: $filter) {
    total
    tags(first: $first) { tag { name team { id } } count }
    formats { format count }
    processing { status count }
  }
  images(filter: $filter, first: 1) { totalCount }
}
"""
TIMELINE = """
query($filter: ImageFilter, $timeZone: String! = "UTC", $by: TimelineUnit! = MONTH,
      $field: TimelineField! = CREATED_AT) {
  imageTimeline(filter: $filter, timeZone: $timeZone, by: $by, field: $field) { label start end count }
}
"""
COUNT = "query($filter: ImageFilter) { images(filter: $filter, first: 1) { totalCount } }"
START = datetime(2026, 1, 31, 22, 30, tzinfo=UTC)


async def library(db: Database) -> Actor:
    """Seven images: six live ones of three formats with up to three tags, in three months."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    for number in range(6):
        tags = ("all", "even")[: 2 - number % 2] + (("Ünicode",) if number == 5 else ())
        await make.image(
            db,
            team_id,
            tags=tags,
            format=(ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.PNG)[number % 3],
            processing=ProcessingStatus.READY if number < 2 else ProcessingStatus.PENDING,
            created_at=START + timedelta(days=20 * number),
            taken_at=START - timedelta(days=400 * number) if number % 2 else None,
            width=100 * (number + 1),
        )
    await make.image(db, team_id, tags=("all", "gone"), trashed_at=START)
    stranger = await make.actor(db)
    await make.image(db, stranger.team_ids[0], tags=("all", "secret"))
    return actor


def shown(facets: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(one["tag"]["name"], one["count"]) for one in facets]


async def test_facets_of_everything(client: Client, db: Database) -> None:
    actor = await library(db)
    data = await client.get(actor, FACETS)
    facets = data["imageFacets"]
    assert facets["total"] == data["images"]["totalCount"] == 6
    assert shown(facets["tags"]) == [("all", 6), ("even", 3), ("Ünicode", 1)]
    assert facets["formats"] == [{"format": "PNG", "count": 4}, {"format": "JPEG", "count": 2}]
    assert facets["processing"] == [
        {"status": "PENDING", "count": 4},
        {"status": "READY", "count": 2},
    ]


@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        ({"width": {"min": 200}}, [("all", 5), ("even", 2), ("Ünicode", 1)]),
        ({"tags": {"all": ["EVEN"]}}, [("all", 3), ("even", 3)]),
        ({"tags": {"any": ["even", "ünicode"]}}, [("all", 4), ("even", 3), ("Ünicode", 1)]),
        ({"tags": {"all": ["all"], "none": ["even"]}}, [("all", 3), ("Ünicode", 1)]),
        ({"formats": ["JPEG"]}, [("all", 2), ("even", 1)]),
        ({"trashed": True}, [("all", 1), ("gone", 1)]),
        ({"trashed": None}, [("all", 7), ("even", 3), ("gone", 1), ("Ünicode", 1)]),
        (
            {"createdAt": {"from": "2026-04-01T00:00:00Z"}},
            [("all", 3), ("even", 1), ("Ünicode", 1)],
        ),
        ({"text": "picture", "width": {"max": 100}}, [("all", 1), ("even", 1)]),
        ({"tags": {"all": ["unknown"]}}, []),
        ({"teamId": "no id at all"}, []),
        ({"ids": []}, []),
    ],
)
async def test_facets_within_a_filter(
    client: Client, db: Database, wanted: dict[str, Any], tags: list[tuple[str, int]]
) -> None:
    actor = await library(db)
    data = await client.get(actor, FACETS, filter=wanted)
    facets, total = data["imageFacets"], data["images"]["totalCount"]
    assert shown(facets["tags"]) == tags
    assert facets["total"] == total
    for kind in ("formats", "processing"):
        assert sum(one["count"] for one in facets[kind]) == total
    buckets = (await client.get(actor, TIMELINE, filter=wanted))["imageTimeline"]
    assert sum(one["count"] for one in buckets) == total


async def test_one_name_in_two_teams_is_two_tags(client: Client, db: Database) -> None:
    one, two = await make.team(db), await make.team(db)
    actor = Actor(await make.user(db), {one: Role.VIEWER, two: Role.VIEWER})
    for team, times in ((one, 1), (two, 2)):
        for _ in range(times):
            await make.image(db, team, tags=("sea",))
    for wanted in (None, {"tags": {"all": ["sea"]}}, {"width": {"min": 1}}):
        facets = (await client.get(actor, FACETS, filter=wanted))["imageFacets"]
        found = [
            (one["tag"]["name"], one["tag"]["team"]["id"], one["count"]) for one in facets["tags"]
        ]
        assert found == [("sea", str(two), 2), ("sea", str(one), 1)]
    facets = (await client.get(actor, FACETS, filter={"teamId": str(one)}))["imageFacets"]
    assert shown(facets["tags"]) == [("sea", 1)]


async def test_first_tags(client: Client, db: Database) -> None:
    actor = await library(db)
    for wanted in (None, {"width": {"min": 1}}):
        facets = (await client.get(actor, FACETS, filter=wanted, first=1))["imageFacets"]
        assert shown(facets["tags"]) == [("all", 6)]
    for first in (0, -1, 101):
        assert await client.code(actor, FACETS, first=first) == ("BAD_USER_INPUT", "first")


async def test_a_stranger_sees_nothing(client: Client, db: Database) -> None:
    actor = await library(db)
    stranger = await make.actor(db)
    foreign = {"teamId": str(actor.team_ids[0])}
    for wanted in (None, foreign, {"tags": {"any": ["all"]}}):
        facets = (await client.get(stranger, FACETS, filter=wanted))["imageFacets"]
        assert facets == {"total": 0, "tags": [], "formats": [], "processing": []}
        assert (await client.get(stranger, TIMELINE, filter=wanted))["imageTimeline"] == []


@pytest.mark.parametrize(
    ("selection", "wanted", "statements"),
    [
        ("__typename", None, 0),
        ("total", None, 1),
        ("tags { count }", None, 1),
        ("tags { count tag { name team { name } } }", None, 2),
        ("formats { count }", {"tags": {"all": ["all"]}}, 2),
        ("total tags { count } formats { count } processing { count }", {"width": {"min": 1}}, 4),
        ("total tags { count }", {"tags": {"all": ["unknown"]}}, 1),
    ],
)
async def test_only_what_is_selected_is_counted(
    client: Client, db: Database, selection: str, wanted: Any, statements: int
) -> None:
    actor = await library(db)
    query = f"query($filter: ImageFilter) {{ imageFacets(filter: $filter) {{ {selection} }} }}"
    assert len(await client.statements(actor, query, filter=wanted)) == statements


async def test_tags_of_everything_come_from_the_counters(client: Client, db: Database) -> None:
    actor = await library(db)
    (kept,) = await client.statements(actor, "{ imageFacets { tags { count } } }")
    assert "draw_head" in kept
    assert "image_tag" not in kept


# ───────────────────────────── timelines ─────────────────────────────


async def test_months(client: Client, db: Database) -> None:
    actor = await library(db)
    found = (await client.get(actor, TIMELINE))["imageTimeline"]
    assert [(one["label"], one["count"]) for one in found] == [
        ("2026-01", 1),
        ("2026-02", 1),
        ("2026-03", 1),
        ("2026-04", 2),
        ("2026-05", 1),
    ]
    assert found[0]["start"] == "2026-01-01T00:00:00Z"
    assert found[0]["end"] == "2026-02-01T00:00:00Z"
    there = (await client.get(actor, TIMELINE, timeZone="Asia/Kathmandu"))["imageTimeline"]
    assert (there[0]["label"], there[0]["count"]) == ("2026-02", 2)
    assert there[0]["start"] == "2026-01-31T18:15:00Z"
    assert len(await client.statements(actor, TIMELINE)) == 1


async def test_undated_images_are_in_no_span(client: Client, db: Database) -> None:
    actor = await library(db)
    found = (await client.get(actor, TIMELINE, field="TAKEN_AT", by="YEAR"))["imageTimeline"]
    assert [(one["label"], one["count"]) for one in found] == [
        ("2020", 1),
        ("2022", 1),
        ("2024", 1),
    ]


ODD_DAYS = {
    "Europe/Berlin": [
        "2026-03-28T22:30Z",
        "2026-03-29T00:59Z",
        "2026-03-29T01:00Z",
        "2026-03-29T22:00Z",
        "2026-10-24T21:59Z",
        "2026-10-24T22:00Z",
        "2026-10-25T00:30Z",
        "2026-10-25T01:30Z",
        "2026-10-25T22:59Z",
        "2026-10-25T23:00Z",
    ],
    # The thirtieth of December 2011 was left out.
    "Pacific/Apia": [
        "2011-12-29T09:59Z",
        "2011-12-29T10:00Z",
        "2011-12-30T09:59Z",
        "2011-12-30T10:00Z",
        "2011-12-31T09:59Z",
        "2011-12-31T10:00Z",
    ],
    # Midnight was shown twice, and in spring not at all.
    "America/Havana": [
        "2025-11-02T03:59Z",
        "2025-11-02T04:00Z",
        "2025-11-02T04:30Z",
        "2025-11-02T05:30Z",
        "2025-11-03T04:59Z",
        "2025-03-09T04:59Z",
        "2025-03-09T05:00Z",
        "2025-03-10T03:59Z",
    ],
    # The last hour of a day was shown twice.
    "America/Sao_Paulo": [
        "2018-02-18T00:30Z",
        "2018-02-18T01:30Z",
        "2018-02-18T02:30Z",
        "2018-02-18T03:00Z",
        "2018-11-04T02:59Z",
        "2018-11-04T03:00Z",
    ],
    "Australia/Lord_Howe": [
        "2026-04-04T12:59Z",
        "2026-04-04T13:00Z",
        "2026-04-05T13:29Z",
        "2026-04-05T13:30Z",
    ],
    "America/Nuuk": [
        "2024-03-30T01:59Z",
        "2024-03-30T02:00Z",
        "2024-03-31T00:59Z",
        "2024-03-31T01:00Z",
        "2024-10-27T00:30Z",
        "2024-10-27T01:30Z",
        "2024-10-27T02:00Z",
    ],
}


@pytest.mark.parametrize("by", ["DAY", "MONTH", "YEAR"])
@pytest.mark.parametrize("zone", ODD_DAYS)
async def test_a_span_as_a_filter_finds_what_it_counts(
    client: Client, db: Database, zone: str, by: str
) -> None:
    actor = await make.actor(db)
    for instant in ODD_DAYS[zone]:
        at = datetime.fromisoformat(instant.replace("Z", "+00:00"))
        await make.image(db, actor.team_ids[0], created_at=at)
    found = (await client.get(actor, TIMELINE, timeZone=zone, by=by))["imageTimeline"]
    assert sum(one["count"] for one in found) == len(ODD_DAYS[zone])
    for one in found:
        span = {"createdAt": {"from": one["start"], "to": one["end"]}}
        data = await client.get(actor, COUNT, filter=span)
        assert data["images"]["totalCount"] == one["count"], one
    for one, other in pairwise(found):
        assert datetime.fromisoformat(one["end"]) <= datetime.fromisoformat(other["start"])
    if zone == "Pacific/Apia" and by == "DAY":
        assert [one["label"] for one in found] == [
            "2011-12-28",
            "2011-12-29",
            "2011-12-31",
            "2012-01-01",
        ]
        assert found[1]["end"] == found[2]["start"] == "2011-12-30T10:00:00Z"
    if zone == "Europe/Berlin" and by == "MONTH":
        assert found[0]["start"] == "2026-02-28T23:00:00Z"
        assert found[0]["end"] == "2026-03-31T22:00:00Z"


@pytest.mark.parametrize(
    "zone",
    ["", "Nowhere/Land", "europe/berlin", "EST5EDT,M3.2.0,M11.1.0", "foo+3", "CEST", "../etc/passwd", "x" * 9999,
     "UTC\0", "Europe/Berlin ", "'; drop table image; --"],
)  # fmt: skip
async def test_unknown_time_zones(client: Client, db: Database, zone: str) -> None:
    actor = await library(db)
    assert await client.code(actor, TIMELINE, timeZone=zone) == ("BAD_USER_INPUT", "timeZone")


@pytest.mark.parametrize("zone", ["CET", "EET", "EST", "HST", "MET", "MST", "WET", "GMT", "Zulu"])
async def test_zones_whose_name_is_an_abbreviation_have_their_summer(
    client: Client, db: Database, zone: str
) -> None:
    actor = await make.actor(db)
    days = [datetime(2026, month, 15, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
    for day in days:
        await make.image(db, actor.team_ids[0], created_at=day)
    found = (await client.get(actor, TIMELINE, timeZone=zone, by="DAY"))["imageTimeline"]
    assert [datetime.fromisoformat(one["start"]) for one in found] == days


async def test_too_many_days(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await fill(db, actor.team_ids[0], 1_001, weight=1)
    async with db.transaction() as session:
        await session.execute(
            text(
                "update image set created_at = timestamptz '2000-01-01Z' + nth * interval '1 day' from"
                " (select id, row_number() over (order by id) as nth from image where team_id = :team) numbered"
                " where image.id = numbered.id"
            ),
            {"team": actor.team_ids[0]},
        )
    assert await client.code(actor, TIMELINE, by="DAY") == ("BAD_USER_INPUT", "by")
    found = (await client.get(actor, TIMELINE, by="MONTH"))["imageTimeline"]
    assert sum(one["count"] for one in found) == 1_001
    narrow = {"createdAt": {"from": "2000-01-03T00:00:00Z"}}
    days = (await client.get(actor, TIMELINE, by="DAY", filter=narrow))["imageTimeline"]
    assert [len(days), days[0]["label"], days[0]["count"]] == [1_000, "2000-01-03", 1]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
async def test_the_ends_of_time(client: Client, db: Database, zone: str) -> None:
    """Dates whose local spelling, or whose span's end, no client's calendar has."""
    actor = await make.actor(db)
    for year, month, day in ((1, 1, 1), (9999, 12, 31)):
        at = datetime(year, month, day, 12, tzinfo=UTC)
        await make.image(db, actor.team_ids[0], taken_at=at)
    for by in ("DAY", "MONTH", "YEAR"):
        data = await client.get(actor, TIMELINE, timeZone=zone, by=by, field="TAKEN_AT")
        assert [one["count"] for one in data["imageTimeline"]] == [1, 1]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("by", ["DAY", "MONTH", "YEAR"])
async def test_the_first_and_the_last_span_take_in_what_clocks_have_no_name_for(
    client: Client, db: Database, zone: str, by: str
) -> None:
    """The first hours of year 1 are 1 BC in New York, the last of 9999 are 10000 in Tokyo."""
    actor = await make.actor(db)
    for at in (
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, 12, tzinfo=UTC),
        datetime(9999, 12, 31, 12, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 30, tzinfo=UTC),
    ):
        await make.image(db, actor.team_ids[0], taken_at=at)
    data = await client.get(actor, TIMELINE, timeZone=zone, by=by, field="TAKEN_AT")
    spans = data["imageTimeline"]
    length = {"DAY": 10, "MONTH": 7, "YEAR": 4}[by]
    assert [one["label"] for one in spans] == ["0001-01-01"[:length], "9999-12-31"[:length]]
    for one in spans:
        within = {"takenAt": {"from": one["start"], "to": one["end"]}}
        counted = (await client.get(actor, COUNT, filter=within))["images"]["totalCount"]
        assert counted == one["count"] == 2
