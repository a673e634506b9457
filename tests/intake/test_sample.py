"""Sample rows: the same for the same wish, consistent in themselves, and good input for loading."""

import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from intake.datasets import catalog as operator_catalog
from intake.datasets import files_in, read_stored
from tailrace.catalog.loader import Catalog, load_catalog
from tailrace.errors import LoadRefused, UnknownDataset
from tailrace.intake.load import load_files
from tailrace.intake.sample import load_sample, sample_datasets, write_sample_csv

NAME = "qm-workflows"
CATALOG = load_catalog()
ROWS = 20_000


@pytest.fixture
def make(database, tenant, tables):
    """Store sample rows and read them back without their keys."""

    def make(folder: str = "", **more):
        target = tables / folder
        load_sample(database, CATALOG, target, tenant, NAME, **{"rows": 2000, **more})
        database.execute("DELETE FROM stored_files")
        return read_stored(target, "* EXCLUDE (_row_key)")

    return make


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Many sample rows as a table of DuckDB, read from a CSV file of version 3."""
    path = tmp_path_factory.mktemp("sample") / "rows.csv"
    write_sample_csv(CATALOG, NAME, path, tenant_name="Harbour", rows=ROWS, version="3")
    connection = duckdb.connect()
    dataset = CATALOG.get(NAME, "3")
    columns = {column.source: "VARCHAR" for column in dataset.columns}
    connection.read_csv(
        str(path), header=True, columns=columns, allow_quoted_nulls=False, parallel=False
    ).create("rows")  # fmt: skip
    return connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    return connection.execute(query).fetchall()[0][0]


def test_the_same_wish_gives_the_same_rows(make) -> None:
    first = make("a", threads=1)
    assert make("b", threads=2) == first
    assert make("c", seed=2) != first
    assert make("d", rows=500) == first[:500]


def test_the_rows_never_change(rows) -> None:
    """Guards against a DuckDB that computes otherwise, and tells who changes the generator that old rows change."""
    found = rows.execute("SELECT md5(string_agg(md5(r::VARCHAR), '' ORDER BY workflow_id)) FROM rows AS r").fetchall()
    assert found == [("9d9f8a298e59a01a37882b02efdcb0d9",)]


def test_asked_twice_nothing_changes(database, tenant, tables) -> None:
    def ask(**more):
        [file] = load_sample(database, CATALOG, tables, tenant, NAME, **{"rows": 100, **more}).files
        return file.rows, file.already_loaded

    assert ask() == (100, False)
    assert ask() == (0, True)
    assert len(files_in(tables)) == 1
    assert ask(seed=9) == (100, False)
    assert ask(end=date(2019, 6, 29)) == (100, False)


@pytest.mark.parametrize("version", ["1", "3"])
def test_a_sample_file_loads_to_the_same_rows(database, tenant, tables, tmp_path, make, version) -> None:
    stored = make("sample")
    path = tmp_path / "rows.csv"
    write_sample_csv(CATALOG, NAME, path, tenant_name=tenant.name, rows=2000, version=version)
    load_files(database, CATALOG, tables / "csv", tenant, NAME, [path])
    left_out = "workflow_id, _row_key" if version == "1" else "_row_key"
    loaded = read_stored(tables / "csv", f"* EXCLUDE ({left_out})")
    if version == "1":
        place = [column.source for column in CATALOG.table(NAME).columns].index("workflow_id")
        stored = [row[:place] + row[place + 1 :] for row in stored]
    assert loaded == stored
    assert not list(tmp_path.glob(".*"))


def test_every_label_appears(rows) -> None:
    for column in CATALOG.get(NAME, "3").columns:
        if column.enum:
            found = {value for (value,) in rows.execute(f"SELECT DISTINCT {column.source} FROM rows").fetchall()}
            assert found - {None} == set(column.enum), column.name
        if column.type == "boolean":
            assert one(rows, f"SELECT count(DISTINCT {column.source}) FROM rows") == 2, column.name
        assert column.nullable == bool(one(rows, f"SELECT bool_or({column.source} IS NULL) FROM rows")) or (
            column.source in {"agent_id", "maximum_possible_score", "firstname_eva", "lastname_eva"}
            or column.source in {"firstname_agent", "lastname_agent"}
        ), column.name


FACTS = [
    "start_date <= submission_date AND submission_date <= last_updated",
    "interaction_start_date IS NULL OR interaction_start_date < interaction_end_date",
    "interaction_end_date IS NULL OR interaction_end_date < start_date",
    "submission_date BETWEEN '2019-05-01T00:00:00.000Z' AND '2019-06-30T23:59:59.999Z'",
    "score IS NULL OR abs(score_percentage::DOUBLE - 100 * score::DOUBLE / maximum_possible_score::DOUBLE) < 0.0051",
    "score IS NULL OR score::DOUBLE BETWEEN 0 AND maximum_possible_score::DOUBLE",
    "failed_critical_question IS DISTINCT FROM 'true' OR score::DOUBLE = 0",
    "type <> 'Self-Assessment' OR auto_acknowledged IS NULL",
    "type <> 'Self-Assessment' OR (firstname_eva, lastname_eva) = (firstname_agent, lastname_agent)",
    "(firstname_disp IS NULL) OR workflow_status IN ('In Review', 'Completed Reviewed')",
    "dispute_resolver_comments IS NULL OR firstname_disp IS NOT NULL",
    "(workflow_state = 'Timed-Out') = (workflow_status = 'Expired')",
    "(workflow_state = 'Closed') = (workflow_status LIKE 'Completed%')",
    "(plan_name IS NOT NULL) = coalesce(evaluation_flow_trigger = 'Quality Plan', false)",
    "interaction_direction IS NULL OR interaction_type = 'Phone call'",
    r"phone_number IS NULL OR regexp_full_match(phone_number, '\+1\d{3}55501\d\d')",
    "regexp_full_match(workflow_id, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')",
]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS)
def test_rows_are_consistent(rows, fact) -> None:
    assert one(rows, f"SELECT count(*) FROM rows WHERE NOT ({fact})") == 0


def test_rows_are_what_formats_find_hard(rows) -> None:
    text = "concat_ws(' ', user_review_comments, firstname_agent, lastname_agent)"
    for pattern in (
        "\\p{Greek}",
        "\\p{Cyrillic}",
        "\\p{Han}",
        "\\p{Hiragana}",
        "\\p{Arabic}",
        "\\p{Hebrew}",
        "é",
        "O'Brien",
        "😞",
    ):
        assert one(rows, f"SELECT bool_or(regexp_matches({text}, '{pattern.replace(chr(39), chr(39) * 2)}')) FROM rows")
    for pattern in (",", '"', "[^\\r]\\n", "\\r\\n", "^ ", " $", "^=", "^\\+", "^-", "^$"):
        assert one(rows, f"SELECT bool_or(regexp_matches(user_review_comments, '{pattern}')) FROM rows"), pattern


def test_people_keep_their_names(rows) -> None:
    assert one(rows, "SELECT count(DISTINCT workflow_id) FROM rows") == ROWS
    assert 4500 < one(rows, "SELECT count(DISTINCT agent_id) FROM rows") <= 5000
    assert one(rows, "SELECT count(DISTINCT team_id) FROM rows") == 80
    per_agent = "SELECT count(DISTINCT (firstname_agent, lastname_agent, team_id)) AS n FROM rows GROUP BY agent_id"
    assert one(rows, f"SELECT max(n) FROM ({per_agent})") == 1


def test_days_and_header(tmp_path) -> None:
    path = tmp_path / "one [day].csv"
    day = date(2024, 2, 29)
    write_sample_csv(CATALOG, NAME, path, tenant_name="A, \"B\" 'C'", rows=50, version="1", start=day, end=day)
    content = path.read_text(encoding="utf-8")
    assert len(re.findall(r"2024-02-29T\d\d:\d\d:\d\d\.\d{3}Z", content)) >= 50
    assert content.startswith(",".join(column.name for column in CATALOG.get(NAME, "1").columns) + "\n")
    assert content.count('"A, ""B"" \'C\'"') == 50


def test_what_cannot_be(database, tenant, tables, tmp_path) -> None:
    with pytest.raises(UnknownDataset, match=r"no sample rows for 'qm-questions'; there are for: qm-workflows\."):
        load_sample(database, CATALOG, tables, tenant, "qm-questions", rows=1)
    with pytest.raises(UnknownDataset):
        write_sample_csv(CATALOG, NAME, tmp_path / "x.csv", tenant_name="T", rows=1, version="99")
    with pytest.raises(LoadRefused):
        write_sample_csv(CATALOG, NAME, tmp_path / "no" / "x.csv", tenant_name="T", rows=1, version="1")
    with pytest.raises(LoadRefused):
        load_sample(database, CATALOG, tables, tenant, NAME, rows=1, start=date(2019, 6, 2), end=date(2019, 6, 1))
    assert sample_datasets() == [NAME]


def test_an_operators_generator(database, tenant, tables, tmp_path: Path) -> None:
    catalog: Catalog = operator_catalog()
    generator = """
        SELECT range + 1 AS _row, range AS parcel, DATE $start::TIMESTAMP AS handed_over, 1.5 AS weight,
               range % 2 = 0 AS signed, DATE $end AS due, $tenant || ' $5 $seeds ' || $seed AS note
        FROM range($rows);
    """
    (tmp_path / "parcels.sample.sql").write_text(generator)

    def ask():
        return load_sample(database, catalog, tables, tenant, "parcels", rows=3, seed=4, folders=[tmp_path])

    assert ask().rows == 3
    note = "Harbour Ferries $5 $seeds 4"
    when = datetime(2019, 5, 1)
    assert read_stored(tables, "handed_over, signed, note, depot") == [
        (when, True, note, None),
        (when, False, note, None),
        (when, True, note, None),
    ]
    (tmp_path / "parcels.sample.sql").write_text(generator.replace("1.5", "'heavy'"))
    with pytest.raises(LoadRefused, match=r"parcels\.sample\.sql failed"):
        ask()
    (tmp_path / "parcels.sample.sql").write_text(generator.replace("range % 2 = 0", "1"))
    with pytest.raises(LoadRefused, match=r"'signed' is INTEGER, not boolean"):
        ask()
    assert len(files_in(tables)) == 1
