"""How a person gets in: register, log in, set and change the password. Hashing is done outside transactions."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance, constraints
from app.db.models import Membership, PasswordToken, User
from app.domain import MAX_EMAIL_LENGTH, Actor, Role, email_address, email_key, line
from app.errors import AppError, bad_input, conflict, forbidden, unauthenticated
from app.services.people import passwords, sessions, teams, throttle
from app.services.people.sessions import Login


@dataclass(frozen=True)
class Accounts:
    """The ways in, for a client at this address (None where it is unknown)."""

    db: Entrance
    lifetime: timedelta
    client_ip: str | None
    open_registration: bool = False

    async def log_in(self, email: str, password: str, *, ends: UUID | None = None) -> Login:
        """A new session; the one that the client had (`ends`) is over.

        UNAUTHENTICATED alike, and after as long, for an unknown address and a wrong password. RATE_LIMITED.
        """
        address = email_key(email)[:MAX_EMAIL_LENGTH]
        account, client = throttle.account(address), throttle.client(self.client_ip)
        await self.db.run(lambda session: throttle.attempt(session, [account, *client]))
        async with self.db.transaction() as session:
            row = await _by_email(session, address)
        known = row.password_hash if row else None
        if not await passwords.verified(known, password) or row is None:
            raise _wrong()

        async def enter(session: AsyncSession) -> Login:
            if await _locked(session, row.id, known) is None:
                raise _wrong()
            await throttle.succeeded(session, account, client)
            if ends is not None:
                await sessions.end(session, ends)
            return await sessions.start(session, row.id, self.lifetime)

        return await self.db.run(enter)

    async def register(
        self, *, email: str, password: str, name: str, team_name: str | None
    ) -> Login:
        """A user with a team of their own, logged in. FORBIDDEN unless the installation is open; CONFLICT."""
        if not self.open_registration:
            raise forbidden("Registration is closed: an ADMIN adds people to a team.")
        address = email_address(email, field="input.email")
        name = line(name, field="input.name", required=True)
        team_name = line(team_name or name, field="input.teamName", required=True)
        passwords.check(password, field="input.password")
        client = throttle.client(self.client_ip, "register")
        await self.db.run(lambda session: throttle.attempt(session, client))
        password_hash = await passwords.hashed(password, field="input.password")

        async def enter(session: AsyncSession) -> Login:
            user = User(email=address, name=name, password_hash=password_hash)
            session.add(user)
            taken = conflict("input.email", "This address cannot be registered.")
            with constraints(uq_app_user_email=taken):
                await session.flush()
            team = await teams.add(session, name=team_name, slug=None)
            session.add(Membership(team_id=team.id, user_id=user.id, role=Role.ADMIN))
            await session.flush()
            return await sessions.start(session, user.id, self.lifetime)

        return await self.db.run(enter)

    async def change_password(self, actor: Actor, current: str, new: str) -> Login | None:
        """Ends all sessions of the user; whoever asked in one gets another.

        BAD_USER_INPUT for a wrong current password or a new one that is none. RATE_LIMITED.
        """
        passwords.check(new, field="input.newPassword")
        async with self.db.transaction() as session:
            row = await session.get(User, actor.user_id)
        if row is None:
            raise unauthenticated()
        known, account = row.password_hash, throttle.account(row.email)
        await self.db.run(lambda session: throttle.attempt(session, [account]))
        if not await passwords.verified(known, current):
            raise bad_input("input.currentPassword", "This is not the current password.")
        password_hash = await passwords.hashed(new, field="input.newPassword")

        async def change(session: AsyncSession) -> Login | None:
            user = await _locked(session, row.id, known)
            if user is None:
                raise bad_input("input.currentPassword", "This is not the current password.")
            await replace(session, user, password_hash)
            await throttle.succeeded(session, account, [])
            if actor.session_id is None:
                return None
            return await sessions.start(session, user.id, self.lifetime)

        return await self.db.run(change)

    async def set_password(self, token: str, password: str) -> Login:
        """With a one-time token, which is spent. BAD_USER_INPUT for one that is unknown, spent or expired."""
        passwords.check(password)
        async with self.db.transaction() as session:
            await _valid_token(session, token)
        password_hash = await passwords.hashed(password)

        async def enter(session: AsyncSession) -> Login:
            row = await _valid_token(session, token)
            user = await session.get_one(User, row.user_id, with_for_update={"key_share": True})
            await replace(session, user, password_hash)
            return await sessions.start(session, user.id, self.lifetime)

        return await self.db.run(enter)


async def replace(session: AsyncSession, user: User, password_hash: str) -> None:
    """Gives the user this password, ends their sessions, and spends their tokens."""
    user.password_hash = password_hash
    await session.flush()
    await sessions.end_all(session, user.id)
    await session.execute(
        update(PasswordToken)
        .where(PasswordToken.user_id == user.id, PasswordToken.used_at.is_(None))
        .values(used_at=func.now())
    )


async def _by_email(session: AsyncSession, address: str) -> User | None:
    row: User | None = await session.scalar(select(User).where(User.email == address))
    return row


async def _locked(session: AsyncSession, user_id: UUID, password_hash: str | None) -> User | None:
    """The user for a change; None where the password is another one since it was verified."""
    user: User | None = await session.scalar(
        select(User)
        .where(User.id == user_id, User.password_hash == password_hash)
        .with_for_update(key_share=True)
    )
    return user


async def _valid_token(session: AsyncSession, token: str) -> PasswordToken:
    row: PasswordToken | None = await session.scalar(
        select(PasswordToken)
        .where(
            PasswordToken.token_hash == hashlib.sha256(token.encode()).digest(),
            PasswordToken.used_at.is_(None),
            PasswordToken.expires_at > func.now(),
        )
        .with_for_update()
    )
    if row is None:
        raise bad_input("token", "This token is unknown, was used already, or has expired.")
    return row


def _wrong() -> AppError:
    return unauthenticated("The e-mail address or the password is wrong.")
