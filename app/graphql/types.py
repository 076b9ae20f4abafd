"""ALL output types. Each is made by `of(row)`; what a row points at goes through loaders."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from app import domain
from app.db import models
from app.domain import MICRO, Actor, Window
from app.errors import AppError, not_found
from app.graphql import ahead
from app.graphql.arguments import (
    After,
    Before,
    ExpiresIn,
    Fifty,
    Filter,
    First,
    Fit,
    Last,
    MinRelevance,
    MinScore,
    NameContains,
    Offset,
    Order,
    Ten,
)
from app.graphql.context import Context, Info
from app.graphql.enums import (
    AuditOutcome,
    BulkAction,
    BulkSkipReason,
    BulkStatus,
    Damage,
    DatasetStatus,
    ErrorCode,
    ImageFormat,
    ProcessingStatus,
    RelevanceBasis,
    Role,
    SearchStrategy,
    TagPolicy,
    TagSource,
    ThumbnailSize,
    UploadProblem,
)
from app.graphql.inputs import filter_value, order_value
from app.graphql.pagination import Connection, PageInfo, window
from app.services import (
    access,
    addresses,
    api_keys,
    audit_log,
    bulk_lists,
    collections,
    datasets,
    duplicates,
    images,
    paging,
    search,
    tags,
    teams,
    ticketing,
    uploads,
)
from app.services.relevance import Measure

N = TypeVar("N")
V = TypeVar("V")


async def listed(
    context: Context, rows: Any, keyset: paging.Keyset, part: Window, of: Callable[[Any], N]
) -> Connection[N]:
    """A connection over a select of the services."""
    db = context.db
    async with db.transaction() as session:
        page = await paging.page(session, rows, keyset, part)
    context.trail.saw(page.rows)

    async def count() -> int:
        async with db.transaction() as session:
            return await paging.count(session, rows)

    return Connection.of(page, [of(row) for row in page.rows], count)


async def listed_images(
    info: Info, wanted: domain.ImageFilter, order: domain.ImageOrder, part: Window
) -> "Connection[Image]":
    context = info.context
    actor, db = context.viewer, context.db
    async with db.transaction() as session:
        page = await images.page(session, actor, wanted, order, part)
        await context.loaders.bring(session, page.rows, ahead.of_rows(info._raw_info))
    context.trail.saw(page.rows)

    async def count() -> int:
        async with db.transaction() as session:
            return await images.count(session, actor, wanted)

    return Connection.of(page, [of_row(row) for row in page.rows], count)


KINDS: dict[str, type[Any]] = {}
"""Each type with an id by its name, which its rows have too. It fills as the types are defined."""


@strawberry.interface(description="Anything with an id: `node(id:)` finds it again.")
class Node:
    id: strawberry.ID = strawberry.field(description="Unique over all types; opaque.")

    def __init_subclass__(cls) -> None:
        KINDS[cls.__name__] = cls


def of_row(row: Any) -> Any:
    """A row as the type of its name: for what is defined before that type, because the two point at each other."""
    return KINDS[type(row).__name__].of(row)


# ───────────────────────────── people ─────────────────────────────


@strawberry.type(description="How many images are in each state of processing.")
class ProcessingCounts:
    pending: int = strawberry.field(description="Images that wait for a worker.")
    processing: int = strawberry.field(description="Images that a worker is at.")
    ready: int = strawberry.field(description="Images that search finds.")
    failed: int = strawberry.field(
        description="Images whose processing was given up; they wait for retryProcessing."
    )
    waiting_jobs: int = strawberry.field(
        description="Jobs that wait for a worker, or to be tried again: an image has one for its thumbnails"
        " and one for its vector. Those of images in the trash count too."
    )
    oldest_pending_at: datetime | None = strawberry.field(
        description="Since when the first of the waiting jobs could have begun; null where none could."
    )


@strawberry.type(description="A team in numbers.")
class TeamStats:
    image_count: int = strawberry.field(description="Live images; the trash does not count.")
    tag_count: int = strawberry.field(description="Tags, whether used or not.")
    stored_bytes: float = strawberry.field(
        description="Bytes of all originals, the trash included."
    )
    processing: ProcessingCounts = strawberry.field(description="The state of the background work.")

    @classmethod
    def of(cls, stats: teams.Stats) -> "TeamStats":
        counts = {status.lower(): number for status, number in stats.processing.items()}
        return cls(
            image_count=stats.image_count,
            tag_count=stats.tag_count,
            stored_bytes=stats.stored_bytes,
            processing=ProcessingCounts(
                **counts,
                waiting_jobs=stats.waiting_jobs,
                oldest_pending_at=stats.oldest_pending_at,
            ),
        )


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
        rows = teams.members(info.context.viewer, self.row.id)
        part = window(first, after)
        return await listed(info.context, rows, teams.MEMBERS, part, Membership.of)

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
    ) -> Connection["Image"]:
        part = window(first, after, last, before, offset)
        wanted = filter_value(filter).within(team_id=self.row.id)
        return await listed_images(info, wanted, order_value(order_by), part)

    @strawberry.field(description="Its tags by name.")
    async def tags(
        self, info: Info, search: NameContains = None, first: Fifty = 50, after: After = None
    ) -> Connection["Tag"]:
        rows = tags.listed(info.context.viewer, team_id=self.row.id, search=search)
        return await listed(info.context, rows, tags.BY_NAME, window(first, after), of_row)

    @strawberry.field(description="Its collections by name.")
    async def collections(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection["Collection"]:
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
        rows, part = (
            duplicates.groups_of(actor, self.row.id),
            window(10 if first is None else first, after),
        )
        async with db.transaction() as session:
            page = await paging.page(session, rows, duplicates.NEWEST, part)
            members = await duplicates.images_of(session, actor, self.row.id, page.rows)
        info.context.trail.saw([image for one in page.rows for image in members[one]])

        async def count() -> int:
            async with db.transaction() as session:
                return await paging.count(session, rows)

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

    @strawberry.field(description="In which teams, as far as the viewer sees those.")
    async def memberships(self, info: Info) -> list["Membership"]:
        rows = await info.context.loaders.memberships_of_user.load(self.row.id)
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
        return User.of(found(await info.context.loaders.user.load(self.row.user_id), "User"))

    @strawberry.field(description="Where.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))


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
        return User.of(found(await info.context.loaders.user.load(self.row.user_id), "User"))

    @strawberry.field(description="The only team that it reaches.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))


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
        return User.of(found(await info.context.loaders.user.load(self.actor.user_id), "User"))

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


# ───────────────────────────── images ─────────────────────────────


@strawberry.type(
    description="A signed address of a WebP derivative, with the picture's size there."
)
class Thumbnail:
    url: str = strawberry.field(
        description="Signed, absolute; it expires, so ask again rather than store it."
    )
    width: int = strawberry.field(description="Pixels.")
    height: int = strawberry.field(description="Pixels.")


@strawberry.type(description="One thing that the camera wrote into the file.")
class ExifEntry:
    name: str = strawberry.field(description="The name of the EXIF tag.")
    value: str = strawberry.field(description="Its value as text.")


@strawberry.type(description="What the background work has made of an image.")
class Processing:
    status: ProcessingStatus = strawberry.field(description="How far it is.")
    damage: Damage | None = strawberry.field(
        description="What is wrong with the stored bytes; null while they are right, as far as is known."
    )
    damaged_at: datetime | None = strawberry.field(
        description="When that was found; null while nothing is wrong."
    )
    row: strawberry.Private[models.Image]

    @strawberry.field(description="How often it was tried: the most of any of its jobs.")
    async def attempts(self, info: Info) -> int:
        status = await info.context.loaders.status_of_image.load(self.row.id)
        return status.attempts if status else 0

    @strawberry.field(description="Why the last attempt failed; null where none did.")
    async def error(self, info: Info) -> str | None:
        status = await info.context.loaders.status_of_image.load(self.row.id)
        return status.error if status else None

    @strawberry.field(description="The embedding model of the stored vector; null until READY.")
    async def model(self, info: Info) -> str | None:
        status = await info.context.loaders.status_of_image.load(self.row.id)
        return status.model if status else None

    @strawberry.field(description="When the last job ended; null until one did.")
    async def finished_at(self, info: Info) -> datetime | None:
        status = await info.context.loaders.status_of_image.load(self.row.id)
        return status.finished_at if status else None


@strawberry.type(
    description="A picture of a team: its bytes as they came, and what is known of them."
)
class Image(Node):
    title: str = strawberry.field(
        description="What people call it; the file's name without its end at first."
    )
    description: str = strawberry.field(description="What people say of it.")
    filename: str = strawberry.field(description="The file's name when it was uploaded.")
    format: ImageFormat = strawberry.field(description="The format of the original.")
    width: int = strawberry.field(description="Pixels, upright.")
    height: int = strawberry.field(description="Pixels, upright.")
    size_bytes: int = strawberry.field(description="Size of the original in bytes.")
    sha256: str = strawberry.field(description="SHA-256 of the original, in hex.")
    weight: float = strawberry.field(
        description="Its share in weighted random draws: 0 is never drawn, 2 twice as often as 1."
    )
    created_at: datetime = strawberry.field(description="When it was uploaded.")
    updated_at: datetime = strawberry.field(
        description="When its fields or the tags on it last changed; renaming a tag is no change of its images."
    )
    taken_at: datetime | None = strawberry.field(
        description="When the picture was taken: from EXIF, or as given."
    )
    trashed_at: datetime | None = strawberry.field(
        description="When it was put in the trash; null while it is live."
    )
    thumb_hash: str | None = strawberry.field(
        description="A tiny placeholder (ThumbHash, base64) to draw before the bytes arrive."
    )
    row: strawberry.Private[models.Image]

    @classmethod
    def of(cls, row: models.Image) -> "Image":
        return cls(
            id=strawberry.ID(str(row.id)),
            title=row.title,
            description=row.description,
            filename=row.filename,
            format=row.format,
            width=row.width,
            height=row.height,
            size_bytes=row.size_bytes,
            sha256=row.sha256.hex(),
            weight=row.weight / MICRO,
            created_at=row.created_at,
            updated_at=row.updated_at,
            taken_at=row.taken_at,
            trashed_at=row.trashed_at,
            thumb_hash=base64.b64encode(row.thumb_hash).decode() if row.thumb_hash else None,
            row=row,
        )

    @strawberry.field(description="Whose it is.")
    def team(self, info: Info) -> Team:
        return loaded(info.context.loaders.team, self.row.team_id, Team.found)

    @strawberry.field(description="Who uploaded it. Null once that user was deleted.")
    def uploaded_by(self, info: Info) -> User | None:
        user_id = self.row.uploaded_by
        return loaded(info.context.loaders.user, user_id, User.maybe) if user_id else None

    @strawberry.field(description="Its tags by name.")
    def tags(self, info: Info) -> list["Tag"]:
        return loaded(info.context.loaders.taggings_of_image, self.row.id, Tag.of_taggings)

    @strawberry.field(description="Its tags by name, with who put them there and when.")
    def taggings(self, info: Info) -> list["Tagging"]:
        return loaded(info.context.loaders.taggings_of_image, self.row.id, Tagging.all_of)

    @strawberry.field(description="The collections that it is in, by name.")
    async def collections(self, info: Info) -> list["Collection"]:
        rows = await info.context.loaders.collections_of_image.load(self.row.id)
        return [Collection.of(row) for row in rows]

    @strawberry.field(
        description="A signed, absolute address of the original bytes. It names image, variant, actor and an"
        " expiry rounded to a window, so that it repeats and caches; the server checks the actor's access"
        " again when it is used."
    )
    def url(self, info: Info, expires_in: ExpiresIn = 3600) -> str:
        return signed(
            info, self.row, addresses.Variant.ORIGINAL, 3600 if expires_in is None else expires_in
        )

    @strawberry.field(
        description="A signed address of a WebP derivative that fits into a square; made once, then stored."
        " Null until it is made."
    )
    def thumbnail(self, info: Info, fit: Fit = ThumbnailSize.MEDIUM) -> Thumbnail | None:
        fit = fit or ThumbnailSize.MEDIUM
        made = self.row.thumbnails.get(fit.value)
        if made is None:
            return None
        url = signed(info, self.row, addresses.Variant[fit.name], 3600)
        return Thumbnail(url=url, width=made["width"], height=made["height"])

    @strawberry.field(description="What the camera wrote into the file.")
    def exif(self) -> list[ExifEntry]:
        return [
            ExifEntry(name=name, value=value) for name, value in self.row.exif.get("entries", [])
        ]

    @strawberry.field(
        description="The team's images that look most like this one; empty until processing is READY."
    )
    async def similar(
        self,
        info: Info,
        filter: Filter = None,
        min_score: MinScore = None,
        min_relevance: MinRelevance = None,
        first: Ten = 10,
        after: After = None,
    ) -> "SearchConnection":
        actor, db = info.context.viewer, info.context.db
        wanted = filter_value(filter).within(team_id=self.row.team_id)
        part = window(10 if first is None else first, after)
        async with db.transaction() as session:
            hits = await search.similar(
                session, actor, self.row.id, wanted, min_score, part, min_relevance
            )
        info.context.resources.recall.saw(db, hits.near)
        info.context.trail.saw(hit.image for hit in hits.hits)

        async def count() -> int:
            async with db.transaction() as session:
                return await search.similar_count(session, actor, self.row.id, wanted, after)

        return SearchConnection.of(hits, count)

    @strawberry.field(description="How far the background work on it is.")
    def processing(self) -> Processing:
        return Processing(
            status=self.row.processing,
            damage=self.row.damage,
            damaged_at=self.row.damaged_at,
            row=self.row,
        )

    @strawberry.field(
        description="Who did what to this image, also as one of many, newest first (ADMIN; null for others)."
    )
    async def history(
        self, info: Info, first: Fifty = 50, after: After = None
    ) -> Connection["AuditEvent"] | None:
        actor, team_id = info.context.viewer, self.row.team_id
        if actor.roles.get(team_id) is not Role.ADMIN:
            return None
        rows = audit_log.history(actor, team_id, self.row.id)
        return await listed(
            info.context, rows, audit_log.BY_TIME, window(first, after), AuditEvent.of
        )


@strawberry.type(description="An image that was found, with how near it is.")
class SearchEdge:
    cursor: str = strawberry.field(
        description="The hit's place: opaque, bound to this very search."
    )
    node: Image = strawberry.field(description="The image.")
    score: float = strawberry.field(
        description="Cosine similarity of the query and the image, -1 to 1;"
        " for HYBRID the fused score, 0 to 1."
    )
    cosine: strawberry.Private[float]
    measure: strawberry.Private[Measure]

    @strawberry.field(
        description="How surely it is more than chance: the share of unrelated questions of the same kind (texts or"
        " pictures) whose best hit among all images of the image's team scores lower, 0 to 1. It means the same for every model,"
        " and for text and pictures. By meaning alone, also for HYBRID, where a hit by its words may have little. With"
        " not, it is that of the main question, and rather too low."
    )
    async def relevance(self, info: Info) -> float:
        team_id = self.node.row.team_id
        known = await info.context.loaders.chance.load(self.measure.key(team_id))
        return (known or self.measure.prior).relevance(self.cosine)


@strawberry.type(description="Ranked hits, best first, or as orderBy has them.")
class SearchConnection:
    edges: list[SearchEdge] = strawberry.field(description="The hits with score and cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies among the hits.")
    model: str = strawberry.field(
        description="The embedding model whose vectors ranked them, all by this one: later pages stay with it."
    )
    strategy: SearchStrategy = strawberry.field(description="How the vectors were looked through.")
    complete: bool = strawberry.field(
        description="Whether these certainly are the nearest: true for EXACT."
        " For INDEX false, because a near image may be missing, which hardly ever happens."
    )
    took_ms: float = strawberry.field(
        description="Milliseconds that finding them took, without reading the question."
    )
    counter: strawberry.Private[Callable[[], Awaitable[int]]]
    measure: strawberry.Private[Measure]

    @strawberry.field(description="The images alone.")
    def nodes(self) -> list[Image]:
        return [edge.node for edge in self.edges]

    @strawberry.field(
        description="What relevance stands on in the teams of these hits, or, where there are none, in the teams that were"
        " searched: PRIOR unless all of them are measured."
    )
    async def relevance_basis(self, info: Info) -> RelevanceBasis:
        teams = {edge.node.row.team_id for edge in self.edges}
        keys = [self.measure.key(one) for one in teams or self.measure.team_ids]
        known = await info.context.loaders.chance.load_many(keys)
        return RelevanceBasis.TEAM if known and all(known) else RelevanceBasis.PRIOR

    @strawberry.field(
        description="Images that the filter lets through and that are searchable now."
        " Counted only when asked for."
    )
    async def candidate_count(self) -> int:
        return await self.counter()

    @classmethod
    def of(cls, hits: search.Hits, counter: Callable[[], Awaitable[int]]) -> "SearchConnection":
        return cls(
            edges=[
                SearchEdge(
                    cursor=cursor,
                    node=of_row(hit.image),
                    score=hit.score,
                    cosine=hit.cosine,
                    measure=hits.measure,
                )
                for cursor, hit in zip(hits.cursors, hits.hits, strict=True)
            ],
            page_info=PageInfo(
                has_next_page=hits.has_next,
                has_previous_page=hits.has_previous,
                start_cursor=hits.cursors[0] if hits.cursors else None,
                end_cursor=hits.cursors[-1] if hits.cursors else None,
            ),
            model=hits.model,
            strategy=hits.near.strategy,
            complete=hits.near.complete,
            took_ms=hits.took_ms,
            measure=hits.measure,
            counter=counter,
        )


@strawberry.type(description="Images that look like copies of each other.")
class DuplicateGroup:
    images: list[Image] = strawberry.field(
        description="The oldest first: 2 to 50. What is in the trash is left out."
    )

    @classmethod
    def of(cls, rows: Sequence[models.Image]) -> "DuplicateGroup":
        return cls(images=[of_row(row) for row in rows])


@strawberry.type(description="A word that a team puts on its images.")
class Tag(Node):
    name: str = strawberry.field(description="Unique in the team without regard to case.")
    created_at: datetime = strawberry.field(description="When it was made.")
    row: strawberry.Private[models.Tag]

    @classmethod
    def of(cls, row: models.Tag) -> "Tag":
        return cls(id=strawberry.ID(str(row.id)), name=row.name, created_at=row.created_at, row=row)

    @classmethod
    def of_taggings(cls, taggings: list[tags.Tagging]) -> list["Tag"]:
        return [cls.of(one.tag) for one in taggings]

    @strawberry.field(description="Whose it is.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))

    @strawberry.field(description="Who made it. Null once that user was deleted.")
    async def created_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.created_by)

    @strawberry.field(description="How many live images carry it.")
    async def image_count(self, info: Info) -> int:
        return await info.context.loaders.image_count_of_tag.load(self.row.id)

    @strawberry.field(description="The images that carry it; newest first without orderBy.")
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
    ) -> Connection[Image]:
        part = window(first, after, last, before, offset)
        wanted = filter_value(filter).within(team_id=self.row.team_id, tag=self.row.name)
        return await listed_images(info, wanted, order_value(order_by), part)


@strawberry.type(description="A tag on an image.")
class Tagging:
    tag: Tag = strawberry.field(description="Which tag.")
    tagged_at: datetime = strawberry.field(description="When it was put on.")
    source: TagSource = strawberry.field(description="How it came to be on the image.")
    tagger: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, tagging: tags.Tagging) -> "Tagging":
        return cls(
            tag=Tag.of(tagging.tag),
            tagged_at=tagging.tagged_at,
            source=tagging.source,
            tagger=tagging.tagged_by,
        )

    @classmethod
    def all_of(cls, taggings: list[tags.Tagging]) -> list["Tagging"]:
        return [cls.of(one) for one in taggings]

    @strawberry.field(description="Who put it on. Null once that user was deleted.")
    async def tagged_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.tagger)


@strawberry.type(description="A named set of images of a team.")
class Collection(Node):
    name: str = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What people say of it.")
    created_at: datetime = strawberry.field(description="When it was made.")
    row: strawberry.Private[models.Collection]

    @classmethod
    def of(cls, row: models.Collection) -> "Collection":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            description=row.description,
            created_at=row.created_at,
            row=row,
        )

    @strawberry.field(description="Whose it is.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))

    @strawberry.field(description="The images in it; newest first without orderBy.")
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
    ) -> Connection[Image]:
        part = window(first, after, last, before, offset)
        wanted = filter_value(filter).within(team_id=self.row.team_id, collection_id=self.row.id)
        return await listed_images(info, wanted, order_value(order_by), part)


@strawberry.type(description="Images that a bulk job left out, for one reason.")
class BulkSkip:
    reason: BulkSkipReason = strawberry.field(description="Why.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(
    description="One change of many images: prepared, looked at, started, and then done in the background."
)
class BulkJob(Node):
    status: BulkStatus = strawberry.field(description="How far it is.")
    action: BulkAction = strawberry.field(description="What it does to every image.")
    tags: list[str] = strawberry.field(
        description="The tags that it puts on or takes off, as they were named."
    )
    new_tags: list[str] = strawberry.field(
        description="Those of the tags to put on that the team did not have when the job was prepared."
    )
    weight: float | None = strawberry.field(description="The weight that it sets.")
    total: int = strawberry.field(description="How many images it is for.")
    done: int = strawberry.field(
        description="Images that had their turn and are as they are to be. With skipped, how far it is."
    )
    changed: int = strawberry.field(
        description="Of those, the ones that were not so before: the others stayed as they were."
    )
    skipped: int = strawberry.field(description="Images that were left out.")
    skips: list[BulkSkip] = strawberry.field(description="Why images were left out.")
    error: str | None = strawberry.field(description="Why it was given up; null where it was not.")
    created_at: datetime = strawberry.field(description="When it was prepared.")
    started_at: datetime | None = strawberry.field(
        description="When somebody started it; null until then."
    )
    finished_at: datetime | None = strawberry.field(
        description="When it ended, however it did; null until then."
    )
    row: strawberry.Private[models.BulkJob]

    @classmethod
    def of(cls, row: models.BulkJob) -> "BulkJob":
        counts = {BulkSkipReason.GONE: row.gone, BulkSkipReason.CROWDED: row.crowded}
        return cls(
            id=strawberry.ID(str(row.id)),
            status=row.status,
            action=row.action,
            tags=row.tags,
            new_tags=row.new_tags,
            weight=None if row.weight is None else row.weight / MICRO,
            total=row.total,
            done=row.done,
            changed=row.changed,
            skipped=row.gone + row.crowded,
            skips=[BulkSkip(reason=why, count=count) for why, count in counts.items() if count],
            error=row.error,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            row=row,
        )

    @strawberry.field(description="Whose images.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))

    @strawberry.field(description="Who prepared it. Null once that user was deleted.")
    async def created_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.created_by)

    @strawberry.field(
        description="Who started it, and as whom it is done. Null until then, and once that user was deleted."
    )
    async def started_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.started_by)

    @strawberry.field(
        description="The collection that images are put into or taken out of. Null once it was deleted."
    )
    async def collection(self, info: Info) -> Collection | None:
        if self.row.collection_id is None:
            return None
        row = await info.context.loaders.collection.load(self.row.collection_id)
        return Collection.of(row) if row else None

    @strawberry.field(
        description="The images that it is prepared for, all of them: newest first, those of a search best first."
        " Empty once the job was started."
    )
    async def images(self, info: Info, first: Ten = 10, after: After = None) -> Connection[Image]:
        context, row = info.context, self.row
        part = window(10 if first is None else first, after)
        async with context.db.transaction() as session:
            page = await bulk_lists.images(session, row, part)
            await context.loaders.bring(session, page.rows, ahead.of_rows(info._raw_info))
        context.trail.saw(page.rows)

        async def count() -> int:
            return row.total if row.status is BulkStatus.PREPARED else 0

        return Connection.of(page, [Image.of(one) for one in page.rows], count)


# ───────────────────────────── datasets ─────────────────────────────


@strawberry.type(description="A file of a dataset. Its bytes never change.")
class DatasetFile:
    name: str = strawberry.field(description="Such as images.jsonl.")
    media_type: str = strawberry.field(description="What it is, as HTTP says it.")
    size_bytes: float = strawberry.field(description="How many bytes it has.")
    sha256: str = strawberry.field(description="Their SHA-256, in hex.")
    row: strawberry.Private[models.Dataset]

    @classmethod
    def of(cls, row: models.Dataset, file: datasets.Stored) -> "DatasetFile":
        return cls(
            name=file.name.value,
            media_type=file.name.media_type,
            size_bytes=file.size,
            sha256=file.sha256,
            row=row,
        )

    @strawberry.field(
        description="A signed, absolute address, as that of an image: it expires, and the access is checked again."
    )
    def url(self, info: Info, expires_in: ExpiresIn = 3600) -> str:
        return signed_dataset(info, self.row, self.name, expires_in)


@strawberry.type(
    description="Images with their tags as they were at one moment, for training: files that never change."
)
class Dataset(Node):
    name: str = strawberry.field(description="What people call it.")
    done: int = strawberry.field(description="How many images are written so far.")
    image_count: int | None = strawberry.field(
        description="How many images it has; null until it is READY."
    )
    size_bytes: float = strawberry.field(description="Bytes of its files, without any original.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    snapshot_at: datetime | None = strawberry.field(
        description="The moment that it shows; null until it is READY."
    )
    finished_at: datetime | None = strawberry.field(
        description="When its files were there; null until then."
    )
    row: strawberry.Private[models.Dataset]

    @classmethod
    def of(cls, row: models.Dataset) -> "Dataset":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            done=row.done,
            image_count=row.image_count,
            size_bytes=sum(one.size for one in datasets.files(row)),
            created_at=row.created_at,
            snapshot_at=row.snapshot_at,
            finished_at=row.finished_at,
            row=row,
        )

    @strawberry.field(description="Whose it is.")
    async def team(self, info: Info) -> Team:
        return Team.of(found(await info.context.loaders.team.load(self.row.team_id), "Team"))

    @strawberry.field(description="Who asked for it. Null once that user was deleted.")
    async def created_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.created_by)

    @strawberry.field(description="How far it is.")
    async def status(self, info: Info) -> DatasetStatus:
        status = (await info.context.loaders.progress_of_dataset.load(self.row.id)).status
        # It may have become READY since the row was read, which then says nothing yet of what there is.
        unread = status is DatasetStatus.READY and self.row.files is None
        return DatasetStatus.RUNNING if unread else status

    @strawberry.field(description="Why the last attempt failed; null where none did.")
    async def error(self, info: Info) -> str | None:
        return (await info.context.loaders.progress_of_dataset.load(self.row.id)).error

    @strawberry.field(description="Its files; none until it is READY.")
    def files(self) -> list[DatasetFile]:
        return [DatasetFile.of(self.row, one) for one in datasets.files(self.row)]

    @strawberry.field(
        description="A signed, absolute address of one tar archive of the files and of all originals that"
        " are still there; null until it is READY."
    )
    def archive_url(self, info: Info, expires_in: ExpiresIn = 3600) -> str | None:
        if self.row.files is None:
            return None
        return signed_dataset(info, self.row, addresses.ARCHIVE, expires_in)


# ───────────────────────────── audit ─────────────────────────────


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


# ───────────────────────────── uploads ─────────────────────────────


@strawberry.type(
    description="created is false where the team already has these very bytes: that image comes back"
    " (out of the trash, if it lay there), with the new tags added."
)
class UploadImagePayload:
    image: Image = strawberry.field(description="The image.")
    created: bool = strawberry.field(description="Whether it is new.")

    @classmethod
    def of(cls, uploaded: uploads.Uploaded) -> "UploadImagePayload":
        return cls(image=Image.of(uploaded.image), created=uploaded.created)


@strawberry.type(description="A file that was not taken in.")
class UploadRejection:
    index: int = strawberry.field(description="Its place among the files, from 0.")
    filename: str = strawberry.field(description="Its name as it was sent.")
    code: ErrorCode = strawberry.field(description="What kind of error it is.")
    reason: UploadProblem | None = strawberry.field(description="What is wrong with the file.")
    message: str = strawberry.field(description="The same for people.")

    @classmethod
    def of(cls, index: int, filename: str, error: AppError) -> "UploadRejection":
        return cls(
            index=index,
            filename=filename,
            code=error.code,
            reason=error.reason,
            message=error.message,
        )


UploadResult = Annotated[
    UploadImagePayload | UploadRejection,
    strawberry.union("UploadResult", description="What became of one file."),
]


@strawberry.type(description="A header of an HTTP request.")
class HttpHeader:
    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value.")


@strawberry.type(
    description="The permission to send one file's bytes by HTTP PUT, and then to complete the upload."
)
class UploadTicket:
    ticket: str = strawberry.field(
        description="What completeUpload is told. Whoever has it can send the bytes: keep it secret."
    )
    url: str = strawberry.field(
        description="Where to PUT the bytes as they are, with no key or login; as often as needed."
    )
    headers: list[HttpHeader] = strawberry.field(description="What the PUT must carry.")
    expires_at: datetime = strawberry.field(
        description="When it ends: until then the bytes have come and the upload is completed."
    )

    @classmethod
    def of(cls, issued: ticketing.Issued, *, base_url: str) -> "UploadTicket":
        return cls(
            ticket=issued.token,
            url=issued.url or f"{base_url}/uploads/{issued.token}",
            headers=[HttpHeader(name=name, value=value) for name, value in issued.headers.items()],
            expires_at=issued.expires_at,
        )


RequestUploadResult = Annotated[
    UploadTicket | UploadImagePayload,
    strawberry.union(
        "RequestUploadResult",
        description="The image, where the team has these bytes already; else a ticket to PUT them.",
    ),
]


def found(row: N | None, what: str) -> N:
    """A row that another row points at; NOT_FOUND where it went in between."""
    if row is None:
        raise not_found(what)
    return row


def loaded(loader: DataLoader[UUID, V], key: UUID, of: Callable[[V], N]) -> N:
    """What `of` makes of a loader's value; an awaitable of it where that is not there yet.

    A resolver may answer either, and a value at once spares a task for each row of a list.
    """
    waiting = cast("asyncio.Future[V]", loader.load(key))
    if waiting.done():
        return of(waiting.result())

    async def later() -> N:
        return of(await waiting)

    return cast(N, later())


async def user_or_none(info: Info, user_id: UUID | None) -> User | None:
    """A user who is still there and whom the viewer may see."""
    return User.maybe(await info.context.loaders.user.load(user_id)) if user_id else None


async def node_or_none(info: Info, id: UUID) -> Node | None:
    """Whatever has this id, as far as the viewer sees it."""
    kind = await info.context.loaders.kind.load(id)
    if kind is None:
        return None
    row = await info.context.loaders.of_kind(kind).load(id)
    return of_row(row) if row is not None else None


def signed(info: Info, row: models.Image, variant: addresses.Variant, expires_in: int) -> str:
    context = info.context
    return context.base_url + addresses.sign(
        context.resources.settings.signing_key,
        image_id=row.id,
        variant=variant,
        actor=context.viewer,
        expires_in=expires_in,
        now=time.time(),
    )


def signed_dataset(info: Info, row: models.Dataset, file: str, expires_in: int | None) -> str:
    context = info.context
    return context.base_url + addresses.sign_dataset(
        context.resources.settings.signing_key,
        dataset_id=row.id,
        file=file,
        actor=context.viewer,
        expires_in=3600 if expires_in is None else expires_in,
        now=time.time(),
    )
