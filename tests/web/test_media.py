"""Signed addresses in use: whole and partial bytes, caching, and who gets nothing."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, select, update

from app.db.models import ApiKey, Image, Membership
from app.domain import Actor, Damage, ImageFormat, ImageState
from app.resources import Resources
from app.services.people import addresses, api_keys
from app.services.people.addresses import Variant
from app.settings import Settings
from tests import make
from tests.database import Database
from tests.web.conftest import Member, new_member, put, stored_image

CONTENT = bytes(range(256)) * 4_000


async def actor_of(db: Database, member: Member) -> Actor:
    """The member as their key makes them: what signs an address."""
    async with db.transaction() as session:
        actor = await api_keys.authenticate(session, member.key)
    assert actor is not None
    return actor


def address(
    resources: Resources,
    actor: Actor,
    image_id: UUID,
    variant: Variant = Variant.ORIGINAL,
    *,
    expires_in: int = 3600,
    now: float | None = None,
) -> str:
    return addresses.sign(
        resources.settings.signing_key,
        image_id=image_id,
        variant=variant,
        actor=actor,
        expires_in=expires_in,
        now=time.time() if now is None else now,
    )


@pytest.fixture
async def actor(db: Database, member: Member) -> Actor:
    return await actor_of(db, member)


@pytest.fixture
async def image_id(resources: Resources, member: Member) -> UUID:
    return await stored_image(
        resources,
        member.team_id,
        CONTENT,
        format=ImageFormat.PNG,
        filename='na"ïve\r\n.png',
        thumbnails={"SMALL": {"key": "t/x/small", "width": 9, "height": 9, "bytes": 5}},
    )


@pytest.fixture
def url(resources: Resources, actor: Actor, image_id: UUID) -> str:
    return address(resources, actor, image_id)


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    found: str = error["extensions"]["code"]
    return found


async def test_original_comes_whole_and_harmless(client: httpx.AsyncClient, url: str) -> None:
    response = await client.get(url)
    assert response.status_code == 200
    assert response.content == CONTENT
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["content-disposition"] == (
        "inline; filename=\"na__ve__.png\"; filename*=UTF-8''na%22%C3%AFve%0D%0A.png"
    )
    private, max_age = headers["cache-control"].split(", ")
    assert private == "private"
    assert 3500 <= int(max_age.removeprefix("max-age=")) <= 4500


@pytest.mark.parametrize(
    ("filename", "format", "saved_as"),
    [
        ("cat.html", ImageFormat.PNG, "cat.html.png"),
        ("cat.png.hta", ImageFormat.PNG, "cat.png.hta.png"),
        ("cat.gif", ImageFormat.WEBP, "cat.gif.webp"),
        ("cat", ImageFormat.AVIF, "cat.avif"),
        ("cat.JPEG", ImageFormat.JPEG, "cat.JPEG"),
        ("", ImageFormat.JPEG, "ID.jpg"),
    ],
)
async def test_a_picture_is_saved_as_a_picture(
    client: httpx.AsyncClient,
    resources: Resources,
    member: Member,
    actor: Actor,
    filename: str,
    format: ImageFormat,
    saved_as: str,
) -> None:
    """Bytes may be a picture and a page at once: the name says what opens them."""
    image_id = await stored_image(
        resources, member.team_id, os.urandom(10), filename=filename, format=format
    )

    headers = (await client.get(address(resources, actor, image_id))).headers

    saved_as = saved_as.replace("ID", str(image_id))
    assert headers["content-disposition"].startswith(f'inline; filename="{saved_as}"; ')


async def test_head_has_the_headers_and_no_bytes(client: httpx.AsyncClient, url: str) -> None:
    whole, head = await client.get(url), await client.head(url)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-disposition", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


async def test_copy_that_is_still_good(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.get(url)).headers["etag"]
    assert not etag.startswith("W/")
    for method in ("GET", "HEAD"):
        response = await client.request(method, url, headers={"If-None-Match": f'"x", {etag}'})
        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["etag"] == etag
        assert "max-age" in response.headers["cache-control"]
        lines = [("If-None-Match", '"x"'), ("If-None-Match", etag), ("If-None-Match", '"y"')]
        assert (await client.request(method, url, headers=lines)).status_code == 304
    other = await client.get(url, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=500-300500", 500, 300_500),
        ("bytes=-10", len(CONTENT) - 10, None),
    ],
)
async def test_part_of_the_bytes(
    client: httpx.AsyncClient, url: str, asked: str, start: int, end: int | None
) -> None:
    last = len(CONTENT) - 1 if end is None else end
    response = await client.get(url, headers={"Range": asked})
    assert response.status_code == 206
    assert response.content == CONTENT[start : last + 1]
    assert response.headers["content-range"] == f"bytes {start}-{last}/{len(CONTENT)}"
    assert response.headers["content-length"] == str(last + 1 - start)


async def test_part_of_another_version_is_the_whole(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.get(url)).headers["etag"]
    part = {"Range": "bytes=0-9"}
    assert (await client.get(url, headers=part | {"If-Range": etag})).status_code == 206
    assert (await client.get(url, headers=part | {"If-Range": '"old"'})).status_code == 200


async def test_part_behind_the_end(client: httpx.AsyncClient, url: str) -> None:
    response = await client.get(url, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert code(response) == "BAD_USER_INPUT"


async def test_thumbnail_that_is_made_and_one_that_is_not(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, image_id: UUID
) -> None:
    await put(resources, "t/x/small", b"small")
    small = await client.get(address(resources, actor, image_id, Variant.SMALL))
    assert (small.status_code, small.content) == (200, b"small")
    assert small.headers["content-type"] == "image/webp"
    assert small.headers["content-disposition"].endswith("-small.webp")
    whole = await client.get(address(resources, actor, image_id))
    assert small.headers["etag"] != whole.headers["etag"]
    large = await client.get(address(resources, actor, image_id, Variant.LARGE))
    assert large.status_code == 404
    assert large.headers["retry-after"] == "2"
    assert code(large) == "NOT_FOUND"


async def test_wrong_signature_is_the_same_as_no_image(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, image_id: UUID, url: str
) -> None:
    path, token = url.split("?token=")
    wrong = [
        path,
        f"{path}?token=",
        f"{path}?token={token[:-1]}",
        f"{path}?token={token}x",
        f"{path}?token={'A' * len(token)}",
        f"{path}?token=%00%FF",
        f"/images/{image_id}/large?token={token}",
        f"/images/{image_id}/huge?token={token}",
        f"/images/{uuid4()}/original?token={token}",
        f"/images/nonsense/original?token={token}",
        f"/images/{'9' * 500}/original?token={token}",
        address(resources, actor, uuid4()),
    ]
    answers = [await client.get(one) for one in wrong]
    assert {response.status_code for response in answers} == {404}
    assert {response.json()["errors"][0]["message"] for response in answers} == {"Image not found."}
    assert {response.headers["cache-control"] for response in answers} == {"private, no-store"}


async def test_address_expires(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, image_id: UUID
) -> None:
    old = address(resources, actor, image_id, expires_in=60, now=time.time() - 200)
    response = await client.get(old)
    assert response.status_code == 403
    assert code(response) == "FORBIDDEN"


LAST_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (ApiKey, {"revoked_at": LAST_YEAR}),
        (ApiKey, {"expires_at": LAST_YEAR}),
        (Image, {"state": ImageState.DELETED}),
    ],
    ids=["key revoked", "key expired", "image deleted"],
)
async def test_access_that_ended_ends_the_address(
    client: httpx.AsyncClient,
    db: Database,
    member: Member,
    url: str,
    table: type[ApiKey | Image],
    values: dict[str, Any],
) -> None:
    assert (await client.get(url)).status_code == 200
    async with db.transaction() as session:
        change = update(table).where(table.team_id == member.team_id)
        await session.execute(change.values(**values))
    assert (await client.get(url)).status_code == 404


async def test_member_who_left_reads_no_more(
    client: httpx.AsyncClient, db: Database, member: Member, url: str
) -> None:
    async with db.transaction() as session:
        await session.execute(delete(Membership).where(Membership.team_id == member.team_id))
    assert (await client.get(url)).status_code == 404


async def test_stranger_cannot_sign_for_an_image_of_others(
    client: httpx.AsyncClient, db: Database, resources: Resources, image_id: UUID
) -> None:
    stranger = await actor_of(db, await new_member(db))
    assert (await client.get(address(resources, stranger, image_id))).status_code == 404


async def test_image_in_the_trash_is_still_shown_to_its_team(
    client: httpx.AsyncClient, db: Database, member: Member, url: str
) -> None:
    async with db.transaction() as session:
        trash = update(Image).where(Image.team_id == member.team_id)
        await session.execute(trash.values(trashed_at=datetime.now(UTC)))
    assert (await client.get(url)).status_code == 200


async def test_bytes_that_are_lost_are_not_found_before_the_first(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, member: Member
) -> None:
    image_id = await make.image(resources.db, member.team_id, object_key="t/lost/1")
    response = await client.get(address(resources, actor, image_id))
    assert response.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_other_methods(client: httpx.AsyncClient, url: str, method: str) -> None:
    response = await client.request(method, url)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert code(response) == "BAD_USER_INPUT"


async def test_key_of_another_installation_opens_nothing(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, image_id: UUID, tmp_path: Path
) -> None:
    other = Settings(data_dir=tmp_path / "other")
    forged = address(replace(resources, settings=other), actor, image_id)
    assert (await client.get(forged)).status_code == 404


async def test_real_server_sends_heads_parts_and_wholes(server: str, url: str) -> None:
    async with httpx.AsyncClient(base_url=server) as client:
        assert (await client.get(url)).content == CONTENT
        assert (await client.head(url)).headers["content-length"] == str(len(CONTENT))
        part = await client.get(url, headers={"Range": "bytes=1-3"})
        assert part.content == CONTENT[1:4]
        etag = part.headers["etag"]
        assert (await client.get(url, headers={"If-None-Match": etag})).status_code == 304
        assert (await client.get(url)).content == CONTENT


@pytest.mark.parametrize(("left", "damage"), [(1_000, "WRONG_SIZE"), (2_000_000, "WRONG_SIZE")])
async def test_bytes_of_another_length_are_not_sent(
    client: httpx.AsyncClient,
    resources: Resources,
    url: str,
    image_id: UUID,
    left: int,
    damage: str,
) -> None:
    os.truncate(await path_of(resources, image_id), left)
    response = await client.get(url)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert await damage_of(resources, image_id) == damage
    assert (await client.get(url)).status_code == 404


async def test_a_part_that_is_cut_off_is_not_sent(
    client: httpx.AsyncClient, resources: Resources, url: str, image_id: UUID
) -> None:
    os.truncate(await path_of(resources, image_id), 1_000)
    assert (await client.get(url, headers={"Range": "bytes=0-9"})).content == CONTENT[:10]
    response = await client.get(url, headers={"Range": "bytes=990-1010"})
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert await damage_of(resources, image_id) == "WRONG_SIZE"


async def test_lost_bytes_are_written_down(
    client: httpx.AsyncClient, resources: Resources, url: str, image_id: UUID
) -> None:
    (await path_of(resources, image_id)).unlink()
    response = await client.get(url)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert await damage_of(resources, image_id) == "MISSING"


async def test_a_lost_thumbnail_is_no_damage(
    client: httpx.AsyncClient, resources: Resources, actor: Actor, image_id: UUID
) -> None:
    small = address(resources, actor, image_id, Variant.SMALL)
    response = await client.get(small)
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
    assert await damage_of(resources, image_id) is None


async def path_of(resources: Resources, image_id: UUID) -> Path:
    async with resources.db.owner.transaction() as session:
        key = await session.scalar(select(Image.object_key).where(Image.id == image_id))
    assert key is not None
    return resources.settings.objects_dir / key


async def damage_of(resources: Resources, image_id: UUID) -> Damage | None:
    async with resources.db.owner.transaction() as session:
        found: Damage | None = await session.scalar(
            select(Image.damage).where(Image.id == image_id)
        )
    return found
