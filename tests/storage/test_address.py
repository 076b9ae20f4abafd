"""What PICTOR_STORAGE_URL may say."""

from pathlib import Path

import pytest

from app.storage import FolderStorage, S3Storage, StorageSettingError, storage_from_url


def test_unset_is_a_folder_of_the_data_dir(tmp_path: Path) -> None:
    storage = storage_from_url(None, tmp_path)
    assert isinstance(storage, FolderStorage)
    assert storage.root == tmp_path / "objects"
    assert (tmp_path / "tmp").is_dir()


def test_a_folder(tmp_path: Path) -> None:
    storage = storage_from_url(f"file://{tmp_path}/with%20space", Path("/nowhere"))
    assert isinstance(storage, FolderStorage)
    assert storage.root == tmp_path / "with space"


@pytest.mark.parametrize(
    "url",
    [
        "s3://k:s@bucket?endpoint=http://127.0.0.1:9000&region=eu-central-1",
        "s3://bucket?endpoint=http://127.0.0.1:9000",
        "s3://bucket?endpoint=http://[::1]:9000",
        "s3://my.bucket-2?endpoint=https://s3.example.org/",
        "s3://bucket",
    ],
)
def test_a_bucket(tmp_path: Path, url: str) -> None:
    storage = storage_from_url(url, tmp_path, access_key="a", secret_key="b")
    assert isinstance(storage, S3Storage)


@pytest.mark.parametrize(
    "url",
    [
        "http://bucket",
        "objects",
        "/var/objects",
        "file://host/path",
        "file:///",
        "s3://",
        "s3:///path",
        "s3://UPPER",
        "s3://bucket:9000",
        "s3://bucket/prefix",
        "s3://bucket?endpoint=127.0.0.1:9000",
        "s3://bucket?endpoint=http://host/path",
        "s3://bucket?endpoint=http://u:p@host",
        "s3://bucket?endpont=http://host",
        "s3://k:hush\uff03@bucket",
        "s3://[bucket",
    ],
)
def test_a_bad_address_names_the_setting_and_no_secret(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageSettingError, match="PICTOR_STORAGE_URL") as caught:
        storage_from_url(url, tmp_path, access_key="a", secret_key="hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://key@bucket", "s3://:secret@bucket"])
def test_a_bucket_without_keys(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageSettingError, match="PICTOR_S3_ACCESS_KEY"):
        storage_from_url(url, tmp_path)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (None, "https://s3.example.org"),
        ("file:///tmp/objects", "https://s3.example.org"),
        ("s3://a:b@bucket", "s3.example.org"),
        ("s3://a:b@bucket", "https://s3.example.org/path"),
        ("s3://a:b@bucket", "on"),
    ],
)
def test_clients_reach_an_s3_server_alone(tmp_path: Path, url: str | None, endpoint: str) -> None:
    with pytest.raises(StorageSettingError, match="PICTOR_DIRECT_UPLOADS"):
        storage_from_url(url, tmp_path, clients_endpoint=endpoint)
