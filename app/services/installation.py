"""The row that says which installation this database is: its id, its key's fingerprint, since when its store is marked."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Installation


async def known(session: AsyncSession, *, lock: bool = False) -> Installation:
    """The one row, made where it is missing. Processes that start at once find the same one."""
    query = select(Installation).execution_options(populate_existing=True)
    found: Installation | None = await session.scalar(query.with_for_update() if lock else query)
    if found is not None:
        return found
    await session.execute(insert(Installation).on_conflict_do_nothing())
    return (await session.scalars(query.with_for_update())).one()


async def marked(session: AsyncSession) -> None:
    """The store bears the mark: from now on, one without it is another."""
    new = update(Installation).where(Installation.marked_at.is_(None)).values(marked_at=func.now())
    await session.execute(new.execution_options(synchronize_session=False))
