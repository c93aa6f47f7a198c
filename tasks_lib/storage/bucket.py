"""Files in an S3 bucket, through the client of s3fs; each call is one request without retries.

Retries of s3fs and botocore are off: they multiply, and take minutes. The caller decides for how
long to retry.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, urlsplit

import fsspec
from aiohttp import ClientError as WebError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError as NoConnectionError,
    HTTPClientError,
)
from botocore.parsers import ResponseParserError

from tasks_lib.errors import StorageRefusedError, StorageUnavailableError, UsageError

_CONCURRENCY: Final = 64
_REMOVED_AT_ONCE: Final = 1_000

_CONFIGURATION: Final = {
    "max_pool_connections": _CONCURRENCY,
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 1},
    "signature_version": "s3v4",
    "user_agent": "task-seeding",  # botocore would compose its own for each request
    # Servers other than Amazon's do not support all checksums; we send a SHA-256 with each file.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}

_AMAZON: Final = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
"""URLs name the bucket and the region as the host: others are redirected, which a signature does
not survive, and fail in each region that opened since 2019. Other servers need paths instead."""

_MAX_PUT_BYTES: Final = 5 * 2**30
"""The most that S3 accepts in one request."""

_NO_ANSWER: Final = (
    HTTPClientError, NoConnectionError, OSError, ResponseParserError, TimeoutError, WebError,
)  # fmt: skip
_BUSY_CODES: Final = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
)


class Bucket:
    """The place for ``s3://`` URLs; connects at the first call."""

    concurrency = _CONCURRENCY

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = Lock()
        self._filesystem: Any = None

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file in bytes, None if there is no file."""
        try:
            answer = self.call("head_object", uri)
        except StorageRefusedError as error:
            # Without permission to list the bucket, Amazon answers 403 for a missing file.
            if _status(error.__cause__) in {403, 404}:
                return None
            raise
        return int(answer["ContentLength"])

    def write(self, uri: str, data: bytes, *, content_type: str, sha256: str) -> None:
        """Store a file; the server verifies its hash."""
        self.call(
            "put_object",
            uri,
            Body=data,
            ContentType=content_type,
            ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode(),
        )

    def begin(self, uri: str, *, content_type: str, size: int) -> "_BucketParts":
        """Begin a file that comes in parts."""
        answer = self.call("create_multipart_upload", uri, ContentType=content_type)
        return _BucketParts(self, uri, size, answer["UploadId"])

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str:
        """Return a signed URL that accepts a PUT of the file for ``seconds``, only of this size.

        Raises UsageError for a file that S3 does not accept in one request.
        """
        if size is not None and size > _MAX_PUT_BYTES:
            message = f"the file has {size:,} bytes, {_MAX_PUT_BYTES:,} are allowed in one upload"
            raise UsageError(f"{message} to S3; split it", code="upload_too_large")
        length = {"ContentLength": size} if size is not None else {}
        return self._sign_url("put_object", uri, seconds, **length)

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:
        """Return a signed URL at which a browser shows the file for ``seconds``."""
        return self._sign_url(
            "get_object",
            uri,
            seconds,
            ResponseContentType=content_type,
            ResponseContentDisposition=_disposition(name),
        )

    def _sign_url(self, operation: str, uri: str, seconds: int, **parameters: object) -> str:
        bucket, key = _split(uri)
        return str(
            self._await(
                "generate_presigned_url",
                uri,
                ClientMethod=operation,
                Params={"Bucket": bucket, "Key": key, **parameters},
                ExpiresIn=seconds,
            )
        )

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files; ignore those that do not exist."""
        for bucket, some in groupby(sorted(uris), key=lambda uri: _split(uri)[0]):
            keys = [_split(uri)[1] for uri in some]
            for first in range(0, len(keys), _REMOVED_AT_ONCE):
                self._remove(bucket, keys[first : first + _REMOVED_AT_ONCE])

    def _remove(self, bucket: str, keys: Sequence[str]) -> None:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._await("delete_objects", f"s3://{bucket}", Bucket=bucket, Delete=objects)
        for error in answer.get("Errors", ()):
            uri = f"s3://{bucket}/{error['Key']}"
            kind = StorageUnavailableError if error["Code"] in _BUSY_CODES else StorageRefusedError
            raise kind(f"the storage cannot be written: {uri}: {error['Message']}")

    def remove_leftovers(self, *, before: datetime) -> int:
        """Abort multipart uploads begun before that time below our root; return how many."""
        bucket, prefix = _split(self._root)
        stale = [
            upload
            for upload in self._list_unfinished_uploads(bucket, f"{prefix}/" if prefix else "")
            if upload["Initiated"] < before
        ]
        for upload in stale:
            uri = f"s3://{bucket}/{upload['Key']}"
            _BucketParts(self, uri, 0, upload["UploadId"]).abort()
        return len(stale)

    def _list_unfinished_uploads(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        start: dict[str, str] = {}
        while True:
            page = self._await(
                "list_multipart_uploads", self._root, Bucket=bucket, Prefix=prefix, **start
            )
            yield from page.get("Uploads", ())
            if not page.get("IsTruncated"):
                return
            start = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }

    def call(self, operation: str, uri: str, **arguments: object) -> dict[str, Any]:
        """Call an operation of the S3 client on one file."""
        bucket, key = _split(uri)
        answer: dict[str, Any] = self._await(operation, uri, Bucket=bucket, Key=key, **arguments)
        return answer

    def _await(self, operation: str, uri: str, **arguments: object) -> Any:
        with _translate_errors(uri):
            filesystem = self._connect()
            request = getattr(filesystem.s3, operation)(**arguments)
            return asyncio.run_coroutine_threadsafe(request, filesystem.loop).result()

    def _connect(self) -> Any:
        with self._lock:
            if self._filesystem is None:
                filesystem = _connected(_CONFIGURATION)
                if _is_amazon(filesystem.s3.meta.endpoint_url):
                    filesystem = _connected(_CONFIGURATION | {"s3": _AMAZON})
                self._filesystem = filesystem
            return self._filesystem


def _connected(configuration: dict[str, Any]) -> Any:
    filesystem = fsspec.filesystem(
        "s3",
        skip_instance_cache=True,
        use_listings_cache=False,
        config_kwargs=configuration,
    )
    filesystem.connect()
    return filesystem


def _is_amazon(endpoint: str) -> bool:
    """Tell whether an endpoint is Amazon's own, and not one that somebody has configured."""
    host = urlsplit(endpoint).hostname or ""
    return host.startswith(("s3.", "s3-")) and host.endswith(
        (".amazonaws.com", ".amazonaws.com.cn")
    )


class _BucketParts:
    """A multipart upload."""

    def __init__(self, bucket: Bucket, uri: str, size: int, upload_id: str) -> None:
        self._bucket = bucket
        self._uri = uri
        self._size = size
        self._upload_id = upload_id
        self._tags: dict[int, str] = {}

    def send(self, number: int, offset: int, data: bytes) -> None:  # noqa: ARG002
        answer = self._call("upload_part", PartNumber=number, Body=data)
        self._tags[number] = answer["ETag"]

    def complete(self) -> None:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(self._tags.items())]
        try:
            self._call("complete_multipart_upload", MultipartUpload={"Parts": parts})
        except StorageRefusedError as error:
            # An earlier attempt may have succeeded, and only its response was lost.
            if _status(error.__cause__) != 404 or self._bucket.size_of(self._uri) != self._size:
                raise

    def abort(self) -> None:
        try:
            self._call("abort_multipart_upload")
        except StorageRefusedError as error:
            if _status(error.__cause__) != 404:
                raise

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        return self._bucket.call(operation, self._uri, UploadId=self._upload_id, **arguments)


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _disposition(name: str) -> str:
    """Return the header of RFC 6266 with the file's name, in ASCII for old browsers and in full."""
    plain = "".join(
        character if " " <= character <= "~" and character not in '"\\%' else "_"
        for character in name
    )
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


@contextmanager
def _translate_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        reason = str(error.response.get("Error", {}).get("Message") or error)
        busy = _code(error) in _BUSY_CODES or _status(error) >= 500 or _status(error) == 429
        kind = StorageUnavailableError if busy else StorageRefusedError
        raise kind(f"the storage cannot be written: {uri}: {reason}") from error
    except _NO_ANSWER as error:
        reason = str(error) or type(error).__name__
        raise StorageUnavailableError(f"the storage cannot be reached: {uri}: {reason}") from error
    except (BotoCoreError, ValueError, ImportError) as error:
        raise StorageRefusedError(f"the storage cannot be written: {uri}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: BaseException | None) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
