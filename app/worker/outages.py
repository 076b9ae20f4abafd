"""What is to blame when work fails: something that is away or full just now, or the work itself. All lanes ask here."""

import logging

from app.errors import AppError, ErrorCode, unavailable
from app.storage import Storage

log = logging.getLogger(__name__)


def outage(error: Exception) -> AppError | None:
    """What is nobody's image's fault. Pictures are decoded in other processes: an OSError in this one is its host's."""
    if isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
        return error
    if isinstance(error, OSError):
        return unavailable(f"This host cannot work just now ({error.strerror or error}).")
    return None


async def alone(storage: Storage, what: str, error: AppError) -> None:
    """Returns where a disk or a server refuses this one alone, as a bad sector does; raises where the whole store is away."""
    await storage.check()
    log.error("%s: its bytes cannot be read: %s", what, error.message)
