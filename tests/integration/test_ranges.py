"""Reading parts of files on disk, on S3 and on the web, in few and small requests."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from archives import contents_of, zip_of
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError, StorageUnavailableError
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.transport.ranges import RemoteRanges, open_ranges
from web import Web, serve_content

NOISE = os.urandom(3_000_000)
MEMBERS = {"rows.csv": b"file\na.jpg\n", "noise.bin": NOISE, "a.jpg": b"x" * 500}
ARCHIVE = zip_of(MEMBERS, 0)
AT_ONCE = Limits(retry_seconds=0)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve_content(ARCHIVE) as server:
        yield server


@pytest.fixture(params=["local", "s3", "web"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The archive in each supported location."""
    if request.param == "local":
        path = tmp_path / "archive.zip"
        path.write_bytes(ARCHIVE)
        return str(path)
    if request.param == "web":
        return f"{request.getfixturevalue('web').url}?signature=1"
    bucket = request.getfixturevalue("s3_bucket")
    boto3.client("s3").put_object(Bucket=bucket, Key="in/archive.zip", Body=ARCHIVE)
    return f"s3://{bucket}/in/archive.zip"


def problem_of(act: Callable[[], object]) -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        act()
    (problem,) = caught.value.problems
    return problem


def opening(uri: str, limits: Limits = AT_ONCE) -> Callable[[], None]:
    def act() -> None:
        with open_ranges(uri, limits) as file:
            Archive(file, limits)

    return act


def no_ranges_problem(uri: str) -> Problem:
    return Problem(
        "ranges_unsupported",
        f"{uri} lies on a server that does not give parts of a file; "
        "download it first, and give the path of the copy",
    )


def changed_problem(uri: str) -> Problem:
    return Problem(
        "source_changed",
        f"{uri} was changed while it was being read; try again when it is whole",
    )


def test_an_archive_is_read_from_every_location(uri: str) -> None:
    with open_ranges(uri, Limits()) as file:
        assert (file.uri, file.size) == (uri, len(ARCHIVE))
        assert contents_of(Archive(file, Limits())) == MEMBERS
        file.check_unchanged()


def test_any_part_is_read_exactly(uri: str) -> None:
    end = len(ARCHIVE)
    with open_ranges(uri, Limits()) as file:
        for start, stop in [(0, 1), (5, 5), (17, 90_000), (end - 9, end), (0, end)]:
            assert file.read(start, stop) == ARCHIVE[start:stop]


def test_many_threads_may_read_at_once(uri: str) -> None:
    wrong: list[int] = []

    def read(start: int) -> None:
        if file.read(start, start + 10_000) != ARCHIVE[start : start + 10_000]:
            wrong.append(start)

    with open_ranges(uri, Limits()) as file:
        threads = [threading.Thread(target=read, args=(7_919 * n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_only_the_needed_parts_of_a_large_archive_are_fetched(web: Web) -> None:
    with open_ranges(web.url, Limits()) as file:
        archive = Archive(file, Limits())
        for batch in archive.batches([archive.find("a.jpg")]):
            assert [content.data for content in batch] == [MEMBERS["a.jpg"]]
    assert web.sent < 2**18 + 1_000
    assert [request.split(" ")[0] for request in web.requests] == ["HEAD", "GET", "GET"]


def test_a_server_without_ranges_is_reported_before_it_sends_much(web: Web) -> None:
    web.has_ranges = False
    web.content = zip_of({"noise": os.urandom(40_000_000)}, 0)
    assert problem_of(opening(web.url)) == no_ranges_problem(web.url)
    assert web.sent < 20_000_000


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Accept-Ranges": "none"}, id="says that it has no ranges"),
        pytest.param({"Content-Encoding": "gzip"}, id="says nothing of the size"),
    ],
)
def test_a_server_that_declares_no_ranges_is_not_asked_for_parts(
    headers: dict[str, str], web: Web
) -> None:
    web.headers = headers
    assert problem_of(opening(web.url)) == no_ranges_problem(web.url)
    assert [request for request in web.requests if "bytes" in request] == []


def test_a_request_to_a_failing_server_is_retried(web: Web) -> None:
    pauses: list[float] = []
    file = RemoteRanges(web.url, 30, wait=pauses.append, clock=lambda: sum(pauses))
    web.failures = [503, 500, 429]
    assert file.read(3, 9) == ARCHIVE[3:9]
    assert pauses == [0.1, 0.2, 0.4]


def test_the_first_request_to_a_failing_server_is_retried(web: Web) -> None:
    web.fails_without_range = True
    web.failures = [503] * 4  # two for each attempt: the size is asked for with HEAD, then with GET
    with open_ranges(web.url, Limits()) as file:
        assert file.size == len(ARCHIVE)
    assert web.failures == []


def test_an_unreachable_server_is_retried_until_the_timeout(web: Web) -> None:
    pauses: list[float] = []
    file = RemoteRanges(web.url, 20, wait=pauses.append, clock=lambda: sum(pauses))
    web.failures = [503] * 99
    with pytest.raises(StorageUnavailableError, match=f"{web.url} cannot be reached: 503"):
        file.read(3, 9)
    assert [round(pause, 6) for pause in pauses] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 3.7]


def test_an_interrupted_wait_ends_the_retries(web: Web) -> None:
    file = RemoteRanges(web.url, 20, wait=lambda _: True)
    web.failures = [503, 503]
    with pytest.raises(StorageUnavailableError, match=f"{web.url} cannot be reached: 503"):
        file.read(3, 9)
    assert web.failures == [503]


def test_a_file_that_is_replaced_is_noticed(web: Web) -> None:
    with open_ranges(web.url, AT_ONCE) as file:
        file.check_unchanged()
        web.etag = '"2"'
        assert problem_of(file.check_unchanged) == changed_problem(web.url)


def test_a_file_that_becomes_shorter_is_noticed_while_it_is_read(web: Web) -> None:
    with open_ranges(web.url, Limits()) as file:
        web.content = ARCHIVE[:1_000]
        assert problem_of(lambda: file.read(500, 2_000)) == changed_problem(web.url)


def test_a_response_that_is_too_short_is_rejected(web: Web) -> None:
    web.content = ARCHIVE[:1_000]
    with open_ranges(web.url, AT_ONCE) as file:
        file.size = len(ARCHIVE)
        message = f"{web.url} cannot be read: 500 bytes came, not 1,500"
        with pytest.raises(StorageUnavailableError, match=message):
            file.read(500, 2_000)


def test_an_object_that_is_replaced_on_s3_is_noticed(s3_bucket: str) -> None:
    uri = f"s3://{s3_bucket}/archive.zip"
    client = boto3.client("s3")
    client.put_object(Bucket=s3_bucket, Key="archive.zip", Body=ARCHIVE)
    with open_ranges(uri, AT_ONCE) as file:
        file.check_unchanged()
        client.put_object(Bucket=s3_bucket, Key="archive.zip", Body=ARCHIVE[::-1])
        assert problem_of(file.check_unchanged) == changed_problem(uri)
        client.put_object(Bucket=s3_bucket, Key="archive.zip", Body=b"short")
        assert problem_of(lambda: file.read(100, 200)) == changed_problem(uri)
        client.delete_object(Bucket=s3_bucket, Key="archive.zip")
        missing = Problem("source_not_found", f"{uri} does not exist")
        assert problem_of(lambda: file.read(100, 200)) == missing


def test_a_local_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(ARCHIVE)
    with open_ranges(str(path), AT_ONCE) as file:
        file.check_unchanged()
        path.write_bytes(ARCHIVE[:1_000])
        assert problem_of(file.check_unchanged) == changed_problem(str(path))
        assert problem_of(lambda: file.read(500, 2_000)) == changed_problem(str(path))


def test_a_missing_file_is_reported(s3_bucket: str, web: Web, tmp_path: Path) -> None:
    elsewhere = web.url.replace("/in/", "/out/")
    for uri in (str(tmp_path / "none.zip"), f"s3://{s3_bucket}/none.zip", elsewhere):
        missing = Problem("source_not_found", f"{uri} does not exist")
        assert problem_of(opening(uri)) == missing


def test_a_folder_is_not_accepted_as_an_archive(s3_bucket: str, tmp_path: Path) -> None:
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="in/archive.zip", Body=ARCHIVE)
    for uri in (str(tmp_path), f"s3://{s3_bucket}/in", f"s3://{s3_bucket}"):
        folder = Problem("source_is_directory", f"{uri} is not a file; name one file")
        assert problem_of(opening(uri)) == folder


def test_an_unknown_scheme_is_refused() -> None:
    problem = problem_of(opening("gopher://host/archive.zip"))
    assert problem == Problem(
        "source_unsupported",
        "gopher://host/archive.zip cannot be opened: Protocol not known: gopher",
    )


def test_an_unresponsive_server_is_not_blamed_on_the_archive() -> None:
    uri = "http://127.0.0.1:1/archive.zip"
    with pytest.raises(StorageUnavailableError, match=f"{uri} cannot be reached: "):
        opening(uri, Limits(retry_seconds=0))()


def test_an_empty_file_is_not_an_archive_in_any_location(s3_bucket: str, tmp_path: Path) -> None:
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="empty.zip", Body=b"")
    (tmp_path / "empty.zip").touch()
    for uri in (f"s3://{s3_bucket}/empty.zip", str(tmp_path / "empty.zip")):
        advice = "pack the CSV and its files as a ZIP"
        empty = Problem("not_zip", f"{uri} is not a ZIP archive: it is empty; {advice}")
        assert problem_of(opening(uri)) == empty
