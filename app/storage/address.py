"""Storage addresses: from a setting's text to a Storage."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.errors import UsageError
from app.storage.folder import FolderStorage
from app.storage.protocol import Storage
from app.storage.s3 import S3Storage

SETTING: Final = "PICTOR_STORAGE_URL"
DIRECT_SETTING: Final = "PICTOR_DIRECT_UPLOADS"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?|https?://\[[0-9a-f:]+\](?::[0-9]{1,5})?/?"
)


class StorageSettingError(UsageError):
    """The setting cannot be used; the message names it and holds no secret."""

    def __init__(self, problem: str, setting: str = SETTING) -> None:
        super().__init__(f"{setting}: {problem}")


def storage_from_url(
    url: str | None,
    data_dir: Path,
    *,
    access_key: str | None = None,
    secret_key: str | None = None,
    clients_endpoint: str | None = None,
) -> Storage:
    """The Storage at `url`; None is the folder `objects` of the data dir.

    `file:///path`, or `s3://[key:secret@]bucket?endpoint=http://host:port&region=…` (without an endpoint: AWS); the two keys
    given here count where the URL has none. `clients_endpoint`: where clients reach the S3 server themselves.
    StorageSettingError for anything else.
    """
    _check_clients_endpoint(url, clients_endpoint)
    if not url:
        return FolderStorage(data_dir / "objects", data_dir / "tmp")
    try:
        address = urlsplit(url)
    except ValueError:
        # The cause would print the whole address, with its secret.
        raise StorageSettingError("this is not an address") from None
    match address.scheme:
        case "file":
            return _folder(address)
        case "s3":
            return _bucket(address, access_key, secret_key, clients_endpoint)
        case _:
            raise StorageSettingError("it begins with file:// or s3://")


def place(storage: Storage) -> str:
    """Where it is, at the beginning of a sentence. It holds no secret."""
    match storage:
        case FolderStorage():
            return f"The folder {storage.root}"
        case S3Storage():
            return f"The bucket {storage.bucket} at {storage.endpoint}"
        case _:
            return "The store"


def _folder(address: SplitResult) -> FolderStorage:
    if address.netloc or not address.path.strip("/") or address.query:
        raise StorageSettingError("a folder is written file:///path/to/folder")
    root = Path(unquote(address.path))
    # The drafts lie beside the objects, in the same file system, where no listing sees them.
    return FolderStorage(root, root.with_name(f"{root.name}.tmp"))


def _check_clients_endpoint(url: str | None, endpoint: str | None) -> None:
    if endpoint is None:
        return
    if not (url or "").startswith("s3://"):
        raise StorageSettingError("clients reach an S3 server, but no folder", DIRECT_SETTING)
    if not _ENDPOINT.fullmatch(endpoint):
        raise StorageSettingError("an endpoint is http://host:port or https://host", DIRECT_SETTING)


def _bucket(
    address: SplitResult,
    access_key: str | None,
    secret_key: str | None,
    clients_endpoint: str | None,
) -> S3Storage:
    userinfo, at, bucket = address.netloc.rpartition("@")
    if at:
        access_key, _, secret_key = (unquote(part) for part in userinfo.partition(":"))
    if not (access_key and secret_key):
        raise StorageSettingError(
            "S3 needs two keys: s3://key:secret@bucket, or PICTOR_S3_ACCESS_KEY and PICTOR_S3_SECRET_KEY"
        )
    if not _BUCKET.fullmatch(bucket) or address.path.strip("/"):
        raise StorageSettingError("a bucket is written s3://bucket?endpoint=https://host")
    options = dict(parse_qsl(address.query))
    endpoint = options.pop("endpoint", "https://s3.amazonaws.com")
    region = options.pop("region", "us-east-1")
    if options:
        raise StorageSettingError(f"there is no option {', '.join(sorted(options))}")
    if not _ENDPOINT.fullmatch(endpoint):
        raise StorageSettingError("an endpoint is http://host:port or https://host")
    try:
        return S3Storage(
            bucket,
            endpoint=endpoint.rstrip("/"),
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            clients_endpoint=clients_endpoint.rstrip("/") if clients_endpoint else None,
        )
    except ValueError as error:
        raise StorageSettingError(f"endpoint or region: {error}") from error
