"""Whoever asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.domain.enums import Role


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a user, through a key or a session, with the role in each team that counts now.

    With an API key, `roles` holds the key's team alone, and the role is at most the user's own. It may be one that runs
    `trusted_documents_only`.
    """

    user_id: UUID
    roles: Mapping[UUID, Role]
    api_key_id: UUID | None = None
    is_operator: bool = False
    session_id: UUID | None = None
    trusted_documents_only: bool = False

    @property
    def team_ids(self) -> tuple[UUID, ...]:
        return tuple(self.roles)
