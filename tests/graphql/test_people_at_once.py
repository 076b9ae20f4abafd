"""People, teams and keys that two change at the same moment, and whoever is gone while they still ask."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from app.db.models import ApiKey, Membership, User
from app.domain import Role
from app.services.people import api_keys, memberships, users
from tests import make
from tests.database import Database, until_blocked
from tests.graphql.conftest import Client, png
from tests.graphql.test_accounts import DELETE_USER, logged_in
from tests.graphql.test_people import CREATE_KEY, CREATE_USER, REMOVE_MEMBERSHIP, SET_MEMBERSHIP


async def roles(db: Database, team_id: UUID, user_id: UUID) -> list[Role]:
    query = select(Membership.role).where(
        Membership.team_id == team_id, Membership.user_id == user_id
    )
    async with db.transaction() as session:
        return list(await session.scalars(query))


async def known(db: Database, team_id: UUID) -> tuple[UUID, str]:
    """Id and address of somebody whom the team's ADMINs see: once they had a key of it."""
    person = await make.user(db)
    async with db.transaction() as session:
        await api_keys.add(
            session, team_id=team_id, user_id=person, name="k", role=Role.VIEWER, expires_at=None
        )
        return person, (await session.get_one(User, person)).email


async def test_two_add_the_same_person(client: Client, db: Database) -> None:
    """One by their address, the other by their id: the second finds what the first did."""
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    person, email = await known(db, team_id)
    given = {"teamId": str(team_id), "userId": str(person), "role": "EDITOR"}

    async with db.acting(admin).transaction() as session:
        new = {"team_id": team_id, "email": email, "name": "Ada", "role": Role.VIEWER}
        await users.create(session, admin, **new)
        setting = asyncio.create_task(client.get(admin, SET_MEMBERSHIP, i=given))
        await until_blocked(db, session)

    assert (await setting)["setMembership"]["role"] == "EDITOR"
    assert await roles(db, team_id, person) == [Role.EDITOR]


async def test_two_add_the_same_person_the_other_way_round(client: Client, db: Database) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    person, email = await known(db, team_id)
    invited = {"teamId": str(team_id), "email": email, "name": "Ada", "role": "VIEWER"}

    async with db.acting(admin).transaction() as session:
        await memberships.set_role(session, admin, team_id, person, Role.EDITOR)
        creating = asyncio.create_task(client.get(admin, CREATE_USER, i=invited))
        await until_blocked(db, session)

    assert (await creating)["createUser"]["user"]["id"] == str(person)
    assert await roles(db, team_id, person) == [Role.EDITOR]


async def keys_that_count(db: Database, team_id: UUID) -> int:
    query = select(ApiKey).where(ApiKey.team_id == team_id, ApiKey.revoked_at.is_(None))
    async with db.transaction() as session:
        return len((await session.scalars(query)).all())


async def test_a_key_ends_with_the_membership_that_ends_meanwhile(
    client: Client, db: Database
) -> None:
    """Else it would count again for a member who comes back one day."""
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    member = await make.actor(db, team_id, Role.EDITOR)

    async with db.acting(member).transaction() as session:
        day = timedelta(days=1)
        await api_keys.create(session, member, team_id=team_id, name="k", expires=day)
        ended = {"t": str(team_id), "u": str(member.user_id)}
        removing = asyncio.create_task(client.get(admin, REMOVE_MEMBERSHIP, **ended))
        await until_blocked(db, session)
    await removing

    assert await keys_that_count(db, team_id) == 0


async def test_no_key_is_made_for_a_membership_that_ends_meanwhile(
    client: Client, db: Database
) -> None:
    admin = await make.actor(db)
    (team_id,) = admin.team_ids
    member = await make.actor(db, team_id, Role.EDITOR)

    async with db.acting(admin).transaction() as session:
        await memberships.remove(session, admin, team_id, member.user_id)
        wanted = {"teamId": str(team_id), "name": "k"}
        making = asyncio.create_task(client.code(member, CREATE_KEY, i=wanted))
        await until_blocked(db, session)

    assert (await making)[0] == "NOT_FOUND"
    assert await keys_that_count(db, team_id) == 0


@pytest.mark.parametrize(
    ("mutation", "input"),
    [
        ("createTag(teamId: $t, name: $n)", "($t: ID!, $n: String!)"),
        ("createCollection(input: {teamId: $t, name: $n})", "($t: ID!, $n: String!)"),
        ("exportDataset(input: {teamId: $t, name: $n})", "($t: ID!, $n: String!)"),
        ("createTeam(input: {name: $n})", "($n: String!)"),
        (
            "prepareBulkJob(input: {teamId: $t, change: {addTags: [$n]}})",
            "($t: ID!, $n: String!)",
        ),
    ],
)
async def test_whoever_was_deleted_is_told_so(
    client: Client, db: Database, mutation: str, input: str
) -> None:
    """A process remembers them for two seconds more."""
    gone = await make.actor(db)
    (team_id,) = gone.team_ids
    async with db.transaction() as session:
        await session.execute(delete(User).where(User.id == gone.user_id))
    given: dict[str, Any] = {"n": "mine"} | ({"t": str(team_id)} if "$t" in input else {})

    code, _ = await client.code(gone, f"mutation{input} {{ {mutation} {{ id }} }}", **given)

    assert code == "UNAUTHENTICATED"


async def test_nothing_is_uploaded_for_whoever_was_deleted(client: Client, db: Database) -> None:
    gone = await make.actor(db)
    async with db.transaction() as session:
        await session.execute(delete(User).where(User.id == gone.user_id))

    code, _ = await client.code(
        gone,
        "mutation($f: Upload!) { uploadImage(input: {file: $f}) { image { id } } }",
        f=client.file(png()),
    )

    assert code == "UNAUTHENTICATED"


async def test_whoever_has_just_made_a_team_stays_its_admin(client: Client, db: Database) -> None:
    """A process that remembers the teams of two seconds ago does not know of it."""
    admin = await make.actor(db)
    await make.actor(db, admin.team_ids[0])
    user_id = str(admin.user_id)
    made = await client.get(admin, 'mutation { createTeam(input: {name: "New"}) { id } }')

    refused = await client.code(logged_in(admin), DELETE_USER, id=user_id)

    assert refused == ("CONFLICT", "id")
    assert await roles(db, UUID(made["createTeam"]["id"]), admin.user_id) == [Role.ADMIN]


async def test_whoever_goes_sees_no_more_of_other_accounts_than_before(
    client: Client, db: Database
) -> None:
    admin, stranger = await make.actor(db), await make.actor(db)

    hidden = await client.code(logged_in(admin), DELETE_USER, id=str(stranger.user_id))

    assert hidden == ("NOT_FOUND", "id")


async def test_statements_of_an_end_do_not_grow_with_the_teams(
    client: Client, db: Database
) -> None:
    async def statements(teams: int) -> int:
        leaver = await make.actor(db)
        for _ in range(teams):
            other = await make.actor(db)
            async with db.transaction() as session:
                given = {"team_id": other.team_ids[0], "user_id": leaver.user_id}
                session.add(Membership(**given, role=Role.ADMIN))
        await make.actor(db, leaver.team_ids[0])
        asked = DELETE_USER, {"id": str(leaver.user_id)}
        return len(await client.statements(logged_in(leaver), asked[0], **asked[1]))

    await statements(1)
    assert await statements(1) == await statements(20)
