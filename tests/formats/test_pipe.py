"""PIPE, case by case (section 8.2 of the SmartSync specification)."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from formats.rendering import columns_of, page, render
from tailrace.formats import pipe
from tailrace.formats.base import Field

A, B = Field("a", "a", "text"), Field("b", "b", "text")


def write(fields, rows, **options):
    named = [dict(zip(columns_of(fields), row, strict=True)) for row in rows]
    return render(pipe.create(fields, options), columns_of(fields), named).document.decode()


@pytest.mark.req("SS-801", "SS-811", "SS-812", "SS-813", "SS-814", "SS-901")
def test_the_example_of_the_specification():
    fields = (
        Field("date", "date", "date", pattern="%m%d%Y"),
        Field("tvID", "tvID", "integer"),
        Field("agentName", "agentName", "text"),
        Field("exceptionCode", "exceptionCode", "text"),
        Field("agentData", "agentData.7", "text", label="Team"),
        Field("minutes", "minutes", "integer"),
    )
    rows = [(date(2024, 5, 22), 1001, "O'Neil, Zoë", "BREAK", "North|East", 30)]
    assert write(fields, rows, sort=["date", "muID", "tvID", "exceptionCode"]) == (
        "#fields:date|tvID|agentName|exceptionCode|agentData(Team)|minutes\n"
        "#sort:date|muID|tvID|exceptionCode\n"
        "05222024|1001|O'Neil, Zoë|BREAK|North\\|East|30\n"
    )


@pytest.mark.req("SS-812")
def test_the_header_can_be_left_out():
    assert write((A, B), [("x", "y")], header=False, sort=["a"]) == "x|y\n"


@pytest.mark.req("SS-813")
@pytest.mark.parametrize(
    ("label", "written"), [("Team", "Team"), ("a|b", r"a\|b"), ("a\\b\n", r"a\\b\n"), ("#1", "#1")]
)
def test_the_name_of_an_agent_data_group_is_escaped_like_a_value(label, written):
    field = Field("agentData", "agentData.1", "text", label=label)
    assert write((field,), []) == f"#fields:agentData({written})\n#sort:\n"


@pytest.mark.req("SS-813")
def test_two_groups_are_two_columns_and_no_group_is_an_empty_one():
    fields = [Field("agentData", f"agentData.{number}", "text", label=f"G{number}") for number in (1, 2)]
    assert write(fields, [("x", None)]) == "#fields:agentData(G1)|agentData(G2)\n#sort:\nx|\n"
    assert write((A, Field("agentData", "", "group"), B), [("x", "y")]) == "#fields:a|agentData|b\n#sort:\nx||y\n"


@pytest.mark.req("SS-814", "SS-815")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("", ""),
        (" ", " "),
        ("\\", r"\\"),
        ("|", r"\|"),
        ("\n", r"\n"),
        ("\r\n", r"\r\n"),
        ("\\n", r"\\n"),
        ("\\\n|", r"\\\n\|"),
        ("#", "#"),
        ("\t", "\t"),
        ("\x0b\x85\u2028", "\x0b\x85\u2028"),
        ("a\0b\0", "a\ufffdb\ufffd"),
        ('"quoted", with comma', '"quoted", with comma'),
        ("😀e\u0301\ufffe", "😀e\u0301\ufffe"),
    ],
)
def test_values(value, written):
    assert write((A, B), [("x", value), (None, value)], header=False) == f"x|{written}\n|{written}\n"


@pytest.mark.req("SS-814")
@pytest.mark.parametrize(
    ("value", "written"), [("#", "\\#"), ("#fields:", "\\#fields:"), ("##|", "\\##\\|"), (" #", " #"), ("\\#", "\\\\#")]
)
def test_a_hash_is_escaped_at_the_beginning_of_a_line_only(value, written):
    assert write((A, B), [(value, value)], header=False).startswith(f"{written}|{value[:1]}")
    assert write((A,), [(value,)], header=False) == f"{written}\n"
    assert write((A, B), [(None, "#")], header=False) == "|#\n"


@pytest.mark.req("SS-814")
def test_a_hash_is_escaped_even_in_a_column_promised_to_be_plain():
    assert write((Field("a", "a", "text", specials=()), B), [("#1", "#2")], header=False) == "\\#1|#2\n"


@pytest.mark.req("SS-803", "SS-901", "SS-902", "SS-903", "SS-904", "SS-905")
def test_numbers_dates_and_times():
    fields = (
        Field("d", "d", "date", pattern="%d%m%y"),
        Field("iso", "iso", "date"),
        Field("t", "t", "time", pattern="%I:%M %p"),
        Field("n", "n", "decimal", precision=38, scale=2),
        Field("e", "e", "elapsed"),
        Field("b", "b", "boolean"),
    )
    day = date(2024, 5, 9)
    rows = [
        (day, day, datetime(2024, 5, 9), Decimal("37.50"), 0, True),
        (day, day, datetime(2024, 5, 9, 12, 5, 59), Decimal("-0.01"), 2865, False),
        (day, day, datetime(2024, 5, 9, 23, 59), Decimal("-0.00"), 95, None),
    ]
    assert write(fields, rows, header=False).splitlines() == [
        "090524|2024-05-09|12:00 AM|37.50|00:00|true",
        "090524|2024-05-09|12:05 PM|-0.01|47:45|false",
        "090524|2024-05-09|11:59 PM|0.00|01:35|",
    ]


@pytest.mark.req("SS-901")
@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("%m%d%y", "050924"),
        ("%d%m%y", "090524"),
        ("%m%d%Y", "05092024"),
        ("%d%m%Y", "09052024"),
        ("%Y%m%d", "20240509"),
        ("%Y%d%m", "20240905"),
        ("%y%d%m", "240905"),
        ("%y%m%d", "240509"),
    ],
)
def test_layouts_of_dates(pattern, written):
    assert write((Field("d", "d", "date", pattern=pattern),), [(date(2024, 5, 9),)], header=False) == f"{written}\n"


@pytest.mark.req("SS-903")
@pytest.mark.parametrize("pattern", ["%H:%M", "%I:%M %p"])
def test_every_minute_of_the_day(pattern):
    field = Field("t", "t", "time", pattern=pattern)
    minutes = [datetime(2024, 3, 1, minute // 60, minute % 60, 30, 999) for minute in range(1440)]
    expected = [
        f"{at.hour:02d}:{at.minute:02d}"
        if pattern == "%H:%M"
        else f"{(at.hour + 11) % 12 + 1:02d}:{at.minute:02d} {'AP'[at.hour // 12]}M"
        for at in minutes
    ]
    assert write((field,), [(at,) for at in minutes], header=False).splitlines() == expected


@pytest.mark.req("SS-816")
def test_no_records():
    assert write((A, B), [], sort=["b", "a"]) == "#fields:a|b\n#sort:b|a\n"
    assert write((A, B), [], header=False) == ""


@pytest.mark.req("SS-403", "SS-814")
def test_replaced_characters_are_counted():
    made = pipe.create((A, B), {})
    rows = [{"a": "\0\0", "b": "x\0y"}, {"a": None, "b": "\x01\ufffe"}, {"a": "\0"}, {"a": "é\0😀", "b": ""}]
    assert render(made, columns_of((A, B)), rows).replaced == 5
    assert pipe.create((Field("n", "n", "integer"),), {}).replaced() == "0"


@pytest.mark.req("SS-524")
def test_a_page_is_a_whole_document():
    made = pipe.create((A, B), {"sort": ["a"]})
    rendered = render(made, columns_of((A, B)), [{"a": str(number)} for number in range(5)])
    assert page(made, rendered, 1, 2) == b"#fields:a|b\n#sort:a\n1|\n2|\n"
