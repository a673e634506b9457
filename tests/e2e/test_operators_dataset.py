"""A dataset of another shape, from its TOML file to the bytes a client downloads, against section 6 in Python."""

from datetime import UTC, datetime, timedelta

import pytest

from service import start_service
from shifts import ASKED, TOML, chosen, expected, make_rows, put_catalog, write_csv, write_parquet

pytestmark = pytest.mark.long

WRITERS = {"csv": write_csv, "parquet": write_parquet}


def test_from_the_catalogue_of_the_data_folder(start, tmp_path):
    put_catalog(tmp_path / "service-0" / "catalog")
    service = start(TAILRACE_CXONE__MIN_INTERVAL_S="0")
    rows = make_rows(400)
    files = {}
    for kind, write in WRITERS.items():
        caller = service.caller(permissions=["shifts"])
        path = tmp_path / f"input.{kind}"
        write(path, rows)
        service.load(caller.tenant, "shifts", path)
        files[kind] = caller.extract(**ASKED)
    assert files["csv"] == expected(rows)
    assert files["parquet"] == expected(rows)


def test_from_a_folder_named_in_the_settings(start, tmp_path):
    put_catalog(tmp_path / "elsewhere")
    service = start(TAILRACE_CATALOG__FOLDERS=str(tmp_path / "elsewhere"))
    put_catalog(service.data / "catalog")  # for the loader of this process alone
    caller = service.caller(permissions=["shifts"])
    rows = make_rows(100, seed=2)
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    assert caller.extract(**ASKED) == expected(rows)


@pytest.mark.req("CX-815")
def test_rows_younger_than_the_simulated_latency_are_left_out(start, tmp_path):
    put_catalog(tmp_path / "service-0" / "catalog")
    service = start(TAILRACE_CXONE__SIMULATED_LATENCY_S="3600")
    caller = service.caller(permissions=["shifts"])
    now = datetime.now(UTC)
    ages = (7200, 3700, 3500, 60)
    rows = [(age, now - timedelta(seconds=age), None, None, None, None) for age in ages]
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    first, last = (now + timedelta(days=days) for days in (-1, 1))
    text = caller.extract(**ASKED | {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"})
    assert [line.partition(b",")[0] for line in text.splitlines()[1:]] == [b"7200", b"3700"]


def test_a_column_added_by_a_later_version_is_empty_in_rows_loaded_before(start, tmp_path):
    folder = tmp_path / "service-0" / "catalog"
    put_catalog(folder)
    service = start()
    caller = service.caller(permissions=["shifts"])
    rows = make_rows(50)
    write_csv(tmp_path / "input.csv", rows)
    service.load(caller.tenant, "shifts", tmp_path / "input.csv")
    service.stop()
    later = TOML.replace('version = "1"', 'version = "2"') + '\n[[columns]]\nname = "Site"\ntype = "text"\n'
    (folder / "shifts.v2.toml").write_text(later, encoding="utf-8")
    quick = {"TAILRACE_CXONE__MIN_INTERVAL_S": "0"}
    with start_service(service.data, service.environment["DATABASE_URL"], **quick) as again:
        caller.service, caller.token = again, again.sign_in(caller.key)
        assert caller.extract(**ASKED) == expected(rows)
        header, _, body = expected(rows).partition(b"\r\n")
        # One comma more in each record, and nothing after it.
        text = caller.extract(**ASKED | {"version": "2"})
        assert text.startswith(header + b",Site\r\n")
        assert len(text) == len(header) + len(",Site\r\n") + len(body) + len(chosen(rows))


@pytest.mark.parametrize("permissions", [[], ["qm-workflow"]])
def test_it_needs_its_own_permission(documented, permissions):
    caller = documented.caller(permissions=permissions)
    assert caller.request("POST", "/data-extraction/v1/jobs", json=ASKED).status_code in (403, 404)
