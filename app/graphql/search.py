"""searchImages: its input and root field. Ranked hits are in types, for Image.similar has them too."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.embedding import PICTURE_SIDE
from app.errors import bad_input, blaming, too_large
from app.graphql.arguments import After, Filter, MinScore, Ten
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
        first: Ten = 10,
        after: After = None,
    ) -> SearchConnection:
        context = info.context
        actor = context.viewer
        if mode is SearchMode.HYBRID and not query.text:
            raise bad_input("mode", "HYBRID needs a text query.")
        direction = await _direction(context, query, "query")
        if not_ is not None:
            direction = search.away_from(direction, await _direction(context, not_, "not"))
        asked = search.Search(
            direction,
            wanted=filter_value(filter),
            mode=mode,
            words=query.text or None,
            min_score=min_score,
        )
        part, db = window(10 if first is None else first, after), context.db
        async with db.transaction() as session:
            hits = await search.page(session, actor, asked, part)

        async def count() -> int:
            async with db.transaction() as session:
                return await search.candidate_count(session, actor, asked)

        return SearchConnection.of(hits, count)


async def _direction(context: Context, query: SearchQuery, field: str) -> search.Direction:
    """The question as a vector. No transaction is open while the model or the decoder works."""
    resources = context.resources
    if query.text:
        return await search.by_text(resources.embedder, query.text, field=f"{field}.text")
    if query.image_id is not UNSET and query.image_id is not None:
        async with context.db.transaction() as session:
            image_id = parse_id(query.image_id)
            return await search.by_image(
                session, context.viewer, image_id, field=f"{field}.imageId"
            )
    if query.image:
        if query.image.too_large:
            raise too_large(query.image.field, resources.settings.max_upload_bytes)
        with blaming(query.image.field):
            picture = await resources.decoder.picture(query.image.path, PICTURE_SIDE)
        return await search.by_picture(resources.embedder, picture)
    raise bad_input(f"{field}.text", "An empty text describes nothing.")
