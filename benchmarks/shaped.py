"""The rows as our operation sends them to the database, for the baselines; measures nothing itself.

A baseline gets them for nothing: read, checked and shaped before its clock starts.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.generate import ALL_COLUMNS, dataset_fields
from tasks_lib.domain.limits import Limits
from tasks_lib.intake.csv_files.csv_intake import open_csv
from tasks_lib.transport.fetch import fetch

COLUMNS: Final = "pipeline_id, group_id, row, status, predefined"
COPY_OPTIONS: Final = r"FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01'"
SEPARATOR: Final = "\x02"
_BEFORE: Final = f"1{SEPARATOR}1{SEPARATOR}"
_BETWEEN: Final = f"{SEPARATOR}pending{SEPARATOR}"


def write_shaped(source: Path, target: Path, *, columns: int = ALL_COLUMNS) -> None:
    """Write the rows of ``source`` to ``target`` as the first group's tasks."""
    with TemporaryDirectory() as folder, target.open("wb") as file:
        found = fetch(str(source), Path(folder), Limits())
        with open_csv(found, dataset_fields(columns), Limits()) as intake:
            for batch in intake.batches():
                rows = pc.cast(batch.rows, pa.string())
                lines = pc.binary_join_element_wise(_BEFORE, rows, _BETWEEN, batch.values, "\n", "")
                file.write(memoryview(lines.buffers()[2]))
