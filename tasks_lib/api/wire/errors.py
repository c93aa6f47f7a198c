"""The document that every error is answered with."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict


class ErrorEntry(TypedDict):
    """One thing that is wrong with the request."""

    index: Annotated[
        int | None,
        Field(description="The task's place in the request, from 0, if the entry is about a task"),
    ]
    field: Annotated[
        str | None, Field(description="The field or parameter, if the entry is about one")
    ]
    code: str
    message: str


class Error(TypedDict):
    """The answer to a request that failed."""

    detail: Annotated[str, Field(description="One sentence for a person")]
    code: Annotated[str, Field(description="A code for a program, which never changes its meaning")]
    errors: list[ErrorEntry]
