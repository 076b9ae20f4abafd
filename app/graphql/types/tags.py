"""Tags, and tags on images."""

from datetime import datetime
from uuid import UUID

import strawberry

from app.db import models
from app.graphql.arguments import After, Before, Filter, First, Last, Offset, Order
from app.graphql.context import Info
from app.graphql.enums import TagSource
from app.graphql.inputs import filter_value, order_value
from app.graphql.pagination import Connection, window
from app.graphql.types.late import LateImage
from app.graphql.types.lists import listed_images
from app.graphql.types.nodes import Node
from app.graphql.types.people import Team, User, team_of, user_or_none
from app.services import taggings


@strawberry.type(description="A word that a team puts on its images.")
class Tag(Node):
    name: str = strawberry.field(description="Unique in the team without regard to case.")
    created_at: datetime = strawberry.field(description="When it was made.")
    row: strawberry.Private[models.Tag]

    @classmethod
    def of(cls, row: models.Tag) -> "Tag":
        return cls(id=strawberry.ID(str(row.id)), name=row.name, created_at=row.created_at, row=row)

    @classmethod
    def of_taggings(cls, rows: list[taggings.Tagging]) -> list["Tag"]:
        return [cls.of(one.tag) for one in rows]

    @strawberry.field(description="Whose it is.")
    async def team(self, info: Info) -> Team:
        return await team_of(info, self.row.team_id)

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
    ) -> Connection[LateImage]:
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
    def of(cls, tagging: taggings.Tagging) -> "Tagging":
        return cls(
            tag=Tag.of(tagging.tag),
            tagged_at=tagging.tagged_at,
            source=tagging.source,
            tagger=tagging.tagged_by,
        )

    @classmethod
    def all_of(cls, rows: list[taggings.Tagging]) -> list["Tagging"]:
        return [cls.of(one) for one in rows]

    @strawberry.field(description="Who put it on. Null once that user was deleted.")
    async def tagged_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.tagger)
