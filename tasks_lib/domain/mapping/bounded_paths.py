"""Nodes and functions of the JSONPath library that spend a budget while a path is evaluated."""

from functools import partial
from typing import Any

import regex  # type: ignore[import-untyped]
from iregexp_check import check
from jsonpath_rfc9535 import JSONPathNode
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction
from jsonpath_rfc9535.function_extensions._pattern import map_re

from tasks_lib.domain.mapping.path_budget import Budget


class CountedNode(JSONPathNode):
    """A node that counts each node that is made from it."""

    __slots__ = ("_budget",)

    def __init__(self, budget: Budget, value: Any, location: tuple[Any, ...], root: Any) -> None:
        super().__init__(value=value, location=location, parent=None, root=root)
        self._budget = budget

    def new_child(self, value: object, key: int | str, parent: object) -> "CountedNode":  # noqa: ARG002 - the library's signature
        """Return the node of a member or an element; nobody asks for its parent."""
        self._budget.spend()
        return CountedNode(self._budget, value, (*self.location, key), self.root)


class BoundedMatch(FilterFunction):
    """The functions ``match`` and ``search``, which end when the time is used up."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the library's form
    return_type = ExpressionType.LOGICAL

    def __init__(self, budget: Budget, *, is_whole: bool) -> None:
        self._budget = budget
        self._find = regex.fullmatch if is_whole else partial(regex.search, flags=regex.VERSION1)

    def __call__(self, text: object, pattern: object) -> bool:
        """Tell whether the pattern matches the text, as a whole or anywhere."""
        if not isinstance(text, str) or not isinstance(pattern, str) or not check(pattern):
            return False
        try:
            found = self._find(map_re(pattern), text, timeout=self._budget.remaining())
        except regex.error:
            return False
        except TimeoutError:
            raise self._budget.run_out() from None
        return found is not None
