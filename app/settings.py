"""Every setting, read from the environment once (`PICTOR_…`, secrets also as `PICTOR_…_FILE`). No global."""

import difflib
import os
import secrets
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app import setting_values

MIB = 1024 * 1024
PREFIX = "PICTOR_"
MIN_SECRET_LENGTH = 32
FEWEST_DECODERS, MOST_DECODERS = 2, 8
"""Unless told otherwise. Each may take some hundred MiB of memory with a large picture."""


CENTURY_DAYS: Final = 36_500
"""The longest that anything is kept: a date that far away is still one that Python and PostgreSQL can write."""


class FileSource(PydanticBaseSettingsSource):
    """`PICTOR_SECRET_KEY_FILE=/run/secrets/key` stands for the file's text, trimmed."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        return (setting_values.of_file(variable, Path(path)) if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


Names = Annotated[tuple[str, ...], NoDecode]
"""A list written with commas."""


class Settings(BaseSettings):
    """What an installation is told. Units stand in the names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL >= 16 with pgvector >= 0.8; unset: the embedded server"
    )
    database_direct_url: SecretStr | None = Field(
        None,
        description="the same database, past a pooler of transactions (docs/operations.md); unset: PICTOR_DATABASE_URL",
    )
    database_pool_size: int = Field(10, ge=2, le=200, description="connections of one process")
    storage_url: SecretStr | None = Field(
        None,
        description="`s3://bucket?endpoint=…` or `file:///path`; unset: a folder in the data dir",
    )
    s3_access_key: SecretStr | None = Field(
        None, description="S3 access key, where the storage URL has none"
    )
    s3_secret_key: SecretStr | None = Field(
        None, description="S3 secret key, where the storage URL has none"
    )
    embedding_model: str = Field(
        "builtin",
        description="model of a fresh installation: `builtin`, or a name or folder that sentence-transformers loads",
    )
    data_dir: Path = Field(Path("var"), description="database, objects and temporary files")
    secret_key: SecretStr | None = Field(
        None,
        description="signs addresses, at least 32 characters; unset: made once and kept in the data dir",
    )
    host: str = Field("127.0.0.1", description="address to listen on; `::` is all of IPv4 and IPv6")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    drain_seconds: float = Field(
        0,
        ge=0,
        le=600,
        description="after SIGTERM, how long requests are still taken while `/readyz` says no",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    public_url: str | None = Field(
        None, description="address under which clients reach the server; unset: as they asked"
    )
    cors_origins: Names = Field((), description="exact origins of browsers on other sites")
    trusted_proxies: Names = Field((), description="addresses whose X-Forwarded-… headers count")
    worker: bool = Field(True, description="run the job worker inside the server")
    worker_concurrency: int | None = Field(
        None,
        ge=1,
        le=64,
        description="pictures decoded at once in a process; unset: one a core, 2 to 8",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port of /metrics (docs/metrics.md); unset: none"
    )
    metrics_host: str = Field("127.0.0.1", description="address that /metrics listens on")
    demo_pictures: int = Field(
        300, ge=1, le=10_000, description="how many pictures `serve --demo` draws"
    )
    graphiql: bool = Field(True, description="serve GraphiQL at /graphql")
    introspection: bool = Field(True, description="answer introspection queries")
    persisted_queries: bool = Field(
        True, description="let members register documents by their hash (docs/persisted-queries.md)"
    )
    trusted_documents: Names = Field((), description="manifests of trusted documents: their paths")
    trusted_documents_only: bool = Field(
        False, description="run nothing but trusted documents; GraphiQL and introspection included"
    )
    suggestions: bool = Field(False, description="let errors suggest names; on in the demo")
    # An image of more could not be told: Image.sizeBytes is an Int.
    max_upload_bytes: int = Field(50 * MIB, ge=1, le=2**31 - 1, description="largest file")
    max_request_bytes: int = Field(200 * MIB, ge=1, description="largest multipart request")
    max_upload_files: int = Field(50, ge=1, description="files in one request")
    max_uploads_at_once: int = Field(
        32, ge=1, description="requests with files that one process takes in at the same time"
    )
    direct_uploads: str | None = Field(
        None,
        description="S3 only: its endpoint as clients reach it (`https://s3.example.org`); set: bytes of upload tickets go straight there",
    )
    max_dataset_images: int = Field(
        1_000_000, ge=1, description="images in one exported dataset (docs/datasets.md)"
    )
    max_image_pixels: int = Field(100_000_000, ge=1, description="width times height of a picture")
    max_json_bytes: int = Field(MIB, ge=1, description="largest JSON body")
    max_query_characters: int = Field(100_000, ge=1, description="length of a GraphQL document")
    max_query_tokens: int = Field(4_000, ge=1, description="tokens of a GraphQL document")
    max_query_depth: int = Field(15, ge=1, description="nesting of a GraphQL operation")
    max_query_aliases: int = Field(100, ge=0, description="aliases in a GraphQL operation")
    max_query_directives: int = Field(50, ge=0, description="directives in a GraphQL operation")
    max_mutation_fields: int = Field(10, ge=1, description="root fields of a mutation")
    max_query_cost: int = Field(
        50_000, ge=1, description="cost of a GraphQL operation, in rows (docs/limits.md)"
    )
    cost_budget_per_minute: int = Field(
        0, ge=0, description="cost that a key, a user or an address may ask for; 0: no limit"
    )
    operation_timeout_seconds: float = Field(
        30, gt=0, le=3600, description="longest GraphQL operation"
    )
    max_socket_operations: int = Field(
        100, ge=1, description="GraphQL operations at once on one WebSocket"
    )
    max_streams_per_user: int = Field(
        100, ge=1, description="WebSockets and event streams of one user in one process"
    )
    open_registration: bool = Field(
        False, description="let anybody make an account with a team of its own"
    )
    session_lifetime_seconds: int = Field(
        7 * 24 * 3600,
        ge=300,
        le=CENTURY_DAYS * 24 * 3600,
        description="of a login, however much it is used",
    )
    session_idle_seconds: int = Field(
        12 * 3600,
        ge=300,
        le=CENTURY_DAYS * 24 * 3600,
        description="after which a login that is not used ends",
    )
    api_key_lifetime_days: int = Field(
        365, ge=1, le=CENTURY_DAYS, description="of a key made without expiresAt"
    )
    trash_retention_days: int = Field(
        30,
        ge=1,
        le=CENTURY_DAYS,
        description="after which images in the trash are deleted for good",
    )
    purge_retention_days: int = Field(
        7,
        ge=0,
        le=CENTURY_DAYS,
        description="bytes of deleted images and teams are kept: at least as long as you keep backups of the database",
    )
    index_min_vectors: int = Field(
        10_000,
        ge=1,
        description="images of a team from which on a graph of its vectors is built, to search it faster",
    )
    index_memory_mib: int = Field(
        1024,
        ge=64,
        description="memory for building the graph of a team's vectors: 1.7 KiB for each of 512 dimensions",
    )
    recall_sample: int = Field(
        200,
        ge=0,
        description="one of so many searches by graph is done again exactly, for the metrics; 0: none",
    )
    reconcile_hours: float = Field(
        24,
        ge=0,
        le=CENTURY_DAYS * 24,
        description="between two passes of `pictor reconcile` in the worker; 0: none",
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *args: Any, **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return sources["init_settings"], sources["env_settings"], FileSource(settings_cls)

    @field_validator("cors_origins", "trusted_proxies", "trusted_documents", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """`PICTOR_SECRET_KEY=` in a compose file means that nobody set it."""
        if value == "" and info.field_name is not None:
            return cls.model_fields[info.field_name].get_default()
        return setting_values.text(value) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(setting_values.network(one) for one in value)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(setting_values.origin(one) for one in value)

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else setting_values.address(value)

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_LENGTH:
            raise ValueError(f"a secret key has at least {MIN_SECRET_LENGTH} characters")
        return value

    @classmethod
    def unknown(cls) -> dict[str, str | None]:
        """Variables that look like settings and are none, each with the one that may be meant."""
        names = [name.upper() for name in cls.model_fields]
        known = {*names, *(f"{name}_FILE" for name in names)}
        said = {name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)}
        near = {one: difflib.get_close_matches(one, known, 1) for one in sorted(said - known)}
        return {PREFIX + one: PREFIX + meant[0] if meant else None for one, meant in near.items()}

    @property
    def trash_retention(self) -> timedelta:
        return timedelta(days=self.trash_retention_days)

    @property
    def purge_retention(self) -> timedelta:
        return timedelta(days=self.purge_retention_days)

    @property
    def index_memory_bytes(self) -> int:
        return self.index_memory_mib * MIB

    @property
    def objects_dir(self) -> Path:
        return self.data_dir / "objects"

    @property
    def tmp_dir(self) -> Path:
        return self.data_dir / "tmp"

    @cached_property
    def decoders(self) -> int:
        """How many pictures this process decodes at once."""
        if self.worker_concurrency is not None:
            return self.worker_concurrency
        return min(max(os.cpu_count() or 1, FEWEST_DECODERS), MOST_DECODERS)

    @property
    def pictures_at_once(self) -> int:
        """How many pictures one lane of the worker has in hand: some are on their way while others are decoded."""
        return 2 * self.decoders

    @cached_property
    def signing_key(self) -> bytes:
        """The secret key; where none is set, one is made and kept (mode 0600) in the data dir."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        path = self.data_dir / "secret_key"
        if not path.exists():
            self._make_key(path)
        return path.read_bytes()

    def _make_key(self, path: Path) -> None:
        """Writes a new key whole, or leaves the one that another process wrote first."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret_key.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            draft.unlink()
