"""The files of a dataset, written to a folder a batch at a time. No SQL, no storage: docs/datasets.md in code.

The same images give the same bytes, whoever writes them and whenever: JSON has sorted keys and no white space, times are
UTC to the microsecond, everything is in the order of ids and names. What differs from run to run stands in the manifest alone.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from uuid import UUID

from app.domain import MICRO, DatasetFile, ImageFormat
from app.services.exports.exporting import Label, Picture

VERSION: Final = 1
"""Of the format. What a reader of an older one would misread makes a new one."""
ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
COPIED_AT_ONCE: Final = 1024 * 1024


def canonical(value: object) -> bytes:
    return ENCODER.encode(value).encode()


def moment(at: datetime | None) -> str | None:
    # No strftime: it writes the year 476 with three digits.
    return None if at is None else f"{_clock(at).isoformat(timespec='microseconds')}Z"


def _clock(at: datetime) -> datetime:
    """What a clock in UTC shows."""
    return at.astimezone(UTC).replace(tzinfo=None)


def path_of(image_id: UUID, format: ImageFormat) -> str:
    """Where the original lies in the dataset's archive, and for whoever puts the originals beside the files."""
    return f"images/{image_id}.{format.suffix}"


class _File:
    """A file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._digest = hashlib.sha256()
        self.path = path
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def close(self) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        return {"bytes": self.size, "sha256": self.sha256}


class Files:
    """Everything but the manifest grows with each batch; nothing of a batch is kept in memory.

    Its calls block, and may come from any thread, one at a time.
    """

    def __init__(self, folder: Path, labels: Sequence[Label]) -> None:
        self._folder = folder
        self._labels = labels
        self._numbers = {label.id: number for number, label in enumerate(labels, 1)}
        self._open = ExitStack()
        self.count = 0
        self._annotations = 0
        self._original_bytes = 0
        self._images = self._file(DatasetFile.IMAGES)
        self._sums = self._file(DatasetFile.SUMS)
        self._coco = self._file(DatasetFile.COCO)
        # COCO's list of images comes behind that of annotations, and both grow at once.
        self._spool = self._open.enter_context((folder / "coco-images").open("x+b"))
        self._coco.write(b'{"annotations":[')

    def __enter__(self) -> "Files":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def _file(self, name: DatasetFile) -> _File:
        file = _File(self._folder / name)
        self._open.callback(file.close)
        return file

    @property
    def to_come(self) -> int:
        """How many bytes `finish` copies."""
        return self._spool.tell()

    def add(self, pictures: Sequence[Picture]) -> None:
        """The next images in the order of their ids."""
        lines, sums, images, annotations = [], [], [], []
        for picture in pictures:
            self.count += 1
            self._original_bytes += picture.size_bytes
            path = path_of(picture.id, picture.format)
            numbers = sorted((self._numbers[one.tag_id], one) for one in picture.labels)
            lines.append(canonical(self._line(picture, path, numbers)))
            sums.append(f"{picture.sha256.hex()}  {path}\n".encode())
            images.append(canonical(_coco_image(self.count, picture, path)))
            for number, _ in numbers:
                self._annotations += 1
                annotations.append(
                    canonical(_coco_annotation(self._annotations, self.count, number, picture))
                )
        first_image = self.count == len(pictures)
        first_annotation = self._annotations == len(annotations)
        self._images.write(b"".join(line + b"\n" for line in lines))
        self._sums.write(b"".join(sums))
        self._spool.write(_joined(images, first=first_image))
        self._coco.write(_joined(annotations, first=first_annotation))

    def _line(self, picture: Picture, path: str, numbers: Sequence[tuple[int, Any]]) -> object:
        return {
            "id": str(picture.id),
            "path": path,
            "sha256": picture.sha256.hex(),
            "sizeBytes": picture.size_bytes,
            "format": picture.format.value,
            "width": picture.width,
            "height": picture.height,
            "filename": picture.filename,
            "title": picture.title,
            "description": picture.description,
            "weight": _weight(picture.weight),
            "createdAt": moment(picture.created_at),
            "takenAt": moment(picture.taken_at),
            "trashedAt": moment(picture.trashed_at),
            "uploadedBy": _text(picture.uploaded_by),
            "tags": [
                {
                    "name": self._labels[number - 1].name,
                    "by": _text(one.by),
                    "at": moment(one.at),
                    "source": one.source.value,
                }
                for number, one in numbers
            ],
        }

    def finish(self, said: Mapping[str, Any]) -> dict[DatasetFile, dict[str, Any]]:
        """Ends every file; size and hash of each. `said`: what the manifest tells of this export besides."""
        self._coco.write(b'],"categories":')
        self._coco.write(
            canonical(
                [
                    {"id": number, "name": label.name, "supercategory": ""}
                    for number, label in enumerate(self._labels, 1)
                ]
            )
        )
        self._coco.write(b',"images":[')
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._coco, COPIED_AT_ONCE)
        info = {
            "description": "Images and their tags, exported from Pictor",
            "version": str(VERSION),
        }
        self._coco.write(b'],"info":' + canonical(info) + b',"licenses":[]}\n')
        made = {
            DatasetFile.IMAGES: self._images,
            DatasetFile.COCO: self._coco,
            DatasetFile.SUMS: self._sums,
        }
        manifest = self._file(DatasetFile.MANIFEST)
        manifest.write(canonical(self._manifest(said, made)) + b"\n")
        self._open.close()
        return {
            name: file.facts for name, file in (made | {DatasetFile.MANIFEST: manifest}).items()
        }

    def _manifest(self, said: Mapping[str, Any], made: Mapping[DatasetFile, _File]) -> object:
        return {
            **said,
            "formatVersion": VERSION,
            "counts": {
                "images": self.count,
                "tags": len(self._labels),
                "taggings": self._annotations,
                "originalBytes": self._original_bytes,
            },
            "files": {
                name.value: {
                    "sha256": file.sha256,
                    "sizeBytes": file.size,
                    "mediaType": name.media_type,
                }
                for name, file in made.items()
            },
        }


def _joined(objects: Sequence[bytes], *, first: bool) -> bytes:
    """Elements of a list that goes on."""
    return b"" if not objects else (b"" if first else b",") + b",".join(objects)


def _coco_image(number: int, picture: Picture, path: str) -> object:
    image = {
        "id": number,
        "file_name": path,
        "width": picture.width,
        "height": picture.height,
    }
    if picture.taken_at is None:
        return image
    return image | {"date_captured": _clock(picture.taken_at).isoformat(" ", "seconds")}


def _coco_annotation(number: int, image: int, category: int, picture: Picture) -> object:
    """A label of the whole image: its box is the image."""
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [0, 0, picture.width, picture.height],
        "area": picture.width * picture.height,
        "segmentation": [],
        "iscrowd": 0,
    }


def _weight(millionths: int) -> int | float:
    """As it is drawn with. Python writes such a quotient with the six digits at most that it has, everywhere the same."""
    whole, rest = divmod(millionths, MICRO)
    return millionths / MICRO if rest else whole


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
