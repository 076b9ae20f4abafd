"""searchImages: its root field. What it is asked with is in questions; hits are in types, for Image.similar has them too."""

from typing import Annotated

import strawberry

from app.errors import bad_input
from app.graphql import questions
from app.graphql.arguments import AfterHit, Filter, MinRelevance, MinScore, Ten
from app.graphql.context import Info
from app.graphql.enums import SearchMode
from app.graphql.inputs import ImageOrder, filter_value
from app.graphql.pagination import counter, window
from app.graphql.questions import SearchQuery, SearchTerm
from app.graphql.types.search import SearchConnection
from app.services.searching import search


@strawberry.type
class SearchQueries:
    @strawberry.field(
        description="Images ranked by meaning, best first. more draws towards what it describes, less and not"
        " push away from it. Only images that have a vector take part: it comes while they are processed."
    )
    async def search_images(
        self,
        info: Info,
        query: Annotated[SearchQuery, strawberry.argument(description="What to look for.")],
        not_: Annotated[
            SearchQuery | None,
            strawberry.argument(name="not", description="What it should not look like."),
        ] = None,
        mode: Annotated[
            SearchMode, strawberry.argument(description="How hits are ranked.")
        ] = SearchMode.SEMANTIC,
        filter: Filter = None,
        min_score: MinScore = None,
        min_relevance: MinRelevance = None,
        first: Ten = 10,
        after: AfterHit = None,
        more: Annotated[
            list[SearchTerm] | None,
            strawberry.argument(description="What there should be more of: at most 10."),
        ] = None,
        less: Annotated[
            list[SearchTerm] | None,
            strawberry.argument(description="What there should be less of: at most 10."),
        ] = None,
        order_by: Annotated[
            ImageOrder | None,
            strawberry.argument(
                description="Sorts the relevant images by something else than their score: the best 1,000 that reach"
                " minScore or minRelevance, or the best 200 without either. In HYBRID those of its rankings. Not with diversity."
            ),
        ] = None,
        diversity: Annotated[
            float | None,
            strawberry.argument(
                description="0 to 1: how much it counts that a hit is unlike those before it, so that near-copies do"
                " not fill the page; 0.3 is a good start. It arranges the best 200; its pages end with them."
            ),
        ] = 0.0,
    ) -> SearchConnection:
        context = info.context
        actor = context.viewer
        if mode is SearchMode.HYBRID and not query.text:
            raise bad_input("mode", "HYBRID needs a text query.")
        direction = await questions.direction(context, query, not_, more or [], less or [], after)
        asked = search.Search(
            direction,
            wanted=filter_value(filter),
            mode=mode,
            # As the model reads it: a text may be a thousand letters and a million spaces.
            words=" ".join((query.text or "").split()) or None,
            min_score=min_score,
            order=order_by.value() if order_by else None,
            diversity=diversity or 0.0,
            min_relevance=min_relevance,
        )
        part, db = window(first, after, default=10), context.db
        async with db.transaction() as session:
            hits = await search.page(session, actor, asked, part)
        context.resources.recall.saw(db, hits.near)
        count = counter(db, lambda session: search.candidate_count(session, actor, asked))
        return SearchConnection.of(hits, count)
