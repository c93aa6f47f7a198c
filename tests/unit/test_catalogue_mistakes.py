"""The meaning of a catalogue file, and the sentence about each mistake in it, with its place."""

from pathlib import Path

import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.catalogue.catalogue_file import read_catalogue

PIPELINE = """
organizations:
  - name: acme
    projects:
      - name: shop
        pipelines:
          - name: tag
"""


def fields_of(folder: Path, *fields: str) -> tuple[Field, ...]:
    """Return the fields of a pipeline, each given as ``name: …``."""
    file = folder / "c.yaml"
    lines = "".join(f"              - {{{field}}}\n" for field in fields)
    file.write_text(f"{PIPELINE}            fields:\n{lines}", encoding="utf-8")
    return read_catalogue(file).catalogue.organizations[0].projects[0].pipelines[0].fields


def mistakes_in(folder: Path, text: str) -> str:
    """Return the message for a file, in which the file is called ``F``."""
    file = folder / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueRejectedError) as caught:
        read_catalogue(file)
    return str(caught.value).replace(str(file), "F")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("[yes, no]", ("yes", "no")),
        ("[On, OFF, true, False]", ("On", "OFF", "true", "False")),
        ("[1, 02, 1.50, 1e3]", ("1", "02", "1.50", "1e3")),
        ("[2026-01-02, 1:30, 0x1F]", ("2026-01-02", "1:30", "0x1F")),
        ("[\"yes\", 'null']", ("yes", "null")),
    ],
)
def test_an_option_is_the_text_that_was_written(
    written: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    (field,) = fields_of(
        tmp_path, f"name: on, type: single_select, source: input, options: {written}"
    )
    assert (field.name, field.options) == ("on", options)


def test_numbers_and_booleans_are_read_from_their_text(tmp_path: Path) -> None:
    fields = fields_of(
        tmp_path,
        "name: 7, type: text, source: input, required: no, max_length: 1_000",
        "name: n, type: number, source: input, required: True, min: -1_000, max: 1.50",
        "name: d, type: datetime, source: input, min: 2026-01-01T00:00:00+02:00",
    )
    assert [(field.name, field.required, field.constraints) for field in fields] == [
        ("7", False, {"max_length": 1_000}),
        ("n", True, {"min": "-1000", "max": "1.50"}),
        ("d", True, {"min": "2026-01-01T00:00:00+02:00"}),
    ]


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        pytest.param(
            "name: n, type: text, source: input, max_length: 010",
            "F:9:66: pipeline acme/shop/tag, field 'n': max_length: '010' begins with a zero; "
            "write the number without it", id="octal",
        ),
        pytest.param(
            "name: n, type: text, source: input, max_length: 1:30",
            "F:9:66: pipeline acme/shop/tag, field 'n': max_length is '1:30'; expected a whole "
            "number such as 10", id="sexagesimal",
        ),
        pytest.param(
            "name: n, type: text, source: inptu",
            "F:9:47: pipeline acme/shop/tag, field 'n': source is 'inptu'; expected dataset or "
            "input; did you mean 'input'?", id="a misspelt choice",
        ),
        pytest.param(
            "name: n, type: integer, source: input, minimum: 1",
            "F:9:57: pipeline acme/shop/tag, field 'n': 'minimum' is not known here; did you mean "
            "'min'?", id="a misspelt member",
        ),
        pytest.param(
            "name: n, source: input, type: single_select, options: [a, ~]",
            "F:9:76: pipeline acme/shop/tag, field 'n': item 2 of options is null, or empty; "
            "expected text; put quotes around it if it is meant as text", id="null",
        ),
        pytest.param(
            "name: n, source: input, type: single_select, options: yes",
            "F:9:72: pipeline acme/shop/tag, field 'n': options is 'yes'; expected a list",
            id="no list",
        ),
        pytest.param(
            "name: n, source: input, type: text, required: perhaps",
            "F:9:64: pipeline acme/shop/tag, field 'n': required is 'perhaps'; expected true or "
            "false", id="no boolean",
        ),
        pytest.param(
            "name: n, type: text",
            "F:9:17: pipeline acme/shop/tag, field 'n': 'source' is missing; expected dataset or "
            "input", id="a missing member",
        ),
        pytest.param(
            "name: n, type: text, source: input, pattern: '['",
            "F:9:63: pipeline acme/shop/tag, field 'n': pattern '[' is not a regular expression: "
            "unterminated character set at position 0", id="a pattern",
        ),
        pytest.param(
            "name: n, type: date, source: input, min: 2026-02-01, max: 2026-01-01",
            "F:9:59: pipeline acme/shop/tag: field 'n': min 2026-02-01 is above max 2026-01-01",
            id="bounds in the wrong order",
        ),
        pytest.param(
            "name: n, type: file, source: input, max_bytes: -1",
            "F:9:65: pipeline acme/shop/tag, field 'n': max_bytes is '-1'; expected at least 1",
            id="a negative size",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_field_is_explained_at_its_place(
    field: str, mistake: str, tmp_path: Path
) -> None:
    text = f"{PIPELINE}            fields:\n              - {{{field}}}\n"
    assert mistakes_in(tmp_path, text) == mistake


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            f"{PIPELINE}            status: active\n            status: paused\n",
            "F:9:13: 'status' occurs twice, first at 8:13; only one of them would count",
            id="a key twice",
        ),
        pytest.param(
            "organizations: [{name: a}]\norganizations: [{name: b}]\n",
            "F:2:1: 'organizations' occurs twice, first at 1:1; only one of them would count",
            id="a key of the file twice",
        ),
        pytest.param(
            f"{PIPELINE}            claim_timeout: 1:30\n",
            "F:8:28: pipeline acme/shop/tag: claim_timeout: '1:30' is not a duration such as 90s, "
            "30m, 2h or 1d", id="a sexagesimal duration",
        ),
        pytest.param(
            f"{PIPELINE}            retention: {{finished: 90x}}\n",
            "F:8:35: pipeline acme/shop/tag: finished: '90x' is not a duration such as 90s, 30m, "
            "2h or 1d", id="a retention that is no duration",
        ),
        pytest.param(
            f"{PIPELINE}            retention: {{withdrawn: 3661d}}\n",
            "F:8:36: pipeline acme/shop/tag: withdrawn: '3661d' is longer than ten years; leave it "
            "out to keep them all", id="a long retention",
        ),
        pytest.param(
            f"{PIPELINE}            retention: {{failed: 90d}}\n",
            "F:8:25: pipeline acme/shop/tag: 'failed' is not known here; known are finished, "
            "withdrawn", id="a status without a retention",
        ),
        pytest.param(
            f"{PIPELINE}            retention: 90d\n",
            "F:8:24: pipeline acme/shop/tag: retention is '90d'; expected members, as in name: "
            "value", id="a retention without statuses",
        ),
        pytest.param(
            f"{PIPELINE}          - status: draft\n",
            "F:8:13: pipeline acme/shop/number 2: 'name' is missing", id="no name",
        ),
        pytest.param(
            f"{PIPELINE}          - name: tag\n",
            "F:8:19: project acme/shop: pipeline 'tag' occurs twice", id="a name twice",
        ),
        pytest.param(
            "organizations:\n  - name: acme\n  - name: 7\n    teams: []\n",
            "F:4:5: organization 7: 'teams' is not known here; known are name, projects",
            id="an unknown member",
        ),
        pytest.param(
            "organizations:\n\t- name: a\n",
            "F:2:1: not YAML: while scanning for the next token, found character '\\t' that "
            "cannot start any token; indent with spaces, not with tabs", id="a tab",
        ),
        pytest.param(
            "organizations: []\n---\norganizations: []\n",
            "F:2:1: not YAML: expected a single document in the stream, but found another "
            "document", id="two documents",
        ),
        pytest.param(
            "organizations: &all\n  - *all\n",
            "F:1:16: organization number 1: item 1 of organizations is a list; expected members, "
            "as in name: value", id="a list in itself",
        ),
        pytest.param('organizations: "a\1"\n',
                     "F:1:18: not YAML: special characters are not allowed", id="a control"),
        pytest.param("# nothing\n",
                     "F:1:1: the file is null, or empty; expected members, as in name: value",
                     id="nothing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_explained_at_its_place(
    text: str, message: str, tmp_path: Path
) -> None:
    assert mistakes_in(tmp_path, text) == message


def test_all_mistakes_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = f"{PIPELINE}            owner: me\n            status: open\n"
    assert mistakes_in(tmp_path, text) == (
        "F has 2 mistakes, nothing was changed:\n"
        "F:8:13: pipeline acme/shop/tag: 'owner' is not known here; known are name, status, "
        "claim_timeout, key, on_change, on_missing, retention, results, fields\n"
        "F:9:21: pipeline acme/shop/tag: status is 'open'; expected draft, active, paused, "
        "completed or archived"
    )


def test_a_key_may_override_a_merged_one(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    text = """            fields:
              - &text {name: a, type: text, source: input, max_length: 5}
              - {<<: *text, name: b, max_length: 9}
"""
    file.write_text(PIPELINE + text, encoding="utf-8")
    pipeline = read_catalogue(file).catalogue.organizations[0].projects[0].pipelines[0]
    assert [(field.name, field.max_length) for field in pipeline.fields] == [("a", 5), ("b", 9)]
    wrong = (PIPELINE + text).replace("max_length: 9", "max_length: x")
    assert mistakes_in(tmp_path, wrong) == (
        "F:10:50: pipeline acme/shop/tag, field 'b': max_length is 'x'; expected a whole number "
        "such as 10"
    )


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes("organizations: [{name: Müller}]".encode("cp1252"))
    with pytest.raises(CatalogueRejectedError) as caught:
        read_catalogue(file)
    assert str(caught.value) == f"{file} is not UTF-8 text: byte 25 is not; save it as UTF-8"
