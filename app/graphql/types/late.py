"""Types that others name before they are defined: images, tags and collections point back at nearly all of them.

The code of a field makes them by `nodes.of_row`.
"""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

if TYPE_CHECKING:
    from app.graphql.types.collections import Collection
    from app.graphql.types.images import Image
    from app.graphql.types.tags import Tag

LateCollection: TypeAlias = Annotated[
    "Collection", strawberry.lazy("app.graphql.types.collections")
]
LateImage: TypeAlias = Annotated["Image", strawberry.lazy("app.graphql.types.images")]
LateTag: TypeAlias = Annotated["Tag", strawberry.lazy("app.graphql.types.tags")]
