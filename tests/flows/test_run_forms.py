"""The run forms of all flows: titles, order, types, and values that no form shows."""

from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from tasks_lib.deploy.manifest import load_flow, load_flows, read_manifest

PIPELINE = "Pipeline: Path or Number, required"
COMPLETE = ["Source is complete: boolean", "Allow shrinking: boolean"]
NAMING = ["Name of the group: string", "Labels of the group: array"]
MAPPED = [
    "Mapping: object",
    "Fields to skip: array",
    "Saved mapping: string",
    "Accept changed columns: boolean",
    "Save the mapping as: string",
    "Review the mapping: boolean",
    "Minutes to wait for the review: integer",
    "If a row is bad: string",
    "Most rejected rows: Number or Percentage",
    "Dry run: boolean",
    "Seed rows again: boolean",
    *COMPLETE,
    *NAMING,
]
FILES = [
    "Encoding: string",
    "Delimiter: string",
    "Quotes: string",
    "If a row is bad: string",
    "Most rejected rows: Number or Percentage",
    "Dry run: boolean",
    "Allow duplicates: boolean",
    *COMPLETE,
    *NAMING,
]
FORMS = {
    "seed-from-csv": [PIPELINE, "CSV file: string, required", *FILES],
    "seed-from-zip": [
        PIPELINE,
        "ZIP file: string, required",
        "CSV inside the ZIP: string",
        "Encoding of the names in the ZIP: string",
        *FILES,
    ],
    "seed-from-dataset": [PIPELINE, "Dataset: string, required", *MAPPED],
    "seed-from-pipeline": [PIPELINE, "Source pipeline: Path or Number, required", *MAPPED],
    "import-dataset": [
        "Organization: string, required",
        "Dataset: string, required",
        "File: string, required",
        "Key: array",
        "Append: boolean",
        "Replace: boolean",
        "File is complete: boolean",
        "Allow shrinking: boolean",
        "If a row is bad: string",
        "Most rejected rows: Number or Percentage",
        "Format: string",
        "Encoding: string",
        "Delimiter: string",
        "Quotes: string",
        "Columns: array",
        "Records: string",
        "NaN as null: boolean",
        "Sheet: string",
    ],
    "bulk-create": [
        PIPELINE,
        "Number of tasks: integer, required",
        "Dry run: boolean",
        "Idempotency key: string",
        *NAMING,
    ],
    "export-results": [
        "Pipeline: Path or Number",
        "Destination: string",
        "Format: string",
        "Group: integer",
        "A folder for each day: boolean",
        "With the source: boolean",
        "With the files: boolean",
        "Start over: boolean",
    ],
    "infinite-seeding": ["Once: boolean", "Minutes: integer"],
    "seed-chain": ["Chain: integer"],
    "reconcile": ["Clean up: boolean", "Minutes: integer"],
}


def entries(schema: dict[str, Any]) -> list[str]:
    """Return ``title: type`` of each parameter in the order of the form."""
    members = sorted(schema["properties"].items(), key=lambda item: item[1]["position"])
    return [
        f"{member['title']}: {types_of(member)}"
        f"{', required' if name in schema.get('required', []) else ''}"
        for name, member in members
    ]


def types_of(member: dict[str, Any]) -> str:
    tabs = member.get("anyOf")
    return " or ".join(tab["title"] for tab in tabs) if tabs else str(member["type"])


def test_the_forms_are_as_reviewed() -> None:
    flows = load_flows(read_manifest())
    assert {
        name: entries(flow.parameters.model_dump(exclude_unset=True))
        for name, flow in flows.items()
    } == FORMS


@pytest.mark.parametrize("name", FORMS)
def test_prefect_deploy_reads_the_same_form(name: str) -> None:
    flow = load_flow(name)
    assert parameter_schema(flow) == flow.parameters


@pytest.mark.parametrize("name", FORMS)
def test_each_description_is_plain_text_and_an_empty_default_is_left_out(name: str) -> None:
    for member in load_flow(name).parameters.properties.values():
        assert set("`*_[]") & set(member["description"]) <= {"_"}
        assert member.get("default", False) not in (None, "")


def test_the_server_takes_the_number_of_a_pipeline_as_text_and_as_an_integer() -> None:
    flow = load_flow("seed-from-pipeline")
    schema = flow.parameters.model_dump(exclude_unset=True)
    for pipeline, source in ((7, 8), ("7", "8"), ("acme/qa/check-labels", 8)):
        given = {"pipeline": pipeline, "source_pipeline": source}
        validate(given, schema, raise_on_error=True)
        taken = flow.validate_parameters(given)
        assert (taken["pipeline"], taken["source_pipeline"]) == (str(pipeline), str(source))
    with pytest.raises(ValidationError):
        validate({"pipeline": 7.5, "source_pipeline": 8}, schema, raise_on_error=True)


@pytest.mark.parametrize(("given", "taken"), [(10, "10"), ("10", "10"), ("5%", "5%"), (0, "0")])
def test_the_server_takes_the_most_rejected_rows_as_an_integer_and_as_text(
    given: int | str, taken: str
) -> None:
    flow = load_flow("seed-from-csv")
    parameters = {"pipeline": 7, "source": "reviews.csv", "max_rejected": given}
    validate(parameters, flow.parameters.model_dump(exclude_unset=True), raise_on_error=True)
    assert flow.validate_parameters(parameters)["max_rejected"] == taken


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("seed-from-csv", {"pipeline": "7", "source": "reviews.csv", "upload": "u-1"}),
        ("infinite-seeding", {"takes_over": "a-run"}),
        ("seed-chain", {"chain_id": 3}),
        ("seed-chain", {}),
    ],
)
def test_the_server_takes_internal_parameters_and_none_at_all(
    name: str, parameters: dict[str, Any]
) -> None:
    flow = load_flow(name)
    validate(parameters, flow.parameters.model_dump(exclude_unset=True), raise_on_error=True)
    assert flow.validate_parameters(parameters).items() >= parameters.items()
