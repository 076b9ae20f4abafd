"""Teams and their members: inputs and root fields."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.errors import bad_input
from app.graphql.arguments import After, Fifty, Id, Offset
from app.graphql.context import Info
from app.graphql.enums import Role, TagPolicy
from app.graphql.inputs import changes
from app.graphql.pagination import Connection, window
from app.graphql.types.lists import listed
from app.graphql.types.people import Membership, Team
from app.services.people import memberships, teams


@strawberry.input(description="A new team, with the viewer as its ADMIN.")
class CreateTeamInput:
    name: str = strawberry.field(description="What people call it: 1 to 200 characters.")
    slug: str | None = strawberry.field(
        description="Its short name: lower-case letters, digits, hyphens. Absent: made from the name.",
        default=None,
    )
    tag_policy: TagPolicy = strawberry.field(
        description="What becomes of unknown tag names.", default=TagPolicy.OPEN
    )


@strawberry.input(description="Changes of a team; an absent field stays, and null is refused.")
class UpdateTeamInput:
    id: strawberry.ID = strawberry.field(description="Which team.")
    name: str | None = strawberry.field(
        description="Its new name: 1 to 200 characters.", default=UNSET
    )
    tag_policy: TagPolicy | None = strawberry.field(description="Its new policy.", default=UNSET)


@strawberry.input(description="A user's place in a team.")
class SetMembershipInput:
    team_id: strawberry.ID = strawberry.field(description="Which team.")
    user_id: strawberry.ID = strawberry.field(description="Which user.")
    role: Role = strawberry.field(description="What the user may do there from now on.")


@strawberry.type
class TeamQuery:
    @strawberry.field(description="One of your teams, by id or by slug: exactly one of them.")
    async def team(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="By its id.")] = None,
        slug: Annotated[str | None, strawberry.argument(description="By its slug.")] = None,
    ) -> Team | None:
        actor = info.context.viewer
        if (id is None) == (slug is None):
            raise bad_input("id", "Name the team by id or by slug.")
        async with info.context.db.transaction() as session:
            if slug is not None:
                row = await teams.by_slug(session, actor, slug)
            else:
                (row,) = await teams.by_id(session, actor, [parse_id(id or "")])
        return Team.of(row) if row else None

    @strawberry.field(description="Your teams by name; all teams for an operator.")
    async def teams(
        self, info: Info, first: Fifty = 50, after: After = None, offset: Offset = None
    ) -> Connection[Team]:
        part = window(first, after, offset=offset)
        return await listed(
            info.context, teams.listed(info.context.viewer), teams.BY_NAME, part, Team.of
        )


@strawberry.type
class TeamMutation:
    @strawberry.mutation(description="Makes a team. For operators, and for ADMINs of any team.")
    async def create_team(
        self,
        info: Info,
        input: Annotated[CreateTeamInput, strawberry.argument(description="The new team.")],
    ) -> Team:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: teams.create(
                session, actor, name=input.name, slug=input.slug, tag_policy=input.tag_policy
            )
        )
        info.context.joined(row.id, Role.ADMIN)
        return Team.of(row)

    @strawberry.mutation(description="Changes a team (ADMIN).")
    async def update_team(
        self,
        info: Info,
        input: Annotated[UpdateTeamInput, strawberry.argument(description="What changes.")],
    ) -> Team:
        actor = info.context.viewer
        given = changes(input, "name", "tag_policy")
        row = await info.context.change(
            lambda session: teams.update(session, actor, parse_id(input.id), given)
        )
        return Team.of(row)

    @strawberry.mutation(
        description="Deletes the team with all its images (ADMIN). Nobody sees it from then on; its bytes follow."
        " Answers its id."
    )
    async def delete_team(
        self,
        info: Info,
        id: Id,
        confirm_slug: Annotated[
            str, strawberry.argument(description="Must repeat the team's slug.")
        ],
    ) -> strawberry.ID:
        actor = info.context.viewer
        gone = await info.context.change(
            lambda session: teams.remove(
                session,
                actor,
                parse_id(id),
                confirm_slug,
                purge_after=info.context.resources.settings.purge_retention,
            )
        )
        return strawberry.ID(str(gone))

    @strawberry.mutation(
        description="Adds somebody from a team that you administer to another one, or changes a member's role (ADMIN): others are"
        " added by their e-mail address, with createUser (FORBIDDEN)."
        " The last ADMIN of a team stays one (CONFLICT)."
    )
    async def set_membership(
        self,
        info: Info,
        input: Annotated[
            SetMembershipInput, strawberry.argument(description="Who, where, as what.")
        ],
    ) -> Membership:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: memberships.set_role(
                session, actor, parse_id(input.team_id), parse_id(input.user_id), input.role
            )
        )
        return Membership.of(row)

    @strawberry.mutation(
        description="Ends a membership (ADMIN, or one's own, for which one logs in: FORBIDDEN through a key)."
        " Answers its id. The last ADMIN of a team cannot go (CONFLICT)."
    )
    async def remove_membership(
        self,
        info: Info,
        team_id: Annotated[strawberry.ID, strawberry.argument(description="Which team.")],
        user_id: Annotated[strawberry.ID, strawberry.argument(description="Which user.")],
    ) -> strawberry.ID:
        actor = info.context.viewer
        gone = await info.context.change(
            lambda session: memberships.remove(session, actor, parse_id(team_id), parse_id(user_id))
        )
        return strawberry.ID(str(gone))
