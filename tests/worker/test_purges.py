"""The objects of a team that ends go as they are listed, on every storage: it may have millions."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.db.models import Team
from app.domain import JobKind
from app.resources import Resources
from app.services import job_runs
from app.services.people import teams
from app.storage import Storage, StoredObject
from app.worker import handlers
from tests import make
from tests.worker import planted

OBJECTS = 1_100
"""More than S3 lists in one page."""
AT_ONCE = 50


class Watched:
    """Knows how many keys were listed and not deleted yet, and the most that ever were."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self._held: set[str] = set()
        self.most = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        async for one in self._inner.list(prefix):
            self._held.add(one.key)
            self.most = max(self.most, len(self._held))
            yield one

    async def delete(self, keys: Iterable[str]) -> None:
        its = list(keys)
        await self._inner.delete(its)
        self._held.difference_update(its)


async def test_what_a_team_had_is_deleted_as_it_is_listed(everywhere: Resources) -> None:
    actor, other = await make.actor(everywhere.db), await make.team(everywhere.db)
    (team_id,) = actor.team_ids
    kept = await planted.put(everywhere, f"t/{other}/image/kept", b"kept")
    names = [f"t/{team_id}/image-{n % 300}/{n}" for n in range(OBJECTS)]
    names += [f"incoming/{team_id}/{n}" for n in range(3)]
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        await asyncio.gather(*(planted.put(everywhere, one, b"x") for one in some))
    async with everywhere.db.acting(actor).transaction() as session:
        slug = await session.scalar(select(Team.slug).where(Team.id == team_id))
        await teams.remove(session, actor, team_id, slug or "")
    async with everywhere.db.worker.transaction() as session:
        jobs = await job_runs.claim(session, [JobKind.PURGE_TEAM], 9, timedelta(minutes=1))
    storage: Any = Watched(everywhere.storage)

    await handlers.purge_teams(replace(everywhere, storage=storage), jobs)

    assert await planted.keys(everywhere) == {kept}
    assert storage.most == handlers.DELETED_AT_ONCE
