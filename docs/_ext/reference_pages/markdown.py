"""Write Markdown: tables, code, and the types of a JSON schema."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell's vertical bars and line breaks are made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def entry(name: str, notes: Iterable[str], meaning: str) -> str:
    """Return an item of a list: ``- `name` (note, note): meaning``. A phone shows all of it."""
    noted = ", ".join(filter(None, notes))
    return f"- {code(name)}{f' ({noted})' if noted else ''}{f': {meaning}' if meaning else ''}"


def code(text: object) -> str:
    """Return inline code."""
    return f"`{text}`"


def with_settings(text: str) -> str:
    """Return the text with the names of settings as code."""
    return re.sub(r"(?<!`)\bSEEDING_[A-Z_]+", r"`\g<0>`", text)


def example(document: object) -> str:
    """Return a block of JSON."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return f"```json\n{text}\n```"


def type_of(schema: Schema) -> str:
    """Name the type of a JSON schema: ``list of [Task](#task)``, ``integer or null``."""
    return " or ".join(dict.fromkeys(_types(schema)))


def bounds_of(schema: Schema) -> str:
    """Describe the bounds of a number, a text or a list, or return an empty text."""
    schema = schema.get("anyOf", [schema])[0]  # the other one is null
    low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    unit = " characters" if schema.get("type") == "string" else ""
    match low, high:
        case None, None:
            return ""
        case low, None:
            return f"at least {low:,}{unit}"
        case None, high:
            return f"at most {high:,}{unit}"
    return f"{low:,} to {high:,}{unit}"


def _types(schema: Schema) -> Iterator[str]:
    match schema:
        case {"$ref": str(target)}:
            name = target.rpartition("/")[2]
            yield f"[{name}](#{name.lower()})"
        case {"anyOf": options} | {"oneOf": options}:
            for option in options:
                yield from _types(option)
        case {"enum": values}:
            yield " or ".join("null" if value is None else code(value) for value in values)
        case {"const": value}:
            yield code(value)
        case {"type": "array", "items": items}:
            yield f"list of {type_of(items)}"
        case {"type": list(names)}:
            yield " or ".join(names)
        case {"type": "string", "format": "date-time"}:
            yield "date and time"
        case {"type": str(name)}:
            yield name
        case _:
            yield "any"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
