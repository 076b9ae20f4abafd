"""Who is asking, told by the request's headers alone: a key, else a login. Nothing else is read before."""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from app.db.database import Database
from app.domain import Actor
from app.errors import AppError, ErrorCode, unauthenticated
from app.services.people import api_keys, sessions
from app.settings import Settings
from app.web import cookies
from app.web.headers import every

CACHE_SECONDS: Final = 2.0
"""For so long a revoked key, a login that ended, or a role that was taken away, may still work."""
CACHE_ENTRIES: Final = 1_000
MAX_KEY_LENGTH: Final = 200
LookUp: TypeAlias = Callable[[], Coroutine[Any, Any, Actor | None]]


@dataclass(frozen=True, slots=True)
class Identity:
    """The actor, or why there is none; without both, nothing was presented.

    `until`: for so long, by the authenticator's clock, the actor counts without another look.
    """

    actor: Actor | None = None
    refusal: AppError | None = None
    until: float = math.inf

    @property
    def is_denied(self) -> bool:
        """What was presented does not count. Where the database is away nobody can tell, and it may be good."""
        return self.refusal is not None and self.refusal.code is not ErrorCode.UNAVAILABLE

    def required(self) -> Actor:
        """The actor; raises the refusal, or UNAUTHENTICATED."""
        if self.actor is None:
            raise self.refusal or unauthenticated()
        return self.actor


class Authenticator:
    """Looks keys and logins up, and remembers the good ones for CACHE_SECONDS by their hash.

    Who sends many requests at once is looked up for all of them together.
    """

    def __init__(
        self, db: Database, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[bytes, Identity] = OrderedDict()
        self._looked_up: dict[tuple[bytes, bool], asyncio.Task[Actor | None]] = {}

    async def identify(
        self,
        connection: HTTPConnection,
        headers: Headers | None = None,
        *,
        is_use: bool = True,
        in_use: float = 0,
    ) -> Identity:
        """The holder of the key in `Authorization: Bearer …` or `X-API-Key`, else of the login in the cookie.

        `headers`: where the key stands, if not in the connection's own. `is_use`: whether it counts as use of the key or
        login. `in_use`: for so many seconds until now it was in use. Never raises an AppError.
        """
        try:
            key = presented_key(headers or connection.headers)
            if key is not None:
                return self._recall(f"key:{key}") or await self._holder(key, is_use=is_use)
            token = cookies.presented(connection, self._settings)
            if token is None:
                return Identity()
            refusal = cookies.refusal(connection, self._settings)
            if refusal is not None:
                return Identity(refusal=refusal)
            found = self._recall(f"session:{token}")
            return found or await self._user(token, is_use=is_use, in_use=in_use)
        except AppError as refusal:
            return Identity(refusal=refusal)

    async def still(self, connection: HTTPConnection, identity: Identity) -> Identity:
        """The same while it counts, else who that is by now. For whoever let a client take its time; as `identify`."""
        if identity.until > self._clock():
            return identity
        looked_at = identity.until - CACHE_SECONDS
        return await self.identify(connection, in_use=self._clock() - looked_at)

    def forget(self, connection: HTTPConnection, headers: Headers | None = None) -> None:
        """Whoever presents this is looked up at their next request. Takes what `identify` takes; never raises either."""
        try:
            key = presented_key(headers or connection.headers)
        except AppError:
            return
        token = cookies.presented(connection, self._settings)
        self._known.pop(_digest(f"session:{token}" if key is None else f"key:{key}"), None)

    async def _holder(self, key: str, *, is_use: bool) -> Identity:
        async def look_up() -> Actor | None:
            async with self._db.login.transaction() as session:
                return await api_keys.authenticate(session, key, is_use=is_use)

        unknown = "The API key is unknown, was revoked or has expired."
        return await self._found(f"key:{key}", look_up, unknown, is_use=is_use)

    async def _user(self, token: str, *, is_use: bool, in_use: float) -> Identity:
        idle = timedelta(seconds=self._settings.session_idle_seconds + in_use)

        async def look_up() -> Actor | None:
            async with self._db.login.transaction() as session:
                return await sessions.authenticate(session, token, idle, is_use=is_use)

        return await self._found(f"session:{token}", look_up, "The login has ended.", is_use=is_use)

    def _recall(self, credential: str) -> Identity | None:
        found = self._known.get(_digest(credential))
        return found if found is not None and found.until > self._clock() else None

    async def _found(
        self, credential: str, look_up: LookUp, unknown: str, *, is_use: bool
    ) -> Identity:
        digest = _digest(credential)
        actor = await self._once((digest, is_use), look_up)
        if actor is None:
            self._known.pop(digest, None)
            raise unauthenticated(unknown)
        identity = Identity(actor, until=self._clock() + CACHE_SECONDS)
        if not is_use:
            # Whoever is recalled is not looked up, so that their use would not be noted.
            return identity
        self._known[digest] = identity
        self._known.move_to_end(digest)
        if len(self._known) > CACHE_ENTRIES:
            self._known.popitem(last=False)
        return identity

    async def _once(self, key: tuple[bytes, bool], look_up: LookUp) -> Actor | None:
        """Shielded: where the client of the first goes, the others still wait."""
        task = self._looked_up.get(key)
        if task is None:
            task = self._looked_up[key] = asyncio.create_task(look_up())
            task.add_done_callback(lambda _: self._looked_up.pop(key))
        return await asyncio.shield(task)


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode()).digest()


def presented_key(headers: Headers) -> str | None:
    """The one key that the request presents; UNAUTHENTICATED for two different ones or another scheme."""
    keys = {key.strip() for key in every(headers.raw, b"x-api-key")}
    for value in every(headers.raw, b"authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise unauthenticated("Send the API key as `Authorization: Bearer …` or `X-API-Key`.")
        keys.add(credentials.strip())
    if not keys:
        return None
    if len(keys) > 1:
        raise unauthenticated("The request presents two different API keys.")
    key = keys.pop()
    if not key or len(key) > MAX_KEY_LENGTH:
        raise unauthenticated("This is not an API key.")
    return key
