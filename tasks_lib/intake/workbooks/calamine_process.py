"""Print the rows of a sheet as JSON; a program of its own, which imports nothing of this project.

Its arguments are the path of a workbook and the most bytes of memory it may use. It prints a line
with the sheets, reads the name of one from its standard input, and prints lines of rows: arrays of
arrays. Dates and times are objects with one member, the name of their type. The last line is null.
"""

import datetime as dt
import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

from python_calamine import (
    CalamineWorkbook,
    PasswordError,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
)

_ROWS_AT_ONCE: Final = 500


def print_sheet(path: Path) -> None:
    """Print the sheets, and the rows of the one that is asked for."""
    try:
        workbook = CalamineWorkbook.from_path(path)
    except PasswordError:
        _print({"error": "encrypted"})
        return
    except Exception as error:  # noqa: BLE001 - a Rust library has classes of its own
        _print({"error": str(error) or type(error).__name__})
        return
    tables = [sheet for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
    _print({"sheets": [[sheet.name, _is_visible(sheet)] for sheet in tables]})
    name = json.loads(sys.stdin.readline())
    try:
        sheet = workbook.get_sheet_by_name(name)
    except Exception as error:  # noqa: BLE001
        _print({"error": str(error) or type(error).__name__})
        return
    _print({"first_column": sheet.start[1] if sheet.start else 0, "rows": sheet.total_height})
    rows = []
    for row in sheet.iter_rows():
        rows.append(row)
        if len(rows) == _ROWS_AT_ONCE:
            _print(rows)
            rows = []
    _print(rows)
    _print(None)


def _is_visible(sheet: SheetMetadata) -> bool:
    return sheet.visible is SheetVisibleEnum.Visible


def _print(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_spell)
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def _spell(value: Any) -> dict[str, str]:
    if isinstance(value, dt.timedelta):
        seconds = value // dt.timedelta(seconds=1)
        minutes, seconds = divmod(abs(seconds), 60)
        sign = "-" if value < dt.timedelta(0) else ""
        return {"duration": f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"}
    return {type(value).__name__: value.isoformat()}


if __name__ == "__main__":
    most = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    print_sheet(Path(sys.argv[1]))
