"""GET /random: the bytes of one draw."""

import httpx
import pytest

from app.db.models import Image
from app.domain import Damage
from app.resources import Resources
from tests.web.conftest import Member, put, stored_image


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


async def test_draw_answers_bytes_and_says_whose(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    cat = await stored_image(resources, member.team_id, b"cat", tags=("cat", "pet"))
    await stored_image(resources, member.team_id, b"dog", tags=("dog", "pet"))
    for labels in ("label=cat", "label=CAT", "label=cat&label=pet"):
        response = await client.get(f"/random?{labels}", headers=member.headers)
        assert response.status_code == 200, response.text
        assert response.content == b"cat"
        assert response.headers["x-image-id"] == str(cat)
        assert response.headers["content-type"] == "image/jpeg"
        assert response.headers["cache-control"] == "private, no-store"
        assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    drawn = {(await client.get("/random", headers=member.headers)).content for _ in range(40)}
    assert drawn == {b"cat", b"dog"}


async def test_a_head_of_a_draw_reads_no_bytes(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    """It draws and says of what, and would have found that the bytes are other ones."""
    image_id = await stored_image(resources, member.team_id, b"a cat", tags=("cat",))
    whole = await client.get("/random?label=cat", headers=member.headers)
    async with resources.db.owner.transaction() as session:
        image = await session.get_one(Image, image_id)
        await resources.storage.delete([image.object_key])
        await put(resources, image.object_key, b"A CAT")
    head = await client.head("/random?label=cat", headers=member.headers)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "x-image-id", "cache-control"):
        assert head.headers[name] == whole.headers[name]
    async with resources.db.owner.transaction() as session:
        assert (await session.get_one(Image, image_id)).damage is None
    assert (await client.head("/random?label=dog", headers=member.headers)).status_code == 400
    assert (await client.head("/random")).status_code == 401


async def test_a_draw_promises_no_parts(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    """The next request draws another image."""
    await stored_image(resources, member.team_id, b"a cat", tags=("cat",))
    for asked in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=900-"}):
        whole = await client.get("/random", headers=member.headers | asked)
        assert (whole.status_code, whole.content) == (200, b"a cat")
        assert whole.headers["accept-ranges"] == "none"
        assert "content-range" not in whole.headers
    head = await client.head("/random", headers=member.headers)
    assert head.headers["accept-ranges"] == "none"


async def test_whoever_has_what_is_drawn_is_told_so(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    await stored_image(resources, member.team_id, b"a cat", tags=("cat",))
    whole = await client.get("/random", headers=member.headers)
    has = member.headers | {"If-None-Match": whole.headers["etag"]}
    same = await client.get("/random", headers=has)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["x-image-id"] == whole.headers["x-image-id"]
    await stored_image(resources, member.team_id, b"a dog", tags=("dog",))
    assert (await client.get("/random?label=dog", headers=has)).content == b"a dog"


async def test_draw_needs_a_key(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"X-API-Key": "wrong"}):
        response = await client.get("/random", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert code(response) == "UNAUTHENTICATED"


async def test_label_that_no_team_knows(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    await stored_image(resources, member.team_id, b"cat", tags=("cat",))
    for labels in ("label=unicorn", "label=cat&label=unicorn", "label=", "label=%00"):
        response = await client.get(f"/random?{labels}", headers=member.headers)
        assert response.status_code == 400
        assert code(response) == "BAD_USER_INPUT"
    many = "&".join(["label=cat"] * 51)
    assert (await client.get(f"/random?{many}", headers=member.headers)).status_code == 400


@pytest.mark.parametrize(
    ("query", "field"),
    [("lable=cat", "lable"), ("label=cat&z&seed=1", "seed"), ("Label=cat", "Label"), ("=cat", "")],
)
async def test_a_parameter_that_is_none_is_not_passed_over(
    client: httpx.AsyncClient, resources: Resources, member: Member, query: str, field: str
) -> None:
    """A misspelt label would draw from everything."""
    await stored_image(resources, member.team_id, b"cat", tags=("cat",))
    response = await client.get(f"/random?{query}", headers=member.headers)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    del error["extensions"]["requestId"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field, "allowed": ["label"]}
    long = await client.get(f"/random?{'x' * 9_000}=cat", headers=member.headers)
    assert long.json()["errors"][0]["extensions"]["field"] == "x" * 200
    assert (await client.get(f"/random?{query}")).status_code == 401


@pytest.mark.parametrize("query", ["", "?label=cat", "?label=cat&label=dog"])
async def test_nothing_to_draw(
    client: httpx.AsyncClient, resources: Resources, member: Member, query: str
) -> None:
    await stored_image(resources, member.team_id, b"cat", tags=("cat",), weight=0)
    await stored_image(resources, member.team_id, b"dog", tags=("dog",), weight=0)
    response = await client.get(f"/random{query}", headers=member.headers)
    assert response.status_code == 404
    assert code(response) == "NOT_FOUND"


async def test_labels_of_others_are_unknown(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    from_another = await client.get("/random?label=cat", headers=member.headers)
    assert from_another.status_code == 400


async def test_a_drawn_image_whose_bytes_are_lost(
    client: httpx.AsyncClient, resources: Resources, member: Member
) -> None:
    image_id = await stored_image(resources, member.team_id, b"cat", tags=("cat",))
    async with resources.db.owner.transaction() as session:
        image = await session.get_one(Image, image_id)
        await resources.storage.delete([image.object_key])
    response = await client.get("/random?label=cat", headers=member.headers)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    async with resources.db.owner.transaction() as session:
        assert (await session.get_one(Image, image_id)).damage is Damage.MISSING
