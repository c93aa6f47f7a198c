"""The commands and the Python of the API page work against a real server."""

import re
import shlex
from string import Template
from typing import Any

import httpx
import pytest

from api_process import client_of, fork
from pages import DOCS, ROOT, is_as_shown, typed_lines
from servers import PATIENCE_SECONDS
from tasks_lib.operations.workspace import Workspace

PAGE = DOCS / "how-to" / "http-api.md"
SERVER, KEY = "http://127.0.0.1:8000", "pk_live_…"


def python_of_the_page() -> str:
    (source,) = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(source)


class Shell:
    """A shell with as much of curl as the page uses."""

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
        return httpx.request(
            method, url, headers=headers, content=content, timeout=PATIENCE_SECONDS
        )


def test_the_curl_commands_print_the_output_on_the_page(
    embedded: Workspace, embedded_key: str
) -> None:
    shell = Shell()
    typed = [line for line in typed_lines(PAGE) if not line.command.startswith("seeding ")]
    with fork(embedded) as server:
        for command, shown in typed:
            answer = shell.run(command.replace(SERVER, server.url).replace(KEY, embedded_key))
            if answer is None:
                continue
            assert answer.is_success, (command, answer.text)
            assert is_as_shown(answer.text, shown), (command, answer.text)
            if "upload_url" in answer.json():
                shell.variables["UPLOAD_URL"] = answer.json()["upload_url"]
                shell.variables["UPLOAD_ID"] = answer.json()["upload_id"]


def test_the_python_of_the_page_works(embedded: Workspace, embedded_key: str) -> None:
    names: dict[str, Any] = {}
    with fork(embedded) as server:
        exec(python_of_the_page().replace(SERVER, server.url).replace(KEY, embedded_key), names)  # noqa: S102
        good = {"fields": {"review_id": "1", "body": "x"}}
        assert [names["create"]([good] * 2, "batch-1") for _ in range(2)] == [[1, 2], [1, 2]]
        with pytest.raises(ValueError, match="missing_field"):
            names["create"]([{"fields": {}}], "batch-2")
        assert names["finished"]() == ([], "0")
        with client_of(server, embedded_key) as client:
            url = "/api/v1/workflows/1/tasks"
            client.post(f"{url}/claim", json={"contributor": "ann"})
            submission = {"contributor": "ann", "fields": {"sentiment": "good"}}
            client.post(f"{url}/1/submit", json=submission)
        tasks, cursor = names["finished"]()
        assert [task["id"] for task in tasks] == [1]
        assert names["finished"](cursor) == ([], cursor)
        [(table, following)] = names["tables"]()
        assert (table["task_id"].to_pylist(), list(names["tables"](following))) == ([1], [])
        names["client"].close()
