"""Near-copies: what people say of them. The groups are a field of Team."""

import strawberry

from app.graphql.arguments import ImageIds
from app.graphql.context import Info
from app.graphql.inputs import ids
from app.graphql.types.images import Image
from app.services import duplicates


@strawberry.type
class DuplicateMutation:
    @strawberry.mutation(
        description="These images of one team are no duplicates of each other (EDITOR): no two of them ever come in one"
        " group of duplicateGroups again. One alone is told apart from all that stand in its group now."
    )
    async def mark_not_duplicates(self, info: Info, image_ids: ImageIds) -> list[Image]:
        actor, named = info.context.viewer, ids(image_ids, "imageIds")
        rows = await info.context.change(lambda session: duplicates.mark(session, actor, named))
        return [Image.of(row) for row in rows]
