"""A wrong body costs little: reading it ends soon after what is wrong with it is known.

The tests count what was looked at; ``benchmarks.wrong_bodies`` measures processor time.
"""

import json

import pytest

from cells import field
from tasks_lib.api.bodies import RawValues
from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_bodies import CLOSE_BYTES, read_named
from tasks_lib.intake.api_tasks.json_cells import MAX_CLOSE_BYTES
from tasks_lib.intake.api_tasks.json_tasks import ReadTasks, read_tasks

NAME = field("text").model_copy(update={"name": "name"})
COUNT = field("integer", required=False, max="5").model_copy(update={"name": "count"})
FIELDS = [NAME, COUNT]
ANY = [field("json").model_copy(update={"name": "any"})]
GOOD = '{"fields":{"name":"x"}}'


def read(*tasks: str, fields: list[Field] = FIELDS) -> ReadTasks:
    return read_tasks(f'{{"tasks":[{",".join(tasks)}]}}'.encode(), fields, Limits())


def problems_of(result: ReadTasks) -> list[tuple[int, str | None, str]]:
    return [(bad.place, bad.problem.field, bad.problem.code) for bad in result.bad]


def test_large_tasks_are_not_all_read_to_list_a_hundred_problems() -> None:
    wrong = json.dumps({"fields": {"name": "x" * 4_000, "count": 9}})
    result = read(*[wrong] * 2_000)
    looked_at = MAX_CLOSE_BYTES // len(wrong) + 1
    expected = [(place, "count", "above_maximum") for place in range(looked_at)]
    assert problems_of(result) == expected
    assert (result.is_whole, result.is_counted, len(result.values)) == (False, True, 2_000)


def test_the_last_task_of_many_is_found_to_be_wrong() -> None:
    result = read(*[GOOD] * 4_999, '{"fields":{"name":"x","count":6}}')
    assert problems_of(result) == [(4_999, "count", "above_maximum")]
    assert (result.is_whole, result.is_counted) == (True, True)


@pytest.mark.parametrize("wrong", ["1", "{}", "[]", '{"x":{}}', "null"])
def test_a_million_wrong_elements_are_not_counted(wrong: str) -> None:
    result = read(*[GOOD] * 3, *[wrong] * 1_000_000)
    assert problems_of(result) == [(3, None, "malformed_task")]
    assert (result.is_whole, result.is_counted) == (False, False)


def test_a_million_good_tasks_are_counted_to_five_thousand() -> None:
    with pytest.raises(MalformedBodyError) as caught:
        read(*[GOOD] * 300_000)
    assert caught.value.code == "too_many_tasks"
    assert str(caught.value) == (
        "the body holds more than 5,000 tasks; send them in several requests"
    )


@pytest.mark.parametrize("doubled", [GOOD[:-1] + ',"x":1}', "{}"])
def test_a_task_with_two_members_is_found_among_many(doubled: str) -> None:
    result = read(*['{"fields":{"name":"x","count":1}}'] * 1_000, doubled)
    assert problems_of(result) == [(1_000, None, "malformed_task")]


def test_a_large_object_is_read_up_to_its_first_unknown_member() -> None:
    many = ",".join(f'"other-{number}":{number}' for number in range(100_000))
    result = read(f'{{"fields":{{"name":"x",{many}}}}}')
    assert problems_of(result) == [(0, "other-0", "unknown_field")]
    members = read_named(f'{{"tasks":[],{many}}}'.encode(), ("tasks",))
    assert members is not None
    assert list(members) == ["other-0"]
    with pytest.raises(MalformedBodyError, match=r"its members are 'other-0'$"):
        read_tasks(f'{{"tasks":[],{many}}}'.encode(), FIELDS, Limits())


@pytest.mark.parametrize("name", ["`", "a` - at `$", "é:", "\n"])
def test_an_unknown_member_of_a_large_object_is_named_as_it_is_written(name: str) -> None:
    text = json.dumps({"name": "x" * CLOSE_BYTES, name: 1}).encode()
    members = read_named(text, ("name",))
    assert members is not None
    assert (list(members), members.doubled()) == ([name], [])


LONG = "[" + "1," * CLOSE_BYTES + "[2]]"


@pytest.mark.parametrize("is_valid", [True, False])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f' {{ "name" : "é\\"", "count":1.50, "any": {LONG} \n}} ',
            {"name": '"é\\""', "count": "1.50", "any": LONG},
            id="behind others",
        ),
        pytest.param(f'{{"any":{LONG}}}', {"any": LONG}, id="alone"),
        pytest.param(f'{{"\\u0061ny":{LONG}}}', {"any": LONG}, id="an escaped name"),
        pytest.param(
            f'{{"any":{LONG},"name":"x"}}', {"any": LONG, "name": '"x"'}, id="before another"
        ),
        pytest.param(
            f'{{"name":{{"any":1}},"any":{LONG}}}',
            {"name": '{"any":1}', "any": LONG},
            id="behind an object with its name",
        ),
    ],
)
def test_a_long_value_at_the_end_of_an_object_is_found(
    text: str, expected: dict[str, str], is_valid: bool
) -> None:
    members = read_named(text.encode(), ("name", "count", "any"), is_valid=is_valid)
    assert members is not None
    assert {name: members.raw(name).decode() for name in members} == expected
    assert members.doubled() == []


@pytest.mark.parametrize(
    "text",
    [f'{{"any":{LONG}', f'{{"any":{LONG}]}}', f'{{"any":{LONG}}},1', f'{{"any":{LONG[:-1]}x]}}'],
)
def test_an_object_that_ends_wrongly_behind_a_long_value_is_none(text: str) -> None:
    assert read_named(text.encode(), ("any",)) is None


def test_a_long_value_of_an_unknown_or_doubled_member_is_not_taken() -> None:
    members = read_named(f'{{"other":{LONG}}}'.encode(), ("any",), is_valid=True)
    assert members is not None
    assert (list(members), members.is_whole) == (["other"], False)
    with pytest.raises(MalformedBodyError, match="has the member 'any' twice in one object"):
        read_named(f'{{"any":1,"any":{LONG}}}'.encode(), ("any",), is_valid=True)


@pytest.mark.parametrize("names", [("name", "é:`"), ("name", 'a"b')])
def test_a_large_object_has_the_values_of_its_known_members(names: tuple[str, str]) -> None:
    text = json.dumps({names[0]: "x" * CLOSE_BYTES, names[1]: [1.50]}, ensure_ascii=False).encode()
    members = read_named(text, names)
    assert members is not None
    assert {name: members.raw(name) for name in members} == {
        names[0]: b'"' + b"x" * CLOSE_BYTES + b'"',
        names[1]: b"[1.5]",
    }
    assert members.doubled() == []


def test_an_escaped_colon_in_a_large_text_is_a_colon() -> None:
    text = "\\u003a" * CLOSE_BYTES
    result = read(f'{{"fields":{{"name":"{text}"}}}}', GOOD)
    assert result.bad == ()
    assert json.loads(result.values[0].as_py()) == {"name": ":" * CLOSE_BYTES, "count": None}


@pytest.mark.parametrize("body", ["[1", "{", '"x', "[1,]"])
def test_a_large_body_that_is_no_json_is_refused(body: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        read_tasks((" " * CLOSE_BYTES + body).encode(), FIELDS, Limits())
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize(
    ("body", "kind"),
    [("[1]", "an array"), ('"x"', "a string"), ("1", "a number"), ("null", "null")],
)
def test_the_kind_of_a_large_body_is_named(body: str, kind: str) -> None:
    with pytest.raises(MalformedBodyError, match=f"it is {kind}$"):
        read_tasks((" " * CLOSE_BYTES + body).encode(), FIELDS, Limits())


def test_a_value_that_is_too_large_is_not_parsed() -> None:
    invalid = "[" + "1e999," * 200_000 + "1]"
    result = read(f'{{"fields":{{"any":{invalid}}}}}', fields=ANY)
    assert problems_of(result) == [(0, "any", "cell_too_large")]


def test_an_array_for_a_text_is_refused_whatever_it_holds() -> None:
    doubled = '{"a":1,"a":2},' * CLOSE_BYTES
    result = read(f'{{"fields":{{"name":[{doubled}1]}}}}')
    assert problems_of(result) == [(0, "name", "wrong_type")]


@pytest.mark.parametrize(
    "value",
    [
        '{"b": [1.50, "é:x", 12345678901234567890, -0, 1E-400], "a": {}}',
        '{"b": "\\u003a \\" \\\\ \\n"}',
        "[" * 60 + "]" * 60,
        "[\n1 ,\t2 ]",
        '" "',
        "1.50",
    ],
)
def test_json_is_stored_as_it_was_written(value: str) -> None:
    result = read(f'{{"fields":{{"any": {value} }}}}', fields=ANY)
    assert result.bad == ()
    (stored,) = result.values.to_pylist()
    assert json.loads(stored, parse_float=str, parse_int=str) == {
        "any": json.loads(value, parse_float=str, parse_int=str)
    }


@pytest.mark.parametrize("padding", [0, CLOSE_BYTES], ids=["small", "large"])
@pytest.mark.parametrize(
    "value",
    ['{"a":1,"a":2}', '[{"x":{"a":1,"b":2,"a":3}}]', "[" * 70 + "]" * 70, '["\\u0000"]', "[1e999]"],
    ids=["doubled", "doubled inside", "deep", "NUL", "infinite"],
)
def test_json_that_would_not_be_kept_is_refused(value: str, padding: int) -> None:
    written = f'["{"x" * padding}",{value}]'
    try:
        result = read(f'{{"fields":{{"any":{written}}}}}', fields=ANY)
    except MalformedBodyError as error:
        assert (error.code, "1e999" in value) == ("malformed_json", True)  # noqa: PT017
    else:
        assert [bad.problem.field for bad in result.bad] == ["any"]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("[" * 65 + "]" * 65, "is nested deeper than 64 levels"),
        (r'"\\\u0000"', "holds a NUL character"),
        ("[12.5e0001,1]", "the number '12.5e0001' is outside the range of a 64-bit number"),
        ("-7E-1000", "the number '-7E-1000' is outside the range of a 64-bit number"),
        ('{"a":1,"a":2}', "holds an object in which a key occurs twice"),
    ],
    ids=["deep", "NUL", "exponent", "upper case", "doubled"],
)
def test_the_last_element_of_a_large_document_is_found_to_be_wrong(last: str, reason: str) -> None:
    fine = r'"1e0001[{\"\\u0000\\", "\u003a[["'
    result = read(f'{{"fields":{{"any":[{fine}{f",{fine}" * 5_000},{last}]}}}}', fields=ANY)
    assert problems_of(result) == [(0, "any", "invalid_json")]
    assert reason in result.bad[0].problem.message


@pytest.mark.parametrize("odd", ['"count":"1"', '"count":5'], ids=["odd", "regular"])
def test_a_wrong_task_among_a_thousand_others_of_its_kind_is_found(odd: str) -> None:
    good = f'{{"fields":{{"name":"x",{odd}}}}}'
    result = read(*[good] * 2_000, '{"fields":{"name":"x","count":"6"}}', *[good] * 2_000)
    assert problems_of(result) == [(2_000, "count", "above_maximum")]
    assert (result.is_whole, result.is_counted) == (True, True)


def test_a_text_that_is_too_large_whatever_its_escapes_is_not_read() -> None:
    escapes = r"\n" * (4 * 2**20)
    result = read(f'{{"fields":{{"name":"{escapes}"}}}}', GOOD)
    assert problems_of(result) == [(0, "name", "cell_too_large")]
    assert result.bad[0].problem.message == "has more bytes than the 1,048,576 that are allowed"


@pytest.mark.parametrize("count", [1, 5_000], ids=["small", "large"])
def test_fields_that_a_task_has_twice_are_refused(count: int) -> None:
    doubled = '{"fields":{},"fields":{"name":"x"}}'
    if count == 1:
        assert problems_of(read(doubled, GOOD)) == [(0, None, "malformed_task")]
        return
    with pytest.raises(MalformedBodyError) as caught:
        read(*[GOOD] * (count - 1), doubled)
    assert caught.value.code == "malformed_json"
    assert str(caught.value) == "the body has the member 'tasks' or 'fields' twice in one object"


@pytest.mark.parametrize("before", ["", '"count":[[1],{"a":1}],'])
def test_a_field_that_a_large_task_has_twice_is_named(before: str) -> None:
    doubled = '"name": "x" , ' * CLOSE_BYTES
    with pytest.raises(MalformedBodyError) as caught:
        read(GOOD, f'{{"fields":{{{before}{doubled}"count":1}}}}')
    assert caught.value.code == "malformed_json"
    assert str(caught.value) == "the body has the member 'name' twice in one object"


def test_a_field_that_a_large_task_has_twice_at_its_end_is_refused() -> None:
    with pytest.raises(MalformedBodyError, match="has a member twice in one object"):
        read(f'{{"fields":{{"name":"{"x" * CLOSE_BYTES}","count":1,"count":2}}}}')


def test_a_name_that_also_is_inside_a_value_is_not_doubled() -> None:
    inside = f'{{"any":1,"\\u0061ny":"any","others":["{"x" * CLOSE_BYTES}"]}}'
    result = read(f'{{"fields":{{"any":{inside}}}}}', fields=ANY)
    assert problems_of(result) == [(0, "any", "invalid_json")]
    result = read(f'{{"fields":{{"any":{inside.replace("u0061", "u0062")}}}}}', fields=ANY)
    assert result.bad == ()


def test_texts_full_of_colons_are_read() -> None:
    text = '\\":' * 200
    result = read(*[f'{{"fields":{{"name":"{text}"}}}}'] * 1_000)
    assert result.bad == ()
    assert json.loads(result.values[999].as_py()) == {"name": '":' * 200, "count": None}


@pytest.mark.parametrize("padding", [0, CLOSE_BYTES], ids=["small", "large"])
def test_an_array_for_a_text_keeps_its_problem_if_a_key_is_doubled(padding: int) -> None:
    result = read(f'{{"fields":{{"name":[{"1," * padding}{{"a":1,"a":2}}]}}}}')
    assert problems_of(result) == [(0, "name", "wrong_type" if padding else "invalid_json")]
    result = read(f'{{"fields":{{"name":[{"1," * padding}{{"a":1,"b":2}}]}}}}')
    assert problems_of(result) == [(0, "name", "wrong_type")]


DOCUMENTS = [NAME, COUNT, field("json", required=False).model_copy(update={"name": "any"})]
PADDING = f'{{"fields":{{"name":"{"x" * 2_000}","any":{{"a":[1.50, "b c"]}}}}}}'
ODD = '{"fields":{"name":"x","count":"1","any":"\\u00e9"}}'


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ('{"fields":{"name":"x","count":9}}', "count", "above_maximum"),
        ('{"fields":{"name":"x","any":{"a":1,"a":2}}}', "any", "invalid_json"),
        ('{"fields":{"name":"x","any":["\\u0000"]}}', "any", "invalid_json"),
        ('{"fields":{"name":"x","name":"y"}}', "name", "duplicate_field"),
        ('{"fields":{"name":"x","other":1}}', "other", "unknown_field"),
        ('{"fields":{"any":1}}', "name", "missing_field"),
    ],
)
@pytest.mark.parametrize("odd", [(), (ODD,)], ids=["regular", "odd"])
def test_a_wrong_task_after_many_documents_is_found_first(
    wrong: str, field: str, code: str, odd: tuple[str, ...]
) -> None:
    result = read(*[PADDING] * 100, *odd, wrong, PADDING, fields=DOCUMENTS)
    assert problems_of(result) == [(100 + len(odd), field, code)]
    assert len(result.values) == 102 + len(odd)


def test_many_odd_documents_are_stored_as_task_by_task() -> None:
    result = read(*[PADDING] * 100, ODD, fields=DOCUMENTS)
    assert result.bad == ()
    assert json.loads(result.values[0].as_py())["any"] == {"a": [1.5, "b c"]}
    assert json.loads(result.values[100].as_py()) == {"name": "x", "count": 1, "any": "é"}


@pytest.mark.parametrize("last", ["", ',"count":9', ',"count":"1"'], ids=["good", "wrong", "odd"])
def test_documents_of_a_request_are_limited_together(last: str) -> None:
    task = f'{{"fields":{{"name":"x","any":[{"1," * 499}1]{last}}}}}'
    limits = Limits(max_document_bytes=100_000, max_cell_bytes=10_000)
    body = f'{{"tasks":[{",".join([task] * 101)}]}}'.encode()
    if last == ',"count":9':  # is refused before so much is read
        assert read_tasks(body, DOCUMENTS, limits).bad
        return
    with pytest.raises(MalformedBodyError) as caught:
        read_tasks(body, DOCUMENTS, limits)
    assert caught.value.code == "body_too_large"
    assert str(caught.value) == (
        "the JSON documents and lists of options of the request have more than 100,000 bytes; "
        "send it in parts"
    )
    fewer = f'{{"tasks":[{",".join([task] * 90)}]}}'.encode()
    assert read_tasks(fewer, DOCUMENTS, limits).bad == ()


def test_documents_of_a_submission_are_limited_together() -> None:
    members = read_named(b'{"a":[1,2,3],"b":{"c":1},"d":"a text counts nothing"}', ("a", "b", "d"))
    assert members is not None
    assert list(RawValues(members, Limits(max_document_bytes=14, max_cell_bytes=10))) == [*"abd"]
    with pytest.raises(MalformedBodyError, match="more than 13 bytes"):
        RawValues(members, Limits(max_document_bytes=13, max_cell_bytes=10))


@pytest.mark.parametrize("kind", ["json", "multi_select"])
@pytest.mark.parametrize("padding", ["", "x" * CLOSE_BYTES], ids=["small", "large"])
@pytest.mark.parametrize("value", [b'["\xff"]', b'{"\xe9":1}', b'"\xed\xa0\x80"'])
def test_a_document_that_is_not_utf_8_is_refused(kind: str, padding: str, value: bytes) -> None:
    fields = [NAME, field(kind).model_copy(update={"name": "any"})]
    good = f'{{"fields":{{"name":"x{padding}","any":["good"]}}}}'.encode()
    wrong = b'{"fields":{"name":"x","any":' + value + b"}}"
    with pytest.raises(MalformedBodyError) as caught:
        read_tasks(b'{"tasks":[' + good + b"," + wrong + b"]}", fields, Limits())
    assert caught.value.code == "malformed_json"
