"""The catalogue of error codes: each is stable, means one thing, and is explained in one line."""

from typing import Final, NamedTuple

FILE_CODES: Final[dict[str, str]] = {
    "source_not_found": "Nothing lies at the path or URL.",
    "source_is_directory": "The path is a directory, not a file.",
    "source_forbidden": "The file exists but may not be read.",
    "source_unsupported": "No file system is known for the URL's scheme.",
    "source_too_large": "The file, unpacked, is larger than SEEDING_MAX_SOURCE_BYTES.",
    "source_changed": "The file was changed while it was being read.",
    "damaged_gzip": "The file ends in .gz but is not a complete gzip file.",
    "not_csv": "The file is something else: an Excel workbook, an archive, a Parquet file.",
    "unknown_encoding": "The encoding's name is not known.",
    "wrong_delimiter": "The header is one cell that holds another delimiter.",
    "empty_file": "The file has no content at all.",
    "no_rows": "The file has a header and no data row; no task would be made.",
    "too_many_columns": "The header has more columns than SEEDING_MAX_COLUMNS.",
    "unclosed_quote": "A quoted cell is never closed, so the rest of the file cannot be read.",
    "row_too_large": "A row is larger than SEEDING_MAX_ROW_BYTES.",
    "too_many_errors": "More rows were bad than SEEDING_MAX_ERRORS; the rest was not read.",
    "missing_column": "The header lacks a dataset field of the pipeline.",
    "unknown_column": "The header has a column that is no dataset field of the pipeline.",
    "duplicate_column": "The header has the same column twice.",
    "invalid_column_name": "A dataset's column has a name that is too long or cannot be stored.",
    "empty_column_name": "The header has a column without a name.",
    "no_dataset_fields": "The pipeline has no dataset fields, so a file cannot fill them.",
    "has_dataset_fields": "The pipeline has dataset fields, which blank tasks would leave empty.",
    "has_file_fields": "The pipeline has file fields, which only a ZIP can fill.",
    "pipeline_closed": "The pipeline is a draft or archived and takes no tasks.",
    "pipeline_changed": "The pipeline was given other fields while the archive was read.",
    "not_zip": "The file is not a ZIP archive.",
    "damaged_archive": "The archive is cut off, or a member does not fit its checksum or size.",
    "ranges_unsupported": "The server gives no parts of a file, so a ZIP cannot be read there.",
    "too_many_entries": "The archive has more entries than SEEDING_MAX_ARCHIVE_ENTRIES.",
    "ratio_too_high": "A member unpacks to more than SEEDING_MAX_ARCHIVE_RATIO times its size.",
    "unsafe_path": "A member's path is absolute, holds `..`, or holds characters nobody can see.",
    "symbolic_link": "A member is a symbolic link.",
    "encrypted_member": "A member is encrypted.",
    "duplicate_member": "Two members have the same path.",
    "unsupported_compression": "A member is compressed in a way other than deflate or bzip2.",
    "no_csv": "The archive holds no CSV.",
    "several_csvs": "The archive holds several CSVs, and none was named.",
    "csv_not_found": "The archive does not hold the CSV that was named.",
    "unknown_target": "The mapping or the skip names a field that the pipeline does not have.",
    "unknown_source_column": "The mapping names a column that the source does not have.",
    "mapped_and_skipped": "A field is both mapped and skipped.",
    "invalid_jsonpath": "The mapping holds a JSONPath with an error in it.",
    "path_without_json": "The mapping holds a JSONPath for a column that is not JSON.",
    "types_never_fit": "A mapped column is of a type that never fits the field's.",
    "nothing_mapped": "No column of the source fills any field.",
    "unmatched_field": "A required dataset field gets no column and was not skipped on purpose.",
    "query_failed": "The database refused the query of a dataset, or broke it off.",
    "mapping_drifted": "The source has other columns than those that the mapping was saved for.",
    "not_json": "The file is not JSON, or not an array of objects.",
    "not_parquet": "The file cannot be read as Parquet.",
}
"""Codes of problems with a source as a whole; nothing is created from it."""

ROW_CODES: Final[dict[str, str]] = {
    "too_few_cells": "The row has fewer cells than the header.",
    "too_many_cells": "The row has more cells than the header.",
    "text_after_quote": "Text follows the closing quote of a quoted cell.",
    "invalid_encoding": "The cell holds a byte that the encoding does not allow.",
    "nul_byte": "The cell holds a NUL character.",
    "cell_too_large": "The cell is larger than SEEDING_MAX_CELL_BYTES.",
    "not_an_object": "The row is JSON but not an object, or has a member without a name.",
    "empty_key": "A column of the key that tells a dataset's rows apart is null.",
    "unsupported_value": "The row holds a value that JSON has no form for.",
}
"""Codes of rows that cannot be read as a row of the file."""

VALUE_CODES: Final[dict[str, str]] = {
    "required": "The field is required and the cell is empty, or says null in JSON.",
    "invalid_integer": "The value is not a whole number of 64 bits in its plain spelling.",
    "invalid_number": "The value is not a number in its plain spelling, or beyond 64-bit range.",
    "invalid_boolean": "The value is not one of the spellings of true and false.",
    "invalid_date": "The value is not a calendar date as YYYY-MM-DD.",
    "invalid_datetime": "The value is not an ISO 8601 date and time.",
    "invalid_url": "The value is not an absolute http or https URL.",
    "invalid_json": "The value is not one JSON document.",
    "not_an_option": "The value is not one of the field's options.",
    "duplicate_option": "The value names the same option twice.",
    "below_minimum": "The value is below the field's min.",
    "above_maximum": "The value is above the field's max.",
    "too_short": "The value has fewer characters than the field's min_length.",
    "too_long": "The value has more characters than the field's max_length.",
    "pattern_mismatch": "The value does not match the field's pattern.",
    "invalid_path": "The path is absolute or holds `..`, so it names no file of the archive.",
    "file_not_found": "The archive holds no file of this path.",
    "file_too_large": "The file is larger than the field's max_bytes.",
    "content_type_not_allowed": "The file's content is of none of the field's content_types.",
    "wrong_type": "The source's value is of a kind that the field does not take.",
    "path_no_match": "The JSONPath finds nothing in the row, and the field is required.",
    "path_several_matches": "The JSONPath finds more than one value in the row.",
    "path_wrong_type": "The JSONPath finds a value of a kind that the field does not take.",
    "unknown_field": "The pipeline has no such field.",
    "missing_field": "The field is required and the task does not have it.",
    "duplicate_field": "The field stands twice in the task.",
    "malformed_task": "The task is no object with the one member `fields`, an object.",
    "read_only_field": "The field came with the task, so that a contributor does not fill it in.",
}
"""Codes of cells whose value does not fit the field."""

CODES: Final[dict[str, str]] = FILE_CODES | ROW_CODES | VALUE_CODES


class Problem(NamedTuple):
    """One thing that is wrong: a code of this catalogue, and a sentence for a person.

    ``row`` is the 1-based data row; None where the problem is the file's. ``field`` names a column.
    """

    code: str
    message: str
    row: int | None = None
    field: str | None = None


class SourceProblemError(Exception):
    """A source cannot be read on; carries the problems that say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
