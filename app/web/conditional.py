"""GET answered with a validator: a client that has the answer already is told so, once it was executed and recorded anew."""

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.web import problems, ranges
from app.web.execution import Body
from app.web.headers import combined

REVALIDATED: Final = "private, max-age=0, must-revalidate"
"""Rights may end at any moment, and every read is recorded: no copy is used unasked. Private, since next to nothing is
answered to whom nobody knows."""
VARY: Final = "Accept, Authorization, X-API-Key, Cookie, Origin"
"""What an answer depends on. A cookie counts for some origins alone."""


def conditional(request: Request, response: Response, body: Body) -> Response:
    """The response with its ETag, or 304 where If-None-Match has it. One with errors is not for keeping.

    The tag is of `data` and the media type: `extensions.cost` tells what is left at the time, hence a weak one.
    """
    if "errors" in body:
        return response
    spoken = response.headers["content-type"].encode() + problems.encode({"data": body["data"]})
    etag = f'W/"{hashlib.sha256(spoken).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": REVALIDATED}
    if ranges.is_unchanged(combined(request, b"if-none-match"), etag.removeprefix("W/")):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
