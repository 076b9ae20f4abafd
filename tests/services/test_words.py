"""Full text finds images by title, description, filename and tags, as written and as English bends them."""

import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Executable,
    Select,
    Text,
    cast,
    delete,
    insert,
    literal_column,
    select,
    text,
    update,
)

from app.db.models import Image, ImageTag, Tag
from app.domain import Actor, ImageFilter, ImageState
from app.services import filters
from tests import make, truth
from tests.database import Database

EARLIER = datetime(2020, 1, 1, tzinfo=UTC)


async def found(db: Database, actor: Actor, words: str) -> set[UUID]:
    async with db.transaction() as session:
        match = await filters.resolve(session, actor, ImageFilter(text=words))
        return {image.id for image in await session.scalars(match.images())}


async def execute(db: Database, statement: Executable) -> None:
    async with db.transaction() as session:
        await session.execute(statement)


async def change(db: Database, image_id: UUID, **columns: Any) -> None:
    await execute(db, update(Image).where(Image.id == image_id).values(**columns))


@pytest.mark.parametrize(
    "words",
    [
        "harbour",
        "HARBOURS",
        "boats",
        "boat",
        '"fishing boats"',
        "morning walk",
        "dsc 0042",
        "DSC_0042-golden.jpg",
        "dsc_0042",
        '"0042-golden.jpg" sea',
        "boats dsc_0042-golden.jpg -peak.png",
        "golden-hour",
        "größe",
        "harbour -mountain",
        "castle or harbour",
        "the",
        "harbour --boats",
        f"harbour\n{'-' * 80}\nboats",
        f"harbour {'- ' * 41}mountain",
        f"{'-(-' * 100}harbour {'-!-|' * 100}-mountain",
    ],
)
async def test_an_image_is_found_by(db: Database, words: str) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    wanted = await make.image(
        db,
        team_id,
        title="Fishing boats in the harbour",
        description="Seen on a morning's walk, in full Größe.",
        filename="DSC_0042-golden.jpg",
        tags=("golden-hour", "sea"),
    )
    await make.image(db, team_id, title="A mountain", filename="peak.png", description="High up")
    await make.image(db, await make.team(db), title="Fishing boats in the harbour")
    assert await found(db, actor, words) == {wanted}


@pytest.mark.parametrize("left_out", ["-gull_2.jpg", '-"gull_2.jpg"', '-"gull 2"', "-gull.2 gulls"])
async def test_a_file_is_left_out_however_it_is_spelled(db: Database, left_out: str) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    await make.image(db, team_id, title="Gulls", filename="gull_2.jpg")
    other = await make.image(db, team_id, title="Gulls", filename="gull_3.jpg")
    assert await found(db, actor, f"gulls {left_out}") == {other}
    assert await found(db, actor, f'gulls "gull_3.jpg" {left_out}') == {other}


@pytest.mark.parametrize(
    "words", ["पहाड़ -नदी", "पहाड़ -हिन्दी", 'पहाड़ -"नदी हिन्दी"', "-हिन्दी -נָהָר पहाड़", "पहाड़"]
)
async def test_words_may_have_marks(db: Database, words: str) -> None:
    """Their marks are parts of them: what was left of a word behind its last letter would have to be there by itself."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    hill = await make.image(db, team_id, title="पहाड़", filename="hill.png")
    river = await make.image(db, team_id, title="पहाड़ नदी हिन्दी", filename="hill_2.png")
    assert await found(db, actor, words) == ({hill} if "-" in words else {hill, river})


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["Grün_café.png", "पहाड़_नदी.png", "نَهَار_كِتَاب.png", "חַג_שָׁלוֹם.png", "\u062e\u0627\u0646\u0647\u200c\u0647\u0627_شب.png"])  # fmt: skip
async def test_names_of_files_keep_their_marks(db: Database, name: str, form: Any) -> None:
    """macOS takes letters and marks apart, and others type what looks the same."""
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    name = unicodedata.normalize(form, name)
    wanted = {
        await make.image(db, team_id, title="", filename=name),
        await make.image(db, team_id, title=name.removesuffix(".png"), filename="x.png"),
    }
    first, second = name.removesuffix(".png").split("_")
    for asked in (first, second, f"{first} {second}", f"{second} -other", first.upper()):
        for typed in ("NFC", "NFD"):
            assert await found(db, actor, unicodedata.normalize(typed, asked)) == wanted
    assert await found(db, actor, f"-{first}") == set()
    async with db.transaction() as session:
        words = select(cast(Image.words, Text)).where(
            Image.team_id == team_id, Image.filename == name
        )
        kept = (await session.scalars(words)).one()
    assert unicodedata.normalize("NFC", first).lower() in kept


async def test_words_follow_the_image(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(
        db, team_id, title="Alpha", tags=("lake",), state=ImageState.PENDING, updated_at=EARLIER
    )
    async with db.transaction() as session:
        kept = select(Image.words).where(Image.id == image_id)
        assert await session.scalar(kept) == ""

    await change(db, image_id, state=ImageState.STORED)
    assert await found(db, actor, "alpha lake") == {image_id}
    await change(db, image_id, title="Beta", description="Gamma", filename="delta_1.jpg")
    assert await found(db, actor, "alpha") == set()
    assert await found(db, actor, "beta gamma delta lake") == {image_id}
    await change(db, image_id, state=ImageState.DELETED)
    async with db.transaction() as session:
        assert await session.scalar(kept) == ""
    assert await truth.faults(db, team_id) == {}


async def test_words_follow_the_tags(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    image_id = await make.image(db, team_id, tags=("lake", "dusk"), updated_at=EARLIER)
    async with db.transaction() as session:
        query = select(Tag.key, Tag.id).where(Tag.team_id == team_id)
        tags = dict((await session.execute(query)).all())

    await execute(db, update(Tag).where(Tag.id == tags["lake"]).values(name="Ponds", key="ponds"))
    assert await found(db, actor, "lake") == set()
    assert await found(db, actor, "pond dusk") == {image_id}
    await execute(db, delete(ImageTag).where(ImageTag.tag_id == tags["dusk"]))
    assert await found(db, actor, "dusk") == set()
    await execute(db, delete(Tag).where(Tag.id == tags["lake"]))
    assert await found(db, actor, "pond") == set()

    async with db.transaction() as session:
        assert await session.scalar(select(Image.updated_at).where(Image.id == image_id)) == EARLIER
    assert await truth.faults(db, team_id) == {}


async def test_tags_of_a_pending_image_cost_no_row_version(db: Database) -> None:
    """Words come with the update that stores the image: tags before that leave its row alone."""
    team_id = await make.team(db)
    image_id = await make.image(db, team_id, state=ImageState.PENDING)
    version: Select[str] = select(literal_column("ctid::text")).where(Image.id == image_id)
    async with db.transaction() as session:
        before = await session.scalar(version)
        tags = [Tag(team_id=team_id, name=name, key=name) for name in ("a", "b", "c")]
        session.add_all(tags)
        await session.flush()
        await session.execute(
            insert(ImageTag),
            [
                {"team_id": team_id, "image_id": image_id, "tag_id": tag.id, "created_at": EARLIER}
                for tag in tags
            ],
        )
        assert await session.scalar(version) == before
        await session.execute(delete(ImageTag).where(ImageTag.image_id == image_id))
        assert await session.scalar(version) == before


async def test_title_and_tags_rank_before_descriptions(db: Database) -> None:
    team_id = await make.team(db)
    await make.image(db, team_id, title="heron")
    await make.image(db, team_id, title="x", description="heron")
    await make.image(db, team_id, title="x", filename="heron")
    await make.image(db, team_id, title="y", tags=("heron",))
    rank = text("ts_rank(words, websearch_to_tsquery('english', 'heron')) desc, title desc")
    async with db.transaction() as session:
        rows = await session.scalars(select(Image).where(Image.team_id == team_id).order_by(rank))
        shown = [(row.title, row.description, row.filename) for row in rows]
    assert [one[0] for one in shown] == ["y", "heron", "x", "x"]
    assert shown[2][1] == "heron"
    assert shown[3][2] == "heron"
