"""Teams and whoever is in them, with their keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from app.db import models
from app.domain import DEFAULT_MEMBERSHIPS, MAX_MEMBERSHIPS, Actor
from app.errors import bad_input
from app.graphql.arguments import (
    After,
    Before,
    Fifty,
    Filter,
    First,
    Last,
    NameContains,
    Offset,
    Order,
    Ten,
)
from app.graphql.context import Info
from app.graphql.enums import Role, TagPolicy
from app.graphql.inputs import filter_value, order_value
from app.graphql.pagination import Connection, counter, window
from app.graphql.types.duplicates import DuplicateGroup
from app.graphql.types.late import LateCollection, LateImage, LateTag
from app.graphql.types.lists import listed, listed_images
from app.graphql.types.nodes import Node, found, of_row
from app.graphql.types.stats import TeamStats
from app.services import access, collections, duplicates, paging, tags
from app.services.people import api_keys, memberships, teams


@strawberry.type(description="People who share images. Nobody else sees them.")
class Team(Node):
    name: str = strawberry.field(description="What people call it.")
    slug: str = strawberry.field(description="Its short name in addresses; unique.")
    tag_policy: TagPolicy = strawberry.field(description="What becomes of unknown tag names.")
    created_at: datetime = strawberry.field(description="When it was made.")
    row: strawberry.Private[models.Team]

    @classmethod
    def of(cls, row: models.Team) -> "Team":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            slug=row.slug,
            tag_policy=row.tag_policy,
            created_at=row.created_at,
            row=row,
        )

    @classmethod
    def found(cls, row: models.Team | None) -> "Team":
        return cls.of(found(row, "Team"))

    @strawberry.field(description="Its members, in the order in which they joined.")
    async def members(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection["Membership"]:
        rows = memberships.listed(info.context.viewer, self.row.id)
        part = window(first, after)
        return await listed(info.context, rows, memberships.MEMBERS, part, Membership.of)

    @strawberry.field(description="Its images; newest first without orderBy.")
    async def images(
        self,
        info: Info,
        filter: Filter = None,
        order_by: Order = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        offset: Offset = None,
    ) -> Connection[LateImage]:
        part = window(first, after, last, before, offset)
        wanted = filter_value(filter).within(team_id=self.row.id)
        return await listed_images(info, wanted, order_value(order_by), part)

    @strawberry.field(description="Its tags by name.")
    async def tags(
        self, info: Info, search: NameContains = None, first: Fifty = 50, after: After = None
    ) -> Connection[LateTag]:
        rows = tags.listed(info.context.viewer, team_id=self.row.id, search=search)
        return await listed(info.context, rows, tags.BY_NAME, window(first, after), of_row)

    @strawberry.field(
        description="Its collections by name, in the order of the database's collation."
    )
    async def collections(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection[LateCollection]:
        rows = collections.listed(info.context.viewer, self.row.id)
        part = window(first, after)
        return await listed(info.context, rows, collections.BY_NAME, part, of_row)

    @strawberry.field(description="The team's keys, newest first (ADMIN; null for others).")
    async def api_keys(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection["ApiKey"] | None:
        actor = info.context.viewer
        if not access.administers(actor, self.row.id):
            return None
        rows = api_keys.listed(actor, team_id=self.row.id)
        return await listed(info.context, rows, api_keys.BY_AGE, window(first, after), ApiKey.of)

    @strawberry.field(
        description="Groups of near-copies among its live images, as far as they have been looked for;"
        " the group with the newest original first. markNotDuplicates takes a group apart for ever."
    )
    async def duplicate_groups(
        self, info: Info, first: Ten = 10, after: After = None
    ) -> Connection["DuplicateGroup"]:
        actor, db = info.context.viewer, info.context.db
        rows = duplicates.groups_of(actor, self.row.id)
        part = window(first, after, default=10)
        # What is trashed between two looks would leave groups of one.
        async with db.snapshot() as session:
            page = await paging.page(session, rows, duplicates.NEWEST, part)
            members = await duplicates.images_of(session, actor, self.row.id, page.rows)
        info.context.trail.saw([image for one in page.rows for image in members[one]])
        count = counter(db, lambda session: paging.count(session, rows))
        nodes = [DuplicateGroup.of(members[one]) for one in page.rows]
        return Connection.of(page, nodes, count)

    @strawberry.field(description="The team in numbers (members; NOT_FOUND for others).")
    async def stats(self, info: Info) -> TeamStats:
        async with info.context.db.transaction() as session:
            return TeamStats.of(await teams.stats(session, info.context.viewer, self.row.id))


@strawberry.type(description="A person. Seen by whoever shares a team with them.")
class User(Node):
    name: str = strawberry.field(description="What people call them.")
    created_at: datetime = strawberry.field(description="When they were added.")
    row: strawberry.Private[models.User]

    @classmethod
    def of(cls, row: models.User) -> "User":
        return cls(id=strawberry.ID(str(row.id)), name=row.name, created_at=row.created_at, row=row)

    @classmethod
    def maybe(cls, row: models.User | None) -> "User | None":
        """A user who is still there and whom the viewer may see."""
        return cls.of(row) if row else None

    @strawberry.field(
        description="Seen by the user, by admins of a team they share, and by operators; null for others."
    )
    async def email(self, info: Info) -> str | None:
        return await info.context.loaders.email.load(self.row.id)

    @strawberry.field(
        description="In which teams, as far as the viewer sees those; the oldest memberships first."
    )
    async def memberships(
        self,
        info: Info,
        first: Annotated[
            int | None,
            strawberry.argument(
                description="So many at most: 1 to 1,000. An operator, who sees those in all teams, pays for as many."
            ),
        ] = DEFAULT_MEMBERSHIPS,
    ) -> list["Membership"]:
        most = DEFAULT_MEMBERSHIPS if first is None else first
        if not 1 <= most <= MAX_MEMBERSHIPS:
            raise bad_input("first", f"Ask for 1 to {MAX_MEMBERSHIPS}.", limit=MAX_MEMBERSHIPS)
        rows = await info.context.loaders.memberships_of_user.load((self.row.id, most))
        return [Membership.of(row) for row in rows]


@strawberry.type(description="A user in a team.")
class Membership(Node):
    role: Role = strawberry.field(description="What the user may do in the team.")
    since: datetime = strawberry.field(description="When the user joined.")
    row: strawberry.Private[models.Membership]

    @classmethod
    def of(cls, row: models.Membership) -> "Membership":
        return cls(id=strawberry.ID(str(row.id)), role=row.role, since=row.since, row=row)

    @strawberry.field(description="Who.")
    async def user(self, info: Info) -> User:
        return await user_of(info, self.row.user_id)

    @strawberry.field(description="Where.")
    async def team(self, info: Info) -> Team:
        return await team_of(info, self.row.team_id)


@strawberry.type(description="A key with which a program acts for a user in one team.")
class ApiKey(Node):
    name: str = strawberry.field(description="What it is for.")
    prefix: str = strawberry.field(
        description="The key's first characters, to recognise it by;"
        " the key itself is shown once, when it is made."
    )
    role: Role = strawberry.field(
        description="What it may do: at most what its user may at the time."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="From when on it is refused.")
    last_used_at: datetime | None = strawberry.field(description="Last use, to the minute.")
    revoked_at: datetime | None = strawberry.field(
        description="When it was ended; null while it counts."
    )
    trusted_documents_only: bool = strawberry.field(
        description="Whether it runs nothing but documents of the installation's manifests."
    )
    row: strawberry.Private[models.ApiKey]

    @classmethod
    def of(cls, row: models.ApiKey) -> "ApiKey":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            prefix=f"pic_{row.public_id}",
            role=row.role,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            trusted_documents_only=row.trusted_documents_only,
            row=row,
        )

    @strawberry.field(description="For whom it acts.")
    async def user(self, info: Info) -> User:
        return await user_of(info, self.row.user_id)

    @strawberry.field(description="The only team that it reaches.")
    async def team(self, info: Info) -> Team:
        return await team_of(info, self.row.team_id)


@strawberry.type(description="Who is asking.")
class Viewer:
    is_operator: bool = strawberry.field(
        description="Whether the viewer administers the installation."
    )
    actor: strawberry.Private[Actor]

    @classmethod
    def of(cls, actor: Actor) -> "Viewer":
        return cls(is_operator=actor.is_operator, actor=actor)

    @strawberry.field(description="The user for whom this request acts.")
    async def user(self, info: Info) -> User:
        return await user_of(info, self.actor.user_id)

    @strawberry.field(description="The API key of this request; null in a login session.")
    async def api_key(self, info: Info) -> ApiKey | None:
        if self.actor.api_key_id is None:
            return None
        row = await info.context.loaders.api_key.load(self.actor.api_key_id)
        return ApiKey.of(found(row, "API key"))

    @strawberry.field(
        description="The viewer's own keys in the teams of this request, newest first."
    )
    async def api_keys(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection[ApiKey]:
        rows = api_keys.listed(self.actor, own=True)
        return await listed(info.context, rows, api_keys.BY_AGE, window(first, after), ApiKey.of)


async def team_of(info: Info, team_id: UUID) -> Team:
    """Whose a row is that the viewer sees; NOT_FOUND where that team went in between."""
    return Team.found(await info.context.loaders.team.load(team_id))


async def user_of(info: Info, user_id: UUID) -> User:
    """The user without whom a row is not; NOT_FOUND where both went in between."""
    return User.of(found(await info.context.loaders.user.load(user_id), "User"))


async def user_or_none(info: Info, user_id: UUID | None) -> User | None:
    """A user who is still there and whom the viewer may see."""
    return User.maybe(await info.context.loaders.user.load(user_id)) if user_id else None
