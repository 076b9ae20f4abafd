"""The viewer and other users: inputs and root fields."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.graphql.arguments import After, Fifty, Id, Offset, OfTeam
from app.graphql.context import Info
from app.graphql.enums import Role
from app.graphql.inputs import changes, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.lists import listed
from app.graphql.types.people import User, Viewer
from app.services.people import throttle, users


@strawberry.input(description="A person to be added to a team.")
class CreateUserInput:
    team_id: strawberry.ID = strawberry.field(description="Which team.")
    email: str = strawberry.field(
        description="Their e-mail address; upper and lower case are the same."
    )
    name: str = strawberry.field(
        description="What people call them: 1 to 200 characters; kept for a known address."
    )
    role: Role = strawberry.field(description="What they may do in the team.", default=Role.EDITOR)


@strawberry.input(description="Changes of an account; an absent field stays, and null is refused.")
class UpdateUserInput:
    id: strawberry.ID = strawberry.field(description="Whose.")
    name: str | None = strawberry.field(
        description="What people call them: 1 to 200 characters.", default=UNSET
    )
    email: str | None = strawberry.field(description="Their e-mail address.", default=UNSET)


@strawberry.type(description="The member, and how a new one gets in.")
class CreateUserPayload:
    user: User = strawberry.field(description="The member.")
    password_token: str | None = strawberry.field(
        description="Sets a password, once, within 7 days. Shown this once. Null where the account existed already: nobody"
        " proved that the address is theirs, so check its name and createdAt with the person before you trust it."
    )


@strawberry.type
class UserQuery:
    @strawberry.field(description="Who is asking.")
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(info.context.viewer)

    @strawberry.field(description="You, or someone who shares a team with you.")
    async def user(self, info: Info, id: Id) -> User | None:
        async with info.context.db.transaction() as session:
            (row,) = await users.by_id(session, info.context.viewer, [parse_id(id)])
        return User.of(row) if row else None

    @strawberry.field(description="You and whoever shares a team with you, by name.")
    async def users(
        self,
        info: Info,
        team_id: OfTeam = None,
        first: Fifty = 50,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[User]:
        rows = users.listed(info.context.viewer, optional_id(team_id))
        part = window(first, after, offset=offset)
        return await listed(info.context, rows, users.BY_NAME, part, User.of)


@strawberry.type
class UserMutation:
    @strawberry.mutation(
        description="Adds a person to a team (ADMIN). A new e-mail makes a user and a one-time token to set"
        " a password; a known one just adds the membership, with the same answer but for the token. Such an account may"
        " be anybody's who gave this address: where passwordToken is null, check `user { name createdAt }` with the person;"
        " removeMembership undoes it."
    )
    async def create_user(
        self,
        info: Info,
        input: Annotated[CreateUserInput, strawberry.argument(description="Who, and where.")],
    ) -> CreateUserPayload:
        actor = info.context.viewer
        row, token = await info.context.change(
            lambda session: users.create(
                session,
                actor,
                team_id=parse_id(input.team_id),
                email=input.email,
                name=input.name,
                role=input.role,
            )
        )
        return CreateUserPayload(user=User.of(row), password_token=token)

    @strawberry.mutation(
        description="Changes an account: your own, when logged in, or as an operator anyone's. After some tries at"
        " an e-mail address RATE_LIMITED with `extensions.retryAfter` in seconds."
    )
    async def update_user(
        self,
        info: Info,
        input: Annotated[UpdateUserInput, strawberry.argument(description="What changes.")],
    ) -> User:
        actor = info.context.viewer
        given = changes(input, "name", "email")
        # A key changes nothing here, and an operator knows every address.
        if "email" in given and actor.session_id is not None and not actor.is_operator:
            meter = throttle.address_change(actor.user_id)
            await info.context.resources.db.login.run(
                lambda session: throttle.attempt(session, [meter])
            )
        row = await info.context.change(
            lambda session: users.update(session, actor, parse_id(input.id), given)
        )
        return User.of(row)

    @strawberry.mutation(
        description="Ends an account: your own, when logged in, or as an operator anyone's. Its keys and logins end;"
        " its images and tags stay, without the name. Answers its id. The last ADMIN of a team and the last"
        " operator cannot go (CONFLICT)."
    )
    async def delete_user(self, info: Info, id: Id) -> strawberry.ID:
        actor = info.context.viewer
        gone, _ = await info.context.change(
            lambda session: users.remove(session, actor, parse_id(id)), everywhere=True
        )
        if gone == actor.user_id:
            info.context.leave()
        return strawberry.ID(str(gone))
