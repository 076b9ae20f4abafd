"""The script of docs/datasets.md runs as it stands there, against a real server and a real worker."""

import asyncio
import re
import sys
from pathlib import Path

from app.imaging import Decoder
from app.main import create_app
from app.services import taggings
from app.storage import storage_from_url
from app.worker import Worker
from tests.fixtures.own_database import own_database
from tests.web.conftest import new_member, served, stored_image
from tests.worker.conftest import opened

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


async def test_the_script_exports_downloads_and_reads(
    database_url: str, decoder: Decoder, tmp_path: Path
) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    storage = storage_from_url(None, tmp_path)
    async with (
        own_database(database_url) as url,
        opened(url, tmp_path, storage, decoder) as resources,
    ):
        member = await new_member(resources.db)
        ids = [await stored_image(resources, member.team_id, bytes([one])) for one in range(3)]
        async with resources.db.acting(member.actor).transaction() as session:
            await taggings.add(session, member.actor, ids[:2], ["cat"])
        worker = Worker(resources)
        running = asyncio.create_task(worker.run())
        async with served(create_app(resources)) as (address, _):
            said = await _run(script, address, member.key, tmp_path / "out")
        await worker.stop()
        await running
    lines = [f"images/{one}.jpg [('cat', 'MANUAL')]" for one in sorted(ids[:2])]
    assert said.splitlines() == [*lines, "2 images, 2 labels"]


async def _run(script: str, address: str, key: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        "cat",
        str(folder),
        env={"PICTOR": address, "KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()
