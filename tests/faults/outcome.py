"""What every scenario has in common: what it saw, and how it watches the clients."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.client import LOST, Load, load, readers
from tests.faults.stand import Stand

ALLOWED = {LOST, "UNAVAILABLE"}
"""How an upload may fail while something is broken."""
RECOVERY_SECONDS = 30.0


@dataclass
class Outcome:
    """What a scenario saw, beside the invariants."""

    runs: int = 0
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By code, LOST among them."""
    recoveries: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Uploads whose connection broke, or that found nobody listening."""
        return self.refused[LOST]

    @property
    def answered(self) -> int:
        """Uploads that were refused in so many words."""
        return self.refused.total() - self.lost

    def add(self, seen: Load) -> None:
        self.acknowledged += seen.acknowledged
        self.refused += seen.refused
        for code, count in seen.refused.items():
            if code not in ALLOWED:
                self.wrong.append(f"{count} uploads were answered {code}")


Scenario = Callable[[Stand, int], Awaitable[Outcome]]


async def acknowledging(seen: Load, *, patience: float = RECOVERY_SECONDS) -> float:
    """The seconds until the next upload was acknowledged."""
    begun = time.monotonic()
    while seen.last_acknowledged < begun:
        if time.monotonic() - begun > patience:
            raise RuntimeError(f"no upload was acknowledged within {patience:.0f} s")
        await asyncio.sleep(0.02)
    return seen.last_acknowledged - begun


@asynccontextmanager
async def watched(stand: Stand, outcome: Outcome, *, normal: float = 5) -> AsyncIterator[Load]:
    """Uploads and reads beside each other: undisturbed for a while, then in the block. What refusals and reads then took is held
    to what is promised."""
    async with load(stand) as before, readers(before):
        await asyncio.sleep(normal)
    async with load(stand) as seen, readers(seen):
        yield seen
        outcome.recoveries.append(await acknowledging(seen))
    outcome.add(before)
    outcome.add(seen)
    ratio = p95(seen.reads) / p95(before.reads)
    outcome.notes += [
        f"refused within {seen.slowest_refusal:.1f} s",
        f"p95 of a read {p95(before.reads) * 1000:.0f} to {p95(seen.reads) * 1000:.0f} ms ({ratio:.2f}x)",
    ]
    if seen.failed_reads:
        outcome.wrong.append(f"reads failed: {dict(seen.failed_reads)}")
    if ratio > 2:
        outcome.wrong.append(f"reads took {ratio:.1f} times as long")


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]
