"""Every operation of every example of GraphiQL, in the order of the menu, against a server process that does its own work."""

import asyncio
import hashlib
import io
import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
from graphql import OperationDefinitionNode, parse
from PIL import Image as Picture
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from app.web.graphiql import EXAMPLES
from tests.clients.conftest import Installation

FILES = {path.stem[3:]: path for path in EXAMPLES.glob("*.graphql")}


def drawn() -> bytes:
    out = io.BytesIO()
    Picture.frombytes("RGB", (24, 16), secrets.token_bytes(24 * 16 * 3)).save(out, "PNG")
    return out.getvalue()


class Reader:
    """Runs the examples as the page does, with values in the place of what a reader is to put in."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        headers = {"X-API-Key": key, "X-Requested-With": "test"}
        self.http = httpx.Client(base_url=address, headers=headers, timeout=60)
        self.key = key
        self.ran: set[tuple[str, str]] = set()

    def body(self, example: str, operation: str, put_in: dict[str, Any]) -> dict[str, Any]:
        beside = FILES[example].with_suffix(".json")
        variables = json.loads(beside.read_text("utf-8")) if beside.exists() else {}
        self.ran.add((example, operation))
        return {
            "query": FILES[example].read_text("utf-8"),
            "operationName": operation,
            "variables": variables | put_in,
        }

    def run(self, example: str, operation: str, **put_in: Any) -> Any:
        return self._data(self.http.post("/graphql", json=self.body(example, operation, put_in)))

    def send(self, example: str, operation: str, *files: bytes) -> Any:
        """With files for what the variables call "@file:0", or ["@files"]."""
        body = self.body(example, operation, {})
        (name,) = [name for name, value in body["variables"].items() if "@file" in str(value)]
        is_list = body["variables"][name] == ["@files"]
        body["variables"][name] = [None] * len(files) if is_list else None
        places = {
            str(i): [f"variables.{name}.{i}" if is_list else f"variables.{name}"]
            for i in range(len(files))
        }
        return self._data(
            self.http.post(
                "/graphql",
                data={"operations": json.dumps(body), "map": json.dumps(places)},
                files={str(i): ("drawn.png", content) for i, content in enumerate(files)},
            )
        )

    def _data(self, response: httpx.Response) -> Any:
        answer = response.json()
        assert "errors" not in answer, answer
        assert answer["extensions"]["cost"]["requested"] > 0
        return answer["data"]

    def follow(self, example: str, operation: str, **put_in: Any) -> Iterator[Any]:
        protocol = Subprotocol("graphql-transport-ws")
        address = self.address.replace("http", "ws") + "/graphql"
        with connect(address, subprotocols=[protocol]) as socket:
            init = {"type": "connection_init", "payload": {"apiKey": self.key}}
            socket.send(json.dumps(init))
            assert json.loads(socket.recv())["type"] == "connection_ack"
            body = self.body(example, operation, put_in)
            socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": body}))
            while (message := json.loads(socket.recv(timeout=60)))["type"] != "complete":
                assert "errors" not in message["payload"], message
                yield message["payload"]["data"]


def test_all_operations_have_a_scene_below() -> None:
    """Names differ, so that the tabs of two examples can be told from each other."""
    names = [name for _, name in operations()]
    assert len(names) == len(set(names))


def operations() -> list[tuple[str, str]]:
    return [
        (example, operation.name.value)
        for example, path in FILES.items()
        for operation in parse(path.read_text("utf-8")).definitions
        if isinstance(operation, OperationDefinitionNode) and operation.name is not None
    ]


async def test_examples(installation: Installation) -> None:
    def scene() -> None:
        with installation.process("serve", "--port", "0") as server:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            reader = Reader(address, installation.key)
            with reader.http:
                image_ids = uploads(reader)
                finds(reader, image_ids)
                changes(reader, image_ids)
                administers(reader)
            assert reader.ran == set(operations())

    await asyncio.to_thread(scene)


def uploads(reader: Reader) -> list[str]:
    first = reader.send("upload", "Upload", drawn())["uploadImage"]
    assert first["created"]
    assert first["image"]["tags"] == [{"name": "mine"}]

    several = reader.send("upload-several", "UploadSeveral", drawn(), b"no picture", drawn())
    kinds = [one["__typename"] for one in several["uploadImages"]]
    assert kinds == ["UploadImagePayload", "UploadRejection", "UploadImagePayload"]

    content = drawn()
    file = {"filename": "big.png", "sizeBytes": len(content)}
    file["sha256"] = hashlib.sha256(content).hexdigest()
    announced = reader.run("upload-a-big-file", "AnnounceUpload", file=file)["requestUpload"]
    headers = {one["name"]: one["value"] for one in announced["headers"]}
    assert httpx.put(announced["url"], content=content, headers=headers).status_code == 204
    ticket = announced["ticket"]
    big = reader.run("upload-a-big-file", "CompleteUpload", ticket=ticket)["completeUpload"]
    assert big["created"]

    image_ids = [
        first["image"]["id"],
        several["uploadImages"][2]["image"]["id"],
        big["image"]["id"],
    ]
    last = {}
    for event in reader.follow("follow-processing", "FollowProcessing", imageIds=image_ids):
        last[event["imageProcessing"]["id"]] = event["imageProcessing"]["processing"]["status"]
    assert last == dict.fromkeys(image_ids, "READY")
    return image_ids


def finds(reader: Reader, image_ids: list[str]) -> None:
    recent = reader.run("recent-images", "RecentImages")["images"]
    assert recent["totalCount"] == 4
    assert set(image_ids) <= {one["id"] for one in recent["nodes"]}
    assert len(reader.run("random-draw", "RandomDraw")["randomImages"]) == 3
    by_words = reader.run("search-by-sentence", "SearchBySentence")["searchImages"]
    assert by_words["candidateCount"] >= len(by_words["edges"]) >= 3
    mixed = reader.run("more-and-less", "MoreAndLess")["searchImages"]
    assert len(mixed["edges"]) >= 3
    reader.run("words-and-tags", "WordsAndTags")
    by_picture = reader.send("search-by-picture", "SearchByPicture", drawn())["searchImages"]
    assert len(by_picture["edges"]) >= 3
    alike = reader.run("similar-images", "SimilarImages")["images"]["nodes"]
    assert all(len(one["similar"]["edges"]) >= 2 for one in alike)
    page = reader.run("page-through", "PageThrough", first=2)["images"]
    after = page["pageInfo"]["endCursor"]
    rest = reader.run("page-through", "PageThrough", first=2, after=after)["images"]
    assert len({one["id"] for one in [*page["nodes"], *rest["nodes"]]}) == 4
    reader.run("filter-by-date-and-tag", "FilterByDateAndTag")
    assert len(reader.run("cost", "Cost")["images"]["nodes"]) == 4
    shuffled = reader.run("seeded-draw", "SeededDraw", first=3)["shuffledImages"]
    cursor = shuffled["pageInfo"]["endCursor"]
    (last,) = reader.run("seeded-draw", "SeededDraw", after=cursor)["shuffledImages"]["nodes"]
    assert len({one["id"] for one in [*shuffled["nodes"], last]}) == 4
    assert reader.run("facets", "Facets")["imageFacets"]["total"] <= 4
    assert sum(one["count"] for one in reader.run("timeline", "Timeline")["imageTimeline"]) == 4


def changes(reader: Reader, image_ids: list[str]) -> None:
    (tagged,) = reader.run("add-tags", "AddTags", imageIds=image_ids[:1])["addTags"]
    assert {one["tag"]["name"] for one in tagged["taggings"]} == {"mine", "favourite"}

    made = reader.run("collections", "MakeCollection", collection=whose(reader))
    collection_id = made["createCollection"]["id"]
    filled = reader.run(
        "collections", "FillCollection", collectionId=collection_id, imageIds=image_ids
    )
    assert filled["addToCollection"]["images"]["totalCount"] == len(image_ids)
    assert len(reader.run("collections", "MyCollections")["collections"]["nodes"]) == 1

    in_bulk(reader)
    tells_apart(reader, image_ids)
    exports(reader)

    reader.run("trash", "Trash", ids=image_ids[:1])
    assert reader.run("trash", "InTheTrash")["images"]["totalCount"] == 1
    (restored,) = reader.run("trash", "Restore", ids=image_ids[:1])["restoreImages"]
    assert restored["trashedAt"] is None


def in_bulk(reader: Reader) -> None:
    job = {"teamId": whose(reader)["teamId"], "filter": {"tags": {"none": ["seen"]}}}
    prepared = reader.run("bulk", "PrepareBulk", job=job | {"change": {"addTags": ["seen"]}})
    shown = prepared["prepareBulkJob"]
    assert shown["total"] == len(shown["images"]["nodes"]) >= 3
    assert shown["newTags"] == ["seen"]
    followed = reader.follow("bulk", "FollowBulk", jobId=shown["id"])
    assert next(followed)["bulkJobProgress"]["status"] == "PREPARED"
    assert reader.run("bulk", "StartBulk", jobId=shown["id"])["startBulkJob"]["status"] == "QUEUED"
    now = [event["bulkJobProgress"] for event in followed][-1]
    assert (now["status"], now["changed"], now["skips"]) == ("DONE", shown["total"], [])
    stays = reader.run("bulk", "CancelBulk", jobId=shown["id"])["cancelBulkJob"]
    assert stays["status"] == "DONE"


def tells_apart(reader: Reader, image_ids: list[str]) -> None:
    (team,) = reader.run("near-copies", "NearCopies")["teams"]["nodes"]
    assert team["duplicateGroups"]["totalCount"] == len(team["duplicateGroups"]["nodes"])
    marked = reader.run("near-copies", "NotDuplicates", imageIds=image_ids[:2])
    assert [one["id"] for one in marked["markNotDuplicates"]] == image_ids[:2]


def exports(reader: Reader) -> None:
    wanted = {"name": "Everything", "filter": {}}
    made = reader.run("export-a-dataset", "ExportDataset", input=wanted)["exportDataset"]
    followed = reader.follow("export-a-dataset", "FollowDataset", id=made["id"])
    assert [event["datasetProgress"]["status"] for event in followed][-1] == "READY"
    now = reader.run("export-a-dataset", "MyDataset", id=made["id"])["dataset"]
    assert (now["status"], now["error"], now["imageCount"]) == ("READY", None, 4)
    for file in now["files"]:
        assert hashlib.sha256(httpx.get(file["url"]).content).hexdigest() == file["sha256"]
    (listed,) = reader.run("export-a-dataset", "MyDatasets")["datasets"]["nodes"]
    assert listed["id"] == made["id"]
    gone = reader.run("export-a-dataset", "DeleteDataset", id=made["id"])["deleteDataset"]
    assert gone == made["id"]


def administers(reader: Reader) -> None:
    made = reader.run("keys", "MakeKey", key=whose(reader) | {"role": "EDITOR"})["createApiKey"]
    assert made["key"].startswith("pic_")
    assert len(reader.run("keys", "MyKeys")["viewer"]["apiKeys"]["nodes"]) == 2
    revoked = reader.run("keys", "RevokeKey", id=made["apiKey"]["id"])["revokeApiKey"]
    assert revoked["revokedAt"]
    events = reader.run("audit", "Audit")["auditEvents"]["nodes"]
    assert {"api_key.create", "api_key.revoke"} <= {one["action"] for one in events}


def whose(reader: Reader) -> dict[str, str]:
    (membership,) = reader.run("who-am-i", "WhoAmI")["viewer"]["user"]["memberships"]
    return {"teamId": membership["team"]["id"], "name": "Made here"}
