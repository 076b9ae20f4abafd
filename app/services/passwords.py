"""Passwords: argon2id, off the event loop. Nothing else touches a password."""

import asyncio
from typing import Final

from argon2 import PasswordHasher

from app.errors import bad_input

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""19 MiB and two passes: OWASP's password storage cheat sheet."""


async def hashed(password: str, *, field: str = "password") -> str:
    """The hash to keep. BAD_USER_INPUT outside 10 to 200 characters."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise bad_input(field, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    return await asyncio.to_thread(HASHER.hash, password)
