"""Answers as server-sent events: GraphQL over SSE in its "distinct connections mode", one response an operation.

The protocol is that of https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web import leaving, problems
from app.web.execution import Body, Failed, Stream
from app.web.lasting import Lasting
from app.web.negotiation import EVENT_STREAM

log = logging.getLogger(__name__)

HEADERS: Final = {
    "content-type": f"{EVENT_STREAM}; charset=utf-8",
    "cache-control": problems.NO_STORE,
    "x-accel-buffering": "no",
}
COMMENT: Final = b":\n\n"
COMPLETE: Final = b"event: complete\ndata:\n\n"


def whole(body: Body) -> Response:
    """The answer of an operation that has but one."""
    return Response(_next(body) + COMPLETE, 200, HEADERS)


def _next(body: Body) -> bytes:
    """JSON has no line breaks of its own, so one `data` line is enough."""
    return b"event: next\ndata: " + problems.encode(body) + b"\n\n"


class EventStream:
    """The answers of a subscription, for as long as the client stays and the server does.

    When the server stops, the response ends without `complete`, so that clients come back, to another server.
    """

    def __init__(self, answers: Stream, closing: AsyncExitStack, lasting: Lasting) -> None:
        self.raw_headers = [(name.encode(), text.encode()) for name, text in HEADERS.items()]
        self._answers = answers
        self._closing = closing
        self._lasting = lasting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._closing:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            writing = asyncio.create_task(self._write(send))
            left = asyncio.create_task(leaving.left(receive))
            ending = asyncio.create_task(self._lasting.ending.wait())
            tasks: list[asyncio.Task[Any]] = [writing, left, ending]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ended, *_ = await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(ended, TimeoutError):
                log.info("a client of a subscription takes nothing any more, and is left")
            elif isinstance(ended, Exception):
                raise ended
            elif not left.done() or left.cancelled():
                await send({"type": "http.response.body", "body": b""})

    async def _write(self, send: Send) -> None:
        await self._send(send, COMMENT)
        coming: asyncio.Task[Body] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(self._answers))
                await asyncio.wait([coming], timeout=self._lasting.heartbeat_seconds)
                if not coming.done():
                    await self._send(send, COMMENT)
                    continue
                answer, coming = coming, None
                await self._send(send, _next(answer.result()))
        except StopAsyncIteration:
            await self._send(send, COMPLETE)
        except Failed as failed:
            await self._send(send, _next({"errors": failed.errors}) + COMPLETE)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _send(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(self._lasting.send_seconds):
            await send({"type": "http.response.body", "body": data, "more_body": True})
