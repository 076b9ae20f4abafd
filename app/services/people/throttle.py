"""How often a password may be tried: a delay that grows with each try, for each account and each client address."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Final
from uuid import UUID

from sqlalchemy import Executable, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import LoginAttempt
from app.errors import rate_limited
from app.services.people import ip_addresses

FORGOTTEN_AFTER: Final = timedelta(days=1)
SWEPT_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Meter:
    """What is counted, and from which try on the next one waits: 1 s, doubling up to `longest_seconds`.

    Every `drain_seconds` one try is forgotten. The key is a hash, so that the table holds no addresses.
    """

    key: bytes
    free: int
    drain_seconds: int
    longest_seconds: int


def account(email: str) -> Meter:
    """Of an e-mail address, whether anybody has it or not."""
    return Meter(_key("account", email), free=5, drain_seconds=600, longest_seconds=300)


def client(address: str | None, purpose: str = "login") -> list[Meter]:
    """Of a client's network. Nothing where it is unknown."""
    where = network(address)
    if where is None:
        return []
    return [Meter(_key(purpose, where), free=50, drain_seconds=60, longest_seconds=900)]


def address_change(user_id: UUID) -> Meter:
    """Of a user who gives themselves other addresses: what is refused tells who is registered."""
    return Meter(_key("address", str(user_id)), free=5, drain_seconds=600, longest_seconds=300)


@lru_cache(maxsize=4_096)
def network(address: str | None) -> str | None:
    """A client's address, or the whole /64 of IPv6, which one client has to itself; None for what is none."""
    parsed = None if address is None else ip_addresses.parsed(address)
    if parsed is None:
        return None
    return str(ip_network(f"{parsed}/64", strict=False)) if parsed.version == 6 else str(parsed)


def _key(kind: str, name: str) -> bytes:
    return hashlib.sha256(f"{kind}:{name}".encode()).digest()


async def attempt(session: AsyncSession, meters: Iterable[Meter]) -> None:
    """Counts a try before it is made, so that tries at the same moment count too.

    RATE_LIMITED with `retryAfter` (seconds) while a meter has to wait; then nothing is counted.
    """
    for meter in sorted(meters, key=lambda one: one.key):
        if not await session.scalar(_counted(meter)):
            raise rate_limited("Too many attempts; try again later.", await _wait(session, meter))


def _counted(meter: Meter) -> Executable:
    """One statement, so that of tries at the same moment each sees the others; no row where it has to wait."""
    elapsed = func.extract("epoch", func.now() - LoginAttempt.last_at)
    tries = func.greatest(LoginAttempt.tries - elapsed / meter.drain_seconds, 0) + 1
    doublings = func.least(func.ceil(tries - meter.free) - 1, 20)
    seconds = func.least(meter.longest_seconds, func.power(2, doublings))
    wait = func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return (
        insert(LoginAttempt)
        .values(key=meter.key, tries=1, last_at=func.now())
        .on_conflict_do_update(
            index_elements=[LoginAttempt.key],
            set_={
                "tries": tries,
                "last_at": func.now(),
                "waits_until": case((tries > meter.free, func.now() + wait), else_=None),
            },
            where=or_(LoginAttempt.waits_until.is_(None), LoginAttempt.waits_until <= func.now()),
        )
        .returning(LoginAttempt.tries)
    )


async def _wait(session: AsyncSession, meter: Meter) -> int:
    """Whole seconds until the next try counts: at least one."""
    left = func.extract("epoch", LoginAttempt.waits_until - func.now())
    seconds = await session.scalar(select(left).where(LoginAttempt.key == meter.key))
    return max(math.ceil(seconds or 0), 1)


async def succeeded(session: AsyncSession, own: Meter, others: Iterable[Meter]) -> None:
    """The account starts anew; elsewhere this one try is taken back. Sweeps what is forgotten."""
    await session.execute(delete(LoginAttempt).where(LoginAttempt.key == own.key))
    for meter in others:
        await session.execute(
            update(LoginAttempt)
            .where(LoginAttempt.key == meter.key)
            .values(tries=func.greatest(LoginAttempt.tries - 1, 0))
        )
    stale = (
        select(LoginAttempt.key)
        .where(LoginAttempt.last_at < func.now() - FORGOTTEN_AFTER)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(LoginAttempt).where(LoginAttempt.key.in_(stale)))
