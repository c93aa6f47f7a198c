"""JSONPath (RFC 9535), compiled once and evaluated on the JSON column of each row.

The library parses paths and evaluates filters, slices and descendants. A path to a single place is
looked up here, which is faster. This module also corrects the library where it deviates from the
RFC; each correction gives its reason.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, cast

from jsonpath_rfc9535 import (
    JSONPathEnvironment,
    JSONPathError,
    JSONPathNode,
    JSONPathNodeList,
    JSONPathQuery,
    JSONPathSyntaxError,
    Lexer,
    Parser,
)
from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    Expression,
    FilterContext,
    FilterExpression,
    FilterExpressionLiteral,
    FunctionExtension,
    IntegerLiteral,
    LogicalExpression,
    PrefixExpression,
    RelativeFilterQuery,
    RootFilterQuery,
)
from jsonpath_rfc9535.lex import RE_PROPERTY
from jsonpath_rfc9535.selectors import FilterSelector, IndexSelector, NameSelector
from jsonpath_rfc9535.tokens import Token, TokenStream, TokenType

from tasks_lib.domain.mapping.bounded_paths import BoundedMatch, CountedNode
from tasks_lib.domain.mapping.path_budget import (
    MAX_MATCHES,
    MAX_PATH_LENGTH,
    NO_CLOCK,
    Budget,
    Timing,
)
from tasks_lib.domain.names import shortened
from tasks_lib.domain.rows.json_rows import Digits
from tasks_lib.domain.values.json_text import MAX_JSON_DEPTH
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import RejectedError

Find = Callable[[Any], list[Any]]
"""Takes a document from ``json_rows`` and returns the values that the path selects, in order."""

Keys = tuple[str | int, ...]

_MAX_EXACT_DIGITS: Final = 400
"""Longer numbers exceed a 64-bit float, and Python parses them slowly or refuses to."""


class PathSyntaxError(RejectedError):
    """A text is not a JSONPath; the message says where and why."""

    code = "invalid_jsonpath"


def compile_path(path: str, timing: Timing = NO_CLOCK) -> Find:
    """Return a function that selects values by ``path``; raise PathSyntaxError.

    Selected numbers keep their digits. Filters compare them as numbers. The function returns at
    most ``MAX_MATCHES`` values and one more. It raises SourceProblemError if it takes too many
    steps or, by the clock of ``timing``, too much time.
    """
    budget = Budget(path, timing)
    query = _parsed(path, budget)
    keys = _keys_of(query)
    return _lookup(keys) if keys is not None else _search(query, budget)


def _parsed(path: str, budget: Budget) -> JSONPathQuery:
    if len(path) > MAX_PATH_LENGTH:
        message = f"has {len(path):,} characters, {MAX_PATH_LENGTH:,} are allowed"
        raise PathSyntaxError(f"a JSONPath {message}")
    try:
        return _Environment(budget).compile(path)
    except JSONPathError as error:
        place = f" at character {error.token.index + 1}" if error.token else ""
        raise PathSyntaxError(
            f"{shortened(path)} is not a JSONPath{place}: {error.args[0]}"
        ) from None
    except RecursionError:
        raise PathSyntaxError("the JSONPath is nested too deep") from None
    except (OverflowError, ValueError):
        raise PathSyntaxError(
            f"{shortened(path)} is not a JSONPath: a number is out of range"
        ) from None


def _keys_of(query: JSONPathQuery) -> Keys | None:
    """Return the names and indexes of a path to a single place, None for any other path."""
    if not query.singular_query():
        return None
    selectors = [segment.selectors[0] for segment in query.segments]
    return tuple(
        selector.name
        if isinstance(selector, NameSelector)
        else cast("IndexSelector", selector).index
        for selector in selectors
    )


def _lookup(keys: Keys) -> Find:
    def find(document: Any) -> list[Any]:
        for key in keys:
            if isinstance(key, str):
                if type(document) is not dict or key not in document:
                    return []
            elif type(document) is not list or not -len(document) <= key < len(document):
                return []
            document = document[key]
        return [document]

    return find


def _search(query: JSONPathQuery, budget: Budget) -> Find:
    def find(document: Any) -> list[Any]:
        budget.begin()
        try:
            root = _comparable(document)
            nodes = list(islice(_resolve(query, budget, root, root), MAX_MATCHES + 1))
        except (JSONPathError, RecursionError):
            raise ValueProblemError(
                "invalid_json", f"the document is nested deeper than {MAX_JSON_DEPTH} levels"
            ) from None
        finally:
            budget.end()
        return [_at(document, node.location) for node in nodes]

    return find


def _resolve(query: JSONPathQuery, budget: Budget, value: Any, root: Any) -> Iterable[JSONPathNode]:
    """Return the nodes that a query selects, starting at a value of the document."""
    nodes: Iterable[JSONPathNode] = [CountedNode(budget, value, (), root)]
    for segment in query.segments:
        nodes = segment.resolve(nodes)
    return nodes


def _at(document: Any, location: Keys) -> Any:
    for key in location:
        document = document[key]
    return document


def _comparable(value: Any) -> Any:
    """Copy a document, with digits replaced by numbers that filters can compare."""
    match value:
        case Digits():
            return _number(value)
        case dict():
            return {key: _comparable(item) for key, item in value.items()}
        case list():
            return [_comparable(item) for item in value]
    return value


def _number(digits: str) -> int | float:
    is_whole = digits.removeprefix("-").isdigit() and len(digits) <= _MAX_EXACT_DIGITS
    return int(digits) if is_whole else float(digits)


_NAME_FIRST: Final = r"A-Za-z_\x80-\ud7ff\ue000-\U0010ffff"
_NAME: Final = re.compile(f"[{_NAME_FIRST}][0-9{_NAME_FIRST}]*")
_ZERO_IN_FRONT: Final = re.compile(r"-?0[0-9]")


class _Lexer(Lexer):
    """Accept every letter in a short name; the library stops at U+10FF after the first one."""

    def accept_match(self, pattern: re.Pattern[str]) -> bool:
        return super().accept_match(_NAME if pattern is RE_PROPERTY else pattern)

    def scan(self) -> list[Token]:
        self.run()
        if self.tokens[-1].type_ == TokenType.ERROR:
            raise JSONPathSyntaxError(self.tokens[-1].message, token=self.tokens[-1])
        if self.bracket_stack:
            bracket, index = self.bracket_stack[-1]
            token = Token(TokenType.ERROR, bracket, index, self.query)
            raise JSONPathSyntaxError(f"{bracket!r} is not closed", token=token)
        return self.tokens


class _CurrentQuery(RelativeFilterQuery):
    """Evaluate ``@...`` in a filter; the library mistakes a bare ``@`` and moves the root."""

    def evaluate(self, context: FilterContext) -> JSONPathNodeList:
        budget = cast("_Environment", context.env).budget
        return JSONPathNodeList(_resolve(self.query, budget, context.current, context.root))


class _RootQuery(RootFilterQuery):
    """Evaluate ``$...`` in a filter, within the budget."""

    def evaluate(self, context: FilterContext) -> JSONPathNodeList:
        budget = cast("_Environment", context.env).budget
        return JSONPathNodeList(_resolve(self.query, budget, context.root, context.root))


class _Filter(FilterExpression):
    """A condition whose every evaluation counts as a step."""

    def evaluate(self, context: FilterContext) -> bool:
        cast("_Environment", context.env).budget.spend()
        return super().evaluate(context)


class _Parser(Parser):
    """Parse numbers as JSON does, and keep conditions and values apart.

    The library rounds long numbers and accepts ``-01``. It also accepts a value as a condition and
    a condition as a value, as in ``!@.a == 1``, which is then never true.
    """

    def parse_relative_query(self, stream: TokenStream) -> Expression:
        parsed = cast("RelativeFilterQuery", super().parse_relative_query(stream))
        return _CurrentQuery(parsed.token, parsed.query)

    def parse_root_query(self, stream: TokenStream) -> Expression:
        parsed = cast("RootFilterQuery", super().parse_root_query(stream))
        return _RootQuery(parsed.token, parsed.query)

    def parse_filter_selector(self, stream: TokenStream) -> FilterSelector:
        parsed = super().parse_filter_selector(stream)
        condition = parsed.expression
        parsed.expression = _Filter(condition.token, condition.expression)
        return parsed

    def parse_prefix_expression(self, stream: TokenStream) -> Expression:
        parsed = cast("PrefixExpression", super().parse_prefix_expression(stream))
        _check_condition(parsed.right, parsed.token)
        return parsed

    def parse_infix_expression(self, stream: TokenStream, left: Expression) -> Expression:
        parsed = super().parse_infix_expression(stream, left)
        if isinstance(parsed, ComparisonExpression):
            _check_value(parsed.left, parsed.token)
            _check_value(parsed.right, parsed.token)
        elif isinstance(parsed, LogicalExpression):
            _check_condition(parsed.left, parsed.token)
            _check_condition(parsed.right, parsed.token)
        return parsed

    def parse_integer_literal(self, stream: TokenStream) -> Expression:
        token = _number_token(stream)
        if token.value.removeprefix("-").isdigit():
            return IntegerLiteral(token, int(token.value))
        return super().parse_integer_literal(stream)

    def parse_float_literal(self, stream: TokenStream) -> Expression:
        _number_token(stream)
        return super().parse_float_literal(stream)


def _check_value(expression: Expression, token: Token) -> None:
    if isinstance(expression, ComparisonExpression | LogicalExpression | PrefixExpression):
        raise JSONPathSyntaxError("a condition cannot be compared", token=token)


def _check_condition(expression: Expression, token: Token) -> None:
    gives_value = isinstance(expression, FunctionExtension) and expression.name in _VALUE_FUNCTIONS
    if gives_value or isinstance(expression, FilterExpressionLiteral):
        raise JSONPathSyntaxError("a value is not a condition, it must be compared", token=token)


_VALUE_FUNCTIONS: Final = frozenset({"count", "length", "value"})


def _number_token(stream: TokenStream) -> Token:
    token = stream.current
    if _ZERO_IN_FRONT.match(token.value):
        raise JSONPathSyntaxError("leading zero in a number", token=token)
    return token


class _Environment(JSONPathEnvironment):
    parser_class = _Parser
    max_recursion_depth = MAX_JSON_DEPTH

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        super().__init__()

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = BoundedMatch(self.budget, is_whole=True)
        self.function_extensions["search"] = BoundedMatch(self.budget, is_whole=False)

    def compile(self, query: str) -> JSONPathQuery:
        tokens = TokenStream(iter(_Lexer(query).scan()))
        return JSONPathQuery(env=self, segments=tuple(self.parser.parse(tokens)))
