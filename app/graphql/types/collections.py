"""Collections."""

from datetime import datetime

import strawberry

from app.db import models
from app.graphql.arguments import After, Before, Filter, First, Last, Offset, Order
from app.graphql.context import Info
from app.graphql.inputs import filter_value, order_value
from app.graphql.pagination import Connection, window
from app.graphql.types.late import LateImage
from app.graphql.types.lists import listed_images
from app.graphql.types.nodes import Node
from app.graphql.types.people import Team, team_of


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
        return await team_of(info, self.row.team_id)

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
    ) -> Connection[LateImage]:
        part = window(first, after, last, before, offset)
        wanted = filter_value(filter).within(team_id=self.row.team_id, collection_id=self.row.id)
        return await listed_images(info, wanted, order_value(order_by), part)
