"""searchImages: its input and root field. Ranked hits are in types, for Image.similar has them too."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.embedding import PICTURE_SIDE, Embedder
from app.errors import bad_input, blaming, too_large
from app.graphql.arguments import After, Filter, MinRelevance, MinScore, Ten
from app.graphql.context import Context
from app.graphql.enums import SearchMode
from app.graphql.inputs import filter_value
from app.graphql.pagination import window
from app.graphql.types import Info, SearchConnection
from app.graphql.uploads import Upload
from app.services import search


@strawberry.input(description="What to look for: exactly one.", one_of=True)
class SearchQuery:
    text: str | None = strawberry.field(
        description="A sentence or a few words that describe the picture.", default=UNSET
    )
    image_id: strawberry.ID | None = strawberry.field(
        description="An image of yours: what looks like it.", default=UNSET
    )
    image: Upload | None = strawberry.field(
        description="A picture that is not stored: what looks like it.", default=UNSET
    )


@strawberry.type
class SearchQueries:
    @strawberry.field(
        description="Images ranked by meaning, best first. not pushes away from what it describes."
        " Only images whose processing is READY take part."
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
        after: After = None,
    ) -> SearchConnection:
        context = info.context
        actor = context.viewer
        if mode is SearchMode.HYBRID and not query.text:
            raise bad_input("mode", "HYBRID needs a text query.")
        direction = await _question(context, query, not_, after)
        asked = search.Search(
            direction,
            wanted=filter_value(filter),
            mode=mode,
            words=query.text or None,
            min_score=min_score,
            min_relevance=min_relevance,
        )
        part, db = window(10 if first is None else first, after), context.db
        async with db.transaction() as session:
            hits = await search.page(session, actor, asked, part)

        async def count() -> int:
            async with db.transaction() as session:
                return await search.candidate_count(session, actor, asked)

        return SearchConnection.of(hits, count)


async def _question(
    context: Context, query: SearchQuery, unwanted: SearchQuery | None, after: str | None
) -> search.Direction:
    """The question as a vector, all of it read by one model: that of the page before, where there was one."""
    parts = {"query": query} if unwanted is None else {"query": query, "not": unwanted}
    page_of = search.model_of(after)
    embedder = None
    if any(part.text or part.image for part in parts.values()):
        embedder = context.resources.models.reading(page_of)
    read: dict[str, search.Direction] = {}
    model: search.Identity | int | None = page_of
    # Images last: whichever model read the rest, their vectors of it are stored.
    for field in sorted(parts, key=lambda field: bool(parts[field].image_id)):
        read[field] = await _direction(context, parts[field], field, embedder, model)
        model = read[field].model
    return search.away_from(read["query"], read["not"]) if "not" in read else read["query"]


async def _direction(
    context: Context,
    query: SearchQuery,
    field: str,
    embedder: Embedder | None,
    model: search.Identity | int | None,
) -> search.Direction:
    """No transaction is open while the model or the decoder works."""
    resources = context.resources
    if query.text and embedder:
        return await search.by_text(embedder, query.text, field=f"{field}.text")
    if query.image_id is not UNSET and query.image_id is not None:
        async with context.db.transaction() as session:
            image_id = parse_id(query.image_id)
            return await search.by_image(
                session, context.viewer, image_id, field=f"{field}.imageId", model=model
            )
    if query.image and embedder:
        if query.image.too_large:
            raise too_large(query.image.field, resources.settings.max_upload_bytes)
        with blaming(query.image.field):
            picture = await resources.decoder.picture(query.image.path, PICTURE_SIDE)
        return await search.by_picture(embedder, picture)
    raise bad_input(f"{field}.text", "An empty text describes nothing.")
