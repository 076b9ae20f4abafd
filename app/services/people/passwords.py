"""Passwords: argon2id, off the event loop and two at a time. Nothing else touches a password."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from weakref import WeakKeyDictionary

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import bad_input

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""19 MiB and two passes: OWASP's password storage cheat sheet."""
AT_ONCE: Final = 2
"""However many log in, two do so at once: 38 MiB, and few connections to the database."""
THREADS: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
NOBODYS_HASH: Final = HASHER.hash("a password that nobody has")
"""Verified where there is none, so that an unknown address takes as long as a wrong password."""


def check(password: str, *, field: str = "password") -> None:
    """BAD_USER_INPUT outside 10 to 200 characters."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise bad_input(field, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")


def gate() -> asyncio.Semaphore:
    """Whoever is to hash a password waits here before anything else is done for them."""
    return _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def hashed(password: str, *, field: str = "password") -> str:
    """The hash to keep. BAD_USER_INPUT as `check`."""
    check(password, field=field)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(THREADS, HASHER.hash, _normal(password))


async def verified(password_hash: str | None, password: str) -> bool:
    """Whether this is the password behind the hash; as slow where there is no hash."""
    loop = asyncio.get_running_loop()
    right = await loop.run_in_executor(
        THREADS, _verify, password_hash or NOBODYS_HASH, _normal(password[: MAX_LENGTH + 1])
    )
    return right and password_hash is not None and len(password) <= MAX_LENGTH


def _normal(password: str) -> str:
    """One spelling for what different keyboards send for the same letters (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
