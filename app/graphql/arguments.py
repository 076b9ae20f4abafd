"""Arguments that several fields have, with their descriptions."""

from typing import Annotated, TypeAlias

import strawberry

from app.domain import DEFAULT_PAGE
from app.graphql.enums import ThumbnailSize
from app.graphql.inputs import ImageFilter, ImageOrder

First: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description=f"So many from the start: 1 to 100; {DEFAULT_PAGE} without first and last."
    ),
]
Fifty: TypeAlias = Annotated[int | None, strawberry.argument(description="So many rows: 1 to 100.")]
Ten: TypeAlias = Annotated[int | None, strawberry.argument(description="So many hits: 1 to 100.")]
MinScore: TypeAlias = Annotated[
    float | None,
    strawberry.argument(
        description="Only hits with at least this score, -1 to 1; absent: the best there are."
    ),
]
MinRelevance: TypeAlias = Annotated[
    float | None,
    strawberry.argument(
        description="Only hits with at least this relevance, 0 to 1: with 0.95, at most one in twenty unrelated"
        " questions finds anything in a team, and nonsense an empty page. With HYBRID also those whose texts have all"
        " the words. A team that is measured anew between two pages repeats none and reorders none; at most the end"
        " moves."
    ),
]
After: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Only what follows this cursor.")
]
AfterHit: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Only what follows this cursor. With HYBRID, diversity or orderBy pages are of a short list: images"
        " that were uploaded since its first page are left out of it, but one that is restored from the trash meanwhile"
        " may push one off its end."
    ),
]
Last: TypeAlias = Annotated[
    int | None, strawberry.argument(description="So many from the end: 1 to 100. Not with first.")
]
Before: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Only what precedes this cursor. Goes with last.")
]
Offset: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="Skips so many, for numbered pages: at most 100000. Not with a cursor; cursors are faster and stable,"
        " and ten rows skipped cost as much as one that is read."
    ),
]
Filter: TypeAlias = Annotated[
    ImageFilter | None, strawberry.argument(description="Only images for which all of this holds.")
]
Order: TypeAlias = Annotated[
    ImageOrder | None, strawberry.argument(description="The order; newest first without it.")
]
NameContains: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Only tags whose name contains this.")
]
ExpiresIn: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="Seconds for which the address is good at least: 60 to 604800 (a week)."
    ),
]
Fit: TypeAlias = Annotated[
    ThumbnailSize | None, strawberry.argument(description="The square that it fits into.")
]
Id: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="Which one.")]
ImageIds: TypeAlias = Annotated[
    list[strawberry.ID], strawberry.argument(description="Which images: at most 100, all or none.")
]
TagNames: TypeAlias = Annotated[
    list[str], strawberry.argument(description="Tag names: at most 50.")
]
OfTeam: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only of this team; absent: of all yours."),
]
