"""Storages of both kinds for tests, the writes that fill them, and queries for all their files."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from tasks_lib.storage.file_storage import Storage
from tasks_lib.storage.parallel_writes import FileWrite
from tasks_lib.transport.filesystems import local_path

MIB = 2**20


def storage_of(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Return an empty storage of the kind that the fixture's parameter names."""
    if request.param == "folder":
        return Storage((tmp_path / "all files").as_uri())
    return Storage(f"s3://{request.getfixturevalue('s3_bucket')}/prefix")


def write_of(content: bytes, *, in_chunks_of: int = 0) -> FileWrite:
    """Return the write of a file with the content, at once or in chunks."""

    def chunks() -> Iterator[bytes]:
        for first in range(0, len(content), in_chunks_of):
            yield content[first : first + in_chunks_of]

    data = chunks if in_chunks_of else content
    return FileWrite(hashlib.sha256(content).hexdigest(), len(content), "image/png", data)


def contents(count: int, size: int = 20) -> list[bytes]:
    return [f"{number:05}".encode().ljust(size, b".") for number in range(count)]


def files_in(storage: Storage) -> dict[str, bytes]:
    """Return the content of every file below the root by URI, including unfinished uploads.

    A file in a folder may be removed meanwhile; then it is left out.
    """
    uris = uris_of(storage)
    if local_path(storage.root) is not None:
        contents_by_uri: dict[str, bytes] = {}
        for uri in uris:
            with suppress(FileNotFoundError):
                contents_by_uri[uri] = Path(str(local_path(uri))).read_bytes()
        return contents_by_uri
    client = boto3.client("s3")
    bucket = urlsplit(storage.root).netloc
    unfinished = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())

    def content(uri: str) -> bytes:
        key = uri.removeprefix(f"s3://{bucket}/")
        return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(8) as pool:
        contents = dict(zip(uris, pool.map(content, uris), strict=True))
    return {f"unfinished {upload['Key']}": b"" for upload in unfinished} | contents


def uris_of(storage: Storage) -> list[str]:
    """Return the URIs of all files below the root; for a bucket, of all files in it."""
    if (root := local_path(storage.root)) is not None:
        folders = os.walk(root)  # passes over folders that are removed meanwhile
        paths = [Path(folder, name) for folder, _, names in folders for name in names]
        return [f"{storage.root}/{path.relative_to(root)}" for path in paths]
    bucket = urlsplit(storage.root).netloc
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [f"s3://{bucket}/{entry['Key']}" for page in pages for entry in page.get("Contents", ())]


def by_uri(storage: Storage, *contents: bytes) -> dict[str, bytes]:
    return {storage.uri_of(hashlib.sha256(content).hexdigest()): content for content in contents}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
