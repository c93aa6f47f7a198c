"""Processor time of requests that are refused: bodies of 8 MiB, each wrong in a way of its own.

The application runs in this process, on SQLite. For each body the time from its arrival to the end
of the answer is measured as processor time, which other processes do not change; the least of
several runs counts. The last column shows what it costs to skip the same bytes, which nothing that
reads them can go below; the last rows, what accepted bodies of that size cost.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from starlette.testclient import TestClient

from tasks_lib.api.app import create_app
from tasks_lib.api.serving.server import spare_the_collector
from tasks_lib.domain.limits import ApiLimits, Limits
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

_SIZE: Final = ApiLimits().max_body_bytes
_TASKS: Final = 5_000
_CATALOGUE: Final = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: texts
            fields:
              - {name: id, type: text, source: dataset}
              - {name: body, type: long_text, source: dataset}
              - {name: stars, type: integer, source: dataset, required: false, max: 5}
              - {name: verdict, type: text, source: input}
          - name: documents
            fields:
              - {name: document, type: json, source: dataset, required: false}
              - {name: stars, type: integer, source: dataset, required: false, max: 5}
              - {name: body, type: long_text, source: dataset, required: false}
          - name: days
            fields:
              - {name: day, type: date, source: dataset}
              - {name: moment, type: datetime, source: dataset}
              - {name: amount, type: number, source: dataset}
              - {name: place, type: url, source: dataset}
              - {name: stars, type: integer, source: dataset, required: false, max: 5}
              - {name: body, type: long_text, source: dataset, required: false}
          - name: marks
            fields:
              - {name: marks, type: multi_select, source: dataset, options: [good, bad, mixed]}
              - {name: stars, type: integer, source: dataset, required: false, max: 5}
              - {name: body, type: long_text, source: dataset, required: false}
"""
_WIDE: Final = {
    "twenty-integers": "integer",
    "twenty-dates": "date",
    "twenty-datetimes": "datetime",
    "twenty-numbers": "number",
    "twenty-urls": "url",
    "twenty-texts": "text",
}
"""Pipelines with 18 fields of a type, beside ``stars`` and ``body``."""

_TEXTS, _DOCUMENTS, _SUBMIT = "/1/tasks", "/2/tasks", "/1/tasks/1/submit"
_DAYS, _MARKS = "/3/tasks", "/4/tasks"
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)


def _filled(head: str, unit: str, tail: str, size: int = _SIZE) -> str:
    """Repeat a part between commas up to a size; # in it is its number."""
    width = len(unit.replace("#", f"{10**6}")) + 1
    count = (size - len(head) - len(tail)) // width
    return head + ",".join(unit.replace("#", f"{10**6 + number}") for number in range(count)) + tail


def _tasks(task: str, last: str | None = None) -> str:
    return f'{{"tasks":[{",".join([task] * (_TASKS - 1) + [last or task])}]}}'


def _catalogue() -> str:
    """Return the catalogue, with a pipeline for each kind of wide tasks."""
    text = _CATALOGUE
    for name, kind in _WIDE.items():
        text += f"          - name: {name}\n            fields:\n"
        for place in range(18):
            text += f"              - {{name: f{place}, type: {kind}, source: dataset}}\n"
        for field in ("stars, type: integer, max: 5", "body, type: long_text"):
            text += f"              - {{name: {field}, source: dataset, required: false}}\n"
    return text


def _wrong_at(values: str, place: int) -> Callable[[], str]:
    """Return 5,000 tasks with such values and a text, of which one has a wrong number."""

    def make() -> str:
        text = "x" * (_ROOM - len(values))
        tasks = [f'{{"fields":{{{values},"body":"{text}"}}}}'] * _TASKS
        tasks[place] = f'{{"fields":{{{values},"stars":9}}}}'
        return f'{{"tasks":[{",".join(tasks)}]}}'

    return make


def _wide(value: str) -> str:
    return ",".join(f'"f{place}":{value}' for place in range(18))


_QUOTE: Final = r"\""
_ROOM: Final = _SIZE // _TASKS - 90
_WRONG: Final = '{"fields":{"id":"1","body":"b","stars":9}}'
_LAST: Final = '{"fields":{"document":1,"stars":9}}'
_TEXT: Final = f'{{"fields":{{"id":"1","body":"{"x" * _ROOM}"}}}}'
_ARRAY: Final = f'{{"fields":{{"body":[{"1," * (_ROOM // 2)}1]}}}}'


def _document(unit: str) -> str:
    """Return a task with a document of such elements and a text.

    5,000 such documents have the size that is allowed, and the texts fill the body.
    """
    size = Limits().max_document_bytes // _TASKS
    elements = ",".join([unit] * ((size - 2) // (len(unit) + 1)))
    text = "x" * (_ROOM - size - 20)
    return f'{{"fields":{{"document":[{elements}],"body":"{text}"}}}}'


def _documents(unit: str, last: str) -> Callable[[], str]:
    return lambda: _tasks(_document(unit), last)


_DOUBLED: Final = '{"fields":{"document":{"a":1,"a":2}}}'


def _document_with(unit: str, last: str) -> Callable[[], str]:
    """Return one document of the size that is allowed, whose last element is another."""
    return lambda: _filled(
        '{"tasks":[{"fields":{"document":[', unit, f",{last}]}}}}]}}", Limits().max_document_bytes
    )


def _texts(unit: str, more: str = "") -> Callable[[], str]:
    """Return 5,000 tasks with texts of such characters, of which the last is wrong."""
    text = unit * ((_ROOM - len(more)) // len(unit))
    return lambda: _tasks(f'{{"fields":{{"id":"1",{more}"body":"{text}"}}}}', _WRONG)


BODIES: dict[str, tuple[str, Callable[[], str]]] = {
    "white space": (_TEXTS, lambda: " " * _SIZE),
    "an array of numbers": (_TEXTS, lambda: _filled("[", "1", "]")),
    "nested without end": (_TEXTS, lambda: "[" * _SIZE),
    "unknown members": (_TEXTS, lambda: _filled("{", '"#":1', "}")),
    "one member, doubled": (_TEXTS, lambda: _filled("{", '"tasks":[]', "}")),
    "a member with a long name": (_TEXTS, lambda: f'{{"{"x" * (_SIZE - 10)}":1}}'),
    "elements that are no tasks": (_TEXTS, lambda: _filled('{"tasks":[', "[]", "]}")),
    "too many tasks": (_TEXTS, lambda: _filled('{"tasks":[', '{"fields":{"id":"1"}}', "]}")),
    "unknown fields in one task": (
        _TEXTS,
        lambda: _filled('{"tasks":[{"fields":{', '"#":1', "}}]}"),
    ),
    "a field, doubled": (_TEXTS, lambda: _filled('{"tasks":[{"fields":{', '"id":"1"', "}}]}")),
    "one array as a text": (
        _TEXTS,
        lambda: _filled('{"tasks":[{"fields":{"id":"1","body":[', "1", "]}}]}"),
    ),
    "one object as a text": (
        _TEXTS,
        lambda: _filled('{"tasks":[{"fields":{"id":"1","body":{', '"#":1', "}}}]}"),
    ),
    "a text that is too long": (
        _TEXTS,
        lambda: f'{{"tasks":[{{"fields":{{"id":"1","body":"{"x" * (_SIZE - 60)}"}}}}]}}',
    ),
    "5,000 wrong values": (_TEXTS, lambda: _tasks(_TEXT.replace('"id"', '"stars":9,"id"'))),
    "5,000 arrays as texts": (_TEXTS, lambda: _tasks(_ARRAY)),
    "the last of 5,000 texts": (_TEXTS, lambda: _tasks(_TEXT, _WRONG)),
    "the last of 5,000 texts with line breaks": (_TEXTS, _texts(r"\n")),
    "the last of 5,000 texts with escapes": (_TEXTS, _texts(r"\u00e9")),
    "the last of 5,000 texts with surrogates": (_TEXTS, _texts(r"\ud83d\ude00")),
    "the last of 5,000 numbers as strings": (_TEXTS, _texts("x", '"stars":"1",')),
    "NaN in the last of 5,000": (_TEXTS, lambda: _tasks(_TEXT, _WRONG.replace("9", "NaN"))),
    "half of a surrogate pair in the last": (
        _TEXTS,
        lambda: _tasks(_TEXT, _WRONG.replace('"b"', r'"\ud800"')),
    ),
    "a byte order mark": (_TEXTS, lambda: "\ufeff" + _tasks(_TEXT)),
    "a text of escaped quotes": (
        _TEXTS,
        lambda: f'{{"tasks":[{{"fields":{{"id":"1","body":"{_QUOTE * (_SIZE // 2 - 60)}"}}}}]}}',
    ),
    "a number without end": (
        _TEXTS,
        lambda: f'{{"tasks":[{{"fields":{{"id":"1","stars":{"9" * (_SIZE - 60)}}}}}]}}',
    ),
    "the last number beside 5,000 documents": (_DOCUMENTS, _documents("1", _LAST)),
    "the last of 5,000 documents": (_DOCUMENTS, _documents("1", _DOUBLED)),
    "the last of 5,000 with empty objects": (_DOCUMENTS, _documents("{}", _DOUBLED)),
    "the last of 5,000 with objects": (_DOCUMENTS, _documents('{"a": 1, "b": 0.5}', _DOUBLED)),
    "the last of 5,000 with escapes": (_DOCUMENTS, _documents(r'"\u00e9\n"', _DOUBLED)),
    "the last of 5,000 with colons": (_DOCUMENTS, _documents(r'"\u003a"', _DOUBLED)),
    "the last of 5,000 that are deep": (_DOCUMENTS, _documents("[" * 60 + "]" * 60, _DOUBLED)),
    "a document with a deep element": (_DOCUMENTS, _document_with("1", "[" * 64 + "]" * 64)),
    "a document of deep elements": (
        _DOCUMENTS,
        _document_with("[" * 64 + "]" * 64, "1"),
    ),
    "a document with a NUL": (_DOCUMENTS, _document_with("1", r'"\u0000"')),
    "a document with a long exponent": (_DOCUMENTS, _document_with("1", "1e0001")),
    "a document with a doubled key": (_DOCUMENTS, _document_with('{"a":"\\n"}', '{"a":1,"a":2}')),
    "5,000 documents, doubled keys": (_DOCUMENTS, _documents('{"a":1,"a":2}', _DOUBLED)),
    "documents that are too large together": (
        _DOCUMENTS,
        lambda: _tasks(_ARRAY.replace("body", "document")),
    ),
    "a document that is too large": (
        _DOCUMENTS,
        lambda: _filled('{"tasks":[{"fields":{"document":[', "1", "]}}]}"),
    ),
    "unknown fields in a submission": (
        _SUBMIT,
        lambda: _filled('{"contributor":"ann","fields":{', '"#":1', "}}"),
    ),
    "a huge value in a submission": (
        _SUBMIT,
        lambda: _filled('{"contributor":"ann","fields":{"verdict":[', "1", "]}}"),
    ),
}
"""The path of the call behind ``/workflows``, and the body."""

_ONE_URL: Final = '"https://example.com/a?b=c"'
_LONG_URL: Final = '"https://example.com/' + "a/b?c=d&" * 180 + '"'
_DAY: Final = '"day":"2024-02-29","moment":"2024-02-29T10:11:12Z","amount":1.5'
_VALUES: Final = {
    "dates and URLs": (_DAYS, f'{_DAY},"place":{_ONE_URL}'),
    "long URLs": (_DAYS, f'{_DAY},"place":{_LONG_URL}'),
    "numbers as strings with dates": (_DAYS, _DAY.replace("1.5", '"1.5"') + f',"place":{_ONE_URL}'),
    "options": (_MARKS, '"marks":["good","bad"]'),
    "documents and numbers as strings": (_DOCUMENTS, '"document":{"a": 1},"stars":"1"'),
    "20 integers": ("/5/tasks", _wide("1234567")),
    "20 integers as strings": ("/5/tasks", _wide('"1234567"')),
    "20 dates": ("/6/tasks", _wide('"2024-02-29"')),
    "20 datetimes": ("/7/tasks", _wide('"2024-02-29T10:11:12Z"')),
    "20 numbers": ("/8/tasks", _wide("1234.5")),
    "20 numbers as strings": ("/8/tasks", _wide('"1234.5"')),
    "20 URLs": ("/9/tasks", _wide(_ONE_URL)),
    "20 texts": ("/10/tasks", _wide('"abcdefgh"')),
    "20 numbers in texts": ("/10/tasks", _wide("12345")),
}
"""The path and the values of tasks that are dear to read."""

BODIES |= {
    f"{name}, the {ordinal} wrong": (path, _wrong_at(values, place))
    for name, (path, values) in _VALUES.items()
    for ordinal, place in (("first", 0), ("middle", _TASKS // 2), ("last", _TASKS - 1))
}
BODIES["a document of escapes, a later task wrong"] = (
    _DOCUMENTS,
    lambda: (
        _filled('{"tasks":[{"fields":{"document":[', r'"\u00e9\n"', "]}},", 900_000)
        + ",".join(['{"fields":{"document":1}}'] * 4_000 + [_LAST])
        + "]}"
    ),
)

ACCEPTED: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "5,000 texts (accepted)": (_TEXTS, lambda: _tasks(_TEXT)),
    "5,000 documents (accepted)": (_DOCUMENTS, _documents("1", _document("1"))),
    "5,000 with objects (accepted)": (_DOCUMENTS, _documents('{"a": 1, "b": 0.5}', _document("1"))),
}


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="bodies with this in their name")
    options = parser.parse_args()
    spare_the_collector()
    print(f"Python {platform.python_version()}, msgspec {version('msgspec')}\n")
    print("| body | status | answer, bytes | ms | to skip its bytes, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with _open_client() as client:
        for name, (path, make) in (BODIES | ACCEPTED).items():
            if options.only in name:
                _measure(client, name, path, make().encode(), options.repeats)


def _measure(client: TestClient, name: str, path: str, body: bytes, repeats: int) -> None:
    answer = client.post(path, content=body)
    spent = min(_seconds(lambda: client.post(path, content=body)) for _ in range(repeats))
    skipped = min(_seconds(lambda: _skip(body)) for _ in range(repeats))
    size = f"{len(answer.content):,}"
    print(f"| {name} | {answer.status_code} | {size} | {spent * 1e3:.0f} | {skipped * 1e3:.0f} |")


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _skip(body: bytes) -> None:
    with suppress(msgspec.DecodeError, RecursionError):
        _RAW.decode(body)


@contextmanager
def _open_client() -> Iterator[TestClient]:
    """Open a client of an application whose workflow 1 has a task that ann has claimed."""
    with TemporaryDirectory(prefix="bodies-") as folder:
        catalogue = Path(folder) / "catalogue.yaml"
        catalogue.write_text(_catalogue(), encoding="utf-8")
        store = Store.open(f"sqlite:///{folder}/seeding.db")
        apply_catalogue(store, catalogue)
        workspace = Workspace(store, Storage((Path(folder) / "files").as_uri()), Limits())
        key, _ = create_key(store, "acme", name="bodies", lifetime=None, at=datetime.now(UTC))
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        address = "http://testserver/api/v1/workflows"
        with TestClient(create_app(workspace), base_url=address, headers=headers) as client:
            client.post(_TEXTS, json={"tasks": [{"fields": {"id": "1", "body": "b"}}]})
            client.post(f"{_TEXTS}/claim", json={"contributor": "ann"})
            yield client
        store.close()


if __name__ == "__main__":
    main()
