"""Accounts and teams that are changed and that end; what their makers leave behind."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from app.db.models import Image, ImageTag, Membership, PasswordToken, Tag, Team, User
from app.domain import Actor, Role
from app.errors import AppError
from app.services.people import accounts, api_keys, operators, passwords, sessions
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

UPDATE_USER = "mutation($i: UpdateUserInput!) { updateUser(input: $i) { name email } }"
DELETE_USER = "mutation($id: ID!) { deleteUser(id: $id) }"
DELETE_TEAM = "mutation($id: ID!, $s: String!) { deleteTeam(id: $id, confirmSlug: $s) }"


def logged_in(actor: Actor) -> Actor:
    return replace(actor, session_id=uuid4())


async def slug_of(db: Database, team_id: UUID) -> str:
    async with db.transaction() as session:
        return (await session.get_one(Team, team_id)).slug


async def test_an_account_is_its_user_s(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    member = await make.actor(db, admin.team_ids[0], Role.EDITOR)
    operator = replace(await make.actor(db), is_operator=True)
    email = f"New-{member.user_id}@Example.org"
    mine = {"id": str(member.user_id), "name": " Ada  Lovelace ", "email": email}

    changed = await client.get(logged_in(member), UPDATE_USER, i=mine)
    by_operator = await client.get(operator, UPDATE_USER, i={"id": mine["id"], "name": "Countess"})
    taken = await client.code(
        logged_in(admin), UPDATE_USER, i={"id": str(admin.user_id), "email": email}
    )

    assert changed["updateUser"] == {"name": "Ada Lovelace", "email": email.lower()}
    assert by_operator["updateUser"]["name"] == "Countess"
    assert taken == ("CONFLICT", "input.email")
    assert await client.code(member, UPDATE_USER, i=mine) == ("FORBIDDEN", None)
    assert await client.code(logged_in(admin), UPDATE_USER, i=mine) == ("FORBIDDEN", None)
    assert await client.code(member, DELETE_USER, id=mine["id"]) == ("FORBIDDEN", None)
    assert await client.code(logged_in(admin), DELETE_USER, id=mine["id"]) == ("FORBIDDEN", None)
    bad = {"id": mine["id"], "email": "nobody"}
    assert await client.code(operator, UPDATE_USER, i=bad) == ("BAD_USER_INPUT", "input.email")


async def test_addresses_are_not_tried_one_after_the_other(client: Client, db: Database) -> None:
    """What is refused is somebody's, and a VIEWER is not to find out who has an account here."""
    viewer = logged_in(await make.actor(db, role=Role.VIEWER))
    (team_id,) = viewer.team_ids
    by_key = replace(viewer, session_id=None, api_key_id=uuid4())
    operator = replace(await make.actor(db, team_id), is_operator=True)
    known = (await client.get(operator, "{ viewer { user { email } } }"))["viewer"]["user"]
    tried = {"id": str(viewer.user_id), "email": known["email"]}

    keys = [await client.code(by_key, UPDATE_USER, i=tried) for _ in range(7)]
    codes = [await client.code(viewer, UPDATE_USER, i=tried) for _ in range(7)]
    operators = [await client.code(operator, UPDATE_USER, i=tried) for _ in range(7)]

    taken = ("CONFLICT", "input.email")
    assert codes == [*[taken] * 6, ("RATE_LIMITED", None)]
    assert operators == [taken] * 7
    assert keys == [("FORBIDDEN", None)] * 7
    mine = {"id": tried["id"], "name": "Ada"}
    assert (await client.get(viewer, UPDATE_USER, i=mine))["updateUser"]["name"] == "Ada"


async def test_pictures_and_tags_outlive_their_maker(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    maker = await make.actor(db, team_id, Role.EDITOR)
    image_id = await make.image(db, team_id, tags=("cat",), uploaded_by=maker.user_id)
    async with db.transaction() as session:
        tag = Tag(team_id=team_id, name="dog", key="dog", created_by=maker.user_id)
        session.add(tag)
        await session.flush()
        row = await session.get_one(Image, image_id)
        session.add(
            ImageTag(
                team_id=team_id,
                image_id=image_id,
                tag_id=tag.id,
                created_at=row.created_at,
                tagged_by=maker.user_id,
            )
        )
        _, key = await api_keys.add(
            session,
            team_id=team_id,
            user_id=maker.user_id,
            name="k",
            role=Role.EDITOR,
            expires_at=None,
        )
    gone = await client.get(logged_in(maker), DELETE_USER, id=str(maker.user_id))

    assert gone == {"deleteUser": str(maker.user_id)}
    query = """query($id: ID!) { image(id: $id) { uploadedBy { id } taggings { tag { name } taggedBy { id } } }
                 tags { nodes { name createdBy { id } imageCount } } users { nodes { id } } }"""
    left = await client.get(admin, query, id=str(image_id))
    assert left["image"]["uploadedBy"] is None
    assert {one["tag"]["name"]: one["taggedBy"] for one in left["image"]["taggings"]} == {
        "cat": None,
        "dog": None,
    }
    assert left["tags"]["nodes"] == [
        {"name": "cat", "createdBy": None, "imageCount": 1},
        {"name": "dog", "createdBy": None, "imageCount": 1},
    ]
    assert left["users"]["nodes"] == [{"id": str(admin.user_id)}]
    async with db.transaction() as session:
        assert await api_keys.authenticate(session, key) is None


async def test_the_last_admin_and_the_last_operator_stay(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    await make.actor(db, admin.team_ids[0], Role.EDITOR)
    me = str(admin.user_id)

    assert await client.code(logged_in(admin), DELETE_USER, id=me) == ("CONFLICT", "id")
    await make.actor(db, admin.team_ids[0], Role.ADMIN)
    assert await client.get(logged_in(admin), DELETE_USER, id=me) == {"deleteUser": me}

    async with db.transaction() as session:
        for one in (await session.scalars(User.__table__.select().where(User.is_operator))).all():
            (await session.get_one(User, one)).is_operator = False
    last = await make.user(db, is_operator=True)
    operator = Actor(user_id=last, roles={}, is_operator=True)
    assert await client.code(operator, DELETE_USER, id=str(last)) == ("CONFLICT", "id")


async def test_a_deleted_team_is_gone_at_once(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    editor = await make.actor(db, team_id, Role.EDITOR)
    operator = replace(await make.actor(db), is_operator=True)
    slug = await slug_of(db, team_id)
    async with db.transaction() as session:
        _, key = await api_keys.add(
            session,
            team_id=team_id,
            user_id=admin.user_id,
            name="k",
            role=Role.ADMIN,
            expires_at=None,
        )
    call = {"id": str(team_id), "s": slug}

    assert await client.code(editor, DELETE_TEAM, **call) == ("FORBIDDEN", None)
    wrong = await client.code(admin, DELETE_TEAM, id=str(team_id), s="other")
    assert wrong == ("BAD_USER_INPUT", "confirmSlug")
    assert await client.get(admin, DELETE_TEAM, **call) == {"deleteTeam": str(team_id)}

    for actor in (admin, operator):
        query = "query($id: ID!, $s: String!) { node(id: $id) { id } team(id: $id) { id } by: team(slug: $s) { id } }"
        seen = await client.get(actor, query, **call)
        assert seen == {"node": None, "team": None, "by": None}
        assert await client.code(actor, DELETE_TEAM, **call) == ("NOT_FOUND", "id")
        given = {"teamId": str(team_id), "email": "late@example.org", "name": "Late"}
        create = "mutation($i: CreateUserInput!) { createUser(input: $i) { user { id } } }"
        assert (await client.code(actor, create, i=given))[0] == "NOT_FOUND"
    async with db.transaction() as session:
        assert await api_keys.authenticate(session, key) is None
        assert await sessions.roles_of(session, admin.user_id) == {}
    new = "mutation($i: CreateTeamInput!) { createTeam(input: $i) { slug } }"
    assert (await client.get(operator, new, i={"name": "x", "slug": slug}))["createTeam"]


async def test_no_slug_of_another_team_keeps_one_from_being_deleted(
    client: Client, db: Database
) -> None:
    """Once it was `deleted-` and the id, which whoever knew the id could take first."""
    admin, other = await make.actor(db), await make.actor(db)
    (team_id,) = admin.team_ids
    call = {"id": str(team_id), "s": await slug_of(db, team_id)}
    new = "mutation($i: CreateTeamInput!) { createTeam(input: $i) { slug } }"
    taken = {"name": "x", "slug": f"deleted-{team_id}"}
    assert (await client.get(other, new, i=taken))["createTeam"]["slug"] == taken["slug"]

    assert await client.get(admin, DELETE_TEAM, **call) == {"deleteTeam": str(team_id)}

    left = {"name": "x", "slug": await slug_of(db, team_id)}
    assert await client.code(other, new, i=left) == ("BAD_USER_INPUT", "input.slug")


async def test_keys_do_not_come_back_with_their_user(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    member = await make.actor(db, team_id, Role.EDITOR)
    async with db.transaction() as session:
        _, key = await api_keys.add(
            session,
            team_id=team_id,
            user_id=member.user_id,
            name="k",
            role=Role.EDITOR,
            expires_at=None,
        )
    remove = "mutation($t: ID!, $u: ID!) { removeMembership(teamId: $t, userId: $u) }"
    await client.get(admin, remove, t=str(team_id), u=str(member.user_id))
    async with db.transaction() as session:
        session.add(Membership(team_id=team_id, user_id=member.user_id, role=Role.EDITOR))
    async with db.transaction() as session:
        assert await api_keys.authenticate(session, key) is None


async def test_keys_are_listed_in_pages(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    create = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { key } }"
    given = {"teamId": str(admin.team_ids[0])}
    keys = [await client.get(admin, create, i={**given, "name": f"k{n}"}) for n in range(3)]
    query = """query($a: String) { viewer { apiKeys(first: 2, after: $a) { totalCount nodes { name prefix lastUsedAt }
                 pageInfo { hasNextPage endCursor } } } }"""
    first = (await client.get(admin, query))["viewer"]["apiKeys"]
    rest = await client.get(admin, query, a=first["pageInfo"]["endCursor"])

    assert [one["name"] for one in first["nodes"]] == ["k2", "k1"]
    assert [one["name"] for one in rest["viewer"]["apiKeys"]["nodes"]] == ["k0"]
    assert first["totalCount"] == 3
    for made in keys:
        assert made["createApiKey"]["key"] not in str([first, rest])


async def test_an_operator_s_key_is_one_as_admin_alone(db: Database) -> None:
    admin = await make.actor(db)
    async with db.transaction() as session:
        (await session.get_one(User, admin.user_id)).is_operator = True
        for role in Role:
            _, key = await api_keys.add(
                session,
                team_id=admin.team_ids[0],
                user_id=admin.user_id,
                name="k",
                role=role,
                expires_at=None,
            )
            holder = await api_keys.authenticate(session, key)
            assert holder is not None
            assert holder.is_operator is (role is Role.ADMIN)
        (await session.get_one(User, admin.user_id)).is_operator = False


async def test_the_operator_lets_people_in(db: Database) -> None:
    user_id = await make.user(db)
    ways = accounts.Accounts(db=db, lifetime=sessions.USED_EVERY, client_ip=None)
    async with db.transaction() as session:
        email = (await session.get_one(User, user_id)).email
        token = await operators.password_token(session, email.upper())
    login = await ways.set_password(token, "correct horse battery")
    async with db.transaction() as session:
        spare = await operators.password_token(session, email)
        new = await passwords.hashed("battery horse")
        await operators.set_password(session, email, new)
        assert await sessions.authenticate(session, login.token, sessions.USED_EVERY) is None
        tokens = await session.scalars(
            PasswordToken.__table__.select().where(PasswordToken.user_id == user_id)
        )
        assert len(tokens.all()) == 2
    assert (await ways.log_in(email, "battery horse")).actor.user_id == user_id
    for refused in (
        ways.set_password(spare, "x" * 10),
        ways.log_in(email, "correct horse battery"),
    ):
        with pytest.raises(AppError):
            await refused
    async with db.transaction() as session:
        with pytest.raises(AppError, match="not found"):
            await operators.password_token(session, "nobody@example.org")


async def test_a_user_without_a_team_sees_only_themselves(client: Client, db: Database) -> None:
    alone = Actor(user_id=await make.user(db), roles={}, session_id=uuid4())
    data = await client.get(
        alone,
        """{ viewer { user { id email memberships { id } } apiKeys { totalCount } } teams { nodes { id } }
             users { nodes { id } } images { totalCount nodes { id } } tags { nodes { id } }
             collections { nodes { id } } randomImages(count: 3) { id } }""",
    )
    assert data["users"]["nodes"] == [{"id": str(alone.user_id)}]
    for name in ("teams", "images", "tags", "collections"):
        assert data[name]["nodes"] == []
    create = 'mutation { createTag(teamId: "x", name: "y") { id } }'
    assert await client.code(alone, create) == ("FORBIDDEN", None)


async def test_the_first_that_is_bootstrapped_is_the_operator(db: Database) -> None:
    """Also where people have registered before: else nobody ever could be. But none of those, whoever they are."""
    registered = await make.user(db)
    async with db.transaction() as session:
        await session.execute(update(User).values(is_operator=False))
        email = (await session.get_one(User, registered)).email
        made = [
            (await operators.bootstrap(session, team="T", email=one)).is_operator
            for one in (email, "first@example.org", "second@example.org", "first@example.org")
        ]
        await session.rollback()

    assert made == [False, True, False, True]
