"""What every resolver is handed: who asks, the resources, and this operation's loaders."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from app.db.database import Work
from app.domain import Actor
from app.errors import AppError, unauthenticated
from app.graphql.loaders import Loaders
from app.graphql.trail import Trail
from app.resources import Resources
from app.services import audit
from app.services.audit import Origin

T = TypeVar("T")


@dataclass(kw_only=True)
class Context:
    """One operation. `refusal` says why there is no actor although a key was presented."""

    resources: Resources
    actor: Actor | None
    request_id: str
    client_ip: str | None = None
    client_name: str | None = None
    base_url: str = ""
    refusal: AppError | None = None

    @property
    def viewer(self) -> Actor:
        """The actor; UNAUTHENTICATED where there is none. Every root field begins here."""
        if self.actor is None:
            raise self.refusal or unauthenticated()
        return self.actor

    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self.resources.db, self.viewer)

    @cached_property
    def trail(self) -> Trail:
        """What is to be recorded of this operation before it is answered."""
        origin = Origin(self.request_id, self.client_ip, self.client_name)
        return Trail(self.actor, origin, refused=self.refusal is not None)

    async def change(self, work: Work[T]) -> T:
        """A mutation's work in one transaction, and in the same one its record. It may run again after a deadlock."""
        said, key = self.trail.change(), self.resources.settings.signing_key
        result = await self.resources.db.run(
            lambda session: audit.changed(session, key, work, said)
        )
        if result is not None:
            self.trail.changed()
        return result
