"""The instruments. Each label has a closed list of values: nothing that a client sends becomes one. Docs: docs/metrics.md."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from app.db.database import Database
from app.domain import BulkAction, JobKind, JobState
from app.errors import ErrorCode, UploadProblem
from app.imaging import Decoder
from app.services.jobs import Backlog

JOB_OUTCOMES: Final = ("done", "retried", "given_up", "postponed", "superseded", "lost")
BULK_OUTCOMES: Final = ("done", "failed", "retried")
WAITING_STATES: Final = (JobState.QUEUED, JobState.RUNNING, JobState.FAILED)
REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
JOB_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_200, 3_600)
RECALLS: Final = (0.5, 0.8, 0.9, 0.95, 0.99, 1)
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "OPTIONS"))
OTHER: Final = "other"


class Metrics:
    """The instruments of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._queue()
        self._work()
        self._edge()
        self._parts()
        self._begin_at_zero()
        ProcessCollector(registry=self._registry)

    def _queue(self) -> None:
        self._jobs = self._gauge(
            "pictor_jobs", "Jobs of all teams that are not done.", "kind", "state"
        )
        self._oldest = self._gauge(
            "pictor_jobs_oldest_due_seconds", "For how long the oldest due job has waited.", "kind"
        )
        self._database_up = self._gauge("pictor_database_up", "Whether the database answered.")

    def _work(self) -> None:
        self._worker_up = self._gauge("pictor_worker_up", "Whether a worker runs in this process.")
        self._worker_up.set(0)
        self._ended = self._counter(
            "pictor_job_runs", "Ends of runs of jobs in this process.", "kind", "outcome"
        )
        self._job_seconds = self._histogram(
            "pictor_job_duration_seconds", "Of jobs that were done.", JOB_SECONDS, "kind"
        )

        self._bulk = self._counter(
            "pictor_bulk_jobs", "Ends of bulk jobs in this process.", "action", "outcome"
        )

    def _edge(self) -> None:
        self._requests = self._histogram(
            "pictor_http_request_duration_seconds",
            "HTTP requests, until the last byte of their answer.",
            REQUEST_SECONDS,
            "route",
            "method",
            "status",
        )
        self._operations = self._histogram(
            "pictor_graphql_operation_duration_seconds",
            "GraphQL operations: OK, or the code of their first error.",
            REQUEST_SECONDS,
            "type",
            "outcome",
        )
        # A label's child is looked up under a lock, with its values checked: once for each will do.
        self._requests_of = cache(self._requests.labels)
        self._operations_of = cache(self._operations.labels)
        self._errors = self._counter(
            "pictor_graphql_errors", "Errors in answers of GraphQL.", "code"
        )
        self._uploads = self._counter(
            "pictor_uploads", "Files that were sent, and what became of them.", "outcome", "reason"
        )
        self._upload_bytes = self._counter("pictor_upload_bytes", "Bytes of files that were taken.")

    def _parts(self) -> None:
        self._storage = self._histogram(
            "pictor_storage_duration_seconds",
            "Calls of the store; `open` until the first bytes can be read.",
            REQUEST_SECONDS,
            "call",
            "outcome",
        )
        self._recall = self._histogram(
            "pictor_search_recall",
            "Of searches by graph that were done again exactly: the share of the nearest that they had found.",
            RECALLS,
        )
        self._connections = self._gauge(
            "pictor_database_connections", "Of this process's pool.", "state"
        )
        self._decoders = self._gauge(
            "pictor_decoder_pictures", "Pictures that are decoded, or wait for it.", "state"
        )
        self._decoder_limit = self._gauge(
            "pictor_decoder_limit", "Pictures that this process decodes at once."
        )

    def _begin_at_zero(self) -> None:
        """What alerts look at is there before it happens: `increase` sees nothing in a series that begins with its first event."""
        for kind in JobKind:
            for outcome in JOB_OUTCOMES:
                self._ended.labels(kind.value, outcome)
        for action in BulkAction:
            for outcome in BULK_OUTCOMES:
                self._bulk.labels(action.value, outcome)
        for code in ErrorCode:
            self._errors.labels(code.value)
        for outcome in ("created", "known"):
            self._uploads.labels(outcome, "")
        for problem in UploadProblem:
            self._uploads.labels("refused", problem.value)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def worker(self, *, up: bool) -> None:
        self._worker_up.set(up)

    def job_ended(self, kind: JobKind, outcome: str) -> None:
        """`outcome`: of JOB_OUTCOMES; `job_done` for what was done."""
        self._ended.labels(kind.value, outcome).inc()

    def job_done(self, kind: JobKind, seconds: float) -> None:
        self._ended.labels(kind.value, "done").inc()
        self._job_seconds.labels(kind.value).observe(seconds)

    def bulk_job_ended(self, action: BulkAction, outcome: str) -> None:
        """`outcome`: of BULK_OUTCOMES."""
        self._bulk.labels(action.value, outcome).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """`route`: as the application declares it, never as it was asked for."""
        known = method if method in METHODS else OTHER
        self._requests_of(route, known, status).observe(seconds)

    def operation(
        self, kind: str | None, outcome: str, codes: Iterable[str], seconds: float
    ) -> None:
        """`kind`: None for one that was not understood."""
        self._operations_of(kind or "none", outcome).observe(seconds)
        for code in codes:
            self._errors.labels(code).inc()

    def upload_taken(self, *, created: bool, size: int) -> None:
        self._uploads.labels("created" if created else "known", "").inc()
        self._upload_bytes.inc(size)

    def upload_refused(self, reason: str) -> None:
        self._uploads.labels("refused", reason).inc()

    def storage_called(self, call: str, outcome: str, seconds: float) -> None:
        self._storage.labels(call, outcome).observe(seconds)

    def recall(self, share: float) -> None:
        self._recall.observe(share)

    def queue(self, found: Iterable[Backlog] | None) -> None:
        """How the queue looks; None where the database does not tell: then it has no samples at all."""
        self._database_up.set(found is not None)
        self._jobs.clear()
        self._oldest.clear()
        if found is None:
            return
        for kind in JobKind:
            self._oldest.labels(kind.value).set(0)
            for state in WAITING_STATES:
                self._jobs.labels(kind.value, state.value).set(0)
        for one in found:
            self._jobs.labels(one.kind.value, one.state.value).set(one.count)
            if one.oldest_seconds is not None:
                self._oldest.labels(one.kind.value).set(one.oldest_seconds)

    def parts(self, db: Database, decoder: Decoder) -> None:
        in_use = db.connections_in_use
        self._connections.labels("in_use").set(in_use)
        self._connections.labels("free").set(db.pool_size - in_use)
        self._decoders.labels("busy").set(decoder.busy)
        self._decoders.labels("waiting").set(decoder.waiting)
        self._decoder_limit.set(decoder.limit)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)
