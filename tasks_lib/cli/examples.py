"""An example of each command, at the end of its help."""

from collections.abc import Iterator
from typing import Final

from cyclopts import App

_PIPELINE: Final = "acme/reviews/label-reviews"
_TARGET: Final = "acme/qa/check-labels"
_IDEAS: Final = "acme/ideas/collect-ideas"

EXAMPLES: Final = (
    "examples",
    "apply catalogue.yaml",
    "pipeline list acme",
    f"pipeline show {_PIPELINE}",
    f"pipeline delete {_IDEAS} --yes",
    f"template {_PIPELINE} -o reviews.csv",
    f"seed csv {_PIPELINE} s3://inbox/reviews.csv --on-error skip-rows --max-rejected 5%",
    "seed zip acme/photos/describe-photos photos.zip",
    f"seed dataset {_PIPELINE} reviews --map body=payload:$.text --skip stars",
    f"seed pipeline {_TARGET} {_PIPELINE}",
    f"seed bulk {_IDEAS} 100 --key december",
    "rejects s3://files/rejects/4f1c.csv rejects.xlsx",
    "dataset import acme reviews reviews.parquet",
    "dataset add-sql acme shop secret:shop-db reviews --key review_id",
    "dataset refresh acme shop",
    "dataset list acme",
    "dataset show acme reviews",
    "dataset export acme reviews -o reviews.jsonl",
    "dataset delete acme reviews --yes",
    f"mapping list {_PIPELINE}",
    f"mapping show {_PIPELINE} nightly@2",
    f"chain create {_TARGET} {_PIPELINE} --on task-completion",
    "chain list acme",
    "chain show 1",
    "chain edit 1 --on pipeline-completion",
    "chain pause 1",
    "chain resume 1",
    "chain delete 1",
    "chain doctor acme --repair",
    "chain graph acme",
    f"infinite enable {_IDEAS} --keep-available 5 --target 1000",
    f"infinite disable {_IDEAS}",
    f"infinite status {_IDEAS}",
    "infinite run --once",
    f"groups list {_PIPELINE} --limit 20",
    "groups show 7",
    "groups undo 7 --dry-run",
    "groups wait 7 --timeout 3600",
    f"tasks list {_PIPELINE} --status finished --limit 100",
    "tasks show 7",
    f"tasks claim {_PIPELINE} --as ann@example.org",
    "tasks submit 7 --as ann@example.org --field sentiment=good",
    "tasks release 7",
    "tasks set-status 7 escalated --reason 'not in a language that I read'",
    "tasks withdraw 7 8 --reason 'the photos were mixed up'",
    f"results show {_PIPELINE} --format csv --limit 100",
    f"results export {_PIPELINE} s3://lake/labels --by-day",
    "api --port 8000",
    "key create acme --name labels-app",
    "key list acme",
    "key revoke 1",
    "audit acme --limit 20",
    "erase contributor ann@example.org --yes",
    "erase task 7 --yes",
    "reconcile",
    "db upgrade",
    "deploy",
)


def add_examples(app: App) -> None:
    """Load all commands, and put each example at the end of the help of its command."""
    for example in EXAMPLES:
        *_, command = commands_of(app, example)
        command.help_epilogue = f"Example: `{app.name[0]} {example}`"


def commands_of(app: App, line: str) -> Iterator[App]:
    """Yield the commands that a line names, from the outer one to the inner one."""
    for word in line.split():
        if word not in app:
            return
        app = app[word]
        yield app
