"""What every resolver is handed: who asks, the resources, and this operation's loaders."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias, TypeVar
from uuid import UUID

import strawberry

from app.db.database import Entrance, Work
from app.domain import Actor, Role
from app.errors import AppError, ErrorCode, unauthenticated
from app.graphql.loaders import Loaders
from app.graphql.trail import Trail
from app.resources import Resources
from app.services.auditing import audit
from app.services.auditing.audit import Event, Origin
from app.services.people.sessions import Login

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """What the answer sets the client's session cookie to; None removes it."""

    token: str | None


@dataclass(kw_only=True)
class Context:
    """One operation. `refusal` says why there is no actor although a key or a login was presented.

    `cookie` is for the edge to write, where a login began or ended. `identify` finds out again who is asking, for what
    lasts longer than a request: it raises UNAUTHENTICATED; what is remembered of that is given up by `forget`. A WebSocket
    `takes_cookies` no more.
    """

    resources: Resources
    actor: Actor | None
    request_id: str
    client_ip: str | None = None
    client_name: str | None = None
    base_url: str = ""
    refusal: AppError | None = None
    cookie: SessionCookie | None = None
    identify: Callable[[], Awaitable[Actor]] | None = None
    forget: Callable[[], None] | None = None
    takes_cookies: bool = True
    _trails: list[Trail] = field(default_factory=list, init=False)
    """Of those who asked before the operation became somebody else's."""

    @property
    def viewer(self) -> Actor:
        """The actor; UNAUTHENTICATED where there is none. Every root field begins here."""
        if self.actor is None:
            raise self.refusal or unauthenticated()
        return self.actor

    @property
    def db(self) -> Entrance:
        """The database as the viewer may use it. There is no other way to it from here, but `change`."""
        return self.resources.db.acting(self.viewer)

    def check_way_in(self) -> None:
        """BAD_USER_INPUT where the client could not be told a session's token. To be asked before anything is done."""
        if not self.takes_cookies:
            raise AppError(
                ErrorCode.BAD_USER_INPUT,
                "Log in, and set passwords, over HTTP: a WebSocket takes no cookie.",
            )

    def enter(self, login: Login) -> None:
        """From here on the operation goes on as this actor, and the client is told the session's token."""
        self.trail.entered(login.actor.user_id)
        self._become(login.actor)
        self._forget()
        self.cookie = SessionCookie(login.token)

    def leave(self) -> None:
        """From here on there is no actor, and the client forgets the session."""
        self._become(None)
        self._forget()
        self.cookie = SessionCookie(None)

    def joined(self, team_id: UUID, role: Role) -> None:
        """The viewer is in one more team, which they see from here on, and in their next request. A key keeps to its own."""
        actor = self.viewer
        if actor.api_key_id is None:
            self._become(replace(actor, roles={**actor.roles, team_id: role}))
            self._forget()

    async def renew(self) -> Actor:
        """The viewer as of now, with the roles of now; UNAUTHENTICATED where their access has ended."""
        if self.identify is not None:
            actor = await self.identify()
            if actor is not self.actor:
                self._become(actor)
        return self.viewer

    def begin(self) -> None:
        """A mutation begins, when the one before it is answered to its end: what that one loaded is old."""
        self.__dict__.pop("loaders", None)

    def again(self) -> "Context":
        """For the next event of a subscription: the same viewer, nothing loaded, nothing to record yet."""
        return replace(self)

    def _forget(self) -> None:
        if self.forget is not None:
            self.forget()

    def _become(self, actor: Actor | None) -> None:
        self.actor = actor
        self.__dict__.pop("loaders", None)
        if (trail := self.__dict__.pop("trail", None)) is not None:
            self._trails.append(trail)
            # What was presented, and refused, is not how this one came in.
            self.refusal = None

    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self.db, self.viewer)

    @cached_property
    def trail(self) -> Trail:
        """What is to be recorded before the operation is answered, of what it does as whoever it acts for now."""
        origin = Origin(self.request_id, self.client_ip, self.client_name)
        return Trail(self.actor, origin, refused=self.refusal is not None)

    def events(self) -> list[Event]:
        """What the trails have; nothing where no field left one."""
        last = self.__dict__.get("trail")
        trails = [*self._trails, last] if last is not None else self._trails
        return [event for trail in trails for event in trail.events()]

    async def change(self, work: Work[T], *, everywhere: bool = False) -> T:
        """A mutation's work in one transaction, and in the same one its record. It may run again after a deadlock.

        `everywhere`: as `Database.everywhere` has it.
        """
        said, key = self.trail.change(), self.resources.settings.signing_key
        db = self.resources.db.everywhere(self.viewer) if everywhere else self.db
        result = await db.run(lambda session: audit.changed(session, key, work, said))
        if result is not None:
            self.trail.changed()
        return result


Info: TypeAlias = strawberry.Info[Context, None]
"""What a resolver takes to be handed the context."""
