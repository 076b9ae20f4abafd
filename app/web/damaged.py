"""Bytes that are not what they were, as those who send them find them: what is said of it, and what is done."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias
from uuid import UUID

from app.db.models import Image
from app.domain import NO_ID, Actor, Damage, Role
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import damage

Tell: TypeAlias = Callable[[Damage], Awaitable[None]]
"""Is told what is wrong with the bytes before their reader is."""

log = logging.getLogger(__name__)


class DamagedError(AppError):
    """NOT_FOUND: the stored bytes are missing, or are not what they were."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(
            ErrorCode.NOT_FOUND,
            "The stored bytes are missing or damaged. Uploading the same file again repairs the image.",
        )
        self.damage = damage


async def flag(resources: Resources, team_id: UUID, object_key: str, found: Damage) -> None:
    """Marks the image of that object. Best effort: whoever asks next, or `pictor reconcile` or `verify`, finds it too."""
    reader = Actor(NO_ID, {team_id: Role.VIEWER})
    with suppress(AppError):
        if await resources.db.acting(reader).run(
            lambda session: damage.report(session, reader, object_key, found)
        ):
            log.error("the stored bytes %s are damaged (%s)", object_key, found)


async def look_again(resources: Resources, image: Image) -> None:
    """Where its bytes were found to be wrong: DamagedError while they are, and no flag any more once they are right.

    Nobody is sent what may be wrong: of a part, none could tell.
    """
    found = await resources.reads.whole(image.object_key)
    if found is None:
        # Whoever opens it finds that, and says so.
        return
    if found.sha256 != image.sha256:
        raise DamagedError(Damage.WRONG_BYTES)
    reader = Actor(NO_ID, {image.team_id: Role.VIEWER})
    with suppress(AppError):
        await resources.db.acting(reader).run(
            lambda session: damage.clear(session, image.object_key)
        )


async def renew(resources: Resources, team_id: UUID, image_id: UUID) -> None:
    """Has the image's thumbnails made anew, one of which is damaged. Best effort, as `flag`."""
    reader = Actor(NO_ID, {team_id: Role.VIEWER})
    with suppress(AppError):
        if await resources.db.acting(reader).run(
            lambda session: damage.renew(session, team_id, image_id)
        ):
            log.warning("image %s: a thumbnail is damaged, and they are made anew", image_id)
