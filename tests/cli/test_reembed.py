"""The bar of `pictor reembed`: it moves with what is read, and costs the database next to nothing."""

import asyncio
import io
from typing import Any

import pytest
from sqlalchemy import event, text
from tqdm import tqdm

from app.cli.reembed import Shown
from tests import make
from tests.database import Database
from tests.services import planted

COUNTED = "count(*) AS vectors"


async def test_the_longer_a_count_takes_the_more_seldom_it_is_done(
    own_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.reembed.LOOK_SECONDS", 0.05)
    team_id, model_id = await make.team(own_db), await planted.model(own_db)
    await planted.library(own_db, team_id, model_id, planted.random(9))
    await make.images(own_db, team_id, 11)
    counts: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counts.extend([statement] if COUNTED in statement else [])

    event.listen(own_db.engine.sync_engine, "before_cursor_execute", heard)
    with tqdm(total=None, file=io.StringIO()) as bar:
        shown = Shown(own_db.worker, model_id, bar)
        async with own_db.transaction() as session:
            # A count waits for it.
            await session.execute(text("lock table image in access exclusive mode"))
            keeping = asyncio.create_task(shown.keep())
            await asyncio.sleep(0.3)
        for _ in range(10):
            await asyncio.sleep(0.1)
            shown.add(1)
        keeping.cancel()
        await asyncio.wait([keeping])
        assert len(counts) == 1
        assert (bar.n, bar.total) == (19, 20), "what was counted, and what was read here since"
        await shown.count()
        assert bar.n == 9
