"""Lists of the services as connections."""

from collections.abc import Callable
from typing import Any, TypeVar

from app import domain
from app.domain import Window
from app.graphql import ahead
from app.graphql.context import Context, Info
from app.graphql.pagination import Connection, counter
from app.graphql.types.late import LateImage
from app.graphql.types.nodes import of_row
from app.services import images, paging

N = TypeVar("N")


async def listed(
    context: Context, rows: Any, keyset: paging.Keyset, part: Window, of: Callable[[Any], N]
) -> Connection[N]:
    """A connection over a select of the services."""
    db = context.db
    async with db.transaction() as session:
        page = await paging.page(session, rows, keyset, part)
    context.trail.saw(page.rows)
    count = counter(db, lambda session: paging.count(session, rows))
    return Connection.of(page, [of(row) for row in page.rows], count)


async def listed_images(
    info: Info, wanted: domain.ImageFilter, order: domain.ImageOrder, part: Window
) -> Connection[LateImage]:
    context = info.context
    actor, db = context.viewer, context.db
    async with db.transaction() as session:
        page = await images.page(session, actor, wanted, order, part)
        await context.loaders.bring(session, page.rows, ahead.of_rows(info._raw_info))
    context.trail.saw(page.rows)
    count = counter(db, lambda session: images.count(session, actor, wanted))
    return Connection.of(page, [of_row(row) for row in page.rows], count)
