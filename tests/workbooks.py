"""Workbooks for tests: those of Excel by XlsxWriter, those of ODS by hand."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import xlsxwriter

NAMESPACES = "".join(
    f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "manifest")
)


def write_xlsx(
    path: Path,
    *rows: tuple[object, ...],
    sheet: str = "Sheet1",
    change: Callable[[xlsxwriter.Workbook], object] | None = None,
) -> Path:
    """Write a workbook with rows from A1 on; ``change`` does the rest."""
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as workbook:
        page = workbook.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
        if change is not None:
            change(workbook)
    return path


def write_ods(path: Path, *rows: str, name: str = "Sheet1", encrypted: bool = False) -> Path:
    """Write a workbook with a sheet of rows, each the XML of its cells."""
    lines = "".join(
        row if row.startswith("<table:table-row") else f"<table:table-row>{row}</table:table-row>"
        for row in rows
    )
    data = '<manifest:encryption-data manifest:checksum="x"/>' if encrypted else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest{NAMESPACES}><manifest:file-entry manifest:full-path="content.xml"'
            f' manifest:media-type="text/xml">{data}</manifest:file-entry></manifest:manifest>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content{NAMESPACES}><office:body><office:spreadsheet>"
            f'<table:table table:name="{name}">{lines}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def text(value: str, attributes: str = "") -> str:
    """Return the XML of a cell with a text."""
    kind = 'office:value-type="string"'
    return (
        f"<table:table-cell {kind} {attributes}><text:p>{escape(value)}</text:p></table:table-cell>"
    )


def number(value: float, attributes: str = "") -> str:
    """Return the XML of a cell with a number."""
    kind = f'office:value-type="float" office:value="{value}"'
    return f"<table:table-cell {kind} {attributes}><text:p>{value}</text:p></table:table-cell>"
