"""Hits of a search, and of what looks like an image."""

from collections.abc import Awaitable, Callable

import strawberry

from app.graphql.context import Info
from app.graphql.enums import RelevanceBasis, SearchStrategy
from app.graphql.pagination import PageInfo
from app.graphql.types.late import LateImage
from app.graphql.types.nodes import of_row
from app.services.searching import search
from app.services.searching.relevance import Measure


@strawberry.type(description="An image that was found, with how near it is.")
class SearchEdge:
    cursor: str = strawberry.field(
        description="The hit's place: opaque, bound to this very search."
    )
    node: LateImage = strawberry.field(description="The image.")
    score: float = strawberry.field(
        description="Cosine similarity of the query and the image, -1 to 1, right to three digits (vectors are kept in half precision);"
        " for HYBRID the fused score, 0 to 1."
    )
    cosine: strawberry.Private[float]
    measure: strawberry.Private[Measure]

    @strawberry.field(
        description="How surely it is more than chance: the share of unrelated questions of the same kind (texts or"
        " pictures) whose best hit among all images of the image's team scores lower, 0 to 1. It means the same for every model,"
        " and for text and pictures. By meaning alone, also for HYBRID, where a hit by its words may have little. With"
        " not or less, it is that of the question without them, and rather too low; so it is for words with pictures in more."
    )
    async def relevance(self, info: Info) -> float:
        team_id = self.node.row.team_id
        known = await info.context.loaders.chance.load_many(self.measure.keys(team_id))
        return self.measure.chance(known).relevance(self.cosine)


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
    def nodes(self) -> list[LateImage]:
        return [edge.node for edge in self.edges]

    @strawberry.field(
        description="What relevance stands on in the teams of these hits, or, where there are none, in the teams that were"
        " searched: PRIOR unless all of them are measured."
    )
    async def relevance_basis(self, info: Info) -> RelevanceBasis:
        teams = {edge.node.row.team_id for edge in self.edges}
        keys = [key for one in teams or self.measure.team_ids for key in self.measure.keys(one)]
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
            page_info=PageInfo.of(hits),
            model=hits.model,
            strategy=hits.near.strategy,
            complete=hits.near.complete,
            took_ms=round(hits.took_ms, 3),
            measure=hits.measure,
            counter=counter,
        )
