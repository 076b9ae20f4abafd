"""Whether an image carries tags, as conditions: by the tags' index where they are few, else by the image's own few tags.

Which tags a filter means is in filters.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, true

from app.db.models import Image, ImageTag
from app.domain import TagFilter
from app.services import arrays

AT_HAND: Final = arrays.FEW
"""As MANY, of an image that is found already."""
JOINED: Final = 8
"""In each part of a statement so many names are looked for by the tags' index: PostgreSQL takes long to weigh more."""
MANY: Final = 1_000
"""Tags beyond which none is looked for by its own index: to go through that for each of them takes longer than through the images."""


def is_wide(tags: TagFilter, teams: int) -> bool:
    """With so many names in so many teams, it takes long to tell of one image whether it matches."""
    return teams * sum(len(some or ()) for some in (tags.all, tags.any, tags.none)) > MANY


def same_image() -> ColumnElement[bool]:
    return and_(ImageTag.team_id == Image.team_id, ImageTag.image_id == Image.id)


def carries(tag_ids: Iterable[UUID]) -> ColumnElement[bool]:
    its = exists().where(same_image(), arrays.one_of(ImageTag.tag_id, tag_ids))
    # Else ImageTag would be taken for that of a query which reads tags itself.
    return its.correlate(Image)


def has_one(tag_ids: Sequence[UUID], most: int) -> ColumnElement[bool]:
    if len(tag_ids) <= most:
        return carries(tag_ids)
    return exists().where(same_image(), _is_among(tag_ids)).correlate(Image)


def each(tags: Sequence[Sequence[UUID]], most: int, *, is_part: bool) -> list[ColumnElement[bool]]:
    """`tags`: of each team, in the order of the names."""
    names = list(zip(*tags, strict=True))
    if len(names) * len(tags) > most:
        return [has_each(names)]
    joined = JOINED if is_part and len(names) > JOINED + 1 else len(names)
    rest = [has_each(names[joined:])] if names[joined:] else []
    return [*map(carries, names[:joined]), *rest]


def has_each(names: Sequence[Sequence[UUID]]) -> ColumnElement[bool]:
    """A tag of each of the names, of which no two have one in common."""
    its = select(func.count()).where(same_image(), _is_among(tuple(chain(*names))))
    return its.correlate(Image).scalar_subquery() == len(names)


def is_one_of(tag_ids: Sequence[UUID]) -> ColumnElement[bool]:
    few = len(tag_ids) <= MANY
    return arrays.one_of(ImageTag.tag_id, tag_ids) if few else _is_among(tag_ids)


def _is_among(tag_ids: Iterable[UUID]) -> ColumnElement[bool]:
    """Looked up in a table of these tags that is made once. IS TRUE keeps them out of the index, where all of them would be
    sorted anew for each image: an image has few tags of its own."""
    listed = select(arrays.unnested("list", tag=tag_ids).c.tag)
    return ImageTag.tag_id.in_(listed).is_(true())
