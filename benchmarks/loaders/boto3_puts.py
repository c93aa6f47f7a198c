"""The baseline on S3: measures boto3's ``put_object`` of files that are in memory, and no more.

They were read from the ZIP before the clock started; the client is made after. The environment says
how many threads there are; without any, one file goes after the other.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import boto3
from botocore.config import Config

THREADS_VARIABLE: Final = "BENCHMARK_THREADS"


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the puts of all files of the source."""
    threads = int(os.environ[THREADS_VARIABLE])
    bucket, _, prefix = os.environ["SEEDING_STORAGE_URL"].removeprefix("s3://").partition("/")
    with ZipFile(source) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".csv")]
        files = {f"{prefix}/{name}": archive.read(name) for name in names}
    return partial(_put_all, bucket, files, threads)


def _put_all(bucket: str, files: dict[str, bytes], threads: int) -> None:
    client = boto3.client("s3", config=Config(max_pool_connections=max(threads, 1)))

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=data, ContentType="image/jpeg")

    if not threads:
        for key, data in files.items():
            put(key, data)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(put, files, files.values()):
            pass
