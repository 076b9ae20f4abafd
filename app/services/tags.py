"""Tags: the team's words, which of them may be used, and how they are changed. What images carry is in taggings."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, delete, func, literal, null, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import constraints
from app.db.models import BulkJob, DrawHead, ImageTag, Tag, Team
from app.domain import (
    MAX_IDS,
    MAX_TAGS_PER_CALL,
    Actor,
    BulkAction,
    BulkStatus,
    Role,
    TagPolicy,
    tag_key,
    tag_name,
)
from app.errors import AppError, ErrorCode, UploadProblem, bad_input, conflict, not_found
from app.services import access, paging, tag_bounds

BY_NAME = paging.Keyset(
    "tag",
    (paging.Key(Tag.key, lambda row: row.key, str), paging.Key(Tag.id, lambda row: row.id, UUID)),
)

TO_BE_DONE: Final = (BulkStatus.PREPARED, BulkStatus.QUEUED, BulkStatus.RUNNING)
NAME_TAKEN: Final = "The team has a tag of this name."
MERGE_IN_PARTS: Final = "let bulk jobs put the target on them and take the sources off, then merge or delete what is left."
DELETE_IN_PARTS: Final = "let a bulk job take the tag off them, then delete it."


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Tag | None]:
    return await access.by_id(session, access.visible_tags(actor), Tag.id, ids)


async def by_name(
    session: AsyncSession, actor: Actor, name: str, team_id: UUID | None = None
) -> Tag | None:
    """The tag of this name in the team; without a team, in the first of the actor's that has it."""
    query = access.visible_tags(actor).where(Tag.key == tag_key(name))
    if team_id is not None:
        query = query.where(Tag.team_id == team_id)
    tag: Tag | None = await session.scalar(query.order_by(Tag.id).limit(1))
    return tag


def listed(actor: Actor, *, team_id: UUID | None = None, search: str | None = None) -> Select[Tag]:
    """The tags of the actor's teams, or of one; `search`: those whose name contains the text."""
    query = access.visible_tags(actor)
    if team_id is not None:
        query = query.where(Tag.team_id == team_id)
    if search is not None and search.strip():
        query = query.where(Tag.key.contains(tag_key(search), autoescape=True))
    return query


async def image_counts(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[int]:
    """How many live images carry each tag, from the kept counters."""
    query = (
        select(DrawHead.tag_id, func.sum(DrawHead.images))
        .where(access.in_teams(DrawHead.team_id, actor.team_ids), DrawHead.tag_id.in_(ids))
        .group_by(DrawHead.tag_id)
    )
    found = dict((await session.execute(query)).all())
    return [int(found.get(one, 0)) for one in ids]


async def ensure(
    session: AsyncSession, actor: Actor, team_id: UUID, names: Sequence[str], *, field: str = "tags"
) -> list[UUID]:
    """The ids of these tags of the team; a new name is made, or refused where the policy is CLOSED."""
    return list((await ensured(session, actor, team_id, names, field=field)).values())


async def ensured(
    session: AsyncSession, actor: Actor, team_id: UUID, names: Sequence[str], *, field: str = "tags"
) -> dict[str, UUID]:
    """As ensure has it, by key.

    Rows are made in the order of their keys, so that two callers with the same new names cannot deadlock.
    """
    by_key, known = await admissible(session, team_id, names, field=field)
    fresh = sorted(by_key.keys() - known.keys())
    if fresh:
        values = [
            {"team_id": team_id, "key": key, "name": by_key[key], "created_by": actor.user_id}
            for key in fresh
        ]
        await session.execute(insert(Tag).values(values).on_conflict_do_nothing())
        known = await ids_by_key(session, team_id, by_key)
    return known


async def admissible(
    session: AsyncSession, team_id: UUID, names: Sequence[str], *, field: str = "tags"
) -> tuple[dict[str, str], dict[str, UUID]]:
    """The names by key and the ids of those that exist, changing nothing.

    BAD_USER_INPUT for what is no name, and for a new one where the policy is CLOSED.
    """
    by_key: dict[str, str] = {}
    for name in await checked(session, [team_id], names, field=field):
        by_key.setdefault(tag_key(name), name)
    known = await ids_by_key(session, team_id, by_key) if by_key else {}
    fresh = [name for key, name in by_key.items() if key not in known]
    if fresh:
        await _refuse_if_closed(session, team_id, fresh, field=field)
    return by_key, known


async def check_untagged(session: AsyncSession, team_id: UUID, *, field: str) -> None:
    """BAD_USER_INPUT where the policy is CLOSED: there, no image comes in without one of the team's tags."""
    await _refuse_if_closed(session, team_id, [], field=field)


async def ids_by_key(session: AsyncSession, team_id: UUID, keys: Iterable[str]) -> dict[str, UUID]:
    """Those of the names that the team has."""
    query = select(Tag.key, Tag.id).where(Tag.team_id == team_id, Tag.key.in_(keys))
    return dict((await session.execute(query)).all())


async def _refuse_if_closed(
    session: AsyncSession, team_id: UUID, names: list[str], *, field: str
) -> None:
    policy = await session.scalar(select(Team.tag_policy).where(Team.id == team_id))
    if policy is TagPolicy.CLOSED:
        allowed = select(Tag.name).where(Tag.team_id == team_id).order_by(Tag.name).limit(100)
        refused = f", and not: {', '.join(names)}" if names else ", and an image needs one of them"
        raise AppError(
            ErrorCode.BAD_USER_INPUT,
            f"This team takes its own tags only{refused}.",
            field=field,
            reason=UploadProblem.TAG_NOT_ALLOWED,
            allowed=list(await session.scalars(allowed)),
        )


async def checked(
    session: AsyncSession, team_ids: Iterable[UUID], names: Sequence[str], *, field: str = "tags"
) -> list[str]:
    """The names as they are kept. BAD_USER_INPUT for too many, and for what is no name.

    What one of the teams has passes: a tag from the days of other rules is still put on images and taken off.
    """
    if len(names) > MAX_TAGS_PER_CALL:
        raise bad_input(field, f"At most {MAX_TAGS_PER_CALL} tags.", limit=MAX_TAGS_PER_CALL)
    found: list[str] = []
    refused: dict[str, AppError] = {}
    for place, name in enumerate(names):
        try:
            found.append(tag_name(name, field=f"{field}.{place}"))
        except AppError as error:
            refused.setdefault(tag_key(name), error)
            found.append(name)
    if refused:
        query = select(Tag.key).where(Tag.team_id.in_(team_ids), Tag.key.in_(refused))
        known = set(await session.scalars(query))
        for key, why in refused.items():
            if key not in known:
                raise why
    return found


async def create(session: AsyncSession, actor: Actor, team_id: UUID, name: str) -> Tag:
    """A new tag (EDITOR; ADMIN where the policy is CLOSED). CONFLICT where the team has the name."""
    policy = await session.scalar(select(Team.tag_policy).where(Team.id == team_id))
    needed = Role.ADMIN if policy is TagPolicy.CLOSED else Role.EDITOR
    access.require_member(actor, team_id, needed)
    name = tag_name(name, field="name")
    await _refuse_taken(session, team_id, name)
    tag = Tag(team_id=team_id, name=name, key=tag_key(name), created_by=actor.user_id)
    session.add(tag)
    with _unique_name():
        await session.flush()
    return tag


async def rename(session: AsyncSession, actor: Actor, tag_id: UUID, name: str) -> Tag:
    """Gives the tag another name; CONFLICT where another tag of the team has it."""
    tag = (await _locked(session, actor, [tag_id]))[0]
    name = tag_name(name, field="name")
    await _refuse_taken(session, tag.team_id, name, but=tag.id)
    tag.name, tag.key = name, tag_key(name)
    with _unique_name():
        await session.flush()
    return tag


async def _refuse_taken(
    session: AsyncSession, team_id: UUID, name: str, *, but: UUID | None = None
) -> None:
    """CONFLICT with the tag that has the name. One made at this very moment is found by the constraint alone."""
    taken = (await ids_by_key(session, team_id, [tag_key(name)])).get(tag_key(name))
    if taken not in (None, but):
        raise conflict("name", NAME_TAKEN, existing=str(taken))


def _unique_name() -> AbstractContextManager[None]:
    return constraints(uq_tag_team_id_key=conflict("name", NAME_TAKEN))


async def merge(
    session: AsyncSession, actor: Actor, source_ids: Sequence[UUID], target_id: UUID
) -> Tag:
    """Gives all images of the sources the target, with who tagged them, when and how; the sources go.

    Bulk jobs that are still to put a source on put the target on. BAD_USER_INPUT where the sources are on too many images.
    """
    if target_id in source_ids:
        raise bad_input("sourceIds", "The target is not one of the sources.")
    if len(source_ids) > MAX_IDS:
        raise bad_input("sourceIds", f"At most {MAX_IDS} ids.", limit=MAX_IDS)
    await tag_bounds.refuse_large(
        session, actor, source_ids, field="sourceIds", instead=MERGE_IN_PARTS
    )
    # Jobs are locked before tags, as when a part of a job is done.
    jobs = await _jobs_with(session, actor, source_ids)
    *sources, target = await _locked(session, actor, [*dict.fromkeys(source_ids), target_id])
    if any(source.team_id != target.team_id for source in sources):
        raise bad_input("sourceIds", "All tags must be of one team.")
    gone = [source.id for source in sources]
    for job in jobs:
        job.tag_ids = [target.id if one in gone else one for one in job.tag_ids]
    carried = (
        select(
            ImageTag.team_id,
            ImageTag.image_id,
            literal(target.id, Uuid()),
            ImageTag.created_at,
            ImageTag.tagged_by,
            ImageTag.tagged_at,
            ImageTag.source,
        )
        .ext(distinct_on(ImageTag.image_id))
        .where(ImageTag.team_id == target.team_id, ImageTag.tag_id.in_(gone))
        .order_by(ImageTag.image_id, ImageTag.tagged_at)
    )
    columns = ["team_id", "image_id", "tag_id", "created_at", "tagged_by", "tagged_at", "source"]
    await session.execute(insert(ImageTag).from_select(columns, carried).on_conflict_do_nothing())
    await session.execute(delete(Tag).where(Tag.id.in_(gone)))
    await session.flush()
    return target


async def _jobs_with(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[BulkJob]:
    """Bulk jobs that are still to put one of the tags on, locked, or that have names of the team to look up yet.

    One that takes a tag off does not follow it: the target was on some of its images before.
    """
    teams = select(Tag.team_id).where(Tag.id.in_(ids))
    those = BulkJob.tag_ids.bool_op("&&")(literal(list(ids), ARRAY(Uuid())))
    unknown = func.array_position(BulkJob.tag_ids, null()).is_not(None)
    query = access.visible_bulk_jobs(actor).where(
        BulkJob.team_id.in_(teams),
        BulkJob.status.in_(TO_BE_DONE),
        BulkJob.action == BulkAction.ADD_TAGS,
        those | unknown,
    )
    rows = await session.scalars(query.order_by(BulkJob.id).with_for_update(key_share=True))
    return list(rows)


async def delete_forever(session: AsyncSession, actor: Actor, tag_id: UUID) -> UUID:
    """Takes the tag off all images and out of the team; BAD_USER_INPUT where those are too many."""
    await tag_bounds.refuse_large(session, actor, [tag_id], field="id", instead=DELETE_IN_PARTS)
    tag = (await _locked(session, actor, [tag_id]))[0]
    await session.delete(tag)
    await session.flush()
    return tag.id


async def _locked(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Tag]:
    """These tags for a change (EDITOR), in the order of the ids; NOT_FOUND with the missing ones."""
    rows = await session.scalars(
        access.visible_tags(actor).where(Tag.id.in_(ids)).order_by(Tag.id).with_for_update()
    )
    found = {row.id: row for row in rows}
    missing = [one for one in ids if one not in found]
    if missing:
        raise not_found("Tag", ids=missing)
    for row in found.values():
        access.require_member(actor, row.team_id, Role.EDITOR)
    return [found[one] for one in ids]
