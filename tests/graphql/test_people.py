"""Teams, users, memberships and keys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select

from app.db.models import ApiKey, Membership, User
from app.domain import Actor, Role
from app.services.people import api_keys
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client

CREATE_KEY = """mutation($i: CreateApiKeyInput!) {
  createApiKey(input: $i) { key apiKey { id name prefix role expiresAt revokedAt user { id } team { id } } }
}"""
CREATE_USER = """mutation($i: CreateUserInput!) {
  createUser(input: $i) { user { id name email createdAt memberships { role team { id } } } passwordToken }
}"""
SET_MEMBERSHIP = "mutation($i: SetMembershipInput!) { setMembership(input: $i) { id role } }"
REMOVE_MEMBERSHIP = "mutation($t: ID!, $u: ID!) { removeMembership(teamId: $t, userId: $u) }"
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { revokedAt } }"


def logged_in(actor: Actor) -> Actor:
    return replace(actor, session_id=uuid4())


async def test_the_viewer_and_their_team(client: Client, db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], tags=("cat",), size_bytes=7)
    await make.image(db, actor.team_ids[0], size_bytes=4, trashed_at=datetime.now(UTC))

    data = await client.get(
        actor,
        """{ viewer { isOperator user { id email memberships { role } } apiKey { id } }
             teams { totalCount nodes { name tagPolicy members { nodes { role user { name } } }
                     stats { imageCount tagCount storedBytes processing { pending ready } }
                     tags { nodes { name } } images { totalCount } apiKeys { totalCount } } } }""",
    )

    assert data["viewer"]["user"]["id"] == str(actor.user_id)
    assert data["viewer"]["user"]["email"].endswith("@example.org")
    assert data["viewer"]["apiKey"] is None
    (team,) = data["teams"]["nodes"]
    assert team["members"]["nodes"] == [{"role": "ADMIN", "user": {"name": "Ada"}}]
    assert team["stats"] == {
        "imageCount": 1,
        "tagCount": 1,
        "storedBytes": 11,
        "processing": {"pending": 1, "ready": 0},
    }


async def test_emails_are_for_admins(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    viewer = await make.actor(db, admin.team_ids[0], Role.VIEWER)
    query = "query($id: ID!) { user(id: $id) { email } }"

    assert (await client.get(admin, query, id=str(viewer.user_id)))["user"]["email"]
    assert (await client.get(viewer, query, id=str(admin.user_id)))["user"] == {"email": None}
    assert (await client.get(viewer, query, id=str(viewer.user_id)))["user"]["email"]


async def test_a_fellow_is_added_by_whoever_administers_them(client: Client, db: Database) -> None:
    """An ADMIN reads the addresses of members: who sees a fellow's id alone does not get to theirs by it."""
    fellow = await make.actor(db)
    viewer = await make.actor(db, fellow.team_ids[0], Role.VIEWER)
    own, other = await make.actor(db), await make.team(db)
    both = replace(viewer, roles={**viewer.roles, **own.roles})
    (mine,) = own.team_ids
    add = {"teamId": str(mine), "userId": str(fellow.user_id), "role": "VIEWER"}

    answer = await client.ask(both, SET_MEMBERSHIP, i=add)
    operator = replace(own, is_operator=True)
    await client.get(operator, SET_MEMBERSHIP, i=add)
    admin = replace(both, roles={**both.roles, other: Role.ADMIN})
    moved = await client.get(admin, SET_MEMBERSHIP, i={**add, "teamId": str(other)})

    assert answer.errors[0]["extensions"]["code"] == "FORBIDDEN"
    assert moved["setMembership"]["role"] == "VIEWER"


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    client: Client, db: Database
) -> None:
    actor = await make.actor(db)
    given = {"teamId": str(actor.team_ids[0]), "name": "script", "role": "EDITOR"}

    made = (await client.get(actor, CREATE_KEY, i=given))["createApiKey"]
    async with db.transaction() as session:
        holder = await api_keys.authenticate(session, made["key"])
        wrong = await api_keys.authenticate(session, made["key"][:-1] + "!")
        swapped = await api_keys.authenticate(session, api_keys.new_secret().text)
    assert holder is not None
    assert holder.roles == {actor.team_ids[0]: Role.EDITOR}
    assert (wrong, swapped) == (None, None)
    assert made["key"].startswith(made["apiKey"]["prefix"])
    lifetime = datetime.fromisoformat(made["apiKey"]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=364) < lifetime <= timedelta(days=365)

    ended = await client.get(actor, REVOKE, id=made["apiKey"]["id"])
    async with db.transaction() as session:
        assert await api_keys.authenticate(session, made["key"]) is None
    assert ended["revokeApiKey"]["revokedAt"]
    assert await client.get(actor, REVOKE, id=made["apiKey"]["id"]) == ended


async def test_a_key_never_outranks_its_user(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    editor = await make.actor(db, team_id, Role.EDITOR)
    given = {"teamId": str(team_id), "name": "k"}

    too_much = await client.code(editor, CREATE_KEY, i={**given, "role": "ADMIN"})
    for_other = await client.code(editor, CREATE_KEY, i={**given, "userId": str(admin.user_id)})
    past = await client.code(editor, CREATE_KEY, i={**given, "expiresAt": "2020-01-01T00:00:00Z"})
    made = await client.get(admin, CREATE_KEY, i={**given, "userId": str(editor.user_id)})
    demote = {"teamId": str(team_id), "userId": str(editor.user_id), "role": "VIEWER"}
    await client.get(admin, SET_MEMBERSHIP, i=demote)
    async with db.transaction() as session:
        holder = await api_keys.authenticate(session, made["createApiKey"]["key"])

    assert too_much == ("FORBIDDEN", None)
    assert for_other == ("FORBIDDEN", None)
    assert past == ("BAD_USER_INPUT", "input.expiresAt")
    assert made["createApiKey"]["apiKey"]["role"] == "EDITOR"
    assert holder is not None
    assert holder.roles == {team_id: Role.VIEWER}


async def test_a_key_makes_none_that_outlives_it(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    by_key, _ = await key_of(db, admin, Role.ADMIN, expires_at=end)
    endless, _ = await key_of(db, admin, Role.ADMIN)
    given = {"teamId": str(team_id), "name": "k"}
    late = {**given, "expiresAt": (end + timedelta(seconds=1)).isoformat()}

    beyond = await client.ask(by_key, CREATE_KEY, i=late)
    colleague = await make.actor(db, team_id, Role.VIEWER)
    for_other = await client.code(by_key, CREATE_KEY, i={**late, "userId": str(colleague.user_id)})
    absent = await client.get(by_key, CREATE_KEY, i=given)
    same = await client.get(by_key, CREATE_KEY, i={**given, "expiresAt": end.isoformat()})
    sooner = await client.get(
        by_key, CREATE_KEY, i={**given, "expiresAt": (end - timedelta(days=1)).isoformat()}
    )

    assert beyond.codes == ["FORBIDDEN"]
    assert "log in" in beyond.errors[0]["message"]
    assert for_other == ("FORBIDDEN", None)
    assert [
        datetime.fromisoformat(one["createApiKey"]["apiKey"]["expiresAt"])
        for one in (absent, same, sooner)
    ] == [end, end, end - timedelta(days=1)]
    for free in (logged_in(admin), endless, replace(by_key, is_operator=True)):
        await client.get(free, CREATE_KEY, i=late)


async def test_new_and_known_people_become_members(client: Client, db: Database) -> None:
    admin, other = await make.actor(db), await make.actor(db)
    given = {"email": f"{admin.user_id}@Example.org", "name": "Grace", "role": "VIEWER"}

    made = await client.get(admin, CREATE_USER, i={**given, "teamId": str(admin.team_ids[0])})
    called = {**given, "name": "Somebody", "teamId": str(other.team_ids[0])}
    known = await client.get(other, CREATE_USER, i=called)
    again = await client.get(
        other, CREATE_USER, i={**given, "teamId": str(other.team_ids[0]), "role": "ADMIN"}
    )

    assert made["createUser"]["passwordToken"]
    assert made["createUser"]["user"]["email"] == given["email"].lower()
    assert known["createUser"]["passwordToken"] is None
    # By these an ADMIN finds out with the person whether the account is theirs.
    for name in ("id", "name", "createdAt"):
        assert known["createUser"]["user"][name] == made["createUser"]["user"][name]
    assert known["createUser"]["user"]["memberships"] == [
        {"role": "VIEWER", "team": {"id": str(other.team_ids[0])}}
    ]
    assert again == known
    bad = {**given, "email": "nobody", "teamId": str(admin.team_ids[0])}
    assert await client.code(admin, CREATE_USER, i=bad) == ("BAD_USER_INPUT", "input.email")


async def test_the_last_admin_stays(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    editor = await make.actor(db, team_id, Role.EDITOR)
    me = {"teamId": str(team_id), "userId": str(admin.user_id)}

    demoted = await client.code(admin, SET_MEMBERSHIP, i={**me, "role": "EDITOR"})
    removed = await client.code(logged_in(admin), REMOVE_MEMBERSHIP, t=me["teamId"], u=me["userId"])
    await client.get(logged_in(editor), REMOVE_MEMBERSHIP, t=str(team_id), u=str(editor.user_id))
    answer = await client.ask(admin, REMOVE_MEMBERSHIP, t=str(team_id), u=str(editor.user_id))
    (gone,) = (error["extensions"] for error in answer.errors)

    assert demoted == ("CONFLICT", "input.userId")
    assert removed == ("CONFLICT", "userId")
    assert (gone["code"], gone["field"]) == ("NOT_FOUND", "userId")
    assert gone["ids"] == [str(editor.user_id)]


async def key_of(
    db: Database, holder: Actor, role: Role, *, expires_at: datetime | None = None
) -> tuple[Actor, UUID]:
    """Whoever acts by a new key of the holder's, and the key's id."""
    async with db.transaction() as session:
        row, text = await api_keys.add(
            session,
            team_id=holder.team_ids[0],
            user_id=holder.user_id,
            name="k",
            role=role,
            expires_at=expires_at,
        )
        actor = await api_keys.authenticate(session, text)
    assert actor is not None
    return actor, row.id


async def test_a_key_leaves_no_team(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    editor, other = [await make.actor(db, team_id, Role.EDITOR) for _ in range(2)]
    by_key, key_id = await key_of(db, editor, Role.VIEWER)
    by_admins, _ = await key_of(db, admin, Role.ADMIN)
    team, me = str(team_id), str(editor.user_id)
    boss = str(admin.user_id)

    answer = await client.ask(by_key, REMOVE_MEMBERSHIP, t=team, u=me)
    # Before it is looked at who would be left.
    last = await client.code(by_admins, REMOVE_MEMBERSHIP, t=team, u=boss)
    foreign = await client.code(await make.actor(db), REMOVE_MEMBERSHIP, t=team, u=me)

    assert answer.codes == ["FORBIDDEN"]
    assert "log in" in answer.errors[0]["message"]
    assert last == ("FORBIDDEN", None)
    assert foreign == ("NOT_FOUND", "teamId")
    async with db.transaction() as session:
        assert (await session.get_one(ApiKey, key_id)).revoked_at is None
        members = select(Membership.user_id).where(Membership.team_id == team_id)
        assert set(await session.scalars(members)) == {
            one.user_id for one in (admin, editor, other)
        }
    # Others are removed through a key of an ADMIN; oneself in a login; an operator's key does both.
    await client.get(by_admins, REMOVE_MEMBERSHIP, t=team, u=str(other.user_id))
    await client.get(logged_in(editor), REMOVE_MEMBERSHIP, t=team, u=me)
    operator = replace(await make.actor(db, team_id), is_operator=True)
    await client.get(operator, REMOVE_MEMBERSHIP, t=team, u=str(operator.user_id))


async def test_a_key_revokes_itself_and_none_above_it(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (reader, reader_id), (_, second_id), (editor, editor_id), (boss, boss_id) = [
        await key_of(db, admin, role)
        for role in (Role.VIEWER, Role.VIEWER, Role.EDITOR, Role.ADMIN)
    ]

    async def revoke(actor: Actor, key_id: UUID) -> list[str]:
        return (await client.ask(actor, REVOKE, id=str(key_id))).codes

    assert await revoke(reader, editor_id) == ["FORBIDDEN"]
    assert await revoke(reader, boss_id) == ["FORBIDDEN"]
    assert await revoke(editor, boss_id) == ["FORBIDDEN"]
    assert await revoke(await make.actor(db), boss_id) == ["NOT_FOUND"]
    assert await revoked(db, editor_id, boss_id) == []
    assert await revoke(editor, second_id) == []
    assert await revoke(editor, editor_id) == []
    assert await revoke(reader, reader_id) == []
    assert await revoke(boss, boss_id) == []
    assert len(await revoked(db, reader_id, second_id, editor_id, boss_id)) == 4


async def test_a_key_above_its_holders_role_ends_itself_and_is_ended_in_a_login(
    client: Client, db: Database
) -> None:
    """It was made when they were ADMIN, and would be one again with them."""
    team_id = await make.team(db)
    viewer = await make.actor(db, team_id, Role.VIEWER)
    (first, first_id), (_, second_id), (_, third_id) = [
        await key_of(db, viewer, Role.ADMIN) for _ in range(3)
    ]

    assert first.roles == {team_id: Role.VIEWER}
    assert (await client.ask(first, REVOKE, id=str(second_id))).codes == ["FORBIDDEN"]
    await client.get(first, REVOKE, id=str(first_id))
    await client.get(logged_in(viewer), REVOKE, id=str(second_id))
    assert set(await revoked(db, first_id, second_id, third_id)) == {first_id, second_id}


async def revoked(db: Database, *key_ids: UUID) -> list[UUID]:
    async with db.transaction() as session:
        rows = select(ApiKey.id).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_not(None))
        return list(await session.scalars(rows))


async def test_teams_are_made_and_changed(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    viewer = await make.actor(db, admin.team_ids[0], Role.VIEWER)
    create = "mutation($i: CreateTeamInput!) { createTeam(input: $i) { id slug tagPolicy } }"
    update = "mutation($i: UpdateTeamInput!) { updateTeam(input: $i) { name tagPolicy } }"
    slug = f"s-{str(admin.user_id)[-12:]}"

    made = await client.get(admin, create, i={"name": "Zoë & Co", "slug": slug})
    unnamed = await client.get(admin, create, i={"name": "Zoë & Co"})
    taken = await client.code(admin, create, i={"name": "x", "slug": slug})
    bad = await client.code(admin, create, i={"name": "x", "slug": "Not A Slug"})
    refused = await client.code(viewer, create, i={"name": "x"})
    changed = await client.get(
        admin, update, i={"id": str(admin.team_ids[0]), "tagPolicy": "CLOSED"}
    )

    assert made["createTeam"]["slug"] == slug
    assert unnamed["createTeam"]["slug"].startswith("zoe-co-")
    assert taken == ("CONFLICT", "input.slug")
    assert bad == ("BAD_USER_INPUT", "input.slug")
    assert refused == ("FORBIDDEN", None)
    assert changed["updateTeam"] == {"name": "Team", "tagPolicy": "CLOSED"}


async def test_an_operator_counts_everybody(client: Client, db: Database) -> None:
    """Their list of users has no condition at all."""
    operator = replace(await make.actor(db), is_operator=True)
    for name in ("Bob", "Zoe"):
        await make.user(db, name)
    async with db.transaction() as session:
        everybody = await session.scalar(select(func.count()).select_from(User))

    seen = (await client.get(operator, "{ users { totalCount } }"))["users"]

    assert everybody is not None
    assert everybody >= 3
    assert seen["totalCount"] == everybody


async def test_an_operator_administers_without_seeing_pictures(
    client: Client, db: Database
) -> None:
    member = await make.actor(db)
    await make.image(db, member.team_ids[0], tags=("secret",))
    own = await make.actor(db)
    operator = Actor(user_id=own.user_id, roles=own.roles, is_operator=True)
    team = "query($id: ID!) { team(id: $id) { name images { totalCount } tags { totalCount } } }"

    seen = await client.get(operator, team, id=str(member.team_ids[0]))
    renamed = await client.get(
        operator,
        "mutation($i: UpdateTeamInput!) { updateTeam(input: $i) { name } }",
        i={"id": str(member.team_ids[0]), "name": "New"},
    )

    assert seen["team"]["images"] == {"totalCount": 0}
    assert seen["team"]["tags"] == {"totalCount": 0}
    assert renamed["updateTeam"] == {"name": "New"}


async def test_memberships_come_oldest_first_and_no_more_than_asked(
    client: Client, db: Database
) -> None:
    member, stranger = await make.actor(db), await make.actor(db)
    teams = [await make.team(db) for _ in range(2)]
    for team_id in teams:
        async with db.transaction() as session:
            session.add(Membership(team_id=team_id, user_id=member.user_id, role=Role.VIEWER))
    operator = Actor(user_id=stranger.user_id, roles=stranger.roles, is_operator=True)
    expected = [{"team": {"id": str(one)}} for one in (*member.team_ids, *teams)]
    query = """query($id: ID!, $first: Int) { user(id: $id) {
      all: memberships { team { id } } some: memberships(first: 2) { team { id } }
      asked: memberships(first: $first) { team { id } } } }"""
    who = {"id": str(member.user_id)}

    seen = await client.get(operator, query, **who, first=1)
    by_default = await client.get(operator, query, **who, first=None)
    statements = await client.statements(operator, query, **who, first=1)
    own = await client.get(member, query, **who, first=1_000)

    assert seen["user"] == {"all": expected, "some": expected[:2], "asked": expected[:1]}
    assert by_default["user"]["asked"] == expected
    assert len(statements) == 3
    # As far as their key reaches.
    assert own["user"]["asked"] == expected[:1]
    assert await client.get(stranger, query, **who, first=1) == {"user": None}
    for first in (0, -1, 1_001):
        answer = await client.ask(operator, query, **who, first=first)
        assert answer.errors[0]["extensions"]["field"] == "first"


async def test_an_operators_weaker_key_administers_nothing(client: Client, db: Database) -> None:
    member = await make.actor(db)
    (team_id,) = member.team_ids
    async with db.transaction() as session:
        (await session.get_one(User, member.user_id)).is_operator = True
    given = {"teamId": str(team_id), "name": "k", "role": "VIEWER"}
    made = await client.get(member, CREATE_KEY, i=given)
    async with db.transaction() as session:
        weak = await api_keys.authenticate(session, made["createApiKey"]["key"])
    assert weak is not None
    other = await make.team(db)

    renamed = await client.code(
        weak,
        "mutation($i: UpdateTeamInput!) { updateTeam(input: $i) { id } }",
        i={"id": str(team_id), "name": "x"},
    )
    minted = await client.code(weak, CREATE_KEY, i={**given, "role": "ADMIN"})
    foreign = await client.code(weak, CREATE_KEY, i={**given, "teamId": str(other)})

    assert (renamed, minted, foreign) == (
        ("FORBIDDEN", None),
        ("FORBIDDEN", None),
        ("NOT_FOUND", "input.teamId"),
    )


async def test_an_admin_makes_no_key_of_an_operator(client: Client, db: Database) -> None:
    """Anybody who has a team can take an operator into it."""
    operator, admin = await make.actor(db), await make.actor(db)
    (team_id,) = admin.team_ids
    async with db.transaction() as session:
        (await session.get_one(User, operator.user_id)).is_operator = True
        session.add(Membership(team_id=team_id, user_id=operator.user_id, role=Role.ADMIN))
    given = {"teamId": str(team_id), "name": "k", "userId": str(operator.user_id)}

    refused = await client.code(admin, CREATE_KEY, i={**given, "role": "ADMIN"})
    made = (await client.get(admin, CREATE_KEY, i=given))["createApiKey"]
    async with db.transaction() as session:
        holder = await api_keys.authenticate(session, made["key"])
    another = replace(await make.actor(db), is_operator=True)
    by_another = await client.get(another, CREATE_KEY, i={**given, "role": "ADMIN"})

    assert refused == ("FORBIDDEN", None)
    assert made["apiKey"]["role"] == "EDITOR"
    assert holder is not None
    assert not holder.is_operator
    assert by_another["createApiKey"]["apiKey"]["role"] == "ADMIN"


async def test_a_leaving_members_keys_end_for_good_and_stay_listed(
    client: Client, db: Database
) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    editor = await make.actor(db, team_id, Role.EDITOR)
    given = {"teamId": str(team_id), "name": "k", "userId": str(editor.user_id)}
    key = (await client.get(admin, CREATE_KEY, i=given))["createApiKey"]["key"]

    await client.get(admin, REMOVE_MEMBERSHIP, t=str(team_id), u=str(editor.user_id))
    async with db.transaction() as session:
        session.add(Membership(team_id=team_id, user_id=editor.user_id, role=Role.EDITOR))
    async with db.transaction() as session:
        assert await api_keys.authenticate(session, key) is None
    async with db.transaction() as session:
        await session.execute(delete(Membership).where(Membership.user_id == editor.user_id))
    listed = await client.get(
        admin, "{ teams { nodes { apiKeys { nodes { revokedAt user { name } } } } } }"
    )

    (shown,) = listed["teams"]["nodes"][0]["apiKeys"]["nodes"]
    assert shown["revokedAt"]
    assert shown["user"] == {"name": "Ada"}
