"""GET /datasets/{id}/{file}: a dataset's files, and its archive, under signed addresses."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.db.models import Dataset
from app.domain import Actor, Damage, DatasetFile, is_readable, parse_id
from app.errors import AppError, ErrorCode, not_found
from app.resources import Resources
from app.services.exports import datasets
from app.services.people import addresses
from app.services.people.addresses import ARCHIVE, Claim
from app.web import audit, budget, claims, damaged, streams
from app.web.budget import Budget
from app.web.damaged import DamagedError
from app.web.dataset_archive import archive
from app.web.streams import Content

WHAT: Final = "Dataset"
NAMES: Final = {*DatasetFile, ARCHIVE}

log = logging.getLogger(__name__)


class BrokenOffError(Exception):
    """While an archive is sent: nothing says any more that its reader may have it. All that is left to tell is the end."""


async def _tell(dataset: Dataset, file: str, found: Damage) -> None:
    log.error("dataset %s: its files are damaged (%s: %s)", dataset.id, file, found)


class Datasets:
    """As with images, the signature says for whom an address was made, and their access is checked again at each use."""

    def __init__(self, resources: Resources, purse: Budget) -> None:
        self._resources = resources
        self._budget = purse
        self._key = resources.settings.signing_key

    async def get(self, request: Request) -> Response:
        """200, 206, 304, 416, 429. 404 for a wrong signature as for a dataset that is gone; 403 once it has expired.

        Each use is recorded before a byte is sent.
        """
        dataset_id, file = parse_id(request.path_params["id"]), request.path_params["file"]
        if file not in NAMES:
            raise not_found(WHAT)
        token = request.query_params.get("token", "")
        claim = addresses.verify_dataset(self._key, dataset_id=dataset_id, file=file, token=token)
        price = budget.ARCHIVE if file == ARCHIVE else budget.IMAGE
        self._budget.spend(request, claims.claimant(claim), price)
        try:
            response, owner = await self._response(request, claim, dataset_id, file)
        except Exception as error:
            team_id = await self._team(dataset_id) if claim else None
            await self._record(request, claim, dataset_id, team_id, file, error)
            raise
        await self._record(request, claim, dataset_id, owner, file)
        return response

    async def _response(
        self, request: Request, claim: Claim | None, dataset_id: UUID, file: str
    ) -> tuple[Response, UUID]:
        """The answer, and the team whose dataset it is."""
        claim, headers = claims.good(claim, WHAT)
        _actor, dataset = await self._dataset(claim, dataset_id)
        if file == ARCHIVE:
            return self._archive(request, claim, dataset, headers), dataset.team_id
        return await self._file(request, dataset, file, headers), dataset.team_id

    async def _dataset(self, claim: Claim, dataset_id: UUID) -> tuple[Actor, Dataset]:
        actor = await claims.holder(self._resources, claim)
        if actor is not None:
            async with self._resources.db.acting(actor).transaction() as session:
                dataset = await datasets.for_download(session, actor, dataset_id)
            if dataset is not None and dataset.files is not None:
                return actor, dataset
        raise not_found(WHAT)

    async def _file(
        self, request: Request, dataset: Dataset, file: str, headers: Mapping[str, str]
    ) -> Response:
        (stored,) = (one for one in datasets.files(dataset) if one.name == file)
        content = Content(
            stored.key,
            stored.size,
            stored.name.media_type,
            f'"{stored.sha256}"',
            stored.name.value,
            sha256=bytes.fromhex(stored.sha256),
            inline=False,
        )
        if (unsent := streams.unchanged(request, content, headers)) is not None:
            return unsent
        try:
            return await streams.of_storage(
                self._resources.storage,
                content,
                headers,
                tell=partial(_tell, dataset, file),
                is_head=request.method == "HEAD",
                part=streams.part(request, content),
            )
        except DamagedError as error:
            raise AppError(
                ErrorCode.NOT_FOUND, "The dataset's stored bytes are missing or damaged."
            ) from error

    def _archive(
        self, request: Request, claim: Claim, dataset: Dataset, headers: Mapping[str, str]
    ) -> Response:
        own = streams.HEADERS | {
            "content-disposition": streams.disposition(f"{dataset.id}.tar", inline=False)
        }
        # What it holds changes with the originals that are still there.
        own |= dict(headers) | {"cache-control": "private, no-store"}
        if request.method == "HEAD":
            answer = Response(headers=own, media_type="application/x-tar")
            # Nobody knows it before it is sent, and Starlette says 0.
            del answer.headers["content-length"]
            return answer

        async def originals(ids: Sequence[UUID]) -> Mapping[UUID, str]:
            return await self._originals(request, claim, dataset, ids)

        async def tell(object_key: str, found: Damage) -> None:
            await damaged.flag(self._resources, dataset.team_id, object_key, found)

        body = archive(self._resources.storage, dataset, originals, tell)
        return StreamingResponse(body, headers=own, media_type="application/x-tar")

    async def _originals(
        self, request: Request, claim: Claim, dataset: Dataset, ids: Sequence[UUID]
    ) -> Mapping[UUID, str]:
        """As the roles are now, in transactions that are over before a byte of them is sent.

        BrokenOffError where the key, the membership, the team or the dataset has ended since, which is recorded.
        """
        try:
            actor, _ = await self._dataset(claim, dataset.id)
        except AppError as error:
            await self._record(request, claim, dataset.id, dataset.team_id, ARCHIVE, error)
            raise BrokenOffError from error
        async with self._resources.db.acting(actor).transaction() as session:
            return await datasets.originals(session, actor, dataset.team_id, ids)

    async def _record(
        self,
        request: Request,
        claim: Claim | None,
        dataset_id: UUID,
        team_id: UUID | None,
        file: str,
        error: Exception | None = None,
    ) -> None:
        event = audit.sent(
            request,
            "dataset.download",
            claims.claimant(claim),
            team_id=team_id,
            subject_id=dataset_id if is_readable(dataset_id) else None,
            error=error,
            file=file,
        )
        await self._resources.audit.record([event])

    async def _team(self, dataset_id: UUID) -> UUID | None:
        async with self._resources.db.audit.transaction() as session:
            return await datasets.team_of(session, dataset_id)
