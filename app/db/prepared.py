"""Statements that are put together once and then run past SQLAlchemy's compiler, results and units of work: for searches
and draws, of which those would be half. Everything else goes through the session as usual."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import BindParameter, Connection, Executable, bindparam, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state, manager_of_class
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from app.db.database import takes_no_writes
from app.db.models import Image

Entity = TypeVar("Entity")
DIALECT: Final = make_url("postgresql+asyncpg://").get_dialect()()
NAMED: Final = re.compile(r"(?<![:\w]):(\w+)\b(?!:)")
DRIVER: Final[Any] = DIALECT.import_dbapi()
STALE: Final = (DRIVER.InvalidCachedStatementError, DRIVER.InternalServerError)
"""Where a table was changed since the connection prepared what it runs: it would go on failing."""


class Prepared:
    """Runs in the transaction of a session, as whom that has entered. Named parameters are handed to the driver as they are."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement

    @cached_property
    def _made(self) -> tuple[str, Sequence[str], Mapping[str, Any]]:
        """Its text, what that has in the place of $1, $2 …, and those values that it was written with."""
        compiled: SQLCompiler = self._statement.compile(dialect=DIALECT)  # type: ignore[attr-defined]  # every one can be compiled
        binds = {name: compiled.binds[name] for name in compiled.positiontup or ()}
        own = {name: _sent(bind) for name, bind in binds.items() if not bind.required}
        return compiled.string, tuple(binds), own

    @property
    def sql(self) -> str:
        return self._made[0]

    @classmethod
    def of_text(cls, sql: str, type_of: Callable[[str], TypeEngine[Any]]) -> "Prepared":
        """`:name` stands for a value, of a type that is asked for by its name."""
        names = dict.fromkeys(NAMED.findall(sql))
        return cls(text(sql).bindparams(*(bindparam(one, type_=type_of(one)) for one in names)))

    async def rows(self, session: AsyncSession, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Rows as the driver reads them, without SQLAlchemy's types. More values than are asked for do not matter."""
        sql, names, own = self._made
        asked = tuple(values[name] if name in values else own[name] for name in names)
        return await session.run_sync(_rows, sql, asked)


def _rows(session: Session, sql: str, asked: tuple[Any, ...]) -> list[Sequence[Any]]:
    connection = session.connection()
    cursor = connection.connection.cursor()
    # Whoever counts statements and rows counts these.
    for note in connection.dispatch.before_cursor_execute:
        note(connection, cursor, sql, asked, None, False)
    try:
        cursor.execute(sql, asked)
    except DRIVER.Error as error:
        raise _translated(connection, sql, error) from error
    except BaseException as error:
        # Whoever asked is gone, and what was asked may still run.
        connection.invalidate(error)
        raise
    for note in connection.dispatch.after_cursor_execute:
        note(connection, cursor, sql, asked, None, False)
    return list(cursor.fetchall())


def _sent(bind: BindParameter[Any]) -> Any:
    """A value that the statement was written with, as the driver takes it."""
    convert = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
    return convert(bind.effective_value) if convert else bind.effective_value


def _translated(connection: Connection, sql: str, error: Exception) -> BaseException:
    """As the session has it. A connection that is lost, or of no more use, does not go back to the pool."""
    lost = takes_no_writes(error) or connection.dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]  # it looks at the error
    if lost or isinstance(error, STALE):
        connection.invalidate(error)
    return DBAPIError.instance(
        sql,
        None,
        error,
        DRIVER.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )


class Whole(Generic[Entity]):
    """Makes what the ORM makes of a row of `columns`, but tied to no session: what is changed there is written nowhere."""

    def __init__(self, entity: type[Entity]) -> None:
        loaded = [one for one in inspect(entity).column_attrs if not one.deferred]
        self.columns: Final = tuple(one.columns[0] for one in loaded)
        self._entity = entity
        self._manager = manager_of_class(entity)
        self._keys = tuple(one.key for one in loaded)
        processors = (
            one.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for one in self.columns
        )
        self._converted = tuple(
            (key, convert) for key, convert in zip(self._keys, processors, strict=True) if convert
        )

    def of(self, row: Sequence[Any], first: int = 0) -> Entity:
        """`first`: where its columns begin."""
        values = dict(zip(self._keys, row[first : first + len(self._keys)], strict=True))
        for key, convert in self._converted:
            values[key] = convert(values[key])
        made = self._manager.new_instance()
        state = instance_state(made)
        state.dict.update(values)
        state.key = (self._entity, (values["id"],), None)
        return made


IMAGES: Final = Whole(Image)
"""Of what searches find and draws hit."""
