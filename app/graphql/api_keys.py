"""API keys: inputs and root fields."""

from datetime import datetime, timedelta
from typing import Annotated

import strawberry

from app.domain import parse_id
from app.graphql.arguments import Id
from app.graphql.context import Info
from app.graphql.enums import Role
from app.graphql.inputs import optional_id
from app.graphql.types.people import ApiKey
from app.services.people import api_keys


@strawberry.input(description="A new key, for yourself or (ADMIN) for another member.")
class CreateApiKeyInput:
    team_id: strawberry.ID = strawberry.field(description="The team that it reaches.")
    name: str = strawberry.field(description="What it is for: 1 to 200 characters.")
    role: Role | None = strawberry.field(
        description="What it may do: at most what its user may. Absent: as much. For an operator, an ADMIN who is none"
        " makes keys of at most EDITOR.",
        default=None,
    )
    user_id: strawberry.ID | None = strawberry.field(
        description="For another user of the team (ADMIN).", default=None
    )
    expires_at: datetime | None = strawberry.field(
        description="From when on it is refused. Absent: after the installation's lifetime of keys. Through a key that ends,"
        " it ends no later than that one: FORBIDDEN beyond, and cut to it where absent.",
        default=None,
    )
    trusted_documents_only: bool = strawberry.field(
        description="Whether it runs nothing but documents of the installation's manifests;"
        " a key that is bound so makes no other ones.",
        default=False,
    )


@strawberry.type(description="A new key.")
class CreateApiKeyPayload:
    api_key: ApiKey = strawberry.field(description="What is known of it from now on.")
    key: str = strawberry.field(description="Shown this once.")


@strawberry.type
class ApiKeyMutation:
    @strawberry.mutation(description="Makes a key. Its text is answered once.")
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The new key.")],
    ) -> CreateApiKeyPayload:
        actor, resources = info.context.viewer, info.context.resources
        row, text = await info.context.change(
            lambda session: api_keys.create(
                session,
                actor,
                team_id=parse_id(input.team_id),
                name=input.name,
                role=input.role,
                user_id=optional_id(input.user_id),
                expires=input.expires_at
                or timedelta(days=resources.settings.api_key_lifetime_days),
                trusted_documents_only=input.trusted_documents_only,
            )
        )
        return CreateApiKeyPayload(api_key=ApiKey.of(row), key=text)

    @strawberry.mutation(
        description="Ends a key for good: one's own, or (ADMIN) any of the team. A key ends itself, and those of at most"
        " its role; for others one logs in (FORBIDDEN)."
    )
    async def revoke_api_key(self, info: Info, id: Id) -> ApiKey:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: api_keys.revoke(session, actor, parse_id(id))
        )
        return ApiKey.of(row)
