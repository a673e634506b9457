"""Every way an input is refused: the exact words, and that nothing is left behind."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from intake.datasets import GOOD, NAMES, catalog, files_in, write_csv, write_ndjson, write_parquet
from tailrace.errors import LoadRefused, UnknownDataset
from tailrace.intake.load import load_files

pytestmark = pytest.mark.long

HEADER = ",".join(NAMES).encode() + b"\n"
ROW = ",".join(GOOD).encode() + b"\n"
Refuse = Callable[..., LoadRefused]


@pytest.fixture
def refuse(database, tenant, tables) -> Refuse:
    """Load what must be refused, check that nothing is left, and give the refusal."""

    def load(*paths: Path, dataset: str = "parcels") -> LoadRefused:
        with pytest.raises(LoadRefused) as refused:
            load_files(database, catalog(), tables, tenant, dataset, paths)
        assert files_in(tables) == []
        assert not list(tables.glob(".scratch*"))
        assert database.execute("SELECT count(*) AS files FROM stored_files")[0].files == 0
        return refused.value

    return load


def replaced(**cells: str | None) -> list[str]:
    values = {name.replace(" ", ""): value for name, value in zip(NAMES, GOOD, strict=True)}
    return list((values | {key: "" if value is None else value for key, value in cells.items()}).values())


VALUES = [
    ({"Parcel": "12.7"}, "'Parcel': '12.7' is not a whole number of 64 bits"),
    ({"Parcel": " 12 "}, "'Parcel': ' 12 ' is not a whole number of 64 bits"),
    ({"Parcel": "9223372036854775808"}, "'Parcel': '9223372036854775808' is not a whole number of 64 bits"),
    ({"Parcel": "\uff11\uff12"}, "'Parcel': '\uff11\uff12' is not a whole number of 64 bits"),
    ({"Parcel": None}, "'Parcel': must have a value"),
    ({"Parcel": "x" * 70}, f"'Parcel': '{'x' * 60}…' is not a whole number of 64 bits"),
    ({"Parcel": "1\t\n2"}, r"'Parcel': '1\t\n2' is not a whole number of 64 bits"),
    *(
        (
            {"Weight": text},
            f"'Weight': '{text}' is not a decimal number of at most 6 digits before and 6 after the point",
        )
        for text in ("abc", "1234567.0", "0.0000001", "1e6", "1e-7", "1,5", "NaN", "1e", ".", "1_000", "+-1", "1e999")
    ),
    *(
        ({"HandedOver": text}, f"'Handed Over': '{text}' is not a date and time")
        for text in (
            *("2024-02-30", "2024-02-29T24:00", "2024-02-29T10:60", "2024-02-29T10:00:60", "29.02.2024", "2024-2-9"),
            *("2024-02-29 10:00:00 Z", "2024-02-29T10:00+1", "2024-02-29T10:00+24:00", "infinity", "0000-01-01"),
            *("0001-01-01T00:00+00:01", "9999-12-31T23:59:59-00:01", "2024-02-29T10", "2024-02-29Z", "now"),
            "2024-02-29T10:00:00.1234567890",
        )
    ),
    ({"HandedOver": None}, "'Handed Over': must have a value"),
    ({"Due": "2024-02-29T00:00"}, "'Due': '2024-02-29T00:00' is not a date"),
    ({"Due": "2023-02-29"}, "'Due': '2023-02-29' is not a date"),
    ({"Signed": "yes"}, "'Signed': 'yes' is not YES or NO"),
    ({"Signed": "1"}, "'Signed': '1' is not YES or NO"),
]


@pytest.mark.parametrize(("cells", "problem"), VALUES)
def test_a_value_that_is_none(refuse: Refuse, tmp_path: Path, cells: dict[str, str | None], problem: str) -> None:
    lines = [GOOD, replaced(Note="two\nlines"), replaced(**cells)]
    refusal = refuse(write_csv(tmp_path / "in.csv", lines))
    assert refusal.message == "in.csv: 1 problem; nothing was loaded."
    assert refusal.details == (f"in.csv, line 5, column {problem}",)


AFTER = "something follows the closing double quote; a double quote inside a cell must be doubled"
BARE_CR = "a carriage return without a line feed is in a cell that is not quoted"
STRUCTURES: list[tuple[bytes, Sequence[str]]] = [
    (HEADER + ROW[:-1], ["line 2: the last line has no line break, so the file is probably cut off"]),
    (HEADER + ROW + b"1,2\n" + ROW, ["line 3: has 2 cells, but the header has 6"]),
    (
        HEADER + b"1,2,3,4,5,6,7\n1\n",
        ["line 2: has 7 cells, but the header has 6", "line 3: has 1 cell, but the header has 6"],
    ),
    (HEADER + b'1,2,3,4,5,"a\nb\n', ["line 2, column 6: a double quote opens here that is never closed"]),
    (
        HEADER + b'1,2,3,4,5,"a\nb"c\n' + ROW,
        [f"line 2, column 6: {AFTER}"],
    ),
    (HEADER + ROW + b'1,2,3,4,5,a"b\n' + ROW, ["line 3, column 6: a double quote is in a cell that is not quoted"]),
    (HEADER + b'1,2,3,4,5,"a" \n', [f"line 2, column 6: {AFTER}"]),
    (HEADER + ROW + b"\n" + ROW + b"\r\n", ["line 3: the line is blank", "line 5: the line is blank"]),
    (HEADER + b"1,2,3,4,5,a\rb\n", [f"line 2, column 6: {BARE_CR}"]),
    (HEADER + ROW + b"1,2,3,4,\xff,6\n" + ROW, ["line 3, column 5: is not UTF-8 (byte 0xFF)"]),
    (HEADER + b'1,2,3,4,"a\n,""",\xc3\n', ["line 2, column 6: is not UTF-8 (byte 0xC3)"]),
    (HEADER + ROW + b"1,2,3,4,5,\xed\xa0\x80\n", ["line 3, column 6: is not UTF-8 (byte 0xED)"]),
    (HEADER + ROW + ROW[:-1] + b"\r\n", ["line 3: ends with CR LF, but the lines before it with LF"]),
    (b"\xff\xfeP\x00", ["line 1: the last line has no line break, so the file is probably cut off"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "problems"), STRUCTURES)
def test_a_broken_csv_file(refuse: Refuse, tmp_path: Path, content: bytes, problems: list[str]) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    assert refuse(path).details == tuple(f"in.csv, {problem}" for problem in problems)


HEADERS = [
    ([*NAMES[:2], *NAMES[3:]], ["line 1: column 'Weight' of parcels version 1 is missing"]),
    ([*NAMES, "Extra"], ["line 1, column 7: 'Extra' is not a column of parcels version 1"]),
    ([*NAMES, "Extra", "Depot"], ["line 1, column 7: 'Extra' is not a column of parcels version 2"]),
    ([*NAMES, "Note"], ["line 1, column 7: 'Note' appears twice"]),
    (
        [NAMES[1], NAMES[0], *NAMES[2:]],
        [
            "line 1, column 1: 'Handed Over' is out of place; parcels version 1 has 'Parcel' there",
            "line 1, column 2: 'Parcel' is out of place; parcels version 1 has 'Handed Over' there",
        ],
    ),
    (
        ["parcel", *NAMES[1:]],
        [
            "line 1, column 1: 'parcel' is not a column of parcels version 1",
            "line 1: column 'Parcel' of parcels version 1 is missing",
        ],
    ),
]


@pytest.mark.parametrize(("names", "problems"), HEADERS)
def test_a_header_of_no_version(refuse: Refuse, tmp_path: Path, names: list[str], problems: list[str]) -> None:
    assert refuse(write_csv(tmp_path / "in.csv", [], names)).details == tuple(f"in.csv, {p}" for p in problems)


def good_object(**changes: object) -> dict[str, object]:
    return {**dict(zip(NAMES, GOOD, strict=True)), **changes}


OBJECTS = [
    ('{"Parcel": 1', "line 2: is not a JSON object"),
    ("[1]", "line 2: is not a JSON object"),
    ('{"a": 1} {"b": 2}', "line 2: is not a JSON object"),
    ("", "line 2: the line is blank"),
    ('{"Parcel": "\\ud800"}', "line 2: is not a JSON object"),
]


@pytest.mark.parametrize(("line", "problem"), OBJECTS)
def test_a_line_that_is_no_object(refuse: Refuse, tmp_path: Path, line: str, problem: str) -> None:
    path = write_ndjson(tmp_path / "in.ndjson", [good_object()])
    path.write_text(path.read_text() + line + "\n" + path.read_text())
    assert refuse(path).details == (f"in.ndjson, {problem}",)


JSON_VALUES = [
    ({"Note": 5}, "'Note': the value is not text"),
    ({"Note": {"a": 1}}, "'Note': the value is not text"),
    ({"Parcel": 1.5}, "'Parcel': '1.5' is not a whole number of 64 bits"),
    ({"Parcel": True}, "'Parcel': 'true' is not a whole number of 64 bits"),
    ({"Parcel": None}, "'Parcel': must have a value"),
    ({"Signed": 1}, "'Signed': '1' is not YES or NO"),
    ({"Due": 20240301}, "'Due': '20240301' is not a date"),
]


@pytest.mark.parametrize(("changes", "problem"), JSON_VALUES)
def test_a_json_value_that_does_not_fit(
    refuse: Refuse, tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    path = write_ndjson(tmp_path / "in.jsonl", [good_object(), good_object(**changes)])
    assert refuse(path).details == (f"in.jsonl, line 2, column {problem}",)


def test_lines_that_end_in_two_ways(refuse: Refuse, tmp_path: Path) -> None:
    path = write_ndjson(tmp_path / "in.ndjson", [good_object(), good_object(), good_object()])
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second + b"\r\n" + third)
    assert refuse(path).details == ("in.ndjson, line 2: ends otherwise than the first line, with or without CR",)


def test_keys_of_a_later_object(refuse: Refuse, tmp_path: Path) -> None:
    other = good_object(Extra=1)
    del other["Note"]
    path = write_ndjson(tmp_path / "in.ndjson", [good_object(), other])
    path.write_text(path.read_text() + '{"Parcel": 1, ' + path.read_text().splitlines()[0][1:] + "\n")
    assert refuse(path).details == (
        "in.ndjson, line 2: key 'Note' is missing",
        "in.ndjson, line 2: key 'Extra' is not a column",
        "in.ndjson, line 3: key 'Parcel' appears twice",
    )


def test_a_json_number_that_a_float_cannot_hold(refuse: Refuse, tmp_path: Path) -> None:
    path = write_ndjson(tmp_path / "in.ndjson", [good_object()])
    path.write_text(path.read_text().replace('"1.25"', "12345.678901234567890"))
    [detail] = refuse(path).details
    assert detail.startswith("in.ndjson, line 1, column 'Weight': '12345.67890123")


TYPED = (
    "SELECT 7 AS Parcel, TIMESTAMP '2024-02-29' AS \"Handed Over\", 1.25 AS Weight, true AS Signed,"
    " DATE '2024-03-01' AS Due, 'fine' AS Note"
)
TIME, DUE = "TIMESTAMP '2024-02-29'", "DATE '2024-03-01'"
PARQUETS = [
    (TYPED.replace("7 AS", "7.5 AS"), "row 1, column 'Parcel': '7.5' is not a whole number of 64 bits"),
    (TYPED.replace("7 AS", "'x' AS"), "row 1, column 'Parcel': 'x' is not a whole number of 64 bits"),
    (TYPED.replace("7 AS", "true AS"), "column 'Parcel': holds BOOLEAN where integer must be"),
    (TYPED.replace("'fine'", "5"), "column 'Note': holds INTEGER where text must be"),
    (TYPED.replace("'fine'", "'x'::BLOB"), "column 'Note': holds BLOB where text must be"),
    (TYPED.replace(DUE, "TIMESTAMP '2024-03-01 10:00'"), "row 1, column 'Due': '2024-03-01 10:00:00' is not a date"),
    (TYPED.replace(TIME, "TIMESTAMP 'infinity'"), "row 1, column 'Handed Over': 'infinity' is not a date and time"),
    (TYPED.replace(TIME, "NULL::TIMESTAMP"), "row 1, column 'Handed Over': must have a value"),
    (TYPED.replace(" AS Due", " AS Dew"), "column 5: 'Dew' is not a column of parcels version 1"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "problem"), PARQUETS)
def test_a_parquet_file_that_does_not_fit(refuse: Refuse, tmp_path: Path, query: str, problem: str) -> None:
    refusal = refuse(write_parquet(tmp_path / "in.parquet", query))
    assert refusal.details[0] in {f"in.parquet, {problem}", f"in.parquet: {problem}"}


def test_a_value_of_a_person_is_not_repeated(database, tenant, tables, tmp_path: Path) -> None:
    path = write_ndjson(tmp_path / "in.ndjson", [good_object(Note=12345678)])
    with pytest.raises(LoadRefused) as refused:
        load_files(database, catalog(), tables, tenant, "parcels", [path])
    assert refused.value.details == ("in.ndjson, line 1, column 'Note': the value is not text",)
    error: BaseException | None = refused.value
    while error is not None:  # nor in what a log may show of the causes
        assert "12345678" not in str(error)
        error = error.__cause__


def test_many_problems_are_counted(refuse: Refuse, tmp_path: Path) -> None:
    refusal = refuse(write_csv(tmp_path / "in.csv", [replaced(Parcel="x", Due="y")] * 16))
    assert refusal.message == "in.csv: 32 problems; nothing was loaded."
    assert refusal.details[:2] == (
        "in.csv, line 2, column 'Parcel': 'x' is not a whole number of 64 bits",
        "in.csv, line 2, column 'Due': 'y' is not a date",
    )
    assert len(refusal.details) == 21
    assert refusal.details[-1] == "… and 12 more"


def test_files_that_cannot_be_read(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "rows.txt").write_text("x")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(HEADER + ROW)[:-9])
    assert (
        refuse(tmp_path / "none.csv").message == f"{tmp_path}/none.csv: No such file or directory; nothing was loaded."
    )
    assert refuse(tmp_path / "folder.csv").message == "folder.csv: this is a folder; nothing was loaded."
    assert refuse(tmp_path / "empty.csv").message == "empty.csv: the file is empty; nothing was loaded."
    assert "must end in .csv, .parquet or .ndjson" in refuse(tmp_path / "rows.txt").message
    assert refuse(tmp_path / "bad.parquet").details == ("bad.parquet: this is not a readable Parquet file",)
    assert "bad.csv.gz: the gzip file is damaged" in refuse(tmp_path / "bad.csv.gz").message


def test_one_content_under_two_names(refuse: Refuse, tmp_path: Path) -> None:
    one, two = write_csv(tmp_path / "one.csv", [GOOD]), write_csv(tmp_path / "two.csv", [GOOD])
    assert refuse(one, two).message == f"{one} and {two} have the same content; nothing was loaded."
    assert "have the same content" in refuse(one, one).message


def test_a_good_file_beside_a_bad_one_is_not_loaded(refuse: Refuse, tmp_path: Path) -> None:
    good, bad = write_csv(tmp_path / "a.csv", [GOOD]), write_csv(tmp_path / "b.csv", [replaced(Parcel="x")])
    assert refuse(good, bad).message == "b.csv: 1 problem; nothing was loaded."


def test_a_dataset_that_is_not_there(database, tenant, tables) -> None:
    with pytest.raises(UnknownDataset):
        load_files(database, catalog(), tables, tenant, "letters", [])
