"""JSON, case by case (section 8.3 of the SmartSync specification)."""

import json
from datetime import date, datetime
from decimal import Decimal

import pytest

from formats.rendering import columns_of, page, render
from formats.trees import make_agents, make_opens
from tailrace.formats import json as json_format
from tailrace.formats.base import Field

A, B, N = Field("a", "a", "text"), Field("b", "b", "text"), Field("n", "n", "integer")
TEAM, SITE = (
    Field("agentData", "agentData.7", "text", label="Team"),
    Field("agentData", "agentData.9", "text", label="Site"),
)
KINDS = (
    Field("text", "text", "text"),
    Field("whole", "whole", "integer"),
    Field("part", "part", "decimal", precision=38, scale=2),
    Field("day", "day", "date"),
    Field("at", "at", "time", pattern="%H:%M"),
    Field("since", "since", "elapsed"),
    Field("yes", "yes", "boolean"),
)


def write(fields, rows, **options):
    named = [dict(zip(columns_of(fields), row, strict=True)) for row in rows]
    return render(json_format.create(fields, options), columns_of(fields), named).document.decode()


def record(fields, row, **options):
    return write(fields, [row], **options).removeprefix("[\n").removesuffix("\n]\n")


@pytest.mark.req("SS-821", "SS-822", "SS-823", "SS-902")
def test_a_flat_document():
    rows = [
        ("x", 1, Decimal("37.50"), date(2024, 5, 9), datetime(2024, 5, 9, 8), 95, True),
        ("y", -2, Decimal("-0.05"), date(2999, 12, 31), datetime(2024, 5, 9, 23, 59), 0, False),
    ]
    assert write(KINDS, rows) == (
        "[\n"
        '{"text":"x","whole":1,"part":37.50,"day":"2024-05-09","at":"08:00","since":"01:35","yes":true},\n'
        '{"text":"y","whole":-2,"part":-0.05,"day":"2999-12-31","at":"23:59","since":"00:00","yes":false}\n'
        "]\n"
    )


@pytest.mark.req("SS-902")
def test_a_date_in_a_layout_is_a_string():
    assert record((Field("d", "d", "date", pattern="%Y%m%d"),), (date(2024, 5, 9),)) == '{"d":"20240509"}'


@pytest.mark.req("SS-822", "SS-801")
def test_no_records():
    assert write((A, N), []) == "[]\n"
    assert write((A, N), [], keep_empty=True) == "[]\n"


@pytest.mark.req("SS-823")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('"', r"\""),
        ("\\", r"\\"),
        ("/", "/"),
        ("\b\f\n\r\t", r"\b\f\n\r\t"),
        ("\0", r"\u0000"),
        ("\x0b\x1a\x1f", r"\u000b\u001a\u001f"),
        ("\\\x0b\\", r"\\\u000b\\"),
        (r"\u000B", r"\\u000B"),
        ("\\u000B\x0b\\\\\x0f", r"\\u000B\u000b\\\\\u000f"),
        ("\x01\x1e", r"\u0001\u001e"),
        ("\x7f\x85\u2028\u2029\ufeff\ufffe\uffff", "\x7f\x85\u2028\u2029\ufeff\ufffe\uffff"),
        ("é😀e\u0301", "é😀e\u0301"),
        ("<&>'{,", "<&>'{,"),
    ],
)
def test_escapes(value, written):
    assert record((A,), (value,)) == f'{{"a":"{written}"}}'


@pytest.mark.req("SS-823")
def test_every_control_character_in_its_written_form():
    whole = "".join(map(chr, range(33)))
    short = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r"}
    written = "".join(short.get(number, f"\\u{number:04x}") for number in range(32))
    assert record((A,), (whole,)) == f'{{"a":"{written} "}}'


@pytest.mark.req("SS-824")
@pytest.mark.parametrize("first", [None, "", "x"])
@pytest.mark.parametrize("second", [None, "", "y"])
@pytest.mark.parametrize("third", [None, 0])
def test_members_without_value_are_left_out_with_their_comma(first, second, third):
    values = {"a": first, "b": second, "n": third}
    kept = [f'"{name}":{json.dumps(value)}' for name, value in values.items() if value not in {None, ""}]
    assert record((A, B, N), (first, second, third)) == f"{{{','.join(kept)}}}"


@pytest.mark.req("SS-824")
def test_members_without_value_are_kept_where_asked_for():
    written = '{"text":"","whole":"","part":"","day":"","at":"","since":"","yes":""}'
    assert record(KINDS, (None,) * 7, keep_empty=True) == written
    assert record((A, N), ("", 0), keep_empty=True) == '{"a":"","n":0}'


@pytest.mark.req("SS-824")
def test_a_record_without_any_value_is_an_empty_object():
    assert write(KINDS, [(None,) * 7, (None,) * 7]) == "[\n{},\n{}\n]\n"


@pytest.mark.req("SS-706", "SS-825")
def test_agent_data_is_one_array_at_the_place_of_the_first():
    assert record((TEAM, A, SITE), ("North|East", "x", "1")) == (
        '{"agentData":[{"name":"Team","value":"North|East"},{"name":"Site","value":"1"}],"a":"x"}'
    )
    twice = json_format.create((A, TEAM, TEAM), {})
    rows = [{"a": "x", "agentData.7": "N"}]
    assert render(twice, columns_of((A, TEAM)), rows).rows == [
        '{"a":"x","agentData":[{"name":"Team","value":"N"},{"name":"Team","value":"N"}]}'
    ]


@pytest.mark.req("SS-825")
def test_agent_data_without_value():
    assert record((A, TEAM, SITE), ("x", None, "1")) == '{"a":"x","agentData":[{"name":"Site","value":"1"}]}'
    assert record((A, TEAM, SITE), ("x", None, "")) == '{"a":"x"}'
    assert record((A, TEAM, SITE), ("x", None, ""), keep_empty=True) == (
        '{"a":"x","agentData":[{"name":"Team","value":""},{"name":"Site","value":""}]}'
    )


@pytest.mark.req("SS-824", "SS-825")
def test_a_tenant_without_agent_data_groups():
    fields = (A, Field("agentData", "", "group"), B)
    assert record(fields, ("x", "y")) == '{"a":"x","b":"y"}'
    assert record(fields, ("x", "y"), keep_empty=True) == '{"a":"x","agentData":[],"b":"y"}'


@pytest.mark.req("SS-823")
def test_names_known_beforehand_are_escaped_too():
    label = "T\"e'a\\m\n\x1f{}"
    made = record((Field("agentData", "agentData.1", "text", label=label),), ("v",))
    assert made == r"""{"agentData":[{"name":"T\"e'a\\m\n\u001f{}","value":"v"}]}"""


@pytest.mark.req("SS-823")
def test_a_decimal_keeps_its_digits_and_has_one_before_the_point():
    field = Field("d", "d", "decimal", precision=38, scale=20)
    assert record((field,), (Decimal("123456789012345678.01234567890123456789"),)) == (
        '{"d":123456789012345678.01234567890123456789}'
    )
    assert record((Field("d", "d", "decimal", precision=2, scale=2),), (Decimal("0.5"),)) == '{"d":0.50}'


@pytest.mark.req("SS-826", "SS-827", "SS-834")
def test_the_mu_opens_example_of_the_specification():
    made, columns = make_opens(json_format)
    steps = [{"time": 480, "openValue": Decimal(15)}, {"time": 495, "openValue": Decimal("7.5")}]
    rows = [{"muID": 1, "ctID": 10, "date": date(2024, 5, 22), "open": steps}]
    assert render(made, columns, rows).document.decode() == (
        '{"opens":{"muOpens":[\n'
        '{"muID":1,"ctID":10,"date":"2024-05-22","open":[{"time":"08:00","openValue":15.0000},'
        '{"time":"08:15","openValue":7.5000}]}\n'
        "]}}\n"
    )


@pytest.mark.req("SS-826")
@pytest.mark.parametrize("keep", [False, True])
def test_a_tree_without_records_has_its_root_and_array(keep):
    made, columns = make_opens(json_format, keep_empty=keep)
    assert render(made, columns, []).document == b'{"opens":{"muOpens":[]}}\n'
    made, columns = make_agents(json_format, "newAgent", keep_empty=keep)
    assert render(made, columns, []).document == b'{"agentList":{"newAgent":[]}}\n'


@pytest.mark.req("SS-826", "SS-827")
def test_an_agent_as_a_tree():
    made, columns = make_agents(json_format, "changedAgent")
    row = {
        "id": "1001",
        "firstName": "Zoë",
        "lastName": 'O"Neil',
        "mu": 1,
        "agentStartDate": date(2023, 2, 1),
        "acdList": [{"acdID": 1, "logon": "4711", "agentGroup": None}, {"acdID": 2, "logon": "x", "agentGroup": "g"}],
        "availListDateRange": {"startDate": date(2024, 1, 1), "endDate": None},
        "useAvailability": False,
        "agentData": [{"groupID": 7, "description": "Team", "adgStartDate": date(2024, 1, 2), "value": "N"}],
    }
    assert render(made, columns, [row]).document.decode() == (
        '{"agentList":{"changedAgent":[\n'
        '{"id":{"idType":"tvID","value":"1001"},"name":{"firstName":"Zoë","lastName":"O\\"Neil"},"mu":1,'
        '"agentStartDate":"2023-02-01","acdList":[{"acdID":1,"logon":"4711"},'
        '{"acdID":2,"logon":"x","agentGroup":"g"}],"useAvailability":false,'
        '"availListDateRange":{"startDate":"2024-01-01"},'
        '"agentData":[{"description":"Team","adgStartDate":"2024-01-02","value":"N"}]}\n'
        "]}}\n"
    )


@pytest.mark.req("SS-824", "SS-827")
def test_what_is_empty_in_a_tree():
    made, columns = make_agents(json_format, "newAgent")
    empty = {"acdList": [], "availListDateRange": {"startDate": None, "endDate": None}, "firstName": ""}
    assert render(made, columns, [{}, empty]).rows == ["{}", "{}"]
    made, columns = make_agents(json_format, "newAgent", keep_empty=True)
    [bare, whole] = render(made, columns, [{}, empty]).rows
    assert bare == whole
    members = json.loads(whole)
    assert members.pop("name") == {"firstName": "", "lastName": "", "nameSuffix": ""}
    assert (members.pop("acdList"), members.pop("agentData"), members.pop("availListDateRange")) == ([], [], {})
    assert set(members.values()) == {""}


@pytest.mark.req("SS-827")
def test_an_id_without_value_still_says_which_it_is():
    made, columns = make_agents(json_format, "changedAgent", "ssn")
    assert render(made, columns, [{}]).rows == ['{"id":{"idType":"ssn"}}']
    made, columns = make_agents(json_format, "changedAgent", "ssn", ["id"], keep_empty=True)
    assert render(made, columns, [{"id": ""}]).rows == ['{"id":{"idType":"ssn","value":""}}']


@pytest.mark.req("SS-524")
def test_a_page_is_a_whole_document():
    made = json_format.create((N,), {})
    rendered = render(made, columns_of((N,)), [{"n": number} for number in range(5)])
    assert page(made, rendered, 1, 2) == b'[\n{"n":1},\n{"n":2}\n]\n'
    assert page(made, rendered, 0, 5) == rendered.document
    assert made.replaced() == "0"
