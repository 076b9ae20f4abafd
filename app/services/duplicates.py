"""Near-copies of a team's images: pages of their groups, what people say of them, and how the worker finds them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import (
    Delete,
    Select,
    Uuid,
    any_,
    column,
    delete,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import (
    Duplicate,
    DuplicateCheck,
    DuplicatePair,
    EmbeddingModel,
    Image,
    ImageVector,
)
from app.domain import Actor, ImageFilter, ImageState, ModelState
from app.errors import bad_input
from app.services import (
    access,
    arrays,
    duplicate_bursts,
    duplicate_groups,
    embedding_models,
    images,
    paging,
)
from app.services.duplicate_groups import MAX_GROUP, Pair
from app.services.filters import Match
from app.services.searching import nearest

__all__ = [
    "MAX_GROUP",
    "NEWEST",
    "THRESHOLD",
    "check_some",
    "groups_of",
    "images_of",
    "mark",
    "queue_some",
]

THRESHOLD: Final = 0.985
"""Cosine similarity of near-copies. Measured with the built-in model on 300 drawn pictures: it holds for 99 in 100 copies
that were scaled or strongly compressed, for two thirds of those cropped by 2 % on each side, and for 4 in 100 pictures
and the nearest other one."""
NEIGHBOURS: Final = 10
"""So many of the nearest are looked for, for each image. Among many copies of one picture they are the same few for all of
them: what comes of that is in duplicate_bursts."""
CHECKS: Final = 20
"""Images whose neighbours are looked for in one transaction."""
QUEUED_AT_ONCE: Final = 2_000
"""Images of before that are queued in one transaction, which takes a tenth of a second."""

TRIES: Final = 20
"""Teams of which others may hold all that waits: more workers than that have their turns a poll later."""

SOME_TEAMS: Final = text(
    """
    with recursive waiting as (
      (select team_id from duplicate_check order by team_id limit 1)
      union all
      select (select c.team_id from duplicate_check c where c.team_id > w.team_id order by c.team_id limit 1)
      from waiting w where w.team_id is not null
    )
    select team_id from waiting where team_id is not null order by random() limit :tries
    """
).columns(column("team_id", Uuid))
"""Some of the teams of which images wait. They are found from one to the next in the index, however many images they have."""

NEWEST: Final = paging.Keyset(
    "duplicates",
    (paging.Key(Duplicate.group_id, lambda group_id: group_id, UUID),),
    descending=True,
)
"""By each group's oldest image, the newest of those first."""


@dataclass(frozen=True, slots=True)
class _Due:
    team_id: UUID
    image_ids: Sequence[UUID]


def groups_of(actor: Actor, team_id: UUID) -> Select[Any]:
    """The ids of the team's groups that have at least two live images."""
    return (
        select(Duplicate.group_id)
        .join(Image, (Image.team_id == Duplicate.team_id) & (Image.id == Duplicate.image_id))
        .where(
            access.in_teams(Duplicate.team_id, actor.team_ids),
            Duplicate.team_id == team_id,
            Image.live,
        )
        .group_by(Duplicate.group_id)
        .having(func.count() > 1)
    )


async def images_of(
    session: AsyncSession, actor: Actor, team_id: UUID, group_ids: Sequence[UUID]
) -> Mapping[UUID, list[Image]]:
    """The live images of each group, the oldest first."""
    rows = await session.execute(
        access.visible_images(actor)
        .join(Duplicate, (Duplicate.team_id == Image.team_id) & (Duplicate.image_id == Image.id))
        .where(Duplicate.team_id == team_id, Duplicate.group_id.in_(group_ids), Image.live)
        .add_columns(Duplicate.group_id)
        .order_by(Image.created_at, Image.id)
    )
    found: dict[UUID, list[Image]] = {one: [] for one in group_ids}
    for image, group_id in rows:
        found[group_id].append(image)
    return found


async def mark(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Image]:
    """No two of these images are duplicates, and none ever come in one group again (EDITOR).

    One alone is told apart from all that stand in its group now, and none from nothing. BAD_USER_INPUT for images of several
    teams, and for one that is named twice: whoever meant two of them would have it told apart from all for ever.
    """
    rows = await images.locked(session, actor, ids)
    if len(ids) > len(rows) == 1:
        raise bad_input("imageIds", "This is one image, named more than once.")
    if not rows:
        return []
    team_id, *others = {row.team_id for row in rows}
    if others:
        raise bad_input("imageIds", "Name images of one team.")
    await duplicate_groups.keep_apart(session, team_id, [row.id for row in rows], actor.user_id)
    return rows


async def check_some(session: AsyncSession) -> int:
    """Looks for the near-copies of some images of one team that wait for it; how many there were.

    The search and what it finds are one transaction: a worker that dies leaves them waiting.
    """
    due = await _claim(session)
    model = await embedding_models.active(session)
    if due is None or model is None:
        return 0
    rows = await session.execute(
        select(ImageVector.image_id, ImageVector.embedding).where(
            ImageVector.team_id == due.team_id,
            ImageVector.model_id == model.id,
            ImageVector.image_id.in_(due.image_ids),
        )
    )
    match = _stored(due.team_id)
    near: dict[UUID, list[Pair]] = {}
    for image_id, vector in rows:
        candidates = nearest.Candidates(match, model.id, without=image_id)
        found = await nearest.best(
            session, candidates, np.asarray(vector, np.float32), NEIGHBOURS, floor=THRESHOLD
        )
        near[image_id] = [Pair.of(image_id, one.image_id, one.score) for one in found]
    if near:
        await duplicate_groups.lock(session, due.team_id)
        await session.execute(_not_near_any_more(due.team_id, model.id, near))
        alone = await duplicate_groups.put_near(session, due.team_id, model.id, near)
        if alone and (
            more := await duplicate_bursts.beside(
                session, due.team_id, model.id, alone, floor=THRESHOLD
            )
        ):
            await duplicate_groups.put_near(session, due.team_id, model.id, more)
    return len(due.image_ids)


def _not_near_any_more(team_id: UUID, model_id: int, images: Iterable[UUID]) -> Delete:
    """Pairs of these images that this model found by vectors which they, or others, had before they were read anew."""
    one, other = aliased(ImageVector), aliased(ImageVector)
    its = (
        *(vector.team_id == team_id for vector in (one, other)),
        *(vector.model_id == model_id for vector in (one, other)),
        one.image_id == DuplicatePair.low_id,
        other.image_id == DuplicatePair.high_id,
    )
    # Looked up pair by pair. Joined, PostgreSQL compares each with each where it knows nothing of the team.
    distance = select(one.embedding.max_inner_product(other.embedding)).where(*its)
    ids = arrays.of(images)
    return delete(DuplicatePair).where(
        DuplicatePair.team_id == team_id,
        DuplicatePair.model_id == model_id,
        or_(DuplicatePair.low_id == any_(ids), DuplicatePair.high_id == any_(ids)),
        distance.correlate(DuplicatePair).scalar_subquery() > -THRESHOLD,
    )


async def queue_some(session: AsyncSession) -> int:
    """After a change of the model, queues some of the images that were read before it; how many it went past.

    Call it where none wait: uploads that came meanwhile are not behind all of the library. One does it at a time, and
    whoever dies has neither queued nor gone on.
    """
    model = await session.scalar(
        select(EmbeddingModel)
        .where(
            EmbeddingModel.state == ModelState.ACTIVE, EmbeddingModel.duplicates_after.is_not(None)
        )
        .with_for_update(key_share=True, skip_locked=True)
    )
    if model is None:
        return 0
    next_ones = (
        select(Image.team_id, Image.id)
        .where(Image.id > model.duplicates_after, Image.state == ImageState.STORED)
        .order_by(Image.id)
        .limit(QUEUED_AT_ONCE)
    )
    found = (await session.execute(next_ones)).all()
    if found:
        await _queue(session, model.id, found)
    model.duplicates_after = found[-1].id if found else None
    return len(found)


async def _queue(session: AsyncSession, model_id: int, found: Sequence[Any]) -> None:
    """Those that the model has read: the others are queued when they get their vectors."""
    given = (
        func.unnest(arrays.of(row.team_id for row in found), arrays.of(row.id for row in found))
        .table_valued(column("team_id", Uuid), column("image_id", Uuid))
        .render_derived("given")
    )
    is_read = exists().where(
        ImageVector.team_id == given.c.team_id,
        ImageVector.model_id == model_id,
        ImageVector.image_id == given.c.image_id,
    )
    new = insert(DuplicateCheck).from_select(
        ["team_id", "image_id"], select(given.c.team_id, given.c.image_id).where(is_read)
    )
    await session.execute(new.on_conflict_do_nothing())


async def _claim(session: AsyncSession) -> _Due | None:
    """Takes the rows of some images of one team away; they come back with the transaction that fails.

    Of whichever team: where one has very many, or always fails, the others have their turns.
    """
    teams = await session.scalars(SOME_TEAMS, {"tries": TRIES})
    for team_id in teams.all():
        if found := await _taken(session, team_id):
            return _Due(team_id, found)
    return None


async def _taken(session: AsyncSession, team_id: UUID) -> Sequence[UUID]:
    """None of those that another transaction has taken."""
    some = (
        select(DuplicateCheck.image_id)
        .where(DuplicateCheck.team_id == team_id)
        .order_by(DuplicateCheck.image_id)
        .limit(CHECKS)
        .with_for_update(skip_locked=True)
    )
    taken = await session.scalars(
        delete(DuplicateCheck)
        .where(DuplicateCheck.team_id == team_id, DuplicateCheck.image_id.in_(some))
        .returning(DuplicateCheck.image_id)
    )
    return taken.all()


def _stored(team_id: UUID) -> Match:
    """All of the team, the trash included: what comes back from there has its neighbours already."""
    return Match(
        wanted=ImageFilter(trashed=None),
        team_ids=(team_id,),
        all_tags={team_id: ()},
        any_tags=None,
        rest=(Image.state == ImageState.STORED,),
        few_words=False,
        only_tags=False,
        beside=False,
    )
