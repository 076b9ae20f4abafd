"""Events of the audit log."""

from datetime import datetime

import strawberry

from app.db import models
from app.graphql.context import Info
from app.graphql.enums import AuditOutcome
from app.graphql.types.nodes import Node, node_or_none
from app.graphql.types.people import ApiKey, Team, User, user_or_none
from app.services.auditing import audit_log


@strawberry.type(
    description="One access to what a team has, or to the installation: allowed, denied or failed."
)
class AuditEvent(Node):
    at: datetime = strawberry.field(
        description="When it was recorded, just before it was answered."
    )
    action: str = strawberry.field(
        description="What was done: `image.read`, `image.upload`, `auth.denied` …"
    )
    outcome: AuditOutcome = strawberry.field(description="How it ended.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="The thing acted on, also when it is gone; null for lists."
    )
    subject_ids: list[strawberry.ID] = strawberry.field(
        description="Everything acted on: all rows of a list."
    )
    request_id: str = strawberry.field(
        description="The request, as its answer's X-Request-Id and the server's log name it."
    )
    client_ip: str | None = strawberry.field(description="The client's address.")
    client_name: str | None = strawberry.field(
        description="What the client calls itself: apollographql-client-name or X-Client-Name."
    )
    detail: str = strawberry.field(
        description="Further facts as JSON: the root field, a count, an error's code. Never a text of the team's."
    )
    row: strawberry.Private[models.AuditEvent]

    @classmethod
    def of(cls, row: models.AuditEvent) -> "AuditEvent":
        subject_id = audit_log.subject_id(row)
        return cls(
            id=strawberry.ID(str(row.id)),
            at=row.at,
            action=row.action,
            outcome=row.outcome,
            subject_id=strawberry.ID(str(subject_id)) if subject_id else None,
            subject_ids=[strawberry.ID(str(one)) for one in row.subject_ids],
            request_id=row.request_id,
            client_ip=row.client_ip,
            client_name=row.client_name,
            detail=row.detail,
            row=row,
        )

    @strawberry.field(
        description="Who; null for nobody known, and for someone whom you do not see."
    )
    async def user(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.user_id)

    @strawberry.field(description="With which key; null in a login session.")
    async def api_key(self, info: Info) -> ApiKey | None:
        key_id = self.row.api_key_id
        row = await info.context.loaders.api_key.load(key_id) if key_id else None
        return ApiKey.of(row) if row else None

    @strawberry.field(description="Whose data; null for the installation's own.")
    async def team(self, info: Info) -> Team | None:
        team_id = self.row.team_id
        row = await info.context.loaders.team.load(team_id) if team_id else None
        return Team.of(row) if row else None

    @strawberry.field(description="The thing acted on, while it exists and you see it.")
    async def subject(self, info: Info) -> Node | None:
        subject_id = audit_log.subject_id(self.row)
        return await node_or_none(info, subject_id) if subject_id else None
