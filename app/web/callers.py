"""Whoever opened a connection that lasts: who they are is asked again for as long as it does."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from app.domain import Actor
from app.errors import ErrorCode, unauthenticated
from app.resources import Resources
from app.web import audit
from app.web.auth import Authenticator


@dataclass(frozen=True, slots=True)
class Caller:
    """`headers`: what was presented, where it is more than the connection's own."""

    resources: Resources
    authenticator: Authenticator
    connection: HTTPConnection
    headers: Headers | None = None

    async def identify(self, *, is_use: bool = True) -> Actor:
        """The actor as of now. UNAUTHENTICATED, which is recorded; UNAVAILABLE where nobody can tell."""
        identity = await self.authenticator.identify(self.connection, self.headers, is_use=is_use)
        if identity.actor is not None:
            return identity.actor
        refusal = identity.refusal or unauthenticated()
        if refusal.code is ErrorCode.UNAUTHENTICATED:
            await audit.refused(self.resources, self.connection, self.headers)
        raise refusal

    def forget(self) -> None:
        """The next one who asks with this is looked up."""
        self.authenticator.forget(self.connection, self.headers)
