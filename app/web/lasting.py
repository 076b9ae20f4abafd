"""Connections that last, WebSockets and streams of events: how many each user has, and their common end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from app.domain import Actor
from app.errors import rate_limited

RETRY_SECONDS: Final = 10
HEARTBEAT_SECONDS: Final = 12.0
"""Proxies give up on a connection that is silent for longer, often after a minute."""
SEND_SECONDS: Final = 30.0
"""A client that takes nothing for so long is gone, or might as well be."""
RECHECK_SECONDS: Final = 30.0
"""How often the access of whoever opened a socket is looked at while nothing runs on it."""


class Lasting:
    """`ending` is set when the server stops: what would never end by itself ends then."""

    def __init__(
        self,
        most: int,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        send_seconds: float = SEND_SECONDS,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        self.ending = asyncio.Event()
        self.heartbeat_seconds = heartbeat_seconds
        self.send_seconds = send_seconds
        self.recheck_seconds = recheck_seconds
        self._most = most
        self._open: Counter[UUID] = Counter()

    @contextmanager
    def one(self, actor: Actor) -> Iterator[None]:
        """A place for one connection of the user; RATE_LIMITED where all are taken."""
        if self._open[actor.user_id] >= self._most:
            message = f"You have {self._most} subscriptions or sockets open here already."
            raise rate_limited(message, RETRY_SECONDS)
        self._open[actor.user_id] += 1
        try:
            yield
        finally:
            self._open[actor.user_id] -= 1
            if not self._open[actor.user_id]:
                del self._open[actor.user_id]
