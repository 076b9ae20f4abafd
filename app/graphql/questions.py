"""What searchImages is asked with: a question, what there should be more or less of, and how all of it becomes one direction."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard, TypeVar

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.embedding import PICTURE_SIDE, Embedder
from app.errors import bad_input, blaming, too_large
from app.graphql.context import Context
from app.graphql.uploads import Upload, UploadedFile
from app.services.searching import questions, search
from app.services.searching.questions import MAX_TERMS, MAX_WEIGHT, Term


@strawberry.input(description="What to look for: exactly one.", one_of=True)
class SearchQuery:
    text: str | None = strawberry.field(
        description="A sentence or a few words that describe the picture: 1 to 1,000 characters.",
        default=UNSET,
    )
    image_id: strawberry.ID | None = strawberry.field(
        description="An image of yours: what looks like it.", default=UNSET
    )
    image: Upload | None = strawberry.field(
        description="A picture that is not stored: what looks like it.", default=UNSET
    )


@strawberry.input(description="What there should be more of, or less: a text or an image of yours.")
class SearchTerm:
    text: str | None = strawberry.field(
        description="A few words: 1 to 1,000 characters. Not with imageId.", default=UNSET
    )
    image_id: strawberry.ID | None = strawberry.field(
        description="An image of yours. Not with text.", default=UNSET
    )
    weight: float = strawberry.field(
        description="How much it counts beside the others: 0 (not at all) to 10.", default=1.0
    )


T = TypeVar("T")
Asked: TypeAlias = SearchQuery | SearchTerm
Terms: TypeAlias = Sequence[SearchTerm]


async def direction(
    context: Context,
    query: SearchQuery,
    unwanted: SearchQuery | None,
    more: Terms,
    less: Terms,
    after: str | None,
) -> search.Direction:
    """The question as a vector, all of it read by one model: that of the page before, where there was one."""
    for name, terms in (("more", more), ("less", less)):
        _check(name, terms)
    parts: dict[str, Asked] = {"query": query}
    if unwanted is not None:
        parts["not"] = unwanted
    parts |= {f"more.{at}": one for at, one in enumerate(more)}
    parts |= {f"less.{at}": one for at, one in enumerate(less)}
    read = await _read(context, parts, search.model_of(after))
    refused = [Term(read["not"])] if unwanted is not None else []
    return questions.combined(
        read["query"],
        [Term(read[f"more.{at}"], one.weight) for at, one in enumerate(more)],
        refused + [Term(read[f"less.{at}"], one.weight) for at, one in enumerate(less)],
    )


def _check(name: str, terms: Terms) -> None:
    if len(terms) > MAX_TERMS:
        raise bad_input(name, f"At most {MAX_TERMS} terms.", limit=MAX_TERMS)
    for at, one in enumerate(terms):
        if _given(one.text) == _given(one.image_id):
            raise bad_input(f"{name}.{at}", "A term has a text or an imageId: one of them.")
        if not 0 <= one.weight <= MAX_WEIGHT:
            raise bad_input(f"{name}.{at}.weight", f"A weight lies between 0 and {MAX_WEIGHT:.0f}.")


async def _read(
    context: Context, parts: Mapping[str, Asked], page_of: int | None
) -> dict[str, search.Direction]:
    """Each part as a direction: all texts at once, and all images. No transaction is open while the model works."""
    texts = {f"{name}.text": one.text for name, one in parts.items() if _given(one.text)}
    ids = {
        f"{name}.imageId": parse_id(one.image_id)
        for name, one in parts.items()
        if _given(one.image_id)
    }
    files = {
        f"{name}.image": one.image
        for name, one in parts.items()
        if isinstance(one, SearchQuery) and _given(one.image)
    }
    read: dict[str, search.Direction] = {}
    if texts or files:
        embedder = context.resources.models.reading(page_of)
        if texts:
            read |= await search.by_texts(embedder, texts)
        for name, file in files.items():
            read[name] = await _of_file(context, embedder, file, field=name)
    if ids:
        # Last: whichever model read the rest, their vectors of it are stored.
        model = next((one.model for one in read.values()), page_of)
        async with context.db.transaction() as session:
            read |= await search.by_images(session, context.viewer, ids, model=model)
    found = {name.rpartition(".")[0]: one for name, one in read.items()}
    for name in parts:
        if name not in found:
            raise bad_input(name, "Name a text, an image of yours or a picture.")
    return found


def _given(value: T | None) -> TypeGuard[T]:
    return value is not UNSET and value is not None


async def _of_file(
    context: Context, embedder: Embedder, file: UploadedFile, *, field: str
) -> search.Direction:
    resources = context.resources
    if file.too_large:
        raise too_large(field, resources.settings.max_upload_bytes)
    with blaming(field):
        picture = await resources.decoder.picture(file.path, PICTURE_SIDE)
    return await search.by_picture(embedder, picture)
