"""Near-copies."""

from collections.abc import Sequence

import strawberry

from app.db import models
from app.graphql.types.late import LateImage
from app.graphql.types.nodes import of_row


@strawberry.type(description="Images that look like copies of each other.")
class DuplicateGroup:
    images: list[LateImage] = strawberry.field(
        description="The oldest first: 2 to 50. What is in the trash is left out."
    )

    @classmethod
    def of(cls, rows: Sequence[models.Image]) -> "DuplicateGroup":
        return cls(images=[of_row(row) for row in rows])
