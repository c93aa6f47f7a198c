"""The settings, read from the environment (``SEEDING_*``) by the entry points and passed down."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks_lib.api.limits import ApiLimits
from tasks_lib.errors import UsageError
from tasks_lib.intake.limits import Limits


class Settings(BaseSettings):
    """Everything that can be configured; each has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="SEEDING_", env_ignore_empty=True, frozen=True)

    home: Path = Field(
        default=Path("~/.seeding"), description="Folder of the default store and storage."
    )
    database_url: str = Field(
        default="",
        description="sqlite:///path or postgresql+psycopg://user@host/db; "
        "by default seeding.db in the home.",
    )
    storage_url: str = Field(
        default="",
        description="Folder or s3://bucket/prefix for files; by default files in the home.",
    )
    busy_timeout_seconds: float = Field(
        default=60, gt=0, description="How long to wait for SQLite's write lock."
    )
    max_source_bytes: int = Field(
        default=Limits().max_source_bytes, gt=0, description="Largest source, unpacked."
    )
    max_columns: int = Field(
        default=Limits().max_columns, gt=0, description="Most columns in a file."
    )
    max_cell_bytes: int = Field(
        default=Limits().max_cell_bytes, gt=0, description="Largest cell, in UTF-8."
    )
    max_row_bytes: int = Field(
        default=Limits().max_row_bytes, gt=0, description="Largest row, in UTF-8."
    )
    max_errors: int = Field(
        default=Limits().max_errors, gt=0, description="Bad rows after which a file is given up."
    )
    max_archive_entries: int = Field(
        default=Limits().max_archive_entries, gt=0, description="Most entries in a ZIP."
    )
    max_archive_ratio: int = Field(
        default=Limits().max_archive_ratio,
        gt=0,
        description="How many times its packed size a ZIP's member may unpack to, beyond 1 MiB.",
    )
    max_bulk_count: int = Field(
        default=Limits().max_bulk_count,
        gt=0,
        le=2**31 - 1,
        description="Most blank tasks that may be created at once.",
    )
    retry_seconds: float = Field(
        default=Limits().retry_seconds,
        ge=0,
        description="How long a storage that does not answer is asked again.",
    )
    unused_file_hours: int = Field(
        default=24,
        ge=1,
        description="How long a stored file may wait for a task before reconcile removes it.",
    )
    link_seconds: int = Field(
        default=3_600, gt=0, le=604_800, description="How long a link to a file on S3 opens it."
    )

    api_max_body_bytes: int = Field(
        default=ApiLimits().max_body_bytes,
        gt=0,
        description="Largest body of a request to the External API, uploads apart.",
    )
    api_requests_per_second: float = Field(
        default=ApiLimits().requests_per_second,
        gt=0,
        description="Requests a key may make in the long run, to each API process.",
    )
    api_burst: int = Field(
        default=ApiLimits().burst, ge=1, description="Requests a key may make at once."
    )
    api_upload_minutes: int = Field(
        default=ApiLimits().upload_minutes,
        ge=1,
        le=7 * 24 * 60,
        description="How long an upload's URL takes the file.",
    )
    api_url: str = Field(
        default="",
        description="Where clients find the API, for the URLs of uploads; "
        "by default where the request says.",
    )
    api_executor: Literal["", "prefect", "inline"] = Field(
        default="",
        description="Who works on uploads: prefect, or inline, threads of the API; "
        "by default Prefect if it is configured.",
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
            object.__setattr__(self, name, value)  # frozen for everyone else
        return self

    @property
    def unused_file_grace(self) -> timedelta:
        """How long a stored file may wait for a task."""
        return timedelta(hours=self.unused_file_hours)

    @property
    def api_limits(self) -> ApiLimits:
        """The bounds of the External API."""
        return ApiLimits(
            max_body_bytes=self.api_max_body_bytes,
            requests_per_second=self.api_requests_per_second,
            burst=self.api_burst,
            upload_minutes=self.api_upload_minutes,
            url=self.api_url,
        )

    @property
    def limits(self) -> Limits:
        """The bounds that the intake keeps."""
        return Limits(
            max_source_bytes=self.max_source_bytes,
            max_columns=self.max_columns,
            max_cell_bytes=self.max_cell_bytes,
            max_row_bytes=self.max_row_bytes,
            max_errors=self.max_errors,
            max_archive_entries=self.max_archive_entries,
            max_archive_ratio=self.max_archive_ratio,
            max_bulk_count=self.max_bulk_count,
            retry_seconds=self.retry_seconds,
        )


def read_settings() -> Settings:
    """Read the settings from the environment; raise UsageError naming each one that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"SEEDING_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}"
            for detail in error.errors()
        )
        raise UsageError(f"the settings are wrong: {wrong}") from None
