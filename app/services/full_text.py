"""Full text: which images have the words of a text. Whatever else a filter asks for is in filters."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image

MOST_BY_INDEX = 5_000
"""Words that more images have are soon found by looking at one after the other."""
UUIDS = ARRAY(Uuid())


async def has_words(
    session: AsyncSession, team_ids: Sequence[UUID], text: str
) -> ColumnElement[bool]:
    """The words as they stand, or as English has them: `words` holds both readings.

    Where few images have them, those by their ids. Behind the second wall no query finds them by the index itself.
    """
    few = func.worded_images(text, literal(list(team_ids), UUIDS), MOST_BY_INDEX, type_=UUIDS)
    ids = await session.scalar(select(few))
    if ids is not None:
        return Image.id == any_(literal(ids, UUIDS))
    return or_(
        *(
            Image.words.op("@@")(func.websearch_to_tsquery(config, text))
            for config in ("simple", "english")
        )
    )
