"""The parameters of a plain route's address: none is passed over in silence."""

from starlette.requests import Request

from app.errors import bad_input
from app.web.bodies import MAX_PLACE_LENGTH


def check(request: Request, *known: str) -> None:
    """BAD_USER_INPUT for any but the known ones: a misspelt filter would let everything through."""
    unknown = request.query_params.keys() - set(known)
    if unknown:
        name = min(unknown)[:MAX_PLACE_LENGTH]
        raise bad_input(name, "There is no such parameter.", allowed=sorted(known))
