"""Tables of what pydantic models and enums declare: settings, the report, the moves of a task."""

import re
from pathlib import Path
from typing import Any, Final

from reference_pages.markdown import code, entry, table, type_of
from tasks_lib.domain.lifecycle import MOVES
from tasks_lib.domain.report import Report
from tasks_lib.domain.results import OWN_COLUMNS
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.settings import Settings

_HOME: Final = "/HOME"
_REPORT_ERRORS: Final = re.compile(r" of \[ReportError]\(#reporterror\)")


def settings() -> str:
    """Return every setting with its default and meaning."""
    defaults = Settings(home=Path(_HOME)).model_dump()
    defaults["home"] = Settings.model_fields["home"].default
    return "\n\n".join(
        f"`SEEDING_{name.upper()}`\n: {_meaning(name)} Default: {_default(defaults[name])}."
        for name in Settings.model_fields
    )


def report_members() -> str:
    """Return the members of the report."""
    schema = Report.model_json_schema(mode="serialization")
    return "\n\n".join(
        f"{text}\n\n{_members(model)}"
        for text, model in (
            ("", schema),
            ("Each of `errors` has these members:", schema["$defs"]["ReportError"]),
        )
    )


def result_columns() -> str:
    """Return our own columns of results."""
    return "\n".join(
        entry(name, [kind.value], meaning) for name, (kind, meaning) in OWN_COLUMNS.items()
    )


def task_moves() -> str:
    """Return the moves of a task: from which statuses, to which."""
    rows = [
        (
            move.value.replace("_", " "),
            ", ".join(code(status.value) for status in TaskStatus if status in rule.starts),
            code(rule.end.value),
        )
        for move, rule in MOVES.items()
    ]
    return table(("move", "from", "to"), rows)


def _members(model: dict[str, Any]) -> str:
    return "\n".join(
        entry(name, [_REPORT_ERRORS.sub("", type_of(member))], member["description"])
        for name, member in model["properties"].items()
    )


def _default(value: object) -> str:
    match value:
        case "":
            return "none"
        case int() | float():
            return f"{value:,}".removesuffix(".0")
    return code(str(value).replace(_HOME, "<home>"))


def _meaning(name: str) -> str:
    description = Settings.model_fields[name].description
    if not description:
        raise ValueError(f"the setting {name!r} has no description")
    return description
