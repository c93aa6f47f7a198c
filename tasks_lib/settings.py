"""The settings, read from the environment (``SEEDING_*``) by the entry points and passed down."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks_lib.domain.limits import ApiLimits, Limits
from tasks_lib.errors import UsageError

_PREFECT_FILES: Final = {".env": "prefect_", "prefect.toml": "", "pyproject.toml": "[tool.prefect"}
"""The files in the current folder in which Prefect looks for settings, and what shows some."""
_ORIGIN: Final = r"https?://[^\s,/]+"


class Settings(BaseModel):
    """Everything that can be configured; each has a default that works on one machine."""

    model_config = ConfigDict(frozen=True)

    home: Path = Field(
        default=Path("~/.seeding"),
        description="Folder of the default store and the default storage.",
    )
    database_url: str = Field(
        default="",
        description="The store: sqlite:///path or postgresql+psycopg://user@host/database.",
    )
    database_direct_url: str = Field(
        default="",
        description="The address of PostgreSQL itself, for notifications, if the store's URL is "
        "that of a pooler such as PgBouncer in transaction mode.",
    )
    storage_url: str = Field(
        default="",
        description="The storage of files: a folder or s3://bucket/prefix.",
    )
    busy_timeout_seconds: float = Field(
        default=60, gt=0, description="How long to wait for SQLite's write lock, in seconds."
    )
    max_source_bytes: int = Field(
        default=Limits().max_source_bytes, gt=0, description="Largest source, in bytes, unpacked."
    )
    max_columns: int = Field(
        default=Limits().max_columns, gt=0, description="Most columns in a file."
    )
    max_cell_bytes: int = Field(
        default=Limits().max_cell_bytes, gt=0, description="Largest cell, in bytes of UTF-8."
    )
    max_row_bytes: int = Field(
        default=Limits().max_row_bytes, gt=0, description="Largest row, in bytes of UTF-8."
    )
    max_errors: int = Field(
        default=Limits().max_errors,
        gt=0,
        description="Number of rejected rows after which the rest of a file is not read.",
    )
    max_archive_entries: int = Field(
        default=Limits().max_archive_entries, gt=0, description="Most entries in a ZIP."
    )
    max_archive_ratio: int = Field(
        default=Limits().max_archive_ratio,
        gt=0,
        description="Largest ratio of unpacked to packed size of a ZIP's member, beyond 1 MiB, "
        "and of a column of lists or long texts in a Parquet file.",
    )
    max_workbook_bytes: int = Field(
        default=Limits().max_workbook_bytes,
        ge=2**28,
        description="Most memory of the process that reads a workbook, in bytes.",
    )
    max_document_bytes: int = Field(
        default=Limits().max_document_bytes,
        gt=0,
        description="Largest total of the JSON documents and lists of options in one request of "
        "the HTTP API, in bytes.",
    )
    max_request_values: int = Field(
        default=Limits().max_request_values,
        gt=0,
        description="Most values in one request of the HTTP API: its tasks times the dataset "
        "fields of the workflow.",
    )
    max_bulk_count: int = Field(
        default=Limits().max_bulk_count,
        gt=0,
        le=2**31 - 1,
        description="Most blank tasks that one request may create.",
    )
    retry_seconds: float = Field(
        default=Limits().retry_seconds,
        ge=0,
        description="How long to retry when the storage does not respond, in seconds.",
    )
    unused_file_hours: int = Field(
        default=24,
        ge=1,
        description="How long to keep a stored file that no task refers to, in hours.",
    )
    chain_idle_seconds: float = Field(
        default=60,
        ge=0,
        description="How long a flow run that fires chains stays after its last task, in seconds.",
    )
    upkeep_run_days: int = Field(
        default=7,
        ge=1,
        description="How long Prefect keeps the finished runs of upkeep, in days.",
    )
    link_seconds: int = Field(
        default=3_600,
        gt=0,
        le=604_800,
        description="How long a link to a file on S3 is valid, in seconds.",
    )

    api_max_body_bytes: int = Field(
        default=ApiLimits().max_body_bytes,
        gt=0,
        description="Largest request body of the HTTP API in bytes, except for uploads.",
    )
    api_requests_per_second: float = Field(
        default=ApiLimits().requests_per_second,
        gt=0,
        description="Sustained request rate of an API key, for each process of the API.",
    )
    api_max_connections: int = Field(
        default=ApiLimits().max_connections,
        ge=1,
        description="Number of connections that a process of the API holds at once. "
        "It has to be below the process's limit of open files.",
    )
    api_burst: int = Field(
        default=ApiLimits().burst,
        ge=1,
        description="Number of requests that an API key may make at once.",
    )
    api_upload_minutes: int = Field(
        default=ApiLimits().upload_minutes,
        ge=1,
        le=7 * 24 * 60,
        description="How long an upload's URL is valid, in minutes.",
    )
    api_url: str = Field(
        default="",
        description="Public URL of the API, for the URLs of uploads and links to rejected rows. "
        "If empty, uploads take it from each request, and a folder's rejected rows have no link.",
    )
    api_cors_origins: str = Field(
        default="",
        pattern=rf"^(\*|{_ORIGIN}([ ,]+{_ORIGIN})*)?$",
        description="Origins whose pages may call the API from a browser, separated by commas, "
        "such as https://labels.example.org; * allows all.",
    )
    api_executor: Literal["", "prefect", "inline"] = Field(
        default="",
        description="Where uploads are processed: prefect, or inline for threads of the API. "
        "If empty, Prefect if it is configured.",
    )

    @model_validator(mode="after")
    def _fill(self) -> Self:
        home = self.home.expanduser().absolute()
        values = {
            "home": home,
            "database_url": self.database_url or f"sqlite:///{home / 'seeding.db'}",
            "storage_url": self.storage_url or (home / "files").as_uri(),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the model is frozen
        return self

    @property
    def unused_file_grace(self) -> timedelta:
        """How long a stored file is kept without a task."""
        return timedelta(hours=self.unused_file_hours)

    @property
    def chain_idle(self) -> timedelta:
        """How long a run that fires chains stays after its last task."""
        return timedelta(seconds=self.chain_idle_seconds)

    @property
    def upkeep_run_age(self) -> timedelta:
        """How long a finished run of upkeep is kept."""
        return timedelta(days=self.upkeep_run_days)

    @property
    def api_limits(self) -> ApiLimits:
        """The limits of the HTTP API."""
        return ApiLimits(
            max_body_bytes=self.api_max_body_bytes,
            max_connections=self.api_max_connections,
            requests_per_second=self.api_requests_per_second,
            burst=self.api_burst,
            upload_minutes=self.api_upload_minutes,
            url=self.api_url,
            cors_origins=tuple(self.api_cors_origins.replace(",", " ").split()),
        )

    @property
    def limits(self) -> Limits:
        """The limits of sources."""
        return Limits(
            max_source_bytes=self.max_source_bytes,
            max_columns=self.max_columns,
            max_cell_bytes=self.max_cell_bytes,
            max_row_bytes=self.max_row_bytes,
            max_errors=self.max_errors,
            max_archive_entries=self.max_archive_entries,
            max_archive_ratio=self.max_archive_ratio,
            max_workbook_bytes=self.max_workbook_bytes,
            max_document_bytes=self.max_document_bytes,
            max_request_values=self.max_request_values,
            max_bulk_count=self.max_bulk_count,
            retry_seconds=self.retry_seconds,
        )


def read_settings(**given: Any) -> Settings:
    """Read the settings from the environment, except those that are ``given``.

    An empty variable counts as not set. Raises UsageError naming each setting that is wrong.
    """
    variables = {name: os.environ.get(f"SEEDING_{name.upper()}") for name in Settings.model_fields}
    read = {name: text for name, text in variables.items() if text}
    try:
        return Settings.model_validate(read | given)
    except ValidationError as error:
        wrong = "; ".join(
            f"SEEDING_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}"
            for detail in error.errors()
        )
        raise UsageError(f"the settings are wrong: {wrong}") from None


def may_name_prefect_server() -> bool:
    """Return False if Prefect's settings certainly name no server; only loading Prefect can tell.

    They are variables, a file of profiles, and files in the current folder. Loading Prefect takes
    longer than most commands.
    """
    variables = {name for name in os.environ if name.upper().startswith("PREFECT_")}
    if variables - {"PREFECT_HOME"}:
        return True
    home = os.environ.get("PREFECT_HOME") or "~/.prefect"
    profiles = Path(home).expanduser() / "profiles.toml"
    return _mentions(profiles, "prefect_api_url") or any(
        _mentions(Path(name), text) for name, text in _PREFECT_FILES.items()
    )


def _mentions(path: Path, text: str) -> bool:
    """Return whether the file exists and contains the text; True if it cannot be read."""
    try:
        return text in path.read_text(errors="replace").lower()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
