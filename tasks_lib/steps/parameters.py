"""The parameters that seeding flows share: their types, and how the run form describes them."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from tasks_lib.domain.statuses import OnError

PipelineName = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(
        description="The pipeline to seed: its number, or organization/project/pipeline.",
        examples=["acme/reviews/label-reviews"],
    ),
]
SourceUri = Annotated[
    str,
    Field(
        description="A path that the worker can read, s3://bucket/key, https://..., or any "
        "fsspec URL; gzipped if it ends in .gz.",
        examples=["s3://inbox/reviews.csv"],
    ),
]
BadRows = Annotated[
    OnError,
    Field(
        description="reject-file: one bad row and nothing is created. skip-rows: the good rows "
        "are created and the bad ones written to a file."
    ),
]
DryRun = Annotated[bool, Field(description="Check everything and create nothing.")]
AllowDuplicate = Annotated[
    bool, Field(description="Seed content again that the pipeline already holds.")
]
Encoding = Annotated[
    str | None,
    Field(description="Such as cp1252 or shift_jis; by default UTF-8, or UTF-16 by its mark."),
]
Delimiter = Annotated[
    str, Field(description="One character between cells, or the word tab.", examples=[";", "tab"])
]
