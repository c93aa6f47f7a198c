"""The HTTP API, as its OpenAPI document describes it: calls, and the documents they exchange."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from reference_pages.markdown import Schema, bounds_of, code, entry, example, type_of
from tasks_lib.api.access import BASE_PATH
from tasks_lib.api.app import create_app
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings

JSON: Final = "application/json"
ERRORS_FROM: Final = 400


class Call(NamedTuple):
    """One call: its method and path, and what OpenAPI says of it."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def parameters(self) -> list[Schema]:
        """The parameters, in the order of the path first."""
        places = {name: place for place, name in enumerate(re.findall(r"{(\w+)}", self.path))}
        return sorted(
            self.operation["parameters"],
            key=lambda parameter: places.get(parameter["name"], len(places)),
        )

    @property
    def codes(self) -> dict[str, str]:
        """The error codes that the call may answer, and the status of each."""
        return {
            name: status
            for status, answer in self.operation["responses"].items()
            if int(status) >= ERRORS_FROM
            for name in answer["content"][JSON]["examples"]
        }


def calls() -> str:
    """Return a section for each tag, with its calls."""
    common = _common_codes()
    by_tag = defaultdict(list)
    for call in _calls():
        by_tag[call.operation["tags"][0]].append("\n\n".join(_call(call, common)))
    return "\n\n".join(
        "\n\n".join([f"## {tag.capitalize()}", *sections]) for tag, sections in by_tag.items()
    )


def common_errors() -> str:
    """Return the codes that every call with a key may answer."""
    return _codes(_common_codes())


def documents() -> str:
    """Return a section for each document that calls exchange."""
    schemas = _openapi()["components"]["schemas"]
    return "\n\n".join(_document(name, schemas[name]) for name in sorted(schemas))


@cache
def _openapi() -> Mapping[str, Any]:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        with open_workspace(settings) as workspace:
            return create_app(workspace).openapi()


def _calls() -> Iterator[Call]:
    for path, item in _openapi()["paths"].items():
        for method, operation in item.items():
            yield Call(method.upper(), path, operation)


def _common_codes() -> dict[str, str]:
    with_key = [call.codes for call in _calls() if "security" in call.operation]
    return {
        name: status
        for name, status in with_key[0].items()
        if all(name in codes for codes in with_key)
    }


def _call(call: Call, common: Mapping[str, str]) -> Iterator[str]:
    operation = call.operation
    yield f"### {code(f'{call.method} {call.path.removeprefix(BASE_PATH)}')}"
    yield operation["description"]
    if "security" not in operation:
        yield "Needs no API key."
    if operation.get("parameters"):
        yield "**Parameters**:"
        yield "\n".join(map(_parameter, call.parameters))
    if "requestBody" in operation:
        yield from _body(operation["requestBody"])
    for status, answer in operation["responses"].items():
        if int(status) < ERRORS_FROM:
            yield from _answer(status, answer)
    own = {name: status for name, status in call.codes.items() if name not in common}
    if own:
        yield f"Errors: {_codes(own)}."


def _codes(codes: Mapping[str, str]) -> str:
    return ", ".join(f"{code(name)} ({status})" for name, status in codes.items())


def _parameter(parameter: Schema) -> str:
    schema = parameter["schema"]
    notes = [f"in the {parameter['in']}", type_of(schema), bounds_of(schema)]
    if schema.get("default") is not None:
        notes.append(f"default {code(schema['default'])}")
    elif not parameter.get("required"):
        notes.append("optional")
    return entry(parameter["name"], notes, parameter.get("description", ""))


def _body(body: Schema) -> Iterator[str]:
    for media_type, content in body["content"].items():
        yield f"**Body**{'' if body.get('required') else ' (optional)'}: {code(media_type)}"
        schema = content["schema"]
        if "properties" in schema:
            yield _members(schema)
        elif "$ref" in schema:
            yield f"A document {type_of(schema)}."
        yield from _examples(content)


def _answer(status: str, answer: Schema) -> Iterator[str]:
    contents = answer.get("content", {})
    schema = contents.get(JSON, {}).get("schema", {})
    described = f": {type_of(schema)}" if "$ref" in schema else ""
    yield f"**{status} {HTTPStatus(int(status)).phrase}**{described}. {answer['description']}"
    for content in contents.values():
        yield from _examples(content)


def _examples(content: Schema) -> Iterator[str]:
    if "example" in content and not isinstance(content["example"], str):
        yield example(content["example"])
    for named in content.get("examples", {}).values():
        yield example(named["value"])


def _document(name: str, schema: Schema) -> str:
    text = schema.get("description", "")
    content = _members(schema) if "properties" in schema else f"One of {type_of(schema)}."
    return f"### {name}\n\n{text}\n\n{content}"


def _members(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    return "\n".join(
        entry(
            name,
            [type_of(member), bounds_of(member), "" if name in required else "optional"],
            member.get("description", ""),
        )
        for name, member in schema["properties"].items()
    )
