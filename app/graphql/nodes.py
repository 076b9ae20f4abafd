"""`node` and `nodes`: any object by its id."""

from typing import Annotated, Any

import strawberry

from app.domain import MAX_IDS, parse_id
from app.errors import bad_input
from app.graphql.arguments import Id
from app.graphql.context import Context, Info
from app.graphql.loaders import Loaders
from app.graphql.types.nodes import Node, of_row


async def load(context: Context, texts: list[strawberry.ID]) -> list[Node | None]:
    """The object of each id; None for what the viewer cannot see. A statement for all, one for each kind."""
    loaders, ids = Loaders(context.db, context.viewer), [parse_id(text) for text in texts]
    kinds = await loaders.kind.load_many(ids)
    found: dict[Any, Node] = {}
    for kind in {kind for kind in kinds if kind}:
        members = [one for one, its in zip(ids, kinds, strict=True) if its == kind]
        rows = await loaders.of_kind(kind).load_many(members)
        found |= {row.id: of_row(row) for row in rows if row is not None}
    return [found.get(one) for one in ids]


@strawberry.type
class NodeQuery:
    @strawberry.field(description="Any object by its id; null where you see none.")
    async def node(self, info: Info, id: Id) -> Node | None:
        return (await load(info.context, [id]))[0]

    @strawberry.field(
        description="Objects by their ids, in the same order; null where you see none."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Which ones: at most 100.")
        ],
    ) -> list[Node | None]:
        if len(ids) > MAX_IDS:
            raise bad_input("ids", f"At most {MAX_IDS} ids.", limit=MAX_IDS)
        return await load(info.context, ids) if ids else []
