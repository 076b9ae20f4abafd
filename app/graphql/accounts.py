"""How a person gets in and out: inputs and root fields. The session itself travels in a cookie that the edge writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

import strawberry

from app.graphql.context import Context, Info
from app.graphql.types.people import Viewer
from app.services.people import passwords, sessions
from app.services.people.accounts import Accounts


@strawberry.input(description="A new account, with a team of its own.")
class RegisterInput:
    email: str = strawberry.field(
        description="The e-mail address; upper and lower case are the same."
    )
    password: str = strawberry.field(description="10 to 200 characters.")
    name: str = strawberry.field(description="What people call you: 1 to 200 characters.")
    team_name: str | None = strawberry.field(
        description="What the team is called: 1 to 200 characters; absent: as you are.",
        default=None,
    )


@strawberry.input(description="Who one is, and the proof.")
class LoginInput:
    email: str = strawberry.field(description="The e-mail address.")
    password: str = strawberry.field(description="The password.")


@strawberry.input(description="The old password and the new one.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The password until now.")
    new_password: str = strawberry.field(description="10 to 200 characters.")


@strawberry.type(
    description="A login. The session itself travels in an HttpOnly cookie, which counts only with one of the"
    " headers GraphQL-Require-Preflight, Apollo-Require-Preflight, X-Apollo-Operation-Name or"
    " X-Requested-With, from a page of an allowed origin."
)
class SessionPayload:
    viewer: Viewer = strawberry.field(description="Who is in now.")
    expires_at: datetime = strawberry.field(
        description="When it ends at the latest; it ends sooner where it is not used."
    )

    @classmethod
    def of(cls, context: Context, login: sessions.Login) -> "SessionPayload":
        context.enter(login)
        return cls(viewer=Viewer.of(login.actor), expires_at=login.expires_at)


@strawberry.type
class AccountMutation:
    @strawberry.mutation(
        description="Makes an account with a team of its own, and logs in. FORBIDDEN unless the installation is"
        " open (PICTOR_OPEN_REGISTRATION)."
    )
    async def register(
        self,
        info: Info,
        input: Annotated[RegisterInput, strawberry.argument(description="The new account.")],
    ) -> SessionPayload:
        async with ways_in(info.context) as accounts:
            login = await accounts.register(
                email=input.email,
                password=input.password,
                name=input.name,
                team_name=input.team_name,
            )
        return SessionPayload.of(info.context, login)

    @strawberry.mutation(
        description="Logs in. UNAUTHENTICATED alike for an unknown address and a wrong password; after some"
        " tries RATE_LIMITED with `extensions.retryAfter` in seconds. One an operation."
    )
    async def login(
        self,
        info: Info,
        input: Annotated[LoginInput, strawberry.argument(description="Who, and the proof.")],
    ) -> SessionPayload:
        before = info.context.actor.session_id if info.context.actor else None
        async with ways_in(info.context) as accounts:
            login = await accounts.log_in(input.email, input.password, ends=before)
        return SessionPayload.of(info.context, login)

    @strawberry.mutation(
        description="Ends this login. Answers whether there was one: a key is ended by revokeApiKey."
    )
    async def logout(self, info: Info) -> bool:
        session_id = info.context.viewer.session_id
        if session_id is None:
            return False
        await info.context.db.run(lambda session: sessions.end(session, session_id))
        info.context.leave()
        return True

    @strawberry.mutation(
        description="Changes your password and ends all your logins; this one is renewed. One an operation."
    )
    async def change_password(
        self,
        info: Info,
        input: Annotated[
            ChangePasswordInput, strawberry.argument(description="The old one and the new.")
        ],
    ) -> Viewer:
        actor = info.context.viewer
        async with ways_in(info.context) as accounts:
            login = await accounts.change_password(
                actor, input.current_password, input.new_password
            )
        if login is not None:
            info.context.enter(login)
        return Viewer.of(info.context.viewer)

    @strawberry.mutation(
        description="Sets a password and logs in, with the one-time token of createUser or of the operator's"
        " command. Ends all other logins of the user. One an operation."
    )
    async def set_password(
        self,
        info: Info,
        token: Annotated[str, strawberry.argument(description="The one-time token.")],
        password: Annotated[str, strawberry.argument(description="10 to 200 characters.")],
    ) -> SessionPayload:
        async with ways_in(info.context) as accounts:
            login = await accounts.set_password(token, password)
        return SessionPayload.of(info.context, login)


@asynccontextmanager
async def ways_in(context: Context) -> AsyncIterator[Accounts]:
    """Few at once: however many log in, other requests go on. BAD_USER_INPUT over a WebSocket, before any work."""
    context.check_way_in()
    settings = context.resources.settings
    async with passwords.gate():
        yield Accounts(
            db=context.resources.db.login,
            lifetime=timedelta(seconds=settings.session_lifetime_seconds),
            client_ip=context.client_ip,
            open_registration=settings.open_registration,
        )
