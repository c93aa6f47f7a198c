"""JSONPath (RFC 9535): compiled once, then run on the JSON column of each row.

The grammar and whatever filters, slices or descends are the library's. A path that names one place
is looked up here, without it. What the library gets wrong against the RFC is put right here, each
time with the reason; tests hold it to that.
"""

import re
from collections.abc import Callable
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
    FilterExpressionLiteral,
    FunctionExtension,
    IntegerLiteral,
    LogicalExpression,
    PrefixExpression,
    RelativeFilterQuery,
)
from jsonpath_rfc9535.lex import RE_PROPERTY
from jsonpath_rfc9535.selectors import IndexSelector, NameSelector
from jsonpath_rfc9535.tokens import Token, TokenStream, TokenType

from tasks_lib.domain.json_rows import Digits
from tasks_lib.domain.names import shortened
from tasks_lib.domain.values import MAX_JSON_DEPTH, ValueProblemError

Find = Callable[[Any], list[Any]]
"""Takes a document as ``json_rows`` reads it and returns what the path finds, in its order."""

Keys = tuple[str | int, ...]

_MAX_EXACT_DIGITS: Final = 400
"""Numbers with more are beyond a 64-bit float anyway, and slow or refused as a Python int."""


class PathSyntaxError(ValueError):
    """A text that is no JSONPath; says where and why in one sentence."""


def compile_path(path: str) -> Find:
    """Return the function that finds what ``path`` names; raise PathSyntaxError if it is none.

    Found numbers keep their digits; in filters they are compared as numbers.
    """
    query = _parsed(path)
    keys = _keys_of(query)
    return _lookup(keys) if keys is not None else _search(query)


def _parsed(path: str) -> JSONPathQuery:
    try:
        return _ENVIRONMENT.compile(path)
    except JSONPathError as error:
        place = f" at character {error.token.index + 1}" if error.token else ""
        raise PathSyntaxError(f"{shortened(path)} is no JSONPath{place}: {error.args[0]}") from None
    except RecursionError:
        raise PathSyntaxError("the JSONPath is nested too deep") from None
    except (OverflowError, ValueError):
        raise PathSyntaxError(
            f"{shortened(path)} is no JSONPath: a number is out of range"
        ) from None


def _keys_of(query: JSONPathQuery) -> Keys | None:
    """Return the names and indexes that lead to the one place; None where there may be several."""
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


def _search(query: JSONPathQuery) -> Find:
    def find(document: Any) -> list[Any]:
        try:
            nodes = query.find(_comparable(document))
        except (JSONPathError, RecursionError):
            raise ValueProblemError(
                "invalid_json", f"the document is nested deeper than {MAX_JSON_DEPTH} levels"
            ) from None
        return [_at(document, node.location) for node in nodes]

    return find


def _at(document: Any, location: Keys) -> Any:
    for key in location:
        document = document[key]
    return document


def _comparable(value: Any) -> Any:
    """Copy a document with numbers that filters can compare, in place of their digits."""
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
    """Takes every letter in a short name: the library takes none above U+10FF after the first."""

    def accept_match(self, pattern: re.Pattern[str]) -> bool:
        return super().accept_match(_NAME if pattern is RE_PROPERTY else pattern)

    def scanned(self) -> list[Token]:
        self.run()
        if self.tokens[-1].type_ == TokenType.ERROR:
            raise JSONPathSyntaxError(self.tokens[-1].message, token=self.tokens[-1])
        if self.bracket_stack:
            bracket, index = self.bracket_stack[-1]
            token = Token(TokenType.ERROR, bracket, index, self.query)
            raise JSONPathSyntaxError(f"{bracket!r} is not closed", token=token)
        return self.tokens


class _CurrentQuery(RelativeFilterQuery):
    """``@...`` in a filter: the library takes a bare ``@`` for its value and moves the root."""

    def evaluate(self, context: FilterContext) -> JSONPathNodeList:
        nodes = [JSONPathNode(value=context.current, location=(), parent=None, root=context.root)]
        for segment in self.query.segments:
            nodes = list(segment.resolve(nodes))
        return JSONPathNodeList(nodes)


class _Parser(Parser):
    """Reads numbers as JSON has them: the library rounds long ones and takes ``-01``.

    It also lets values stand for conditions and the other way round, as in ``!@.a == 1``, which
    then is never true.
    """

    def parse_relative_query(self, stream: TokenStream) -> Expression:
        parsed = cast("RelativeFilterQuery", super().parse_relative_query(stream))
        return _CurrentQuery(parsed.token, parsed.query)

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
        raise JSONPathSyntaxError("a value is no condition, it must be compared", token=token)


_VALUE_FUNCTIONS: Final = frozenset({"count", "length", "value"})


def _number_token(stream: TokenStream) -> Token:
    token = stream.current
    if _ZERO_IN_FRONT.match(token.value):
        raise JSONPathSyntaxError("leading zero in a number", token=token)
    return token


class _Environment(JSONPathEnvironment):
    parser_class = _Parser
    max_recursion_depth = MAX_JSON_DEPTH

    def compile(self, query: str) -> JSONPathQuery:
        tokens = TokenStream(iter(_Lexer(query).scanned()))
        return JSONPathQuery(env=self, segments=tuple(self.parser.parse(tokens)))


_ENVIRONMENT: Final = _Environment()
