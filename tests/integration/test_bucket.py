"""A bucket gets every file through a bad connection, and says at once what it refuses."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from proxies import Proxy
from servers import free_port
from storages import MIB, by_uri, contents, sha256, stored, upload_of
from tasks_lib.errors import StorageRefusedError, StorageUnavailableError
from tasks_lib.storage.bucket import Bucket, _BucketParts
from tasks_lib.storage.files import Storage, Upload
from tasks_lib.storage.uploads import PART_BYTES


def test_a_bucket_keeps_the_content_type(s3_bucket: str) -> None:
    storage = Storage(f"s3://{s3_bucket}")
    some = [upload_of(b"small"), upload_of(bytes(PART_BYTES), in_chunks_of=MIB)]
    with storage.uploads() as uploads:
        for upload in some:
            uploads.submit(upload, may_exist=False)
    client = boto3.client("s3")
    keys = [f"files/{upload.sha256[:2]}/{upload.sha256}" for upload in some]
    found = [client.head_object(Bucket=s3_bucket, Key=key)["ContentType"] for key in keys]
    assert found == ["image/png", "image/png"]


def test_a_completion_whose_answer_was_lost_may_come_again(s3_bucket: str) -> None:
    bucket = Bucket(f"s3://{s3_bucket}")
    uri = f"s3://{s3_bucket}/file"
    parts = bucket.begin(uri, content_type="image/png", size=7)
    parts.send(1, 0, b"content")
    parts.complete()
    parts.complete()
    parts.abort()
    assert bucket.size_of(uri) == 7


def test_a_bucket_that_does_not_exist_is_said_at_once(s3_bucket: str) -> None:
    uri = f"s3://{s3_bucket}-2/files/"
    began = time.monotonic()
    with (
        pytest.raises(
            StorageUnavailableError,
            match=f"^the storage cannot be written: {uri}.*: The specified bucket does not exist$",
        ),
        Storage(f"s3://{s3_bucket}-2").uploads() as uploads,
    ):
        uploads.submit(upload_of(b"content"), may_exist=True)
    assert time.monotonic() - began < 20


def test_where_nobody_listens_it_is_said_after_the_time_for_trying_again(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    began = time.monotonic()

    def upload_all() -> None:
        with Storage(f"s3://{s3_bucket}", retry_seconds=1).uploads() as uploads:
            for content in contents(100):
                uploads.submit(upload_of(content), may_exist=True)

    message = f"^the storage cannot be reached: s3://.*{endpoint}"
    with pytest.raises(StorageUnavailableError, match=message):
        upload_all()
    assert 1 <= time.monotonic() - began < 20


class CannedServer(ThreadingHTTPServer):
    """An S3 server that answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), CannedHandler)
        self.answers = list(answers)
        self.asked = list[str]()
        self.checksums = list[str | None]()


class CannedHandler(BaseHTTPRequestHandler):
    server: CannedServer
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
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
def canned(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    """A canned server, which the storage takes for S3."""
    with CannedServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def submit(storage: Storage, *, may_exist: bool) -> None:
    with storage.uploads() as uploads:
        uploads.submit(upload_of(b"content"), may_exist=may_exist)


KEY = f"/bucket/files/{sha256(b'content')[:2]}/{sha256(b'content')}"


def test_the_server_is_told_the_hash_with_the_file(canned: CannedServer) -> None:
    canned.answers[:] = [(200, "")]
    submit(Storage("s3://bucket"), may_exist=False)
    assert canned.asked == [f"PUT {KEY}"]
    assert canned.checksums == ["7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="]


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (429, "TooMany")],
)
def test_a_server_that_is_busy_is_asked_again(canned: CannedServer, status: int, code: str) -> None:
    canned.answers[:] = [(status, code), (status, code), (200, "")]
    submit(Storage("s3://bucket"), may_exist=False)
    assert canned.asked == [f"PUT {KEY}"] * 3


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "BadDigest")]
)
def test_a_refusal_is_said_at_once(canned: CannedServer, status: int, code: str) -> None:
    canned.answers[:] = [(status, code)]
    with pytest.raises(StorageUnavailableError, match=f": it is {code}$"):
        submit(Storage("s3://bucket"), may_exist=False)
    assert canned.asked == [f"PUT {KEY}"]


@pytest.mark.parametrize("status", [403, 404])
def test_who_may_not_look_whether_a_file_is_there_sends_it(
    canned: CannedServer, status: int
) -> None:
    canned.answers[:] = [(status, ""), (200, "")]
    submit(Storage("s3://bucket"), may_exist=True)
    assert canned.asked == [f"HEAD {KEY}", f"PUT {KEY}"]


def test_a_busy_server_is_no_answer_to_whether_a_file_is_there(canned: CannedServer) -> None:
    canned.answers[:] = [(503, ""), (200, "")]
    submit(Storage("s3://bucket"), may_exist=True)
    assert canned.asked == [f"HEAD {KEY}"] * 2


def test_an_upload_that_is_gone_was_completed_if_the_file_is_there(canned: CannedServer) -> None:
    parts = _BucketParts(Bucket("s3://bucket"), "s3://bucket/file", 7, "id")
    canned.answers[:] = [(404, "NoSuchUpload"), (200, "")]
    parts.complete()
    canned.answers[:] = [(404, "NoSuchUpload"), (404, "")]
    with pytest.raises(StorageRefusedError, match=r"s3://bucket/file: it is NoSuchUpload$"):
        parts.complete()
    assert canned.asked == ["POST /bucket/file?uploadId=id", "HEAD /bucket/file"] * 2


def test_a_storage_that_is_gone_for_seconds_gets_every_file(s3_bucket: str, proxy: Proxy) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    told = list[Upload]()
    large = bytes(4 * PART_BYTES)
    with storage.uploads(told.append) as uploads:
        for number, content in enumerate(contents(150)):
            if number == 70:
                proxy.cut()
                threading.Timer(3, proxy.restore).start()
            uploads.submit(upload_of(content), may_exist=number % 2 == 0)
            if number == 60:
                uploads.submit(upload_of(large, in_chunks_of=MIB), may_exist=True)
    assert stored(storage) == by_uri(storage, *contents(150), large)
    assert sorted(one.sha256 for one in told) == sorted(
        sha256(content) for content in [*contents(150), large]
    )


def test_connections_that_break_again_and_again_lose_no_file(s3_bucket: str, proxy: Proxy) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    told = list[Upload]()
    large = [bytes([number]) * (2 * PART_BYTES + number) for number in range(4)]
    proxy.drop_after(6 * MIB, times=10)
    with storage.uploads(told.append) as uploads:
        for number, content in enumerate(contents(100)):
            uploads.submit(upload_of(content), may_exist=False)
            if number % 25 == 0:
                uploads.submit(upload_of(large[number // 25], in_chunks_of=MIB), may_exist=True)
    assert proxy.drops_left == 0
    storage.remove_leftovers(before=datetime.now(UTC))  # of a beginning whose answer was lost
    assert stored(storage) == by_uri(storage, *contents(100), *large)
    assert sorted(one.sha256 for one in told) == sorted(
        sha256(content) for content in [*contents(100), *large]
    )
