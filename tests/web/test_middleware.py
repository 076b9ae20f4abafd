"""Request ids, headers of every answer, CORS, proxies, and the last catch."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.settings import Settings
from app.web.middleware import stack
from app.web.proxies import base_url, is_local


async def seen(request: Request) -> Response:
    """What the application behind the middleware believes about a request."""
    client = request.client
    settings: Settings = request.app.state.settings
    facts = [client.host if client else "-", base_url(request, settings), str(is_local(request))]
    return PlainTextResponse(" ".join(facts))


async def broken(_request: Request) -> Response:
    raise RuntimeError("a secret of the house")


async def broken_late(_request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("too late")

    return StreamingResponse(body())


async def own_headers(_request: Request) -> Response:
    return Response(headers={"x-frame-options": "SAMEORIGIN"})


def client_of(
    peer: str = "127.0.0.1", base: str = "http://pictor.test", **settings: Any
) -> httpx.AsyncClient:
    app = Starlette(
        routes=[
            Route("/seen", seen),
            Route("/broken", broken),
            Route("/broken/{part}", broken),
            Route("/late", broken_late),
            Route("/own", own_headers),
        ],
        middleware=stack(made := Settings(data_dir=Path("unused"), **settings)),
    )
    app.state.settings = made
    transport = httpx.ASGITransport(app, client=(peer, 1234))
    return httpx.AsyncClient(transport=transport, base_url=base)


@pytest.mark.parametrize("given", ["a", "01JC-abc.def:1_2", "x" * 64])
async def test_sane_request_id_is_kept(given: str) -> None:
    async with client_of() as client:
        response = await client.get("/seen", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a,b", "<script>", "\xe4"])
async def test_any_other_request_id_is_replaced(given: str) -> None:
    async with client_of() as client:
        response = await client.get("/seen", headers=[(b"X-Request-Id", given.encode("latin-1"))])
    made = response.headers["x-request-id"]
    assert made != given
    assert len(made) == 32


async def test_every_answer_has_the_security_headers() -> None:
    async with client_of() as client:
        for path in ("/seen", "/nowhere", "/broken"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers["x-request-id"]
        assert (await client.get("/own")).headers["x-frame-options"] == "SAMEORIGIN"


async def test_exception_is_a_masked_500_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with client_of() as client:
            response = await client.get("/broken", headers={"X-Request-Id": "mine"})
    assert response.status_code == 500
    assert response.json() == {
        "errors": [
            {
                "message": "Something went wrong on our side.",
                "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "mine"},
            }
        ]
    }
    (record,) = [one for one in caplog.records if one.name == "app.web.middleware"]
    assert "mine" in record.getMessage()
    assert "a secret of the house" in str(record.exc_info)


async def test_no_address_writes_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with client_of() as client:
            await client.get("/broken/%0A2026-01-01%20ERROR%20%1b[31mforged")
    (record,) = [one for one in caplog.records if one.name == "app.web.middleware"]
    assert record.getMessage().isprintable()


async def test_exception_after_the_start_breaks_the_connection() -> None:
    async with client_of() as client:
        with pytest.raises(RuntimeError, match="too late"):
            await client.get("/late")


TRUSTED: dict[str, Any] = {
    "trusted_proxies": ("10.0.0.0/8", "192.0.2.7", "::ffff:172.31.77.0/120", "2001:db8:1::/48")
}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.7", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("10.1.2.3", "2001:db8::1", "2001:db8::1"),
        ("10.1.2.3", "nonsense", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9, nonsense", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("::ffff:198.51.100.1", "203.0.113.9", "::ffff:198.51.100.1"),
        ("172.31.77.2", "203.0.113.9", "203.0.113.9"),
        ("172.31.78.2", "203.0.113.9", "172.31.78.2"),
        ("10.1.2.3", "203.0.113.9, ::ffff:10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9:4711", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9:4711, 10.9.9.9:80", "203.0.113.9"),
        ("10.1.2.3", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.1.2.3", "[2001:db8::1], [2001:db8:1::7]:80", "2001:db8::1"),
        ("10.1.2.3", "[::ffff:203.0.113.9]:4711", "203.0.113.9"),
        ("10.1.2.3", "10.9.9.9:80", "10.9.9.9"),
        ("10.1.2.3", "[nonsense]:1", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9:", "10.1.2.3"),
        ("10.1.2.3", "[203.0.113.9", "10.1.2.3"),
        ("10.1.2.3", "[]:4711", "10.1.2.3"),
    ],
)
async def test_client_is_the_last_hop_that_is_no_trusted_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    async with client_of(peer, **TRUSTED) as http:
        response = await http.get("/seen", headers={"X-Forwarded-For": forwarded})
    assert response.text.split()[0] == client


async def test_scheme_and_host_come_from_trusted_proxies_only() -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pictor.example"}
    async with client_of("10.1.2.3", **TRUSTED) as client:
        assert (await client.get("/seen", headers=headers)).text.split()[1] == (
            "https://pictor.example"
        )
        odd = {"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "a b/c"}
        assert (await client.get("/seen", headers=odd)).text.split()[1] == "http://pictor.test"
    async with client_of("198.51.100.1", **TRUSTED) as client:
        assert (await client.get("/seen", headers=headers)).text.split()[1] == "http://pictor.test"
    async with client_of() as client:
        assert (await client.get("/seen", headers=headers)).text.split()[1] == "http://pictor.test"


async def test_public_url_wins_and_an_odd_host_is_never_repeated() -> None:
    async with client_of(public_url="https://pictures.example/") as client:
        assert (await client.get("/seen")).text.split()[1] == "https://pictures.example"
    async with client_of(port=8123) as client:
        response = await client.get("/seen", headers={"Host": 'x"><b>'})
        assert response.text.split()[1] == "http://127.0.0.1:8123"
    async with client_of(host="::1", port=8123) as client:
        response = await client.get("/seen", headers={"Host": "a b"})
        assert response.text.split()[1] == "http://[::1]:8123"


@pytest.mark.parametrize(
    ("peer", "base", "headers", "local"),
    [
        ("127.0.0.1", "http://localhost:8000", {}, True),
        ("::1", "http://[::1]:8000", {}, True),
        ("127.0.0.1", "http://127.0.0.1", {}, True),
        ("127.0.0.1", "http://attacker.example", {}, False),
        ("127.0.0.1", "http://localhost", {"X-Forwarded-For": "203.0.113.9"}, False),
        ("127.0.0.1", "http://localhost", {"Forwarded": "for=203.0.113.9"}, False),
        ("203.0.113.9", "http://localhost", {}, False),
        ("::ffff:127.0.0.1", "http://localhost", {}, True),
        ("::ffff:203.0.113.9", "http://localhost", {}, False),
    ],
)
async def test_local_is_this_machine_by_its_own_name(
    peer: str, base: str, headers: dict[str, str], local: bool
) -> None:
    async with client_of(peer, base) as client:
        response = await client.get("/seen", headers=headers)
    assert response.text.split()[2] == str(local)


ORIGIN = "https://app.example"


async def test_named_origin_may_say_what_the_client_is_called() -> None:
    """Apollo Client with `clientAwareness` sends these two with every request."""
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apollographql-client-name,apollographql-client-version,"
        "authorization,content-type,x-client-name",
    }
    async with client_of(cors_origins=(ORIGIN,)) as client:
        asked = await client.options("/seen", headers=preflight)
    assert asked.status_code == 200


async def test_named_origin_may_ask_and_read() -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,graphql-require-preflight,"
        "if-none-match,if-range,range,x-request-id",
    }
    async with client_of(cors_origins=(ORIGIN,)) as client:
        asked = await client.options("/seen", headers=preflight)
        answered = await client.get("/seen", headers={"Origin": ORIGIN})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "X-API-Key" in asked.headers["access-control-allow-headers"]
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert answered.headers["access-control-allow-credentials"] == "true"
    read = answered.headers["access-control-expose-headers"].split(", ")
    assert {"X-Request-Id", "ETag", "Content-Range", "Retry-After"} <= set(read)


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        ((), ORIGIN),
        ((ORIGIN,), "https://evil.example"),
        ((ORIGIN,), "http://app.example"),
        ((ORIGIN,), "null"),
    ],
)
async def test_any_other_origin_may_not(origins: tuple[str, ...], origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with client_of(cors_origins=origins) as client:
        asked = await client.options("/seen", headers=preflight)
        answered = await client.get("/seen", headers={"Origin": origin})
    assert asked.status_code in (400, 405)
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in answered.headers


async def test_any_origin_means_no_credentials() -> None:
    async with client_of(cors_origins=("*",)) as client:
        answered = await client.get("/seen", headers={"Origin": ORIGIN})
    assert answered.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answered.headers
