"""What PostgreSQL refuses by itself, read from its own catalogue, so that a table of tomorrow is held to it too."""

import ast
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError

import app
from app.db import migrate, models
from app.db.database import (
    ACTING_ROLE,
    AUDIT_ROLE,
    LOGIN_ROLE,
    ROLES,
    WORKER_ROLE,
    NotOwnerError,
    sqlstate,
)
from app.db.models import Base, Image, Tag
from app.domain import NO_ID, Actor, AuditOutcome, Role
from app.services.auditing import audit
from app.services.people import api_keys, operators, teams, users
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database

REFUSED = "42501"
"""SQLSTATE insufficient_privilege: a missing grant, and a row that a policy does not take."""
WITH_TEAM = sorted(
    name for name, table in Base.metadata.tables.items() if "team_id" in table.columns
)
UNSEEN = """
select c.relname::text from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id')
  and (not c.relrowsecurity or exists (
    select from pg_roles r where r.rolname = any(:roles)
      and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
           or has_table_privilege(r.oid, c.oid, 'delete'))
      and not exists (select from pg_policy p where p.polrelid = c.oid and r.oid = any(p.polroles))
  ))
"""
"""Tables of teams without row-level security, or which a role may use without a policy of its own."""


async def scalars(db: Database, query: str, **parameters: Any) -> list[Any]:
    async with db.transaction() as session:
        return list(await session.scalars(text(query), parameters))


async def test_roles_are_nobody(db: Database) -> None:
    powers = (
        "rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or rolcanlogin"
    )
    of_roles = "from pg_roles where rolname = any(:roles)"

    assert set(await scalars(db, f"select rolname::text {of_roles}", roles=list(ROLES))) == set(
        ROLES
    )
    assert await scalars(db, f"select rolname {of_roles} and ({powers})", roles=list(ROLES)) == []
    assert (
        await scalars(
            db,
            f"select objid from pg_shdepend where deptype = 'o' and refobjid in (select oid {of_roles})",
            roles=list(ROLES),
        )
        == []
    )
    assert await scalars(
        db, f"select roleid from pg_auth_members where member in (select oid {of_roles})",
        roles=list(ROLES),
    ) == []  # fmt: skip


async def test_every_table_of_a_team_is_behind_the_wall(db: Database) -> None:
    assert await scalars(db, UNSEEN, roles=list(ROLES)) == []


async def test_partitions_are_reached_through_their_parents_alone(db: Database) -> None:
    query = (
        "select c.relname from pg_class c, pg_roles r where c.relispartition and c.relkind = 'r'"
        " and r.rolname = any(:roles)"
        " and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate')"
    )
    assert await scalars(db, query, roles=list(ROLES)) == []


async def test_the_actor_s_role_has_no_policy_without_a_condition(db: Database) -> None:
    query = "select distinct unnest(roles)::text from pg_policies where qual = 'true' or with_check = 'true'"
    assert set(await scalars(db, query)) == {WORKER_ROLE, LOGIN_ROLE, AUDIT_ROLE}


async def test_functions_with_their_owners_rights_have_a_fixed_path(db: Database) -> None:
    query = (
        "select proname::text, coalesce(proconfig::text, '') from pg_proc"
        " where prosecdef and pronamespace = 'public'::regnamespace"
    )
    async with db.transaction() as session:
        found = dict((await session.execute(text(query))).all())

    assert found.keys() >= {"found_team", "add_user"}
    assert all("search_path=public, pg_temp" in path for path in found.values())


async def test_functions_with_their_owners_rights_are_for_whom_they_are_meant(db: Database) -> None:
    """PostgreSQL lets everybody call a new function."""
    query = (
        "select proname::text || ' ' || coalesce(string_agg(rolname, ' ' order by rolname), '') from pg_proc"
        " left join pg_roles r on rolname = any(:roles) and has_function_privilege(r.oid, pg_proc.oid, 'execute')"
        " where prosecdef and pronamespace = 'public'::regnamespace group by pg_proc.oid, proname"
    )
    to_all = (
        "select proname::text from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        " and has_function_privilege('public', oid, 'execute')"
    )

    assert await scalars(db, to_all) == []
    assert sorted(await scalars(db, query, roles=list(ROLES))) == [
        f"add_user {ACTING_ROLE} {LOGIN_ROLE}",
        "audit_drop_months ",
        f"audit_make_months {AUDIT_ROLE}",
        f"found_team {ACTING_ROLE} {LOGIN_ROLE}",
        f"worded_images {ACTING_ROLE}",
    ]


async def test_the_record_is_dropped_by_nobody_but_the_owner(db: Database, actor: Actor) -> None:
    for entrance in (db.acting(actor), db.login, db.worker, db.audit):
        with pytest.raises(DBAPIError) as refusal:
            async with entrance.transaction() as session:
                await session.execute(text("select audit_drop_months(date '2000-01-01')"))
        assert sqlstate(refusal.value) == REFUSED


@pytest.fixture
async def actor(db: Database) -> Actor:
    return await make.actor(db)


@pytest.fixture
async def foreign(db: Database) -> UUID:
    """A team that has a row in each table of teams."""
    stranger = await make.actor(db)
    (team_id,) = stranger.team_ids
    image_id = await make.image(db, team_id, tags=("word",))
    two = sorted([image_id, await make.image(db, team_id)])
    async with db.transaction() as session:
        await api_keys.add(
            session, team_id=team_id, user_id=stranger.user_id, name="k", role=Role.ADMIN, expires_at=None
        )  # fmt: skip
        collection = models.Collection(team_id=team_id, name="c")
        job = models.BulkJob(team_id=team_id, action="TRASH", part_size=100)
        model = models.EmbeddingModel(
            name=secrets.token_hex(6), revision="1", dimension=2, state="RETIRED"
        )
        session.add_all([collection, model, job])
        await session.flush()
        now = collection.created_at
        tag_id = await session.scalar(select(Tag.id).where(Tag.team_id == team_id))
        about = {"team_id": team_id, "image_id": image_id}
        session.add_all(
            [
                models.CollectionImage(**about, collection_id=collection.id, created_at=now),
                models.ImageVector(**about, model_id=model.id, created_at=now, embedding=[1, 0]),
                models.ImageJob(**about, kind="EMBED", state="DONE"),
                models.DuplicateCheck(**about),
                models.TagRename(team_id=team_id, tag_id=tag_id),
                models.DuplicatePair(
                    team_id=team_id, low_id=two[0], high_id=two[1], model_id=model.id, score=1
                ),
                models.NotDuplicate(team_id=team_id, low_id=two[0], high_id=two[1]),
                models.Duplicate(**about, group_id=image_id),
                models.BulkPart(team_id=team_id, job_id=job.id, seq=0, image_ids=[image_id]),
                models.RelevanceFit(
                    team_id=team_id,
                    model_id=model.id,
                    modality="TEXT",
                    questions=1,
                    images=50,
                    location=0.2,
                    spread=0.1,
                ),
                make.ticket(stranger, secrets.token_hex(8)),
                models.Dataset(team_id=team_id, name="d", spec={}, fingerprint=bytes(32)),
                models.PersistedQuery(
                    team_id=team_id, sha256=bytes(32), document="{ x }", size_bytes=5
                ),
                models.AuditEvent(
                    at=now,
                    id=uuid4(),
                    team_id=team_id,
                    action="x",
                    outcome="ALLOWED",
                    subject_ids=[],
                    request_id="x",
                    detail="{}",
                    seq=1,
                    hash=bytes(32),
                ),
                models.AuditHead(
                    team_id=team_id, count=1, last_hash=bytes(32), last_at=now, mac=bytes(32)
                ),
                models.AuditAnchor(
                    team_id=team_id, before=now, seq=1, hash=bytes(32), mac=bytes(32)
                ),
            ]
        )
    return team_id


async def rows(db: Database, table: str, team_id: UUID) -> list[str]:
    return await scalars(db, f"select t::text from {table} t where team_id = :team", team=team_id)


@pytest.mark.parametrize("table", WITH_TEAM)
async def test_foreign_rows_are_neither_seen_nor_changed(
    db: Database, actor: Actor, foreign: UUID, table: str
) -> None:
    before = await rows(db, table, foreign)
    assert before
    column = {
        "image_vector": "tag_ids",
        "persisted_query": "used_at",
        "dataset": "deleted_at",
    }.get(table, "team_id")
    nobody = Actor(user_id=actor.user_id, roles={})
    operator = Actor(user_id=actor.user_id, roles={}, is_operator=True)
    administered = table in ("membership", "api_key", "image_job", "audit_head")
    for who in (actor, nobody, *([] if administered else [operator])):
        async with db.acting(who).transaction() as session:
            assert (
                await session.scalar(
                    text(f"select count(*) from {table} where team_id = '{foreign}'")
                )
                == 0
            )
        for change in (
            f"update {table} set {column} = {column} where team_id = '{foreign}'",
            f"delete from {table} where team_id = '{foreign}'",
        ):
            assert await count_or_refusal(db, who, change) in (0, REFUSED)

    assert await rows(db, table, foreign) == before


async def count_or_refusal(db: Database, actor: Actor, statement: str) -> int | str | None:
    try:
        async with db.acting(actor).transaction() as session:
            return (await session.execute(text(f"with x as ({statement} returning 1) select count(*) from x"))).scalar_one()  # fmt: skip
    except DBAPIError as error:
        return sqlstate(error)


@pytest.mark.parametrize("table", WITH_TEAM)
async def test_foreign_rows_are_not_made(
    db: Database, actor: Actor, foreign: UUID, table: str
) -> None:
    """A copy of a foreign row, which would be right in every other way."""
    async with db.transaction() as session:
        one = (
            await session.execute(
                text(f"select * from {table} where team_id = '{foreign}' limit 1")
            )
        ).one()
    computed = {"draw_weight", "live"}
    values = {
        name: value for name, value in one._mapping.items() if name not in computed and value is not None
    }  # fmt: skip
    if table == "image_vector":
        values["embedding"] = [1, 0]
    statement = insert(Base.metadata.tables[table]).values(values)
    with pytest.raises(DBAPIError) as refusal:
        async with db.acting(actor).transaction() as session:
            await session.execute(statement)
    assert sqlstate(refusal.value) == REFUSED


async def test_an_own_row_cannot_be_moved_to_another_team(
    db: Database, actor: Actor, foreign: UUID
) -> None:
    await make.image(db, actor.team_ids[0], tags=("mine",))
    for table in (Image, Tag, models.Membership):
        with pytest.raises(DBAPIError) as refusal:
            async with db.acting(actor).transaction() as session:
                await session.execute(update(table).values(team_id=foreign))
        assert sqlstate(refusal.value) == REFUSED


async def test_the_bare_role_sees_nothing(db: Database, foreign: UUID) -> None:
    async with db.transaction() as session:
        await session.execute(text(f"set local role {ACTING_ROLE}"))
        for table in ("team", "app_user", "session", *WITH_TEAM):
            # The installation's own audit chain is nobody's secret: everybody appends to it.
            of_a_team = f"where team_id <> '{NO_ID}'" if table == "audit_head" else ""
            count = await session.scalar(text(f"select count(*) from {table} {of_a_team}"))
            assert (table, count) == (table, 0)


async def test_settings_end_with_their_transaction(
    database_url: str, actor: Actor, foreign: UUID
) -> None:
    one_connection = Database(database_url, pool_size=1)
    told = select(
        func.current_user(), *(func.current_setting(f"app.{name}", True) for name in ("team_ids", "operator"))
    )  # fmt: skip
    operator = Actor(user_id=actor.user_id, roles={foreign: Role.ADMIN}, is_operator=True)
    with suppress(ZeroDivisionError):
        async with one_connection.acting(operator).transaction() as session:
            assert tuple((await session.execute(told)).one()) == (
                ACTING_ROLE,
                f"{{{foreign.hex}}}",
                "on",
            )
            raise ZeroDivisionError
    async with one_connection.transaction() as session:
        assert tuple((await session.execute(told)).one())[1:] == ("", "")
    async with one_connection.login.transaction() as session:
        assert tuple((await session.execute(told)).one()) == (LOGIN_ROLE, "", "")
    async with one_connection.acting(actor).transaction() as session:
        assert tuple((await session.execute(told)).one()) == (
            ACTING_ROLE,
            f"{{{actor.team_ids[0].hex}}}",
            "",
        )
        assert not await session.scalar(
            text(f"select count(*) from image where team_id = '{foreign}'")
        )
    await one_connection.close()


async def test_people_are_seen_by_their_fellows(db: Database, actor: Actor, foreign: UUID) -> None:
    fellow = await make.actor(db, actor.team_ids[0], Role.VIEWER)
    async with db.acting(fellow).transaction() as session:
        seen = set(await session.scalars(select(models.User.id)))
        assert seen == {actor.user_id, fellow.user_id}
        own = update(models.User).where(models.User.id == fellow.user_id).values(name="New")
        assert len((await session.execute(own.returning(models.User.id))).all()) == 1
    for refused in (
        "update app_user set is_operator = true",
        f"update app_user set name = 'New' where id = '{actor.user_id}'",
        "insert into app_user (email, name) values ('a@b.example', 'A')",
        "insert into team (name, slug) values ('A', 'a')",
        "select * from password_token",
        "delete from audit_event",
        "update audit_event set action = 'y'",
        "truncate image",
        f"insert into session (user_id, token_hash, expires_at) values ('{actor.user_id}', '', now())",
    ):
        with pytest.raises(DBAPIError) as refusal:
            async with db.acting(fellow).transaction() as session:
                await session.execute(text(refused))
        assert sqlstate(refusal.value) == REFUSED


async def test_an_operator_sees_people_and_no_pictures(
    db: Database, actor: Actor, foreign: UUID
) -> None:
    operator = Actor(user_id=actor.user_id, roles=actor.roles, is_operator=True)
    async with db.acting(operator).transaction() as session:
        assert await session.get(models.Team, foreign) is not None
        members = select(func.count()).select_from(models.Membership)
        assert await session.scalar(members.where(models.Membership.team_id == foreign)) == 1
        images = select(func.count()).select_from(Image)
        assert await session.scalar(images.where(Image.team_id == foreign)) == 0
        jobs = await session.execute(
            text(f"delete from image_job where team_id = '{foreign}' returning 1")
        )
        assert len(jobs.all()) == 1


async def test_worker_ends_a_team_whole(db: Database, foreign: UUID) -> None:
    async with db.worker.transaction() as session:
        await session.execute(text(f"delete from team where id = '{foreign}'"))
    for table in WITH_TEAM:
        if not table.startswith("audit_"):
            assert await rows(db, table, foreign) == []


async def test_login_sees_no_pictures(db: Database, foreign: UUID) -> None:
    for table in ("image", "tag", "collection", "image_vector", "image_job", "audit_event"):
        with pytest.raises(DBAPIError) as refusal:
            async with db.login.transaction() as session:
                await session.execute(text(f"select from {table}"))
        assert sqlstate(refusal.value) == REFUSED


async def test_worker_sees_no_people(db: Database, foreign: UUID) -> None:
    for table in ("app_user", "membership", "api_key", "session", "password_token", "audit_event"):
        with pytest.raises(DBAPIError) as refusal:
            async with db.worker.transaction() as session:
                await session.execute(text(f"select from {table}"))
        assert sqlstate(refusal.value) == REFUSED


async def test_what_is_watched_is_the_worker_s_alone(db: Database, actor: Actor) -> None:
    for table in ("orphan", "upkeep", "unworded_image", "installation"):
        for entrance in (db.acting(actor), db.login, db.audit):
            with pytest.raises(DBAPIError) as refusal:
                async with entrance.transaction() as session:
                    await session.execute(text(f"select from {table}"))
            assert sqlstate(refusal.value) == REFUSED


async def test_worker_appends_to_the_record_and_reads_nothing_of_it(
    db: Database, foreign: UUID
) -> None:
    event = audit.Event("x", AuditOutcome.ALLOWED, audit.Origin("x"), team_id=foreign)
    async with db.worker.transaction() as session:
        await audit.append(session, b"k" * 32, [event])
    assert len(await rows(db, "audit_event", foreign)) == 2
    for refused in ("select from audit_event", "delete from audit_head", "update image_tag set tag_id = tag_id"):  # fmt: skip
        with pytest.raises(DBAPIError) as refusal:
            async with db.worker.transaction() as session:
                await session.execute(text(refused))
        assert sqlstate(refusal.value) == REFUSED


async def test_the_recorder_appends_and_reads_no_more_than_ids(db: Database, foreign: UUID) -> None:
    async with db.audit.transaction() as session:
        assert (
            await session.execute(text(f"select id from image where team_id = '{foreign}'"))
        ).first()
        await session.execute(
            text(
                "insert into audit_event"
                " (at, id, team_id, action, outcome, subject_ids, request_id, detail, seq, hash)"
                f" values (now(), new_id(), '{foreign}', 'x', 'DENIED', '{{}}', 'x', '{{}}', 2, '')"
            )
        )
    for refused in (
        "select title from image",
        "select from audit_event",
        "select email from app_user",
        "update audit_event set action = 'y'",
        "delete from audit_event",
        "update image set title = ''",
    ):
        with pytest.raises(DBAPIError) as refusal:
            async with db.audit.transaction() as session:
                await session.execute(text(refused))
        assert sqlstate(refusal.value) == REFUSED


async def test_a_login_founds_a_team_and_joins_no_other(db: Database, foreign: UUID) -> None:
    async with db.login.transaction() as session:
        user, token = await users.add(
            session, email=f"{secrets.token_hex(6)}@x.example", name="New"
        )
        team = await teams.add(session, name="Own", slug=None)
        session.add(models.Membership(team_id=team.id, user_id=user.id, role=Role.ADMIN))
    assert token
    joined = insert(models.Membership).values(team_id=foreign, user_id=user.id, role=Role.ADMIN)
    with pytest.raises(DBAPIError) as refusal:
        async with db.login.transaction() as session:
            await session.execute(joined)
    assert sqlstate(refusal.value) == REFUSED


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """A database of the test's own: as its owner, and as a user who has the three roles and nothing else."""
    name = f"server_{secrets.token_hex(4)}"
    async with own_database(database_url) as url:
        owner = Database(url)
        async with owner.transaction() as session:
            await session.execute(
                text(f"create role {name} login noinherit in role {', '.join(ROLES)}")
            )
        server = Database(make_url(url).set(username=name).render_as_string(hide_password=False))
        yield owner, server
        await server.close()
        async with owner.transaction() as session:
            await session.execute(text(f"drop role {name}"))
        await owner.close()


async def test_a_server_needs_no_rights_of_its_own(served: tuple[Database, Database]) -> None:
    owner, server = served
    actor = await make.actor(owner)
    image_id = await make.image(owner, actor.team_ids[0])

    assert await migrate.standing(server.engine) is migrate.Standing.CURRENT
    async with server.acting(actor).transaction() as session:
        assert await session.scalar(select(Image.id)) == image_id
        await session.execute(text("reset role"))
        with pytest.raises(DBAPIError) as refusal:
            await session.execute(select(Image.id))
        assert sqlstate(refusal.value) == REFUSED
        await session.rollback()
    with pytest.raises(NotOwnerError):
        async with server.owner.transaction() as session:
            await session.execute(select(Image.id))


async def test_an_owner_need_not_be_a_superuser(database_url: str) -> None:
    """Who may not make roles needs them made and granted; the tables' owner is then like any other."""
    name = f"owner_{secrets.token_hex(4)}"
    await outside(
        database_url,
        f"create role {name} login in role {', '.join(ROLES)}",
        f"create database {name} owner {name}",
    )
    own = make_url(database_url).set(database=name)
    await outside(own.render_as_string(hide_password=False), "create extension vector")
    db = Database(own.set(username=name).render_as_string(hide_password=False))
    await migrate.upgrade(db.engine)

    actor, stranger = await make.actor(db), await make.actor(db)
    image_id = await make.image(db, actor.team_ids[0], tags=("word",))
    async with db.acting(actor).transaction() as session:
        assert list(await session.scalars(select(Image.id))) == [image_id]
        await session.execute(update(Image).values(weight=7))
    async with db.acting(stranger).transaction() as session:
        assert list(await session.scalars(select(Image.id))) == []
    async with db.owner.transaction() as session:
        assert await operators.wall_gaps(session) == []
    await migrate.downgrade(db.engine, "0002")
    await db.close()
    await outside(database_url, f"drop database {name}", f"drop role {name}")


async def outside(url: str, *statements: str) -> None:
    """Runs the statements as the server's administrator, outside any transaction."""
    db = Database(url)
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await autocommit.execute(text(statement))
    await db.close()


async def test_the_operator_is_told_of_gaps(served: tuple[Database, Database]) -> None:
    owner, server = served
    for db in served:
        async with db.owner.transaction() as session:
            assert await operators.wall_gaps(session) == []
    async with owner.transaction() as session:
        await session.execute(text("alter table tag disable row level security"))
        await session.execute(text(f"revoke {WORKER_ROLE} from {server.engine.url.username}"))
    async with server.owner.transaction() as session:
        assert await operators.wall_gaps(session) == [
            f"This user may not take the role {WORKER_ROLE}.",
            "The table tag has no row-level security.",
        ]


def doors() -> Iterator[tuple[Path, ast.Attribute]]:
    for room in ("graphql", "web", "services"):
        for path in sorted((Path(app.__file__).parent / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("db"):
                    yield path, node


def test_request_code_knows_no_entrance_of_the_system() -> None:
    used = {node.attr for _, node in doors()}
    wrong = [
        f"{path}:{node.lineno}"
        for path, node in doors()
        if node.attr in ("owner", "worker", "engine")
    ]
    assert wrong == []
    assert {"acting", "login", "transaction", "run"} <= used
