"""Read a catalogue file; explain each mistake in it by its place, object, value and remedy."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from tasks_lib.domain.catalogue import (
    Catalogue,
    OrganizationEntry,
    PipelineEntry,
    ProjectEntry,
    ResultsEntry,
    Retention,
)
from tasks_lib.domain.fields import Field
from tasks_lib.domain.names import did_you_mean, shortened
from tasks_lib.errors import CatalogueRejectedError, UsageError
from tasks_lib.operations.catalogue.yaml_document import (
    Location,
    Mistake,
    NotYamlError,
    YamlDocument,
)

_LEVELS: Final[dict[str, tuple[type[BaseModel], str]]] = {
    "organizations": (OrganizationEntry, "organization"),
    "projects": (ProjectEntry, "project"),
    "pipelines": (PipelineEntry, "pipeline"),
    "fields": (Field, "field"),
    "retention": (Retention, "retention"),
    "results": (ResultsEntry, "results"),
}
"""The parts of a catalogue: the model and the noun of each, or of the entries of a list."""

_MEMBERS: Final = "members, as in name: value"
_WHOLE: Final = "a whole number such as 10"
_EXPECTED: Final = {
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": _MEMBERS,
    "model_attributes_type": _MEMBERS,
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
}
"""The expected form, by Pydantic's type of error."""


class CatalogueFile(NamedTuple):
    """A catalogue, and the document that it was read from."""

    path: Path
    catalogue: Catalogue
    document: YamlDocument

    def reject(
        self, reasons: Sequence[tuple[Location, str]], *, why: str
    ) -> CatalogueRejectedError:
        """Return the error that lists mistakes, each with its place in the file."""
        mistakes = [Mistake(self.document.find_place(at), reason) for at, reason in reasons]
        return CatalogueRejectedError(
            f"{self.path} {why}, nothing was changed:\n{_lines(self.path, mistakes)}"
        )


def read_catalogue(path: Path) -> CatalogueFile:
    """Read and check a catalogue file; raise UsageError and CatalogueRejectedError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text: byte {error.start + 1:,} is not; save it as UTF-8"
        raise CatalogueRejectedError(message) from None
    try:
        document = YamlDocument(text)
    except NotYamlError as error:
        raise _rejection(path, error.mistakes) from None
    try:
        return CatalogueFile(path, Catalogue.model_validate(document.value), document)
    except ValidationError as error:
        mistakes = [_explain(detail, document) for detail in error.errors(include_url=False)]
        raise _rejection(path, sorted(mistakes)) from None


def _rejection(path: Path, mistakes: Sequence[Mistake]) -> CatalogueRejectedError:
    lines = _lines(path, mistakes)
    if len(mistakes) == 1:
        return CatalogueRejectedError(lines)
    return CatalogueRejectedError(
        f"{path} has {len(mistakes)} mistakes, nothing was changed:\n{lines}"
    )


def _lines(path: Path, mistakes: Sequence[Mistake]) -> str:
    return "\n".join(f"{path}:{mistake.place}: {mistake.message}" for mistake in mistakes)


def _explain(detail: Mapping[str, Any], document: YamlDocument) -> Mistake:
    """Return the place and the explanation of one of Pydantic's errors."""
    location: Location = detail["loc"]
    subject, own_name = _subject(location, document.value)
    if detail["type"] == "mistake":
        place = document.find_place((*location, *detail["ctx"]["place"]))
        clause = str(detail["msg"]).removeprefix(f"{own_name}: ")
    else:
        place = document.find_place(location, of_key=detail["type"] == "extra_forbidden")
        clause = _clause(location, detail)
    return Mistake(place, f"{subject}: {clause}" if subject else clause)


def _clause(location: Location, detail: Mapping[str, Any]) -> str:
    """Return what is wrong with a member, which value it has, and what was expected."""
    kind, given = detail["type"], detail["input"]
    member = location[-1] if location else "the file"
    model = _model_at(location)
    if kind == "missing":
        choices = _choices(model, member)
        return f"{member!r} is missing" + (f"; expected {_listed(choices)}" if choices else "")
    if kind == "extra_forbidden":
        known = list(model.model_fields)
        hint = did_you_mean(str(member), known) or f"; known are {', '.join(known)}"
        return f"{member!r} is not known here{hint}"
    subject = f"item {member + 1} of {location[-2]}" if isinstance(member, int) else str(member)
    if kind == "enum":
        choices = _choices(model, member)
        expected = _listed(choices) + did_you_mean(str(given), choices)
    elif kind == "greater_than_equal":
        expected = f"at least {detail['ctx']['ge']}"
    elif kind in _EXPECTED:
        expected = _EXPECTED[kind]
    else:
        return f"{subject}: {str(detail['msg']).removeprefix('Value error, ')}"
    quotes = "; put quotes around it if it is meant as text" if given is None else ""
    hint = quotes if kind == "string_type" else ""
    return f"{subject} is {_shown(given)}; expected {expected}{hint}"


def _choices(model: type[BaseModel], member: object) -> list[str]:
    """Return the values that a member of an enumeration can have."""
    field = model.model_fields.get(str(member))
    kinds = [] if field is None else [field.annotation, *get_args(field.annotation)]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return [entry.value for entry in kind]
    return []


def _model_at(location: Location) -> type[BaseModel]:
    """Return the model that has the last member of a location."""
    model: type[BaseModel] = Catalogue
    for part in location[:-1]:
        if isinstance(part, str) and part in _LEVELS:
            model = _LEVELS[part][0]
    return model


def _subject(location: Location, value: Any) -> tuple[str, str]:
    """Return what a location lies in, a pipeline by its path, and the name of the innermost."""
    path: list[str] = []
    noun = ""
    for level, position in zip(location[::2], location[1::2], strict=False):
        if level not in _LEVELS or not isinstance(position, int):
            break
        value, noun = value[level][position], _LEVELS[str(level)][1]
        name = value.get("name") if isinstance(value, dict) else None
        path.append(name if isinstance(name, str) and name else f"number {position + 1}")
    if not path:
        return "", ""
    own_name = f"{noun} {path[-1]!r}"
    if noun in {"field", "results"}:
        return f"pipeline {'/'.join(path[:-1])}, {own_name}", own_name
    return f"{noun} {'/'.join(path)}", own_name


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null, or empty"
        case str():
            return shortened(value)
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return str(value)


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
