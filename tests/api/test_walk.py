"""The page about the API says what is so: its commands and its Python, sent to a real server."""

import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

import httpx
import pytest

from api_process import client_of, fork
from tasks_lib.operations.workspace import Workspace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SERVER, KEY = "http://127.0.0.1:8000", "pk_live_…"


def block(kind: str) -> str:
    """Return the page's only block of a kind."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


class Shell:
    """Understands of a shell and of curl what the page uses."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}

    def run(self, line: str) -> httpx.Response | None:
        words = [Template(word).substitute(self.variables) for word in shlex.split(line)]
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.variables[name] = value
            return None
        assert words[0] == "curl"
        return self._curl(iter(words[1:]))

    def _curl(self, words: Any) -> httpx.Response:
        method, headers, content, url = "GET", {}, None, ""
        for word in words:
            match word:
                case "-H":
                    name, _, value = next(words).partition(": ")
                    headers[name] = value
                case "-X":
                    method = next(words)
                case "--json":
                    method, content = "POST", next(words).encode()
                    headers["Content-Type"] = "application/json"
                case "-T":
                    method, content = "PUT", (ROOT / next(words)).read_bytes()
                case _:
                    url = word
        return httpx.request(method, url, headers=headers, content=content)


def test_the_walk_in_curl_works_as_typed(embedded: Workspace, embedded_key: str) -> None:
    shell, answers = Shell(), []
    with fork(embedded) as server:
        for line in block("text").splitlines():
            answer = shell.run(line.replace(SERVER, server.url).replace(KEY, embedded_key))
            if answer is None:
                continue
            assert answer.is_success, (line, answer.text)
            answers.append(answer.json())
            if "upload_url" in answers[-1]:
                shell.variables["UPLOAD_URL"] = answers[-1]["upload_url"]
                shell.variables["UPLOAD_ID"] = answers[-1]["upload_id"]
    schema, created, claimed, submitted, task, promise, received, confirmed, looked = answers
    assert schema["creation_mode"] == "fields"
    assert created == {"created": 1, "group_id": 1, "task_ids": [1]}
    assert [claimed["status"], submitted["status"], task["status"]] == [
        "in_progress", "finished", "finished",
    ]  # fmt: skip
    assert promise["upload_id"] == received["upload_id"] == looked["upload_id"]
    assert confirmed["status"] in {"processing", "completed"}


def test_the_python_of_the_page_works(embedded: Workspace, embedded_key: str) -> None:
    names: dict[str, Any] = {}
    with fork(embedded) as server:
        exec(block("python").replace(SERVER, server.url).replace(KEY, embedded_key), names)  # noqa: S102
        good = {"fields": {"review_id": "1", "body": "x"}}
        assert [names["create"]([good] * 2, "batch-1") for _ in range(2)] == [[1, 2], [1, 2]]
        with pytest.raises(ValueError, match="missing_field"):
            names["create"]([{"fields": {}}], "batch-2")
        assert names["finished"]() == []
        with client_of(server, embedded_key) as client:
            url = "/api/v1/workflows/1/tasks"
            client.post(f"{url}/claim", json={"contributor": "ann"})
            submission = {"contributor": "ann", "fields": {"sentiment": "good"}}
            client.post(f"{url}/1/submit", json=submission)
        assert [task["id"] for task in names["finished"]()] == [1]
        names["client"].close()
