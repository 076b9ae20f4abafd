"""Where the bytes lie: a folder, or a bucket of an S3-compatible server. No SQL, no HTTP of our own."""

from app.storage.address import StorageSettingError, place, storage_from_url
from app.storage.folder import FolderStorage
from app.storage.presigned import PresignedPut
from app.storage.protocol import ObjectDamaged, ObjectExists, ObjectMissing, Storage, StoredObject
from app.storage.proven import ProvenStorage
from app.storage.reads import Reads
from app.storage.s3 import S3Storage
from app.storage.stream import ByteStream
from app.storage.verified import Read, lies_so, read_whole, verified

__all__ = [
    "ByteStream",
    "FolderStorage",
    "ObjectDamaged",
    "ObjectExists",
    "ObjectMissing",
    "PresignedPut",
    "ProvenStorage",
    "Read",
    "Reads",
    "S3Storage",
    "Storage",
    "StorageSettingError",
    "StoredObject",
    "lies_so",
    "place",
    "read_whole",
    "storage_from_url",
    "verified",
]
