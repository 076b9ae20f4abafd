"""The audit log: its root field. Events are written by the trail of each operation."""

from typing import Annotated

import strawberry

from app.graphql.arguments import After, Fifty, OfTeam
from app.graphql.context import Info
from app.graphql.enums import AuditOutcome
from app.graphql.inputs import DateTimeRange, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.audit import AuditEvent
from app.graphql.types.lists import listed
from app.services.auditing import audit_log


@strawberry.type
class AuditQuery:
    @strawberry.field(
        description="What happened in your teams (ADMIN), and in the installation (operators), newest first."
    )
    async def audit_events(
        self,
        info: Info,
        team_id: OfTeam = None,
        user_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only what this user did.")
        ] = None,
        action: Annotated[
            str | None, strawberry.argument(description="Only this action, such as image.read.")
        ] = None,
        outcome: Annotated[
            AuditOutcome | None, strawberry.argument(description="Only what ended so.")
        ] = None,
        at: Annotated[
            DateTimeRange | None, strawberry.argument(description="Only from this span of time.")
        ] = None,
        first: Fifty = 50,
        after: After = None,
    ) -> Connection[AuditEvent]:
        wanted = audit_log.Wanted(
            team_id=optional_id(team_id),
            user_id=optional_id(user_id),
            action=action,
            outcome=outcome,
            at=at.value() if at else None,
        )
        rows = audit_log.listed(info.context.viewer, wanted)
        return await listed(
            info.context, rows, audit_log.BY_TIME, window(first, after), AuditEvent.of
        )
