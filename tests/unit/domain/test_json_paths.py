"""JSONPath as RFC 9535 defines it, and plain paths that are evaluated without the library."""

from typing import Any

import jsonpath_rfc9535
import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.mapping.json_paths import PathSyntaxError, compile_path
from tasks_lib.domain.rows.json_rows import Digits, json_text, parse_value
from tasks_lib.domain.values.problem import ValueProblemError

BOOKS = (
    '{"books":['
    '{"title":"A","price":8.95,"tags":["x","y"],"isbn":"1"},'
    '{"title":"B","price":12.99,"tags":[]},'
    '{"title":"C","price":8.950,"tags":["x"],"isbn":null}'
    '],"limit":10,"bicycle":{"price":399}}'
)
KEYS = '{"a b":1,"\'":2,"\\"":3,"☺":4,"日本":5,"":6,"\\\\":7,"a.b":8,"\\n":9,"a本":10,"😀":11}'
NUMBERS = "[0,1,2,3,4,5,6]"
MIXED = '[0,false,"",null,1,"1",[],{},true]'


def case(name: str, path: str, document: str, *expected: str) -> object:
    return pytest.param(path, document, list(expected), id=name)


RFC_CASES = [
    case("the root", "$", "7", "7"),
    case("a member", "$.limit", BOOKS, "10"),
    case("a member of a number", "$.limit.x", BOOKS),
    case("a missing member", "$.nothing", BOOKS),
    case("a name with a space", "$['a b']", KEYS, "1"),
    case("a name that is an apostrophe", r"$['\'']", KEYS, "2"),
    case("an apostrophe in double quotes", '$["\'"]', KEYS, "2"),
    case("a name that is a quote", "$['\"']", KEYS, "3"),
    case("an escaped quote", r'$["\""]', KEYS, "3"),
    case("a name by its code point", r"$['\u263a']", KEYS, "4"),
    case("a name by its surrogates", r"$['\ud83d\uDE00']", KEYS, "11"),
    case("a short name of any letters", "$.日本", KEYS, "5"),
    case("a short name of mixed letters", "$.a本", KEYS, "10"),
    case("the empty name", "$['']", KEYS, "6"),
    case("a backslash", r"$['\\']", KEYS, "7"),
    case("a dot in a name", "$['a.b']", KEYS, "8"),
    case("an escaped line break", r"$['\n']", KEYS, "9"),
    case("white space between segments", "$ .books\n[ 0 ] ['title']", BOOKS, '"A"'),
    case("an index", "$[1]", NUMBERS, "1"),
    case("an index from the end", "$[-1]", NUMBERS, "6"),
    case("an index before the start", "$[-8]", NUMBERS),
    case("an index beyond the end", "$[7]", NUMBERS),
    case("an index into an object", "$[0]", '{"0":1}'),
    case("a name of an array", "$['0']", NUMBERS),
    case("a slice", "$[1:3]", NUMBERS, "1", "2"),
    case("a slice with a step", "$[5:1:-2]", NUMBERS, "5", "3"),
    case("a slice backwards", "$[::-3]", NUMBERS, "6", "3", "0"),
    case("a slice from the end", "$[-2:]", NUMBERS, "5", "6"),
    case("a slice with the step zero", "$[1:2:0]", NUMBERS),
    case("a union, in its order, with doubles", "$[2,0,2]", NUMBERS, "2", "0", "2"),
    case("a union of names and slices", "$['a','b'][0:1]", '{"a":[1],"b":[2,3]}', "1", "2"),
    case("a wildcard", "$.*", '{"a":1,"b":[2]}', "1", "[2]"),
    case("a wildcard of a string", "$.a.*", '{"a":"text"}'),
    case("descendants by name", "$..price", BOOKS, "8.95", "12.99", "8.950", "399"),
    case("all descendants", "$..*", "[[1],2]", "[1]", "2", "1"),
    case("descendants by index", "$..[0]", "[[1],[2]]", "[1]", "1", "2"),
    case("descendants by letters", "$..日", '{"a":{"日":1}}', "1"),
    case("a filter by a string", "$.books[?@.title=='B'].price", BOOKS, "12.99"),
    case("a filter by a number, whatever its digits", "$..[?@.price==8.95].title", BOOKS,
         '"A"', '"C"'),
    case("a filter by the root", "$.books[?@.price>$.limit].title", BOOKS, '"B"'),
    case("a number is no string", "$[?@==1]", MIXED, "1"),
    case("a string is no number", "$[?@=='1']", MIXED, '"1"'),
    case("a boolean is no number", "$[?@==true]", MIXED, "true"),
    case("a number has no order with others", "$[?@<1]", MIXED, "0"),
    case("null is a value", "$[?@==null]", MIXED, "null"),
    case("every value exists", "$[?@]", "[0,false,null,\"\",[]]", "0", "false", "null", '""', "[]"),
    case("no value is missing", "$[?!@]", "[0,false,null]"),
    case("a member that is null exists", "$.books[?@.isbn].title", BOOKS, '"A"', '"C"'),
    case("a missing member is not null", "$.books[?@.isbn==null].title", BOOKS, '"C"'),
    case("two missing members are equal", "$[?@.a==@.b]", '[{},{"a":1},{"a":1,"b":1}]', "{}",
         '{"a":1,"b":1}'),
    case("two missing members have no order", "$[?@.a<@.b]", "[{}]"),
    case("not, and, or", "$[?@.a && !@.b || @.c]", '[{"a":0},{"a":0,"b":0},{"c":0}]', '{"a":0}',
         '{"c":0}'),
    case("parentheses", "$[?@.a && (@.b || @.c)]", '[{"a":0},{"a":0,"c":0}]', '{"a":0,"c":0}'),
    case("equal arrays and objects", "$[?@.a==@.b]", '[{"a":[{"x":1}],"b":[{"x":1.0}]}]',
         '{"a":[{"x":1}],"b":[{"x":1.0}]}'),
    case("a filter in a filter knows the root", "$.a[?@.b[?@.x==$.y]].n",
         '{"y":1,"a":[{"n":"A","b":[{"x":1}]},{"n":"B","b":[{"x":2}]}]}', '"A"'),
    case("length of a text in characters", "$[?length(@)==2]", '["日本","a",12,[1,2],{"a":1}]',
         '"日本"', "[1,2]"),
    case("count", "$.books[?count(@.tags.*)==2].title", BOOKS, '"A"'),
    case("count of the value itself", "$[?count(@)==1]", "[0,[1]]", "0", "[1]"),
    case("value of a single node", "$[?value(@..a)==1]", '[{"a":1},{"a":{"a":1}}]', '{"a":1}'),
    case("match is of the whole text", "$[?match(@,'a.c')]", '["abc","xabc","a\\nc",1]', '"abc"'),
    case("search is of a part", "$[?search(@,'b.')]", '["abc","b"]', '"abc"'),
    case("a pattern that is none matches nothing", "$[?match(@,'[')]", '["["]'),
    case("whole numbers are compared exactly", "$[?@==12345678901234567890]",
         "[12345678901234567890,12345678901234567891]", "12345678901234567890"),
    case("whole numbers in order", "$[?@>9007199254740992]", "[9007199254740992,9007199254740993]",
         "9007199254740993"),
    case("a number beyond every float", "$[?@>1]", "[1e999,1]", "1e999"),
    case("exponents", "$[?@==1e2]", "[100,1E2,100.0,1]", "100", "1E2", "100.0"),
    case("minus zero", "$[?@==-0]", "[0,-0,0.0]", "0", "-0", "0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "document", "expected"), RFC_CASES)
def test_a_path_selects_the_values_that_the_rfc_requires(
    path: str, document: str, expected: list[str]
) -> None:
    values = compile_path(path)(parse_value(document))
    assert [json_text(value) for value in values] == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("", "'' is not a JSONPath at character 1: expected '$', found ''", id="empty"),
        pytest.param("a", "'a' is not a JSONPath at character 1: expected '$', found 'a'",
                     id="name"),
        pytest.param(" $", "' $' is not a JSONPath at character 1: expected '$', found ' '",
                     id="space before"),
        pytest.param("$ ", "'$ ' is not a JSONPath at character 3: unexpected trailing whitespace",
                     id="space behind"),
        pytest.param("$.a[", "'$.a[' is not a JSONPath at character 5: unbalanced brackets",
                     id="cut off"),
        pytest.param("$[?(@.a]", "'$[?(@.a]' is not a JSONPath at character 8: unbalanced brackets",
                     id="parenthesis not closed"),
        pytest.param("$[01]", "'$[01]' is not a JSONPath at character 3: "
                     "leading zero in index selector", id="zero in front"),
        pytest.param("$[-0]", "'$[-0]' is not a JSONPath at character 3: "
                     "leading zero in index selector", id="minus zero as an index"),
        pytest.param("$[9007199254740992]", "'$[9007199254740992]' is not a JSONPath at "
                     "character 3: index out of range", id="index beyond 2^53"),
        pytest.param("$[?@.a==-01]", "'$[?@.a==-01]' is not a JSONPath at character 9: "
                     "leading zero in a number", id="zero in front of a number"),
        pytest.param("$[?@.a==1e400]", "'$[?@.a==1e400]' is not a JSONPath: "
                     "a number is out of range",
                     id="number beyond every float"),
        pytest.param("$[?nope(@)]", "'$[?nope(@)]' is not a JSONPath at character 4: "
                     "function 'nope' is not defined", id="unknown function"),
        pytest.param("$[?length(@.*)>1]", "'$[?length(@.*)>1]' is not a JSONPath at character 4: "
                     "length() argument 0 must be of ValueType", id="several nodes as one value"),
        pytest.param("$[?@.a==00.5]", "'$[?@.a==00.5]' is not a JSONPath at character 9: "
                     "leading zero in a number", id="zero in front of a fraction"),
        pytest.param("$[?!@.a==1]", "'$[?!@.a==1]' is not a JSONPath at character 8: "
                     "a condition cannot be compared", id="not before a comparison"),
        pytest.param("$[?@.a==1==true]", "'$[?@.a==1==true]' is not a JSONPath at character 7: "
                     "a condition cannot be compared", id="comparison of a comparison"),
        pytest.param("$[?count(@.*) && @.a]", "'$[?count(@.*) && @.a]' is not a JSONPath at "
                     "character 15: a value is not a condition, it must be compared",
                     id="number as a condition"),
        pytest.param("$[?!length(@.a)]", "'$[?!length(@.a)]' is not a JSONPath at character 4: "
                     "a value is not a condition, it must be compared", id="not of a number"),
        pytest.param("$[?@.*==1]", "'$[?@.*==1]' is not a JSONPath at character 7: "
                     "non-singular query is not comparable", id="several values in a comparison"),
        pytest.param("$[?(@.a @.b)]", "'$[?(@.a @.b)]' is not a JSONPath at character 11: "
                     "unexpected 'b'", id="no operator"),
        pytest.param("$[?" + "(" * 990 + "@" + ")" * 990 + "]",
                     "the JSONPath is nested too deep", id="too deep"),
    ],
)  # fmt: skip
def test_an_invalid_path_is_refused_with_the_position(path: str, message: str) -> None:
    with pytest.raises(PathSyntaxError) as caught:
        compile_path(path)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "path", ["$.a.b", "$['a']['b']", "$ .l[ 0 ]", "$.l[-1]", r"$['\u006c'][0]"]
)
def test_a_path_of_names_and_indexes_reads_no_other_values(path: str) -> None:
    document = {"a": {"b": Digits("1")}, "l": [Digits("1")], "x": Digits("read by no filter")}
    assert compile_path(path)(document) == ["1"]


def test_a_search_in_a_document_that_is_too_deep_is_a_problem_of_the_value() -> None:
    document = parse_value("[" * 65 + "]" * 65)
    with pytest.raises(ValueProblemError) as caught:
        compile_path("$..a")(document)
    assert caught.value.code == "invalid_json"
    assert str(caught.value) == "the document is nested deeper than 64 levels"


NAMES = st.sampled_from(["a", "b", "a b", "'", '"', "\\", "é", "\n", "", "日本", "\u0000", "0"])
DOCUMENTS = st.recursive(
    st.sampled_from(["1.50", "null", '"a"', "true"]).map(parse_value),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=10,
)


def bracketed(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return "[" + json_text(key).replace("\u0000", "\\u0000") + "]"


@given(DOCUMENTS, st.lists(NAMES | st.integers(-3, 3), max_size=4))
def test_a_plain_path_selects_the_same_values_as_the_library(
    document: Any, keys: list[str | int]
) -> None:
    path = "$" + "".join(map(bracketed, keys))
    assert compile_path(path)(document) == jsonpath_rfc9535.find(path, document).values()


@given(DOCUMENTS)
def test_every_place_of_a_document_is_found_by_its_own_path(document: Any) -> None:
    for node in jsonpath_rfc9535.find("$..*", document):
        assert compile_path(node.path())(document) == [node.value]


@given(DOCUMENTS)
def test_a_search_finds_the_same_values_with_the_same_digits(document: Any) -> None:
    expected = jsonpath_rfc9535.find("$..*", document).values()
    assert [json_text(value) for value in compile_path("$..*")(document)] == [
        json_text(value) for value in expected
    ]
