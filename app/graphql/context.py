"""What every resolver is handed: who asks, the resources, and this operation's loaders."""

from dataclasses import dataclass
from functools import cached_property

from app.db.database import Entrance
from app.domain import Actor
from app.errors import AppError, unauthenticated
from app.graphql.loaders import Loaders
from app.resources import Resources


@dataclass(kw_only=True)
class Context:
    """One operation. `refusal` says why there is no actor although a key was presented."""

    resources: Resources
    actor: Actor | None
    request_id: str
    client_ip: str | None = None
    base_url: str = ""
    refusal: AppError | None = None

    @property
    def viewer(self) -> Actor:
        """The actor; UNAUTHENTICATED where there is none. Every root field begins here."""
        if self.actor is None:
            raise self.refusal or unauthenticated()
        return self.actor

    @property
    def db(self) -> Entrance:
        """The database as the viewer may use it. There is no other way to it from here."""
        return self.resources.db.acting(self.viewer)

    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self.db, self.viewer)
