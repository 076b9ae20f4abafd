"""API keys: `pic_<id>_<secret><crc>`. The secret has 256 bits; its SHA-256 is what is kept."""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ApiKey, Membership, User
from app.domain import Actor, Role, line
from app.errors import bad_input, forbidden, not_found
from app.services import access, paging

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH, CRC_LENGTH = 12, 43, 6
SHAPE = re.compile(
    rf"pic_([0-9A-Za-z]{{{ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})([0-9A-Za-z]{{{CRC_LENGTH}}})"
)
USED_EVERY = timedelta(minutes=1)
BY_AGE = paging.by_age("apiKey", ApiKey.id)
NO_HASH = bytes(32)


@dataclass(frozen=True)
class Secret:
    """A key's parts; `text` is what its holder sends."""

    public_id: str
    secret: str

    @property
    def text(self) -> str:
        return f"{self.prefix}_{self.secret}{_crc(self.public_id, self.secret)}"

    @property
    def prefix(self) -> str:
        return f"pic_{self.public_id}"

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()


def new_secret() -> Secret:
    public_id, secret = (
        "".join(secrets.choice(ALPHABET) for _ in range(length))
        for length in (ID_LENGTH, SECRET_LENGTH)
    )
    return Secret(public_id, secret)


def parse(text: str) -> Secret | None:
    """The parts of a well-formed key whose checksum holds; no look-up is made for any other text."""
    match = SHAPE.fullmatch(text)
    if match is None or match[3] != _crc(match[1], match[2]):
        return None
    return Secret(match[1], match[2])


def _crc(public_id: str, secret: str) -> str:
    rest, digits = zlib.crc32(f"{public_id}_{secret}".encode()), ""
    for _ in range(CRC_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


async def authenticate(session: AsyncSession, text: str, *, is_use: bool = True) -> Actor | None:
    """The actor of a key that is valid now: known, not revoked, not expired, its user still a member.

    Its role is the key's, at most the user's own at this moment; an operator's key is one with the role ADMIN. `is_use`:
    whether it is remembered as the key's use.
    """
    secret = parse(text)
    if secret is None:
        return None
    keys = select(ApiKey).where(ApiKey.public_id == secret.public_id)
    return await _actor(session, keys, secret, is_use=is_use)


async def named(session: AsyncSession, text: str) -> tuple[UUID, UUID] | None:
    """Id and team of the key that a text names, whether or not it counts: for the record of its refusal."""
    secret = parse(text)
    if secret is None:
        return None
    query = select(ApiKey.id, ApiKey.team_id).where(ApiKey.public_id == secret.public_id)
    found = (await session.execute(query)).one_or_none()
    return (found.id, found.team_id) if found else None


async def actor_of(session: AsyncSession, api_key_id: UUID) -> Actor | None:
    """The actor of a key that signed an address, if the key is valid now."""
    keys = select(ApiKey).where(ApiKey.id == api_key_id)
    return await _actor(session, keys, None, is_use=False)


async def _actor(
    session: AsyncSession, keys: Select[ApiKey], secret: Secret | None, *, is_use: bool
) -> Actor | None:
    query = (
        keys.join(
            Membership,
            (Membership.team_id == ApiKey.team_id) & (Membership.user_id == ApiKey.user_id),
        )
        .join(User, User.id == ApiKey.user_id)
        .add_columns(Membership.role, User.is_operator)
    )
    found = (await session.execute(query)).one_or_none()
    stored = found[0].secret_hash if found else NO_HASH
    if secret is not None and not hmac.compare_digest(stored, secret.hash):
        return None
    if found is None or not _is_valid(found[0]):
        return None
    key, role, is_operator = found
    if is_use:
        await _note_use(session, key)
    return Actor(
        user_id=key.user_id,
        roles={key.team_id: key.role.at_most(role)},
        api_key_id=key.id,
        # An operator's weaker key is weak: only one of role ADMIN administers the installation.
        is_operator=is_operator and key.role.at_most(role) is Role.ADMIN,
        trusted_documents_only=key.trusted_documents_only,
    )


def _is_valid(key: ApiKey) -> bool:
    expired = key.expires_at is not None and key.expires_at <= datetime.now(UTC)
    return key.revoked_at is None and not expired


async def _note_use(session: AsyncSession, key: ApiKey) -> None:
    """Remembers the use, at most once a minute, so that reading does not write."""
    now = datetime.now(UTC)
    if key.last_used_at is None or key.last_used_at < now - USED_EVERY:
        await session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))


def listed(actor: Actor, *, team_id: UUID | None = None, own: bool = False) -> Select[ApiKey]:
    """The keys of a team that the actor administers, or their own as far as the actor sees the team."""
    keys = select(ApiKey)
    if own:
        return keys.where(ApiKey.user_id == actor.user_id, ApiKey.team_id.in_(actor.team_ids))
    if not actor.is_operator:
        keys = keys.where(ApiKey.team_id.in_(access.administered(actor)))
    return keys if team_id is None else keys.where(ApiKey.team_id == team_id)


def visible(actor: Actor) -> Select[ApiKey]:
    if actor.is_operator:
        return select(ApiKey)
    own = (ApiKey.user_id == actor.user_id) & ApiKey.team_id.in_(actor.team_ids)
    return select(ApiKey).where(own | ApiKey.team_id.in_(access.administered(actor)))


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[ApiKey | None]:
    return await access.by_id(session, visible(actor), ApiKey.id, ids)


async def create(
    session: AsyncSession,
    actor: Actor,
    *,
    team_id: UUID,
    name: str,
    role: Role | None = None,
    user_id: UUID | None = None,
    expires: datetime | timedelta,
    trusted_documents_only: bool = False,
) -> tuple[ApiKey, str]:
    """A key for oneself, or (ADMIN) for another member. Its text is answered here and never again.

    One of the role ADMIN for an operator is made by operators alone.

    It `expires` at a moment, or after a time that the end of the key that it is made through cuts short. No key makes one that
    outlives it, unless it is an operator's; one that runs trusted documents only makes keys of its kind alone.
    """
    holder = user_id or actor.user_id
    access.require(actor, team_id, Role.VIEWER if holder == actor.user_id else Role.ADMIN)
    # Locked: a membership that ends at this moment ends with this key, or there is none.
    found = await session.execute(
        select(Membership.role, User.is_operator)
        .join(User, User.id == Membership.user_id)
        .where(Membership.team_id == team_id, Membership.user_id == holder)
        .with_for_update(read=True, key_share=True, of=Membership)
    )
    row = found.one_or_none()
    if row is None:
        raise not_found("Member", field="input.userId", ids=[holder])
    own, is_operator = row
    ceiling = own
    if holder == actor.user_id:
        ceiling = own.at_most(actor.roles.get(team_id, own))
    elif is_operator and not actor.is_operator:
        # As ADMIN it would administer the installation: whoever has a team could take an operator into it and become one.
        ceiling = own.at_most(Role.EDITOR)
    role = role or ceiling
    if role.rank > ceiling.rank:
        raise forbidden(f"The key's role can be {ceiling} at most.")
    return await add(
        session,
        team_id=team_id,
        user_id=holder,
        name=name,
        role=role,
        expires_at=await _end(session, actor, expires),
        trusted_documents_only=trusted_documents_only or actor.trusted_documents_only,
    )


async def _end(session: AsyncSession, actor: Actor, expires: datetime | timedelta) -> datetime:
    """When a key ends that the actor makes."""
    last = None
    if actor.api_key_id is not None and not actor.is_operator:
        last = await session.scalar(select(ApiKey.expires_at).where(ApiKey.id == actor.api_key_id))
    now = datetime.now(UTC)
    if isinstance(expires, timedelta):
        return min(now + expires, last or now + expires)
    if expires <= now:
        raise bad_input("input.expiresAt", "This lies in the past.")
    if last is not None and expires > last:
        raise forbidden("A key makes none that outlives it: for longer, log in.")
    return expires


async def add(
    session: AsyncSession,
    *,
    team_id: UUID,
    user_id: UUID,
    name: str,
    role: Role,
    expires_at: datetime | None,
    trusted_documents_only: bool = False,
) -> tuple[ApiKey, str]:
    """The bare row and the key's text, for `create` and the operator's commands."""
    secret = new_secret()
    key = ApiKey(
        team_id=team_id,
        user_id=user_id,
        name=line(name, field="input.name", required=True),
        role=role,
        public_id=secret.public_id,
        secret_hash=secret.hash,
        expires_at=expires_at,
        trusted_documents_only=trusted_documents_only,
    )
    session.add(key)
    await session.flush()
    return key, secret.text


async def revoke(session: AsyncSession, actor: Actor, key_id: UUID) -> ApiKey:
    """Ends a key at once; one that is revoked already stays as it is. FORBIDDEN through a key of a lower role."""
    key: ApiKey | None = await session.scalar(
        visible(actor).where(ApiKey.id == key_id).with_for_update()
    )
    if key is None:
        raise not_found("API key", ids=[key_id])
    if not _may_revoke(actor, key):
        raise forbidden("A key ends itself, and keys of at most its own role: for others, log in.")
    if key.revoked_at is None:
        key.revoked_at = datetime.now(UTC)
    await session.flush()
    return key


def _may_revoke(actor: Actor, key: ApiKey) -> bool:
    """Of a key that the actor sees."""
    if actor.is_operator or actor.session_id is not None or key.id == actor.api_key_id:
        return True
    return key.role.rank <= actor.roles[key.team_id].rank
