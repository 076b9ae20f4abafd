"""What is to blame when work fails: something that is away or full just now, or the work itself. All lanes ask here."""

from app.errors import AppError, ErrorCode, unavailable


def outage(error: Exception) -> AppError | None:
    """What is nobody's image's fault. Pictures are decoded in other processes: an OSError in this one is its host's."""
    if isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
        return error
    if isinstance(error, OSError):
        return unavailable(f"This host cannot work just now ({error.strerror or error}).")
    return None
