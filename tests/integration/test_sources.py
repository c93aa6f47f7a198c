"""Fetching source files from every location, and the errors when that fails."""

import gzip
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from proxies import Proxy
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError, StorageUnavailableError
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.transport.fetch import SourceFile, fetch
from tasks_lib.transport.ranges import open_ranges
from web import Web, serve_content

CONTENT = b"review_id,body,stars\n1,one,5\n"
PATH = "acme/reviews/label-reviews"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "fetched"
    path.mkdir()
    return path


def problem_with(uri: str, folder: Path, limits: Limits = Limits()) -> Problem:  # noqa: B008
    with pytest.raises(SourceProblemError) as caught:
        fetch(uri, folder, limits)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "spelling", [str, Path.as_uri, "local://{}".format], ids=["path", "file", "local"]
)
def test_a_local_file_is_read_in_place(
    spelling: Callable[[Path], str], folder: Path, csv_file: Callable[..., str]
) -> None:
    path = Path(csv_file(CONTENT, "with space.csv"))
    uri = spelling(path)
    source = fetch(uri, folder, Limits())
    assert source == SourceFile(
        uri=uri,
        path=path,
        size=len(CONTENT),
        sha256="de1ae916a5226e06d0ceb29840f3c2518d89db85f1f20a6aa9988243482ad82e",
        modified_ns=path.stat().st_mtime_ns,
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["r.CSV.GZ", "r.csv"])
def test_a_gzipped_file_is_unpacked_aside_and_hashed_unpacked_whatever_its_name(
    name: str, folder: Path, csv_file: Callable[..., str]
) -> None:
    plain = fetch(csv_file(CONTENT), folder, Limits())
    packed = fetch(csv_file(gzip.compress(CONTENT), name), folder, Limits())
    assert packed.path == folder / "source"
    assert (packed.size, packed.sha256) == (plain.size, plain.sha256)


def test_a_question_mark_in_a_local_name_is_part_of_it(
    folder: Path, csv_file: Callable[..., str]
) -> None:
    source = fetch(csv_file(gzip.compress(CONTENT), "what?.csv.gz"), folder, Limits())
    assert source.path.read_bytes() == CONTENT


def test_an_object_on_s3_is_fetched(s3_bucket: str, folder: Path) -> None:
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="in/reviews.csv", Body=CONTENT)
    source = fetch(f"s3://{s3_bucket}/in/reviews.csv", folder, Limits())
    assert source.path.read_bytes() == CONTENT


def test_a_page_on_the_web_is_fetched(web_server: str, folder: Path) -> None:
    source = fetch(f"{web_server}/reviews.csv?day=1", folder, Limits())
    assert source.path.read_bytes() == CONTENT


def test_a_gzipped_page_is_recognized_by_its_path_without_the_query(
    web_server: str, folder: Path
) -> None:
    source = fetch(f"{web_server}/reviews.csv.gz?day=1", folder, Limits())
    assert source.path.read_bytes() == CONTENT


def test_a_missing_file_is_reported_by_name(
    s3_bucket: str, web_server: str, folder: Path, tmp_path: Path
) -> None:
    for uri in (
        str(tmp_path / "none.csv"),
        str(tmp_path / "none.csv.gz"),
        f"s3://{s3_bucket}/none.csv",
        "s3://no-such-bucket-anywhere/none.csv",
        f"{web_server}/none.csv",
    ):
        assert problem_with(uri, folder) == Problem("source_not_found", f"{uri} does not exist")


def test_a_directory_is_not_accepted_as_a_file(folder: Path, tmp_path: Path) -> None:
    assert problem_with(str(tmp_path), folder) == Problem(
        "source_is_directory", f"{tmp_path} is not a file; name one file"
    )


def test_an_unreadable_file_is_reported(folder: Path, web_server: str) -> None:
    problem = problem_with(f"{web_server}/forbidden.csv", folder)
    assert (problem.code, problem.message.split(":")[0]) == ("source_forbidden", "http")
    assert "/forbidden.csv may not be read: 403" in problem.message


def test_a_local_file_without_permission_is_forbidden(
    folder: Path, csv_file: Callable[..., str]
) -> None:
    path = Path(csv_file(CONTENT))
    path.chmod(0)
    with _as_someone_else():
        problem = problem_with(str(path), folder)
    assert problem.code == "source_forbidden"
    assert problem.message.startswith(f"{path} may not be read: ")


def test_a_file_that_only_its_name_calls_gzipped_is_read_as_it_is(
    folder: Path, csv_file: Callable[..., str], web_server: str
) -> None:
    for uri in (csv_file(CONTENT, "plain.csv.gz"), f"{web_server}/unpacked.csv.gz"):
        assert fetch(uri, folder, Limits()).path.read_bytes() == CONTENT


def test_standard_input_is_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(CONTENT))))
    source = fetch("-", folder, Limits())
    assert (source.uri, source.path.read_bytes()) == ("-", CONTENT)


def test_a_named_pipe_is_read_once(folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[CONTENT])
    writer.start()
    source = fetch(str(pipe), folder, Limits())
    writer.join()
    assert (source.path.parent, source.path.read_bytes()) == (folder, CONTENT)
    source.check_unchanged()


def test_a_pipe_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 3_000_000)))
    assert problem_with("-", folder, Limits(max_source_bytes=2_000_000)).code == "source_too_large"


def test_an_archive_can_come_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[CONTENT])
    writer.start()
    with open_ranges(str(pipe), Limits()) as file:
        assert (file.uri, file.size, file.read(2, 9)) == (str(pipe), len(CONTENT), CONTENT[2:9])
    writer.join()


def test_a_name_with_two_colons_is_that_file(
    folder: Path, csv_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(csv_file(CONTENT, "x::y.csv"))
    monkeypatch.chdir(path.parent)
    for uri in (str(path), "x::y.csv"):
        assert fetch(uri, folder, Limits()).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "scheme", ["async_wrapper", "dbfs", "dir", "generic", "github", "jupyter", "reference"]
)
def test_a_scheme_that_needs_more_than_a_url_is_refused(scheme: str, folder: Path) -> None:
    uri = f"{scheme}://host/a.csv"
    problem = problem_with(uri, folder)
    assert problem.code == "source_unsupported"
    assert problem.message.startswith(
        f"{uri} cannot be opened: {scheme}:// needs more than a URL ("
    )
    assert problem.message.endswith("); copy the file to a folder or a bucket first")


def test_an_unknown_scheme_is_refused(folder: Path) -> None:
    problem = problem_with("gopher://host/file.csv", folder)
    assert problem == Problem(
        "source_unsupported",
        "gopher://host/file.csv cannot be opened: Protocol not known: gopher",
    )


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:1/reviews.csv", "s3://bucket/reviews.csv"], ids=["web", "S3"]
)
def test_an_unresponsive_server_is_not_blamed_on_the_file(
    uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageUnavailableError, match=f"{uri} cannot be reached: "):
        fetch(uri, folder, Limits(retry_seconds=0))


@pytest.mark.parametrize("name", ["large.csv", "large.csv.gz"])
def test_the_size_limit_applies_to_the_unpacked_content(
    name: str, folder: Path, csv_file: Callable[..., str]
) -> None:
    body = b"x" * 3_000_000
    uri = csv_file(gzip.compress(body) if name.endswith(".gz") else body, name)
    problem = problem_with(uri, folder, Limits(max_source_bytes=2_000_000))
    assert problem == Problem(
        "source_too_large",
        f"{uri} is larger than 2,000,000 bytes; split it, or raise SEEDING_MAX_SOURCE_BYTES",
    )


@pytest.mark.parametrize(
    "body",
    [gzip.compress(CONTENT)[:-4], gzip.compress(CONTENT)[:12] + b"\xff" * 20],
    ids=["cut off", "garbled"],
)
def test_a_damaged_gzip_file_is_reported(
    body: bytes, folder: Path, csv_file: Callable[..., str]
) -> None:
    uri = csv_file(body, "damaged.csv.gz")
    problem = problem_with(uri, folder)
    assert problem.code == "damaged_gzip"
    assert problem.message.startswith(f"{uri} is not a complete gzip file: ")


def test_source_and_rejects_can_both_be_on_s3(workspace: Workspace, s3_bucket: str) -> None:
    client = boto3.client("s3")
    client.put_object(Bucket=s3_bucket, Key="in.csv", Body=CONTENT + b"2,,1\n")
    on_s3 = Workspace(workspace.store, Storage(f"s3://{s3_bucket}/seeding"), workspace.limits)
    source = f"s3://{s3_bucket}/in.csv"
    report = seed_from_csv(on_s3, CsvRequest(pipeline=PATH, source=source), run_id="run-1").report
    assert report.rejects_uri == f"s3://{s3_bucket}/seeding/rejects/run-1.csv"
    stored = client.get_object(Bucket=s3_bucket, Key="seeding/rejects/run-1.csv")["Body"].read()
    assert stored.decode("utf-8-sig") == (
        'review_id,body,stars,_row,_errors\r\n2,,1,2,"body: is required, but the cell is empty"\r\n'
    )


def test_an_unwritable_storage_creates_nothing(
    workspace: Workspace, csv_file: Callable[..., str], s3_bucket: str
) -> None:
    lost = Workspace(workspace.store, Storage("s3://no-such-bucket-anywhere"), workspace.limits)
    source = csv_file(CONTENT + b"2,,1\n")
    with pytest.raises(StorageUnavailableError, match="the storage cannot be written"):
        seed_from_csv(lost, CsvRequest(pipeline=PATH, source=source), run_id="run-1")


@contextmanager
def _as_someone_else() -> Iterator[None]:
    """Run a block as an unprivileged user if the tests run as root, who may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.split("?")[0]
        packed = gzip.compress(CONTENT)
        pages = {
            "/reviews.csv": CONTENT, "/reviews.csv.gz": packed, "/unpacked.csv.gz": packed,
        }  # fmt: skip
        self.send_response(403 if name == "/forbidden.csv" else 200 if name in pages else 404)
        if name == "/unpacked.csv.gz":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(pages.get(name, b""))))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(pages.get(name, b""))

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def failing_web() -> Iterator[Web]:
    """A server that refuses its first requests."""
    with serve_content(CONTENT) as web:
        web.fails_without_range = True
        web.failures = [503, 500, 429]
        yield web


def test_a_failing_server_is_asked_again_for_a_whole_file(failing_web: Web, folder: Path) -> None:
    source = fetch(failing_web.url, folder, Limits())
    assert (source.path.read_bytes(), failing_web.failures) == (CONTENT, [])


def test_without_retries_the_first_failure_counts(failing_web: Web, folder: Path) -> None:
    with pytest.raises(StorageUnavailableError, match=f"{failing_web.url} cannot be reached: 50"):
        fetch(failing_web.url, folder, Limits(retry_seconds=0))


def test_a_bucket_that_is_away_for_a_moment_is_asked_again(
    proxy: Proxy, s3_bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="in/reviews.csv", Body=CONTENT)
    proxy.cut()
    back = threading.Timer(1, proxy.restore)
    back.start()
    source = fetch(f"s3://{s3_bucket}/in/reviews.csv", folder, Limits())
    back.join()
    assert source.path.read_bytes() == CONTENT
