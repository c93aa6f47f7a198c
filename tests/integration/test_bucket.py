"""Writes to a bucket survive a bad connection, and refusals fail at once."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from proxies import Proxy
from servers import free_port
from storages import MIB, by_uri, contents, files_in, sha256, write_of
from tasks_lib.errors import StorageRefusedError, StorageUnavailableError, UsageError
from tasks_lib.storage.bucket import Bucket, _BucketParts
from tasks_lib.storage.file_storage import Storage
from tasks_lib.storage.parallel_writes import PART_BYTES


def test_a_bucket_keeps_the_content_type(s3_bucket: str) -> None:
    storage = Storage(f"s3://{s3_bucket}")
    some = [write_of(b"small"), write_of(bytes(PART_BYTES), in_chunks_of=MIB)]
    with storage.parallel_writes() as writes:
        for write in some:
            writes.submit(write, may_exist=False)
    client = boto3.client("s3")
    keys = [f"files/{write.sha256[:2]}/{write.sha256}" for write in some]
    content_types = [client.head_object(Bucket=s3_bucket, Key=key)["ContentType"] for key in keys]
    assert content_types == ["image/png", "image/png"]


def test_a_completion_whose_response_was_lost_can_be_repeated(s3_bucket: str) -> None:
    bucket = Bucket(f"s3://{s3_bucket}")
    uri = f"s3://{s3_bucket}/file"
    parts = bucket.begin(uri, content_type="image/png", size=7)
    parts.send(1, 0, b"content")
    parts.complete()
    parts.complete()
    parts.abort()
    assert bucket.size_of(uri) == 7


def test_a_missing_bucket_fails_at_once(s3_bucket: str) -> None:
    uri = f"s3://{s3_bucket}-2/files/"
    began = time.monotonic()
    with (
        pytest.raises(
            StorageUnavailableError,
            match=f"^the storage cannot be written: {uri}.*: The specified bucket does not exist$",
        ),
        Storage(f"s3://{s3_bucket}-2").parallel_writes() as writes,
    ):
        writes.submit(write_of(b"content"), may_exist=True)
    assert time.monotonic() - began < 20


def test_a_refused_connection_fails_after_the_retry_timeout(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    began = time.monotonic()

    def write_all() -> None:
        with Storage(f"s3://{s3_bucket}", retry_seconds=1).parallel_writes() as writes:
            for content in contents(100):
                writes.submit(write_of(content), may_exist=True)

    message = f"^the storage cannot be reached: s3://.*{endpoint}"
    with pytest.raises(StorageUnavailableError, match=message):
        write_all()
    assert 1 <= time.monotonic() - began < 20


class CannedServer(ThreadingHTTPServer):
    """An S3 server that gives canned answers and records its requests."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), CannedHandler)
        self.answers = list(answers)
        self.requests = list[str]()
        self.checksums = list[str | None]()


class CannedHandler(BaseHTTPRequestHandler):
    server: CannedServer
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.checksums.append(self.headers["x-amz-checksum-sha256"])
        status, code = self.server.answers.pop(0)
        error = f"<Error><Code>{code}</Code><Message>it is {code}</Message></Error>"
        body = error.encode() if status >= 400 and self.command != "HEAD" else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) or (7 if self.command == "HEAD" else 0)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the names are those of the handler

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def canned_server(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    """A canned server that the storage uses as S3."""
    with CannedServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def submit(storage: Storage, *, may_exist: bool) -> None:
    with storage.parallel_writes() as writes:
        writes.submit(write_of(b"content"), may_exist=may_exist)


KEY = f"/bucket/files/{sha256(b'content')[:2]}/{sha256(b'content')}"


def test_the_hash_is_sent_with_the_file(canned_server: CannedServer) -> None:
    canned_server.answers[:] = [(200, "")]
    submit(Storage("s3://bucket"), may_exist=False)
    assert canned_server.requests == [f"PUT {KEY}"]
    assert canned_server.checksums == ["7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="]


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (429, "TooMany")],
)
def test_a_write_to_a_busy_server_is_retried(
    canned_server: CannedServer, status: int, code: str
) -> None:
    canned_server.answers[:] = [(status, code), (status, code), (200, "")]
    submit(Storage("s3://bucket"), may_exist=False)
    assert canned_server.requests == [f"PUT {KEY}"] * 3


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "BadDigest")]
)
def test_a_refusal_fails_at_once(canned_server: CannedServer, status: int, code: str) -> None:
    canned_server.answers[:] = [(status, code)]
    with pytest.raises(StorageUnavailableError, match=f": it is {code}$"):
        submit(Storage("s3://bucket"), may_exist=False)
    assert canned_server.requests == [f"PUT {KEY}"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_file_is_sent_when_its_existence_cannot_be_checked(
    canned_server: CannedServer, status: int
) -> None:
    canned_server.answers[:] = [(status, ""), (200, "")]
    submit(Storage("s3://bucket"), may_exist=True)
    assert canned_server.requests == [f"HEAD {KEY}", f"PUT {KEY}"]


def test_an_existence_check_on_a_busy_server_is_retried(canned_server: CannedServer) -> None:
    canned_server.answers[:] = [(503, ""), (200, "")]
    submit(Storage("s3://bucket"), may_exist=True)
    assert canned_server.requests == [f"HEAD {KEY}"] * 2


def test_a_missing_upload_counts_as_completed_if_the_file_exists(
    canned_server: CannedServer,
) -> None:
    parts = _BucketParts(Bucket("s3://bucket"), "s3://bucket/file", 7, "id")
    canned_server.answers[:] = [(404, "NoSuchUpload"), (200, "")]
    parts.complete()
    canned_server.answers[:] = [(404, "NoSuchUpload"), (404, "")]
    with pytest.raises(StorageRefusedError, match=r"s3://bucket/file: it is NoSuchUpload$"):
        parts.complete()
    assert canned_server.requests == ["POST /bucket/file?uploadId=id", "HEAD /bucket/file"] * 2


def test_every_file_arrives_despite_an_outage_of_seconds(s3_bucket: str, proxy: Proxy) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    large = bytes(4 * PART_BYTES)
    with storage.parallel_writes() as writes:
        for number, content in enumerate(contents(150)):
            if number == 70:
                proxy.cut()
                threading.Timer(3, proxy.restore).start()
            writes.submit(write_of(content), may_exist=number % 2 == 0)
            if number == 60:
                writes.submit(write_of(large, in_chunks_of=MIB), may_exist=True)
    assert files_in(storage) == by_uri(storage, *contents(150), large)


def test_repeatedly_broken_connections_lose_no_file(s3_bucket: str, proxy: Proxy) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    large = [bytes([number]) * (2 * PART_BYTES + number) for number in range(4)]
    proxy.drop_after(6 * MIB, times=10)
    with storage.parallel_writes() as writes:
        for number, content in enumerate(contents(100)):
            writes.submit(write_of(content), may_exist=False)
            if number % 25 == 0:
                writes.submit(write_of(large[number // 25], in_chunks_of=MIB), may_exist=True)
    assert proxy.drops_left == 0
    storage.remove_leftovers(before=datetime.now(UTC))  # uploads whose creation was not confirmed
    assert files_in(storage) == by_uri(storage, *contents(100), *large)


@pytest.mark.parametrize("region", ["me-south-1", "eu-central-1", "us-east-1"])
def test_a_signed_url_names_the_region_of_the_bucket(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    bucket = Bucket("s3://some-bucket/prefix")
    urls = [
        bucket.upload_link("s3://some-bucket/prefix/a", size=5, seconds=60),
        bucket.link("s3://some-bucket/prefix/a", name="a", content_type="text/csv", seconds=60),
    ]
    host = f"some-bucket.s3.{region}.amazonaws.com"
    assert [urlsplit(url)[:3] for url in urls] == [("https", host, "/prefix/a")] * 2
    for url in urls:
        credential = parse_qs(urlsplit(url).query)["X-Amz-Credential"][0]
        assert credential.split("/")[2:] == [region, "s3", "aws4_request"]


def test_a_signed_url_of_another_server_names_the_bucket_in_its_path(
    s3_bucket: str, s3_server: str
) -> None:
    uri = f"s3://{s3_bucket}/a"
    url = Bucket(f"s3://{s3_bucket}").upload_link(uri, size=None, seconds=60)
    assert url.startswith(f"{s3_server}/{s3_bucket}/a?")


def test_a_file_that_s3_takes_only_in_parts_is_refused(s3_bucket: str) -> None:
    bucket, uri = Bucket(f"s3://{s3_bucket}"), f"s3://{s3_bucket}/a"
    assert bucket.upload_link(uri, size=5 * 2**30, seconds=60)
    with pytest.raises(UsageError) as caught:
        bucket.upload_link(uri, size=5 * 2**30 + 1, seconds=60)
    assert (caught.value.code, str(caught.value)) == (
        "upload_too_large",
        "the file has 5,368,709,121 bytes, 5,368,709,120 are allowed in one upload to S3; split it",
    )
