"""A stored image as pixels for a model, and in which words its team is told why there are none."""

import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.db.models import Image
from app.domain import ThumbnailSize
from app.embedding import PICTURE_SIDE, Embedder
from app.errors import AppError
from app.resources import Resources
from app.services import damage
from app.storage import ObjectMissing
from app.worker import files
from app.worker.outages import outage

log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
PLAIN: Final[Picture] = np.full((PICTURE_SIDE, PICTURE_SIDE, 3), (200, 60, 40), np.uint8)
"""As large as any, with nothing in it: what does not read this reads no picture."""


async def pixels(resources: Resources, image: Image) -> Picture:
    """From the thumbnail where it is made already, which is quicker, and the original otherwise.

    A thumbnail that is lost or damaged is no image's failure: it is made anew.
    """
    if medium := image.thumbnails.get(ThumbnailSize.MEDIUM.value):
        sha256 = bytes.fromhex(medium["sha256"]) if "sha256" in medium else None
        try:
            return await _decoded(resources, medium["key"], sha256)
        except (AppError, ObjectMissing) as error:
            if outage(error):
                raise
            log.warning("image %s: its thumbnail cannot be read: %s", image.id, reason(error))
        await resources.db.worker.run(
            lambda session: damage.renew(session, image.team_id, image.id)
        )
    return await _decoded(resources, image.object_key, image.sha256)


async def _decoded(resources: Resources, key: str, sha256: bytes | None) -> Picture:
    async with files.local_copy(
        resources.storage, key, resources.settings.tmp_dir, sha256=sha256
    ) as path:
        return await resources.decoder.picture(path, PICTURE_SIDE)


async def why_blind(embedder: Embedder) -> Exception | None:
    """Why the model reads not even a plain picture, where that is so: no image is to blame then. An AppError goes up."""
    try:
        await embedder.pictures([PLAIN])
    except AppError:
        raise
    except Exception as error:
        return error
    return None


def reason(error: Exception) -> str:
    """Tells nothing of the installation."""
    if isinstance(error, AppError):
        return error.message
    if isinstance(error, ObjectMissing):
        return "The stored bytes are missing."
    return f"Something went wrong ({type(error).__name__}); the server's log has the rest."
