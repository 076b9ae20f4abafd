"""Whether a secret key is the installation's. A process with another one would unsign every chain that it appends to."""

import hashlib
import hmac
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import AuditHead
from app.errors import SetupError
from app.services import installation
from app.services.auditing import audit_chain
from app.services.auditing.audit import UNSIGNED

PURPOSE: Final = b"pictor: fingerprint of the secret key, version 1"
"""Keeps it apart from whatever else the same secret signs."""
SHOWN: Final = 8
"""Digits of a fingerprint that people compare."""


class OtherKeyError(SetupError):
    """The secret key is not the one that the installation's processes have."""

    def __init__(self, source: str, key: bytes, known: bytes | None) -> None:
        theirs = (
            f"its key has {shown(known)}" if known else "the audit log was last signed with another"
        )
        super().__init__(
            f"{source} is not the secret key of this installation (fingerprint {shown(fingerprint(key))}; {theirs})."
            " Nothing was done. Start with the key that its servers and workers have. To change the key, stop them all and run"
            " `pictor audit resign --old-key-file FILE`, or `pictor adopt --key` where the old one is lost"
            " (docs/operations.md, Changing keys)."
        )


def fingerprint(key: bytes) -> bytes:
    """The same for the same key. It tells nothing of a key that cannot be guessed, as no signature does."""
    return hmac.digest(key, PURPOSE, hashlib.sha256)


def shown(known: bytes) -> str:
    return known.hex()[:SHOWN]


async def take(session: AsyncSession, key: bytes, source: str) -> None:
    """Writes down the fingerprint where there is none yet; else as `check`."""
    if await check(session, key, source):
        return
    # Of two that start at once with different keys, one is refused.
    found = await installation.known(session, lock=True)
    if found.key_fingerprint is None:
        found.key_fingerprint = fingerprint(key)
    await session.flush()
    await check(session, key, source)


async def check(session: AsyncSession, key: bytes, source: str) -> bool:
    """OtherKeyError where the installation has another key; False where none has been written down yet.

    `source` says where the key comes from, at the beginning of a sentence.
    """
    known = (await installation.known(session)).key_fingerprint
    if known is None:
        if not await _may_be(session, key):
            raise OtherKeyError(source, key, None)
        return False
    if not hmac.compare_digest(known, fingerprint(key)):
        raise OtherKeyError(source, key, known)
    return True


async def _may_be(session: AsyncSession, key: bytes) -> bool:
    """By the head that was signed last, for an installation that is older than fingerprints.

    Whoever appended to it had the key in use, or left it unsigned: then nobody can tell.
    """
    query = select(AuditHead).order_by(AuditHead.last_at.desc()).limit(1)
    row: AuditHead | None = await session.scalar(query)
    if row is None or row.mac == UNSIGNED:
        return True
    head = audit_chain.Head(row.team_id, row.count, row.last_hash, row.last_at)
    return hmac.compare_digest(row.mac, head.mac(key))


async def change(session: AsyncSession, key: bytes, *, before: bytes | None = None) -> None:
    """From now on the installation's key is this one. SetupError where it was another than `before` (None: whatever it was)."""
    found = await installation.known(session, lock=True)
    known = found.key_fingerprint
    expected = (fingerprint(before), fingerprint(key)) if before is not None else ()
    if known is not None and expected and known not in expected:
        raise SetupError(
            f"The file does not hold the key that this installation had: the fingerprint of that one is {shown(known)},"
            f" and of the file's {shown(expected[0])}. Nothing was done."
        )
    found.key_fingerprint = fingerprint(key)
