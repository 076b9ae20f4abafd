"""The tags of a bulk job: what its names mean. A tag that the dry run knew is meant itself, whatever it is called later.

`tag_ids` of a job are in the order of `tags`; a name that the team did not have at the dry run has None until it is
looked up with the first images. Only then is it made: a job that never came so far leaves no tag behind.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import BulkJob, Tag
from app.domain import Actor, BulkAction, tag_key
from app.errors import conflict, unavailable
from app.services import tags


def known(job: BulkJob) -> list[UUID]:
    """Each once: two of the names may mean one tag."""
    return list(dict.fromkeys(one for one in job.tag_ids if one is not None))


async def check(session: AsyncSession, job: BulkJob) -> None:
    """Whether the tags can be put on as the dry run has shown it.

    CONFLICT where one that it knew is gone; BAD_USER_INPUT for a new one where the policy is CLOSED by now.
    """
    if len(job.tag_ids) != len(job.tags):
        # Prepared by a release that did not look names up before the start.
        raise conflict("id", "This was prepared by an older release: prepare it anew.")
    if job.action is not BulkAction.ADD_TAGS:
        return
    if known(job):
        query = select(Tag.id).where(Tag.team_id == job.team_id, Tag.id.in_(known(job)))
        if gone := said_gone(job, set(await session.scalars(query))):
            raise conflict("id", f"{gone} Prepare it anew.")
    if None in job.tag_ids:
        await tags.admissible(session, job.team_id, job.new_tags, field="id")


def said_gone(job: BulkJob, there: Collection[UUID]) -> str:
    """Which of the known tags are not there any more, as they were named; empty where all are."""
    names = [f'"{name}"' for name, one in _pairs(job) if one is not None and one not in there]
    if not names:
        return ""
    what = f"tag {names[0]} was" if len(names) == 1 else f"tags {', '.join(names)} were"
    return f"The {what} deleted meanwhile."


async def those_there(session: AsyncSession, job: BulkJob) -> tuple[list[UUID], int]:
    """The tags to put on that there are now, and how many are still to be made."""
    fresh = {tag_key(name) for name, one in _pairs(job) if one is None}
    found = await tags.ids_by_key(session, job.team_id, list(fresh))
    return list({*known(job), *found.values()}), len(fresh - found.keys())


async def look_up(session: AsyncSession, actor: Actor, job: BulkJob) -> None:
    """Finds the tags that the dry run did not know, and makes those that are to be put on.

    BAD_USER_INPUT for a new one where the policy is CLOSED by now; UNAVAILABLE where one went as it was found.
    """
    pairs = _pairs(job)
    names = [name for name, one in pairs if one is None]
    if job.action is BulkAction.ADD_TAGS:
        found = await tags.ensured(session, actor, job.team_id, names)
        if len(found) < len(names):
            raise unavailable("A tag was deleted at this very moment; try again.")
    else:
        found = await tags.ids_by_key(session, job.team_id, [tag_key(one) for one in names])
    job.tag_ids = [found.get(tag_key(name)) if one is None else one for name, one in pairs]


def _pairs(job: BulkJob) -> list[tuple[str, UUID | None]]:
    # Not strict: jobs that an older release began have their ids in an order of their own.
    return list(zip(job.tags, job.tag_ids, strict=False))
