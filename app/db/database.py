"""The engine and the only commit. A door opens a transaction here; services get its session.

Nothing is read or written but through an entrance, and PostgreSQL holds each entrance to its role (migration 0005).
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from asyncpg import (  # type: ignore[import-untyped]  # it ships no types
    Connection,
    PostgresError,
    TargetServerAttributeNotMatched,
)
from sqlalchemy import ExceptionContext, NullPool, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.db.address import DIRECT_SETTING
from app.db.models import Base, User
from app.domain import Actor
from app.errors import AppError, SetupError, unauthenticated, unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Work: TypeAlias = Callable[[AsyncSession], Awaitable[T]]
"""What runs in a transaction."""

CROWDED: Final = {"40001", "40P01"}
"""SQLSTATE of a serialization failure and of a deadlock: others were at the same rows."""
NOT_THERE: Final = "23503"
"""SQLSTATE of a reference to a row that is not there."""
RETRIED: Final = CROWDED | {NOT_THERE}
"""Another transaction may have deleted it in between: the whole transaction is run again, and sees what is there now."""
OF_USERS: Final = frozenset(
    str(one.name)
    for table in Base.metadata.tables.values()
    for one in table.foreign_key_constraints
    if one.referred_table is User.__table__
)
"""The constraints by which rows refer to users."""
UNREACHABLE: Final = ("08", "57P", "53")
"""How SQLSTATE begins where there is no connection, PostgreSQL shuts down, or has no room for another."""
NO_SUCH_ROLE: Final = ("22023", "42501")
"""SQLSTATE where the role to enter as is missing or not granted: no waiting helps."""
NOT_ALLOWED: Final = "42501"
"""SQLSTATE where the role that is entered as, or the user who logged in, has no right to do something."""
RAISED: Final = "exec_stmt_raise"
"""PostgreSQL's own name of what refuses in its place: a trigger of ours, which lets nobody pass."""
TAKES_NO_WRITES: Final = "25006"
"""SQLSTATE of a server that only reads: a standby, as the one that was the primary until a failover."""
TRIES: Final = 4
PAUSE_SECONDS: Final = 0.05
"""At most, before the second try, and twice as long before each further one: those who met would meet again."""
CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 60.0
PING_AFTER_SECONDS: Final = 5.0
"""So long a connection may lie in the pool before it is tried out."""


ACTING_ROLE: Final = "pictor_app"
WORKER_ROLE: Final = "pictor_worker"
LOGIN_ROLE: Final = "pictor_login"
AUDIT_ROLE: Final = "pictor_audit"
ROLES: Final = (ACTING_ROLE, WORKER_ROLE, LOGIN_ROLE, AUDIT_ROLE)
"""PostgreSQL's roles of whoever serves requests or works in the background. They log in nowhere and own nothing."""

TAKEN: Final = (
    "select rolname::text from pg_roles where rolname = any(:roles) and pg_has_role(oid, 'set')"
)
"""Which of these roles the user who logged in may take."""

ENTER: Final = (
    "set local role {role}; set local app.team_ids = '{teams}';"
    " set local app.user_id = '{user}'; set local app.operator = '{operator}';"
)
"""What follows the BEGIN of a transaction. All of it ends with the transaction, however that ends."""


def _into(role: str, actor: Actor | None = None) -> str:
    """Spelled out, for several statements in one message take no parameters: from our own words, and the digits of ids."""
    if actor is None:
        return ENTER.format(role=role, teams="", user="", operator="")
    return ENTER.format(
        role=role,
        teams=f"{{{','.join(one.hex for one in actor.team_ids)}}}",
        user=actor.user_id.hex,
        operator="on" if actor.is_operator else "",
    )


ENTERING: Final = "entering"
"""Under this name a session knows what to enter its transaction with."""
ENTRANCE: Final = "entrance"
"""And under this one the entrance it came through."""


class _Connection(Connection):  # type: ignore[misc]  # asyncpg ships no types
    """Begins a transaction and enters it with one message to PostgreSQL, which as a statement of its own took as long as a short query."""

    entering = ""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109  as the driver has it
        if not self.entering or not query.startswith("BEGIN"):
            return str(await super().execute(query, *args, timeout=timeout))
        try:
            return str(await super().execute(query + self.entering, timeout=timeout))
        except BaseException:
            # It has begun, but not as whom it should, and the driver does not take it for begun.
            self.terminate()
            raise


class _Session(Session):
    """Enters each of its transactions."""


@event.listens_for(_Session, "after_begin")
def _enter(session: Session, _transaction: object, connection: Any) -> None:
    """Nothing is sent yet: the transaction begins with the first statement."""
    connection.connection.driver_connection.entering = session.info[ENTERING]


def _commit(session: Session) -> None:
    """And gives the connection back, in one go: SQLAlchemy's `async with` takes four, and a task."""
    session.commit()
    session.close()


class NotOwnerError(SetupError):
    """What an operator's command does is left to the owner of the tables, and somebody else has logged in."""

    def __init__(self) -> None:
        super().__init__(
            "The user whom PICTOR_DATABASE_URL names may not do this:"
            " run the command as the owner of the tables, who migrates."
        )


@dataclass(frozen=True, slots=True)
class Entrance:
    """One way into the database: `entering` says in which role, for whose teams, as which user, and whether as operator.

    Empty, it is the owner of the tables, whom no policy holds back. A connection is taken by the first statement.
    """

    sessions: async_sessionmaker[AsyncSession]
    entering: str = ""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end, or rolled back by an exception.

        UNAVAILABLE where the database cannot be reached or its pool is used up. NotOwnerError where this is the owner's
        entrance, and its user is not the owner.
        """
        with _translated(), _owned(self.entering):
            session = self.sessions(info={ENTERING: self.entering, ENTRANCE: self})
            try:
                yield session
                await session.run_sync(_commit)
            except BaseException:
                # It rolls back, to the end even where whoever waits for it is gone.
                async with session:
                    raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the database, that of its first statement (REPEATABLE READ)."""
        async with self.transaction() as session:
            del session.info[ENTRANCE]
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    async def run(self, work: Work[T]) -> T:
        """`work` in one transaction, again from its start after a deadlock or the like. It must have no other effect.

        UNAVAILABLE where others were in the way each time. UNAUTHENTICATED where the row of whoever does it is gone: of all
        that a transaction refers to, they alone are not looked up in it.
        """
        tries = 0
        while True:
            try:
                async with self.transaction() as session:
                    return await work(session)
            except DBAPIError as error:
                state = sqlstate(error)
                tries += 1
                if tries == TRIES and state in CROWDED:
                    raise unavailable("Too many change the same at once; try again.") from error
                if tries == TRIES and state == NOT_THERE and _constraint(error) in OF_USERS:
                    raise unauthenticated("The account that asks for this was deleted.") from error
                if tries == TRIES or state not in RETRIED:
                    raise
            # No secret.
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * 2**tries / 2))  # noqa: S311


class Database:
    """One pool of connections and the entrances to it. Nothing is held open between two transactions.

    `login` finds out who is asking, and sees people alone; `worker` does the background work of all teams;
    `audit` appends to the record of any team, and reads nothing but whose a thing is. `owner` is for the operator's
    commands: request code takes `acting`, or `login` where there is no actor yet.

    `direct` leads to sessions that last, where the pool's address is that of a pooler of transactions: for locks, calls and
    long statements, on connections of their own (`apart`).
    """

    def __init__(self, url: str, *, pool_size: int = 10, direct_url: str | None = None) -> None:
        self.pool_size = pool_size
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            # An error's text goes to the log: what was asked with stays out of it.
            hide_parameters=True,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "connection_class": _Connection,
                "server_settings": {"application_name": "pictor", "jit": "off"},
            },
        )
        self.direct: AsyncEngine = self.engine
        if direct_url is not None:
            self.direct = create_async_engine(
                direct_url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS}
            )
        event.listen(self.engine.sync_engine, "before_cursor_execute", _tally)
        event.listen(self.engine.sync_engine, "handle_error", _leave_standby)
        event.listen(self.engine.sync_engine, "checkin", _rests)
        event.listen(self.engine.sync_engine, "checkout", _is_there)
        self._sessions = async_sessionmaker(
            self.engine, sync_session_class=_Session, expire_on_commit=False, autoflush=False
        )
        self.owner = Entrance(self._sessions)
        self.worker = Entrance(self._sessions, _into(WORKER_ROLE))
        self.login = Entrance(self._sessions, _into(LOGIN_ROLE))
        self.audit = Entrance(self._sessions, _into(AUDIT_ROLE))

    @property
    def connections_in_use(self) -> int:
        """Of the pool's `pool_size`."""
        pool = self.engine.sync_engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def acting(self, actor: Actor) -> Entrance:
        """The entrance of this actor: PostgreSQL shows it no other team's rows, and takes none."""
        return Entrance(self._sessions, _into(ACTING_ROLE, actor))

    def everywhere(self, actor: Actor) -> Entrance:
        """As this actor, where people and teams are as an operator sees them: of what ends with them, nothing may be missed.

        Their teams are remembered for two seconds, and they may have come to another one.
        """
        return self.acting(replace(actor, is_operator=True))

    async def reach(self) -> None:
        """UNAVAILABLE, with the driver's own word for whoever starts the process, unless a connection can be had each way."""
        for engine in dict.fromkeys((self.engine, self.direct)):
            try:
                async with engine.connect():
                    pass
            except (OSError, PostgresError, SQLAlchemyError) as error:
                said: object = _cause(error) if isinstance(error, DBAPIError) else error
                if isinstance(error, TimeoutError):
                    said = f"no answer within {CONNECT_SECONDS:g} s"
                how = "" if engine is self.engine else f" by {DIRECT_SETTING}"
                raise unavailable(
                    f"The database cannot be reached{how}: {said or error}"
                ) from error

    async def check(self) -> None:
        """UNAVAILABLE unless the database answers, and takes writes: nobody is answered without a record of it."""
        async with self.login.transaction() as session:
            if await session.scalar(text("select current_setting('transaction_read_only')::bool")):
                await (await session.connection()).invalidate()
                raise unavailable("The database takes no writes; try again.")

    async def roles_refused(self) -> list[str]:
        """Those of ROLES that whoever has logged in may not enter as; without one of them, no request can be served."""
        async with self.owner.transaction() as session:
            found = await session.scalars(text(TAKEN), {"roles": list(ROLES)})
        taken = set(found)
        return [role for role in ROLES if role not in taken]

    async def close(self) -> None:
        await self.engine.dispose()


def _rests(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _is_there(connection: Any, record: ConnectionPoolEntry, _fairy: object) -> None:
    """Nobody's entrance is left, and the pool connects anew where PostgreSQL is gone.

    The driver knows when the other side has closed; only after a rest is it asked, which SQLAlchemy's own pre-ping does
    each time and for as long as a short query takes.
    """
    connection.driver_connection.entering = ""
    since = record.info.get("rests_since")
    if since is None:
        return
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
    if time.monotonic() - since > PING_AFTER_SECONDS:
        try:
            connection.ping()
        except Exception as error:
            raise InvalidatePoolError from error


def _leave_standby(context: ExceptionContext) -> None:
    """Such connections leave the pool, for they would go on to fail: by now the name may lead to the one that writes."""
    if takes_no_writes(context.original_exception):
        context.is_disconnect = True


def takes_no_writes(error: BaseException) -> bool:
    """`error`: SQLAlchemy's of the driver."""
    return getattr(error.__cause__, "sqlstate", None) == TAKES_NO_WRITES


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (PoolTimeout, OSError) as error:
        raise away(error) from error
    except DBAPIError as error:
        state = sqlstate(error) or ""
        lost = error.connection_invalidated and state not in NO_SUCH_ROLE
        lost = lost or isinstance(_cause(error), TargetServerAttributeNotMatched)
        if lost or state.startswith(UNREACHABLE):
            raise away(_cause(error) or error) from error
        raise


def away(error: BaseException) -> AppError:
    """UNAVAILABLE. Whoever runs the database reads in the log why, in the driver's words; a client has no use for them."""
    log.warning("the database cannot be used: %s", _said(error))
    return unavailable("The database cannot be reached; try again.")


def _said(error: BaseException) -> str:
    if isinstance(error, PoolTimeout):
        return "all connections of the pool are in use (PICTOR_DATABASE_POOL_SIZE)"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or repr(error)


@contextmanager
def _owned(entering: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        is_raised = getattr(_cause(error), "server_source_function", None) == RAISED
        if not entering and sqlstate(error) == NOT_ALLOWED and not is_raised:
            raise NotOwnerError from error
        raise


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code of the error behind SQLAlchemy's."""
    cause = _cause(error)
    return cause.sqlstate if isinstance(cause, PostgresError) else None


def _cause(error: DBAPIError) -> BaseException | None:
    """The driver's own."""
    return getattr(error.orig, "__cause__", None)


def _constraint(error: DBAPIError) -> str | None:
    """The name of the one that is violated."""
    return getattr(_cause(error), "constraint_name", None)


@contextmanager
def constraints(**refusals: AppError) -> Iterator[None]:
    """Raises the refusal named after the constraint that a flush inside the block violates."""
    try:
        yield
    except IntegrityError as error:
        name = _constraint(error)
        if name in refusals:
            raise refusals[name] from error
        raise


@contextmanager
def rows_loaded(session: AsyncSession) -> Iterator[list[object]]:
    """Collects every row that the session loads inside the block, also those that are deleted in it."""
    seen: list[object] = []

    def note(_session: object, row: object) -> None:
        seen.append(row)

    event.listen(session.sync_session, "loaded_as_persistent", note)
    try:
        yield seen
    finally:
        event.remove(session.sync_session, "loaded_as_persistent", note)


@dataclass(slots=True)
class Tally:
    """How many statements ran for one operation."""

    statements: int = 0


TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)
"""What the statements of the running operation are counted in, over all of its tasks."""


def _tally(*_: object) -> None:
    tally = TALLY.get()
    if tally is not None:
        tally.statements += 1


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    """Collects the text of every statement that the pool runs inside the block."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
