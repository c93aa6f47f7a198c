"""The rejected rows of a worker that shares a folder with the API open in a browser."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from tasks_lib.api.app import create_app
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.operations.seeding.rejects import read_rejects
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.storage.signed_links import sign

ROWS = "größe,_row,_errors\n9,1,größe: '9' is above the maximum 5\n"
CONTENT = ROWS.encode("cp1252")
WRONG = "the link is incomplete, or of another installation"


def folder_of(workspace: Workspace) -> Path:
    assert workspace.storage.folder is not None
    return workspace.storage.folder


def refusal_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


@pytest.fixture
def worker(embedded: Workspace) -> Workspace:
    """The workspace of a worker, in whose folder a rejects file is."""
    folder = folder_of(embedded) / "rejects"
    folder.mkdir(parents=True)
    (folder / "a b.csv").write_bytes(CONTENT)
    return replace(embedded, api_url="https://api.example.org/seeding")


@pytest.fixture
def browser(embedded: Workspace) -> Iterator[TestClient]:
    """A client without a key."""
    with TestClient(create_app(embedded)) as client:
        yield client


def link_of(worker: Workspace, name: str = "a b.csv", encoding: str = "cp1252") -> str | None:
    uri = f"{worker.storage.root}/rejects/{name}"
    rejects = read_rejects(worker, uri, Dialect(encoding=encoding))
    assert rejects is not None
    return rejects.link


def path_of(link: str | None) -> str:
    assert link is not None
    assert link.startswith("https://api.example.org/seeding/api/v1/rejects/a%20b.csv?charset=")
    url = urlsplit(link)
    return f"{url.path.removeprefix('/seeding')}?{url.query}"


def test_a_browser_shows_the_file_until_the_link_expires(
    worker: Workspace, browser: TestClient
) -> None:
    answer = browser.get(path_of(link_of(worker)))
    assert (answer.status_code, answer.content, answer.text) == (200, CONTENT, ROWS)
    headers = {
        name: answer.headers[name]
        for name in ("content-type", "content-disposition", "x-content-type-options")
    }
    assert headers == {
        "content-type": "text/plain; charset=cp1252",
        "content-disposition": "inline; filename*=utf-8''a%20b.csv",
        "x-content-type-options": "nosniff",
    }
    expired = browser.get(path_of(link_of(replace(worker, link_seconds=0))))
    message = "the link has expired; the flow run's page says where the file is"
    assert refusal_of(expired) == (404, message)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("rejects/a%20b.csv", "rejects/b.csv"),
        ("rejects/a%20b.csv", "rejects/..%2f.link-secret"),
        ("charset=cp1252", "charset=utf-7"),
        ("expires=", "expires=9"),
        ("signature=", "signature=0"),
        ("signature=", "signature=%ff"),
    ],
)
def test_a_changed_link_opens_nothing(
    worker: Workspace, browser: TestClient, part: str, other: str
) -> None:
    path = path_of(link_of(worker))
    assert part in path
    changed = path.replace(part, other)[: len(path)]
    answer = browser.get(changed)
    assert answer.status_code in {404, 422}
    assert CONTENT not in answer.content


def test_a_link_of_another_folder_or_to_no_file_opens_nothing(
    worker: Workspace, browser: TestClient, tmp_path: Path
) -> None:
    path = path_of(link_of(worker))
    (folder_of(worker) / "rejects" / "a b.csv").unlink()
    assert refusal_of(browser.get(path)) == (404, "the rejects file is no longer there")
    (folder_of(worker) / ".link-secret").unlink()
    assert refusal_of(browser.get(path)) == (404, WRONG)


def test_without_the_url_of_the_api_or_outside_of_the_folder_there_is_no_link(
    worker: Workspace, tmp_path: Path
) -> None:
    assert link_of(replace(worker, api_url="")) is None
    elsewhere = replace(worker, storage=Storage((tmp_path / "other").as_uri()))
    uri = f"{worker.storage.root}/rejects/a b.csv"
    rejects = read_rejects(elsewhere, uri)
    assert rejects is not None
    assert rejects.link is None


def test_processes_that_start_together_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        signatures = set(pool.map(lambda _: sign(tmp_path / "new", "a"), range(40)))
    assert len(signatures) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".link-secret"]
    assert (tmp_path / "new" / ".link-secret").stat().st_mode & 0o777 == 0o600


def test_the_life_of_a_link_is_that_of_the_settings(worker: Workspace) -> None:
    rejects = read_rejects(worker, f"{worker.storage.root}/rejects/a b.csv")
    assert rejects is not None
    left = rejects.expires_at - worker.store.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert f"expires={int(rejects.expires_at.timestamp())}&" in str(rejects.link)
