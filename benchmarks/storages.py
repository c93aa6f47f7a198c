"""Fresh places to store files, and what is in them afterwards; measures nothing itself."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, Protocol

import boto3
from botocore.config import Config

from benchmarks.servers import moto_server, s3_stub

FAR_MS: Final = 30
STORAGES: Final = ("moto", "stub", "far")
_BUCKET: Final = "benchmark"
_PREFIX: Final = "seeding"
_KEYS: Final = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark"}
_REGION: Final = "us-east-1"


class Stored(NamedTuple):
    """The number of files in a storage, and their size."""

    files: int
    bytes: int


class Place(Protocol):
    """A storage that was empty: how a load finds it, and what it holds afterwards."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a load's process."""
        ...

    def stored(self) -> Stored:
        """Count what is stored."""
        ...


class Storages(Protocol):
    """A maker of storages."""

    @property
    def title(self) -> str:
        """Their name in a table."""
        ...

    def fresh(self) -> AbstractContextManager[Place]:
        """Create an empty storage, and remove it with all files in it."""
        ...


@dataclass(frozen=True)
class BucketPlace:
    """A bucket of a server of its own."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the settings, boto3 and s3fs, in place of the user's own configuration."""
        return {
            "SEEDING_STORAGE_URL": f"s3://{_BUCKET}/{_PREFIX}",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            **{name.upper(): value for name, value in _KEYS.items()},
        }

    def create(self) -> None:
        """Make the bucket."""
        self._client().create_bucket(Bucket=_BUCKET)

    def stored(self) -> Stored:
        """Count the objects below the prefix, by listing them."""
        pages = self._client().get_paginator("list_objects_v2")
        sizes = [
            found["Size"]
            for page in pages.paginate(Bucket=_BUCKET, Prefix=f"{_PREFIX}/")
            for found in page.get("Contents", ())
        ]
        return Stored(len(sizes), sum(sizes))

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            config=Config(proxies={}, s3={"addressing_style": "path"}),
            **_KEYS,
        )


@dataclass(frozen=True)
class FolderPlace:
    """A folder on the local disk."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the settings."""
        return {"SEEDING_STORAGE_URL": str(self.folder)}

    def stored(self) -> Stored:
        """Count the files."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        return Stored(len(sizes), sum(sizes))


@dataclass(frozen=True)
class BucketStorages:
    """Buckets, each of a server that is started for it."""

    kind: str
    folder: Path

    @property
    def title(self) -> str:
        """The kind of server."""
        return {
            "moto": f"moto {version('moto')}, an S3 server in Python",
            "stub": "a server that only counts",
            "far": f"a server that only counts, {FAR_MS} ms away",
        }[self.kind]

    @contextmanager
    def fresh(self) -> Iterator[BucketPlace]:
        """Start a server with an empty bucket, and stop it."""
        with self._server() as endpoint:
            place = BucketPlace(endpoint)
            place.create()
            yield place

    def _server(self) -> AbstractContextManager[str]:
        if self.kind == "moto":
            return moto_server(self.folder)
        return s3_stub(self.folder, latency_ms=FAR_MS if self.kind == "far" else 0)


@dataclass(frozen=True)
class FolderStorages:
    """Folders on the local disk."""

    folder: Path
    title: str = "folder"

    @contextmanager
    def fresh(self) -> Iterator[FolderPlace]:
        """Make an empty folder, and remove it."""
        with TemporaryDirectory(dir=self.folder, prefix="files-") as name:
            yield FolderPlace(Path(name))
