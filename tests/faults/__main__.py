"""The fault suite: kills, cuts and starves a real installation, and checks after each fault that nothing disagrees.

    python -m tests.faults [--quick] [--store folder|s3] [--only WORD …] [--markdown FILE]

Ends with 1 where an invariant was violated or a fault was answered in a way that is not promised.
"""

# ruff: noqa: T201, ASYNC240  It prints a table, and may wait for its own disk.

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import deaths, hostile, invariants, outages
from tests.faults.invariants import Findings
from tests.faults.outcome import Outcome, Scenario
from tests.faults.stand import Kind, PostgreSQL, Stand, small_disk, stand


@dataclass(frozen=True)
class Plan:
    """A scenario and how often (or for how many seconds) it is done on one store; `quick` with --quick."""

    name: str
    scenario: Scenario
    full: int
    quick: int
    kinds: tuple[Kind, ...] = ("folder", "s3")
    worker: bool = True
    kills_server: bool = False
    kills_worker: bool = False
    disk_megabytes: int = 0
    """An installation of its own, on a disk of this size."""


KINDS: tuple[Kind, ...] = ("folder", "s3")
FOLDER: tuple[Kind, ...] = ("folder",)
S3: tuple[Kind, ...] = ("s3",)
PLANS = (
    Plan(
        "server killed in mid-upload",
        deaths.server_killed,
        50,
        5,
        worker=False,
        kills_server=True,
    ),
    Plan("worker killed in mid-job", deaths.worker_killed, 25, 5, kills_worker=True),
    Plan("database restarted, immediate", deaths.database_restarted, 10, 3),
    Plan("database connections cut", deaths.database_cut, 25, 5),
    Plan("database silent", deaths.database_silent, 20, 10, kinds=FOLDER),
    Plan("storage down", outages.storage_down, 60, 8, kinds=S3),
    Plan("storage folder gone", outages.storage_down, 10, 5, kinds=FOLDER),
    Plan("storage silent", outages.storage_silent, 20, 8, kinds=S3),
    Plan("storage slow", outages.storage_slow, 20, 8, kinds=S3),
    Plan("storage answers 30 % errors", outages.storage_errors, 15, 5, kinds=S3),
    Plan("storage cut in mid-put", outages.storage_cut, 10, 5, kinds=S3),
    Plan("storage sends wrong bytes", outages.storage_lies, 60, 30, kinds=S3),
    Plan("storage killed", outages.storage_killed, 10, 3, kinds=S3),
    Plan("client gone in mid-upload", deaths.clients_gone, 250, 50),
    Plan("bombs", hostile.bombs_refused, 1, 1, kinds=FOLDER),
    Plan("50 bombs at once", hostile.bombs_at_once, 50, 20, kinds=FOLDER),
    Plan("a picture kills its decoder", hostile.decoder_poisoned, 1, 1, kinds=FOLDER),
    Plan("disk full, then freed", outages.disk_full, 1, 1, disk_megabytes=40),
    Plan(
        "everything at once",
        deaths.everything_at_once,
        15,
        5,
        kills_server=True,
        kills_worker=True,
    ),
)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    plan: Plan
    kind: Kind
    outcome: Outcome
    findings: Findings

    @property
    def violations(self) -> list[str]:
        return self.outcome.wrong + [
            f"{name}: {one}" for name, found in self.findings.items() for one in found
        ]


async def run(asked: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    this = asyncio.current_task()
    assert this is not None
    # Stopped by SIGTERM too, it takes its processes with it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with tempfile.TemporaryDirectory(prefix="pictor-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PostgreSQL(folder / "database")
        try:
            for kind in KINDS if asked.store is None else (asked.store,):
                plans = [plan for plan in PLANS if kind in plan.kinds and _wanted(plan, asked)]
                rows += await _on(kind, plans, folder, postgres, quick=asked.quick)
        finally:
            postgres.stop()
    return rows


async def _on(
    kind: Kind, plans: Sequence[Plan], folder: Path, postgres: PostgreSQL, *, quick: bool
) -> list[Row]:
    rows: list[Row] = []
    common = [plan for plan in plans if not plan.disk_megabytes]
    if common:
        async with stand(kind, folder / kind, postgres) as made:
            rows += [await one(plan, made, quick=quick) for plan in common]
            # Reads every object once more, with the product's own eyes: it ends with 1 where one is damaged.
            await made.command("verify", "--json")
    for plan in plans:
        if plan.disk_megabytes:
            try:
                async with (
                    small_disk(folder / f"disk-{kind}", plan.disk_megabytes) as disk,
                    stand(kind, folder / f"full-{kind}", postgres, disk) as made,
                ):
                    rows.append(await one(plan, made, quick=quick))
            except PermissionError as error:
                print(f"{kind:<7}{plan.name:<32} SKIPPED: {error}", flush=True)
    return rows


def _wanted(plan: Plan, asked: argparse.Namespace) -> bool:
    return not asked.only or any(word in plan.name for word in asked.only)


async def one(plan: Plan, made: Stand, *, quick: bool) -> Row:
    begun = time.monotonic()
    print(f"{made.kind:<7}{plan.name:<32}", end="", flush=True)
    if plan.worker and not made.workers:
        await made.start_worker()
    if not plan.worker:
        await made.end_workers()
    outcome = Outcome()
    findings: Findings = {name: [] for name in invariants.NAMES}
    try:
        outcome = await plan.scenario(made, plan.quick if quick else plan.full)
        findings = await invariants.check(
            made, new_server=plan.kills_server, new_worker=plan.kills_worker
        )
    except RuntimeError as error:
        outcome.wrong.append(f"it did not come to its end: {error}")
    row = Row(plan, made.kind, outcome, findings)
    print(
        f"{outcome.acknowledged:>6} acknowledged, {outcome.answered} refused,"
        f" {outcome.lost} lost,"
        f" {len(row.violations)} violations, {time.monotonic() - begun:.0f} s",
        *outcome.notes,
        sep="; ",
        flush=True,
    )
    for violation in row.violations[:10]:
        print(f"         {violation}", flush=True)
    return row


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    names = list(invariants.NAMES)
    lines = [
        "| fault | store | times | acknowledged | refused | lost | " + " | ".join(names) + " | recovered in (max) | |",
        "| --- | --- | ---: | ---: | ---: | ---: |" + " ---: |" * len(names) + " ---: | --- |",
    ]  # fmt: skip
    for row in rows:
        outcome = row.outcome
        counts = " | ".join(str(len(row.findings[name])) for name in names)
        slowest = f"{max(outcome.recoveries):.1f} s" if outcome.recoveries else ""
        lines.append(
            f"| {row.plan.name} | {row.kind} | {outcome.runs} | {outcome.acknowledged} |"
            f" {outcome.answered} | {outcome.lost} | {counts} | {slowest} | {'; '.join(outcome.notes)} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="fewer kills, shorter outages")
    parser.add_argument("--store", choices=KINDS, help="on this kind of storage alone")
    parser.add_argument("--only", nargs="*", default=[], help="faults whose name has one of these")
    parser.add_argument("--markdown", type=Path, help="where the table is written too")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    asked = parser.parse_args()
    random.seed(asked.seed)
    print(f"seed {asked.seed}", flush=True)
    begun = time.monotonic()
    rows = asyncio.run(run(asked))
    text = table(rows)
    print(f"\n{text}\n\n{time.monotonic() - begun:.0f} s")
    if asked.markdown is not None:
        asked.markdown.write_text(f"{text}\n")
    return 1 if any(row.violations for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
