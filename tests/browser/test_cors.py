"""What pages of other origins can do, with all that a real browser holds them to.

`friend` is named in PICTOR_CORS_ORIGINS, `stranger` is not. Both are on the server's own host, so that the browser sends them
the login's cookie along (sites know no ports): what keeps the stranger out is the server alone. Under the name `localhost`, the
stranger is another site, too.
"""

import base64
import hashlib
import io
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image as Picture
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import EMAIL, PASSWORD, Site

WHO = "{ viewer { user { name } apiKey { prefix } } }"
LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { expiresAt } }"
UPLOAD = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { created } }"
ANNOUNCE = """mutation ($input: RequestUploadInput!) {
  requestUpload(input: $input) { ... on UploadTicket { ticket url headers { name value } } }
}"""
COMPLETE = "mutation ($ticket: String!) { completeUpload(ticket: $ticket) { created } }"
FETCH = """async ([address, { bytes, file, ...options }]) => {
  const decoded = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  if (bytes !== undefined) options.body = decoded(bytes);
  if (file !== undefined) {
    options.body = new FormData();
    options.body.append('operations', JSON.stringify({ query: file.query, variables: { file: null } }));
    options.body.append('map', '{"0": ["variables.file"]}');
    options.body.append('0', new File([decoded(file.bytes)], 'drawn.png', { type: 'image/png' }));
  }
  try {
    const response = await fetch(address, options);
    const id = response.headers.get('X-Request-Id');
    return { status: response.status, id, text: await response.text() };
  } catch (error) {
    return { blocked: error.name };
  }
}"""
SOCKET = """([address, credentials]) => new Promise((done) => {
  const socket = new WebSocket(address, 'graphql-transport-ws');
  socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init', payload: credentials }));
  socket.onmessage = ({ data }) => { done(JSON.parse(data).type); socket.close(); };
  socket.onclose = ({ code }) => done(code);
})"""
PARTS = """async ([address, headers]) => {
  const question = `${address}/graphql?query={images(first:1){nodes{url}}}`;
  const asked = await fetch(question, { headers });
  const [{ url }] = (await asked.json()).data.images.nodes;
  const first = await fetch(url, { headers: { Range: 'bytes=0-99' } });
  const resumed = { Range: 'bytes=100-', 'If-Range': first.headers.get('ETag') };
  const rest = await fetch(url, { headers: resumed });
  const known = { ...headers, 'If-None-Match': asked.headers.get('ETag') };
  const again = await fetch(question, { headers: known, cache: 'no-store' });
  return {
    statuses: [first.status, rest.status, again.status],
    range: rest.headers.get('Content-Range'),
    bytes: [...(await first.bytes()), ...(await rest.bytes())],
  };
}"""
BLOCKED = {"blocked": "TypeError"}

At = Callable[[str], Page]


def drawn() -> bytes:
    out = io.BytesIO()
    Picture.frombytes("RGB", (24, 16), secrets.token_bytes(24 * 16 * 3)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def at(context: BrowserContext) -> At:
    """A blank page of an origin."""

    def go(origin: str) -> Page:
        page = context.new_page()
        page.goto(origin)
        return page

    return go


def as_json(query: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
    return {
        "method": "POST",
        "headers": {"Content-Type": "application/json", **headers},
        "body": httpx.Request("POST", "http://x", json={"query": query, "variables": variables})
        .read()
        .decode(),
    }


def fetched(page: Page, address: str, options: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(FETCH, [address, options])
    return found


def bearer(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.key}"}


def logged_in(site: Site, page: Page) -> None:
    """By a page of a named origin, so that the browser holds the cookie from now on."""
    headers = {"GraphQL-Require-Preflight": "1"}
    who = {"email": EMAIL, "password": PASSWORD}
    options = as_json(LOGIN, headers, input=who) | {"credentials": "include"}
    answer = fetched(page, f"{site.address}/graphql", options)
    assert '"expiresAt"' in answer["text"], answer


def test_named_origin_asks_with_a_key_and_reads_the_request_id(site: Site, at: At) -> None:
    answer = fetched(at(site.friend), f"{site.address}/graphql", as_json(WHO, bearer(site)))
    assert answer["status"] == 200
    assert '"prefix"' in answer["text"]
    assert answer["id"]


def test_named_origin_uploads(site: Site, at: At) -> None:
    file = {"query": UPLOAD, "bytes": base64.b64encode(drawn()).decode()}
    headers = bearer(site) | {"GraphQL-Require-Preflight": "1"}
    options = {"method": "POST", "headers": headers, "file": file}
    answer = fetched(at(site.friend), f"{site.address}/graphql", options)
    assert '"created":true' in answer["text"], answer


def test_named_origin_puts_the_bytes_of_a_ticket(site: Site, at: At) -> None:
    content = drawn()
    page, address = at(site.friend), f"{site.address}/graphql"
    file = {"filename": "x.png", "sizeBytes": len(content)}
    file["sha256"] = hashlib.sha256(content).hexdigest()
    ticket = httpx.post(
        address, json={"query": ANNOUNCE, "variables": {"input": file}}, headers=bearer(site)
    ).json()["data"]["requestUpload"]
    put = {
        "method": "PUT",
        "headers": {one["name"]: one["value"] for one in ticket["headers"]},
        "bytes": base64.b64encode(content).decode(),
    }
    assert fetched(at(site.stranger), ticket["url"], put) == BLOCKED
    assert fetched(page, ticket["url"], put)["status"] == 204
    done = fetched(page, address, as_json(COMPLETE, bearer(site), ticket=ticket["ticket"]))
    assert '"created":true' in done["text"], done


def test_named_origin_downloads_in_parts_and_asks_again(site: Site, at: At) -> None:
    content, page = drawn(), at(site.friend)
    upload = {"query": UPLOAD, "bytes": base64.b64encode(content).decode()}
    headers = bearer(site) | {"GraphQL-Require-Preflight": "1"}
    posted = {"method": "POST", "headers": headers, "file": upload}
    fetched(page, f"{site.address}/graphql", posted)
    found = page.evaluate(PARTS, [site.address, bearer(site)])
    assert found["statuses"] == [206, 206, 304]
    assert found["range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert bytes(found["bytes"]) == content


@pytest.mark.parametrize("headers", [{}, {"GraphQL-Require-Preflight": "1"}])
def test_login_counts_from_a_named_origin_with_the_header(
    site: Site, at: At, headers: dict[str, str]
) -> None:
    page = at(site.friend)
    logged_in(site, page)
    options = as_json(WHO, headers) | {"credentials": "include"}
    answer = fetched(page, f"{site.address}/graphql", options)
    assert ('"name"' in answer["text"]) == bool(headers)
    assert ("UNAUTHENTICATED" in answer["text"]) != bool(headers)


def test_other_origin_reads_nothing(site: Site, at: At) -> None:
    logged_in(site, at(site.friend))
    address = f"{site.address}/graphql"
    for origin in (site.stranger, site.stranger.replace("127.0.0.1", "localhost")):
        page = at(origin)
        assert fetched(page, address, as_json(WHO, bearer(site))) == BLOCKED
        with_cookie = as_json(WHO, {"GraphQL-Require-Preflight": "1"}) | {"credentials": "include"}
        assert fetched(page, address, with_cookie) == BLOCKED
        assert fetched(page, f"{address}?query={{__typename}}", {}) == BLOCKED


def test_any_origin_means_keys_and_no_logins(site: Site, at: At) -> None:
    page, address = at(site.stranger), f"{site.open_address}/graphql"
    answer = fetched(page, address, as_json(WHO, bearer(site)))
    assert '"prefix"' in answer["text"]
    assert answer["id"]
    headers = {"GraphQL-Require-Preflight": "1"}
    assert fetched(page, address, as_json(WHO, headers) | {"credentials": "include"}) == BLOCKED


FORM = """([address, encoding, fields]) => {
  const form = document.createElement('form');
  Object.assign(form, { action: address, method: 'POST', enctype: encoding });
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input');
    Object.assign(input, { type: 'hidden', name, value });
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""
REGISTER = 'mutation { createTeam(input: {name: "Stolen"}) { id } }'
FORMS = {
    "application/x-www-form-urlencoded": {"query": REGISTER},
    "multipart/form-data": {"operations": f'{{"query": {REGISTER!r}}}', "map": "{}"},
    "text/plain": {'{"query": "mutation { logout }", "x': '": 1}'},
}


@pytest.mark.parametrize("encoding", FORMS)
def test_form_of_another_site_changes_nothing(site: Site, at: At, encoding: str) -> None:
    """The browser sends it without asking, and on the same host with the cookie."""
    friend = at(site.friend)
    logged_in(site, friend)
    page = at(site.stranger)
    with page.expect_navigation() as posting:
        page.evaluate(FORM, [f"{site.address}/graphql", encoding, FORMS[encoding]])
    response = posting.value
    assert response is not None
    assert 400 <= response.status < 500
    assert '"errors"' in response.text()
    assert '"data"' not in response.text()
    query = "{ viewer { user { memberships { team { name } } } } }"
    still = as_json(query, {"GraphQL-Require-Preflight": "1"}) | {"credentials": "include"}
    assert "Stolen" not in (text := fetched(friend, f"{site.address}/graphql", still)["text"])
    assert '"memberships"' in text


def test_sockets_open_for_named_origins_alone(site: Site, at: At) -> None:
    friend = at(site.friend)
    logged_in(site, friend)
    address = site.address.replace("http", "ws") + "/graphql"
    refused = 1006
    assert friend.evaluate(SOCKET, [address, {}]) == "connection_ack"
    key = {"apiKey": site.key}
    assert friend.evaluate(SOCKET, [address, key]) == "connection_ack"
    for origin in (site.stranger, site.stranger.replace("127.0.0.1", "localhost")):
        page = at(origin)
        assert page.evaluate(SOCKET, [address, {}]) == refused
        assert page.evaluate(SOCKET, [address, key]) == refused
    anybody = site.open_address.replace("http", "ws") + "/graphql"
    page = at(site.stranger)
    assert page.evaluate(SOCKET, [anybody, {}]) == 4403
    assert page.evaluate(SOCKET, [anybody, key]) == "connection_ack"
