"""What a person does in GraphiQL: sign in, ask, upload, follow, look things up."""

import io
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image as Picture
from PIL import ImageDraw
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import EMAIL, PASSWORD, SECONDS, Site

EXAMPLES = Path(__file__).parents[2] / "app" / "web" / "examples"
RESPONSE = """() => {
  const models = globalThis.__MONACO.editor.getModels();
  return models.find((model) => model.uri.path.includes('response'))?.getValue();
}"""
DROP = """([name, bytes]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
  for (const kind of ['dragover', 'drop']) {
    const event = new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true });
    document.querySelector('.graphiql-response').dispatchEvent(event);
  }
}"""


def drawn(name: str = "hills.png") -> FilePayload:
    """A picture that no library has seen before."""
    one, other, sun = (tuple(secrets.token_bytes(3)) for _ in range(3))
    picture = Picture.linear_gradient("L").resize((240, 160))
    picture = Picture.composite(
        Picture.new("RGB", picture.size, one), Picture.new("RGB", picture.size, other), picture
    )
    left = secrets.randbelow(160)
    ImageDraw.Draw(picture).ellipse((left, 24, left + 56, 80), fill=sun)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def opened(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/graphql")
    page.locator(".graphiql-query-editor .view-line").first.wait_for()


@pytest.fixture
def signed_in(site: Site, page: Page) -> Page:
    """The page of somebody who gave their key."""
    opened(site, page)
    page.get_by_label("API key", exact=True).and_(page.locator("input")).fill(site.key)
    page.keyboard.press("Enter")
    expect(page.locator(".pictor-owner")).to_contain_text("Ada's · admin")
    return page


def example(page: Page, name: str) -> None:
    page.get_by_role("button", name="Examples").click()
    page.get_by_role("menuitem", name=name).click()
    expect(page.get_by_role("menu")).to_have_count(0)


def execute(page: Page) -> None:
    page.get_by_role("button", name="Execute query").click()


def answer(page: Page) -> Any:
    return json.loads(until(page, RESPONSE))


def until(page: Page, function: str) -> Any:
    """What the function answers once that is true. Playwright's own wait would need eval, which the page's policy forbids."""
    deadline = time.monotonic() + SECONDS
    while not (found := page.evaluate(function)):
        assert time.monotonic() < deadline, function
        page.wait_for_timeout(50)
    return found


def pictures(page: Page) -> None:
    """Waits for the first of the answer's pictures to be there."""
    until(page, "() => document.querySelector('.pictor-strip img')?.naturalWidth > 0")


def answered(page: Page) -> Any:
    """Runs the present tab and reads what the answer's pane shows then."""
    with page.expect_response(lambda response: response.request.method == "POST"):
        execute(page)
    return answer(page)


def set_variables(page: Page, variables: dict[str, Any]) -> None:
    """As if typed, all at once."""
    page.evaluate(
        """(text) => globalThis.__MONACO.editor.getModels()
             .find((model) => model.uri.path.includes('variables')).setValue(text)""",
        json.dumps(variables, indent=2),
    )


def test_query_shows_answer_cost_and_pictures(signed_in: Page, shots: Path) -> None:
    signed_in.get_by_role("button", name="Files").click()
    signed_in.locator(".pictor-files input").set_input_files([drawn("one.png"), drawn("two.png")])
    example(signed_in, "Upload several")
    assert "errors" not in answered(signed_in)
    example(signed_in, "Recent images")

    found = answered(signed_in)

    assert found["data"]["images"]["totalCount"] >= 2
    assert found["extensions"]["cost"]["requested"] > 1
    pictures(signed_in)
    signed_in.screenshot(path=shots / "query.png")


def test_it_follows_the_dark_scheme(signed_in: Page, shots: Path) -> None:
    signed_in.emulate_media(color_scheme="dark")
    signed_in.reload()
    expect(signed_in.locator(".pictor-owner")).to_contain_text("Ada's")
    found = answered(signed_in)
    assert "data" in found
    signed_in.screenshot(path=shots / "dark.png")


def test_a_narrow_window_shows_the_answer_below(signed_in: Page, shots: Path) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 800})
    assert "errors" not in answered(signed_in)
    query, result = (
        signed_in.locator(place).bounding_box()
        for place in (".graphiql-query-editor", ".result-window")
    )
    assert query
    assert result
    assert result["y"] >= query["y"] + query["height"]
    assert min(query["width"], result["width"]) > 300
    page = "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert signed_in.evaluate(page) == [390, 800]
    signed_in.screenshot(path=shots / "narrow.png")


def test_errors_are_readable(signed_in: Page, shots: Path) -> None:
    example(signed_in, "Add tags")
    (error,) = answered(signed_in)["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert error["extensions"]["requestId"]
    signed_in.screenshot(path=shots / "error.png")


def test_wrong_key_is_told_before_the_first_query(site: Site, page: Page) -> None:
    opened(site, page)
    expect(page.locator(".pictor-owner")).to_have_text("Paste a key to begin")
    page.get_by_label("API key", exact=True).and_(page.locator("input")).fill("pic_wrong")
    page.keyboard.press("Enter")
    expect(page.locator(".pictor-owner[data-state=refused]")).to_contain_text("key is unknown")


def test_format_works_in_a_worker_under_the_policy(signed_in: Page) -> None:
    """The worker loads Prettier for it: it fails where the workers' own policy forbids scripts."""
    formatted = signed_in.evaluate("""async () => {
      const [editor] = globalThis.__MONACO.editor.getEditors();
      editor.setValue('{viewer{user{name}}}');
      editor.focus();
      await editor.getAction('editor.action.formatDocument').run();
      return editor.getValue();
    }""")
    assert formatted.splitlines()[:2] == ["{", "  viewer {"]


def test_upload_of_one_file(signed_in: Page, shots: Path) -> None:
    example(signed_in, "Upload a picture")
    missing = signed_in.locator(".pictor-missing")
    expect(missing).to_have_text('No file yet for "@file:0" in variables.file')
    execute(signed_in)
    (error,) = answer(signed_in)["errors"]
    assert "choose or drop it" in error["message"]

    signed_in.locator(".pictor-files input").set_input_files(drawn())
    expect(signed_in.locator(".pictor-file[data-bound=true]")).to_contain_text("variables.file")
    expect(missing).to_have_count(0)
    found = answered(signed_in)["data"]["uploadImage"]

    assert found["created"]
    assert found["image"]["title"] == "My first picture"
    pictures(signed_in)
    signed_in.screenshot(path=shots / "upload.png")


def test_upload_of_several_dropped_files(signed_in: Page, shots: Path) -> None:
    example(signed_in, "Upload several")
    for name in ("first.png", "second.png"):
        signed_in.evaluate(DROP, [name, list(drawn(name)["buffer"])])
    signed_in.evaluate(DROP, ["notes.png", list(b"no picture")])
    chips = signed_in.locator(".pictor-file[data-bound=true]")
    expect(chips).to_have_count(3)
    expect(chips.nth(1)).to_contain_text("variables.files.1")

    found = answered(signed_in)["data"]["uploadImages"]

    kinds = [one["__typename"] for one in found]
    assert kinds == ["UploadImagePayload", "UploadImagePayload", "UploadRejection"]
    assert [one["image"]["title"] for one in found[:2]] == ["first", "second"]
    signed_in.screenshot(path=shots / "upload-several.png")
    signed_in.get_by_role("button", name="Remove notes.png").click()
    expect(chips).to_have_count(2)


def test_subscription_receives_events_and_stops(site: Site, signed_in: Page, shots: Path) -> None:
    example(signed_in, "Follow the processing")
    with signed_in.expect_websocket() as opening:
        execute(signed_in)
    events = signed_in.locator(".pictor-events")
    expect(events).to_have_text("Live · waiting for the first event")
    assert site.key not in opening.value.url
    upload_elsewhere(site)
    until(signed_in, f"() => ({RESPONSE})()?.includes('READY')")
    expect(events).to_contain_text("Live · ")
    pictures(signed_in)
    signed_in.screenshot(path=shots / "subscription.png")

    socket = opening.value
    with socket.expect_event("close"):
        signed_in.get_by_role("button", name="Stop query").click()
    expect(events).to_contain_text("Ended · ")


def test_subscription_to_one_image_ends_by_itself(site: Site, signed_in: Page) -> None:
    image_id = upload_elsewhere(site)
    example(signed_in, "Follow the processing")
    set_variables(signed_in, {"imageIds": [image_id]})
    execute(signed_in)
    expect(signed_in.locator(".pictor-events")).to_contain_text("Ended · ")
    assert answer(signed_in)["data"]["imageProcessing"]["processing"]["status"] == "READY"


def test_refused_subscription_is_readable(site: Site, page: Page) -> None:
    opened(site, page)
    example(page, "Follow the processing")
    execute(page)
    (error,) = answer(page)["errors"]
    assert error["message"].startswith("The connection was closed: 4403")


def test_what_was_changed_runs_at_once(signed_in: Page) -> None:
    """Its operation by its own name: GraphiQL looks for that a while later."""
    example(signed_in, "Who am I")
    assert "viewer" in answered(signed_in)["data"]
    with signed_in.expect_response(lambda response: response.request.method == "POST") as response:
        signed_in.evaluate(
            """() => {
                 globalThis.__MONACO.editor.getModels()
                   .find((model) => model.uri.path.includes('operation'))
                   .setValue('query SomethingElse { __typename }')
                 document.querySelector('.graphiql-execute-button').click()
               }"""
        )
    assert response.value.request.post_data_json["operationName"] == "SomethingElse"
    assert response.value.json()["data"] == {"__typename": "Query"}


def upload_elsewhere(site: Site) -> str:
    file = drawn("elsewhere.png")
    query = "mutation ($file: Upload!) { uploadImage(input: {file: $file}) { image { id } } }"
    done = httpx.post(
        f"{site.address}/graphql",
        data={
            "operations": json.dumps({"query": query, "variables": {"file": None}}),
            "map": '{"0": ["variables.file"]}',
        },
        files={"0": (file["name"], file["buffer"], "image/png")},
        headers={"X-API-Key": site.key, "X-Requested-With": "test"},
        timeout=60,
    )
    image_id: str = done.json()["data"]["uploadImage"]["image"]["id"]
    return image_id


def test_login_and_logout(site: Site, page: Page, shots: Path) -> None:
    opened(site, page)
    owner = page.locator(".pictor-owner")
    page.get_by_role("button", name="Login").click()
    expect(owner).to_have_text("Not logged in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".pictor-owner[data-state=refused]")).not_to_be_empty()
    page.screenshot(path=shots / "login.png")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(owner).to_contain_text("Ada's · admin")

    page.reload()
    expect(owner).to_contain_text("Ada's · admin")
    example(page, "Who am I")
    viewer = answered(page)["data"]["viewer"]
    assert viewer["apiKey"] is None
    page.screenshot(path=shots / "logged-in.png")
    example(page, "Follow the processing")
    execute(page)
    expect(page.locator(".pictor-events")).to_have_text("Live · waiting for the first event")
    page.get_by_role("button", name="Stop query").click()

    page.get_by_role("button", name="Log out").click()
    expect(owner).to_have_text("Not logged in")
    example(page, "Who am I")
    (error,) = answered(page)["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_login_leaves_no_secret_in_the_page_s_storage(site: Site, page: Page) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    opened(site, page)
    page.get_by_role("button", name="Login").click()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".pictor-owner")).to_contain_text("Ada's · admin")
    answered(page)

    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    seen = [stored, page.content(), *addresses]
    assert not any(PASSWORD in one or cookie["value"] in one for one in seen)
    names = set(json.loads(stored)[0])
    assert all(name.startswith(("graphiql:", "pictor:", "@graphiql")) for name in names), names


def test_a_key_is_kept_while_a_login_is_used(site: Site, signed_in: Page) -> None:
    signed_in.get_by_role("button", name="Login").click()
    expect(signed_in.locator(".pictor-owner")).to_have_text("Not logged in")
    with signed_in.expect_request("**/graphql") as asking:
        execute(signed_in)
    assert "authorization" not in asking.value.headers
    signed_in.get_by_role("button", name="API key").click()
    expect(signed_in.locator(".pictor-owner")).to_contain_text("Ada's")


def test_panes(signed_in: Page, shots: Path) -> None:
    pane = signed_in.locator(".graphiql-plugin")
    shows: list[tuple[str, Callable[[], None]]] = [
        (
            "Documentation Explorer",
            lambda: expect(pane).to_contain_text("Pictor, the team image library"),
        ),
        ("GraphiQL Explorer", lambda: expect(pane).to_contain_text("searchImages")),
        ("History", lambda: expect(pane).to_contain_text("History")),
    ]
    for name, shown in shows:
        signed_in.get_by_role("button", name=f"Show {name}").click()
        shown()
        signed_in.screenshot(path=shots / f"pane-{name.lower().replace(' ', '-')}.png")


def test_explorer_writes_the_query(signed_in: Page) -> None:
    signed_in.get_by_role("button", name="Show GraphiQL Explorer").click()
    signed_in.get_by_role("button", name="New tab").click()
    fields = signed_in.locator(".graphiql-explorer-field-view")
    fields.get_by_text("teams", exact=True).click()
    expect(signed_in.locator(".graphiql-query-editor")).to_contain_text("teams")


def test_examples_are_all_in_the_menu(signed_in: Page, shots: Path) -> None:
    signed_in.get_by_role("button", name="Examples").click()
    expect(signed_in.get_by_role("menuitem")).to_have_count(len([*EXAMPLES.glob("*.graphql")]))
    signed_in.screenshot(path=shots / "examples.png")
