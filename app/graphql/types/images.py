"""Images with what is known of them. They point at nearly all other types, and come last."""

import base64
import time
from datetime import datetime

import strawberry

from app.db import models
from app.domain import MICRO
from app.graphql.arguments import After, ExpiresIn, Fifty, Filter, Fit, MinRelevance, MinScore, Ten
from app.graphql.context import Info
from app.graphql.enums import Damage, ImageFormat, ProcessingStatus, Role, ThumbnailSize
from app.graphql.inputs import filter_value
from app.graphql.pagination import Connection, counter, window
from app.graphql.types.audit import AuditEvent
from app.graphql.types.collections import Collection
from app.graphql.types.lists import listed
from app.graphql.types.nodes import Node, loaded
from app.graphql.types.people import Team, User
from app.graphql.types.search import SearchConnection
from app.graphql.types.tags import Tag, Tagging
from app.services.auditing import audit_log
from app.services.people import addresses
from app.services.searching import search


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

    @strawberry.field(
        description="The embedding model of the stored vector; null until there is one."
    )
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
        " Kept in millionths."
    )
    created_at: datetime = strawberry.field(description="When it was uploaded.")
    updated_at: datetime = strawberry.field(
        description="When its fields or the tags on it last changed;"
        " renaming, merging or deleting a tag is no change of its images."
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

    @strawberry.field(
        description="The collections that it is in, by name in the order of the database's collation."
    )
    async def collections(self, info: Info) -> list["Collection"]:
        rows = await info.context.loaders.collections_of_image.load(self.row.id)
        return [Collection.of(row) for row in rows]

    @strawberry.field(
        description="A signed, absolute address of the original bytes. It names image, variant, actor and an"
        " expiry rounded to a window, so that it repeats and caches; the server checks the actor's access"
        " again when it is used."
    )
    def url(self, info: Info, expires_in: ExpiresIn = 3600) -> str:
        return signed(info, self.row, addresses.Variant.ORIGINAL, expires_in)

    @strawberry.field(
        description="A signed address of a WebP derivative that fits into a square; made once, then stored."
        " Null until it is made."
    )
    def thumbnail(self, info: Info, fit: Fit = ThumbnailSize.MEDIUM) -> Thumbnail | None:
        fit = fit or ThumbnailSize.MEDIUM
        made = self.row.thumbnails.get(fit.value)
        if made is None:
            return None
        url = signed(info, self.row, addresses.Variant[fit.name])
        return Thumbnail(url=url, width=made["width"], height=made["height"])

    @strawberry.field(description="What the camera wrote into the file.")
    def exif(self) -> list[ExifEntry]:
        return [
            ExifEntry(name=name, value=value) for name, value in self.row.exif.get("entries", [])
        ]

    @strawberry.field(
        description="The team's images that look most like this one; empty until it has a vector, which comes while it is processed."
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
        part = window(first, after, default=10)
        async with db.transaction() as session:
            hits = await search.similar(
                session, actor, self.row.id, wanted, min_score, part, min_relevance
            )
        info.context.resources.recall.saw(db, hits.near)
        info.context.trail.saw(hit.image for hit in hits.hits)
        count = counter(
            db, lambda session: search.similar_count(session, actor, self.row.id, wanted, after)
        )
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


def signed(
    info: Info, row: models.Image, variant: addresses.Variant, expires_in: int | None = None
) -> str:
    context = info.context
    return context.base_url + addresses.sign(
        context.resources.settings.signing_key,
        image_id=row.id,
        variant=variant,
        actor=context.viewer,
        expires_in=3600 if expires_in is None else expires_in,
        now=time.time(),
    )
