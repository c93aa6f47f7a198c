"""Catalogue files in a line or two, and the messages for those that are refused."""

import pytest
import yaml
from pydantic import ValidationError

from tasks_lib.domain.catalogue import Catalogue, PipelineEntry
from tasks_lib.domain.fields import Field

PIPELINE = "organizations: [{name: acme, projects: [{name: reviews, pipelines: [{name: p, %s}]}]}]"
IN_PIPELINE = "organizations.0.projects.0.pipelines.0"
IN_FIELD = f"{IN_PIPELINE}.fields.0"


def read(text: str) -> Catalogue:
    return Catalogue.model_validate(yaml.safe_load(text))


def read_pipeline(settings: str) -> PipelineEntry:
    return read(PIPELINE % settings).organizations[0].projects[0].pipelines[0]


def read_field(settings: str) -> Field:
    return read_pipeline(f"fields: [{{name: f, {settings}}}]").fields[0]


def refusals(text: str) -> list[str]:
    """Return the place and the message of each mistake."""
    with pytest.raises(ValidationError) as caught:
        read(text)
    return [
        f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg'].removeprefix('Value error, ')}"
        for mistake in caught.value.errors(include_url=False)
    ]
