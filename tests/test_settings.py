"""Settings from a file and the environment: who wins, what is refused, and that no secret is shown."""

import tomllib
from pathlib import Path

import pytest

from tailrace.errors import SettingsInvalid
from tailrace.settings import DatasetSettings, Settings, Source, data_folder, describe, load_settings

SECRET = "postgresql://owner:canary-5d1e@db/tailrace"


def write(folder: Path, text: str) -> Path:
    path = folder / "tailrace.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_file_and_environment_everything_has_a_default(tmp_path):
    assert load_settings(tmp_path, {}) == Settings()


def test_the_file_in_the_data_folder_is_read(tmp_path):
    write(tmp_path, "[server]\nport = 9000\n[cxone]\none_user_per_tenant = 'off'\n[catalog]\nfolders = ['/a', '/b']\n")
    settings = load_settings(tmp_path, {})
    assert settings.server.port == 9000
    assert settings.cxone.one_user_per_tenant is False
    assert settings.catalog.folders == (Path("/a"), Path("/b"))


def test_the_environment_wins_over_the_file_setting_by_setting(tmp_path):
    write(tmp_path, "[server]\nport = 9000\nthreads = 5\n")
    settings = load_settings(tmp_path, {"TAILRACE_SERVER__PORT": "9001"})
    assert (settings.server.port, settings.server.threads) == (9001, 5)


def test_another_file_can_be_named_and_must_be_there(tmp_path):
    write(tmp_path, "[server]\nport = 9000\n")
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 7000\n")
    assert load_settings(tmp_path, {"TAILRACE_CONFIG": str(other)}).server.port == 7000
    other.unlink()
    with pytest.raises(SettingsInvalid, match=r"other\.toml"):
        load_settings(tmp_path, {"TAILRACE_CONFIG": str(other)})


def test_every_fault_is_named_at_once(tmp_path):
    write(tmp_path, "[server]\nport = 'many'\nspeed = 1\n[nowhere]\nx = 1\n[worker]\nslots = 0\n")
    environment = {
        "TAILRACE_CXONE__PROFILE": "quirky",
        "TAILRACE_CXONE__COLOUR": "red",
        "TAILRACE_ELSEWHERE__X": "1",
        "TAILRACE_CXONE__EXTENSION_CANCEL": "perhaps",
    }
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path, environment)
    faults = caught.value.details
    named = {"server.port", "server.speed", "nowhere", "worker.slots", "cxone.profile", "cxone.colour"}
    named |= {"cxone.extension_cancel", "TAILRACE_ELSEWHERE__X"}
    assert {fault.partition(":")[0] for fault in faults} == named
    assert all(fault in caught.value.message for fault in faults)
    assert "8 setting(s)" in caught.value.message


@pytest.mark.parametrize("text", ["[server\nport = 1", "port = ", "[server]\nport = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_refused_with_its_path(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path, {})
    assert f"{path}: " in caught.value.message


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "tailrace.toml").write_bytes(b"[server]\nhost = '\xff'\n")
    with pytest.raises(SettingsInvalid, match=r"tailrace\.toml"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("text", ["server = 3", "server = []", "server = 'x'"])
@pytest.mark.parametrize("environment", [{}, {"TAILRACE_SERVER__PORT": "9001"}])
def test_a_group_that_is_no_table_is_refused(tmp_path, text, environment):
    write(tmp_path, text)
    with pytest.raises(SettingsInvalid, match="server"):
        load_settings(tmp_path, environment)


def test_database_url_has_a_shorthand(tmp_path):
    url = load_settings(tmp_path, {"DATABASE_URL": SECRET}).database.url
    assert url is not None
    assert url.get_secret_value() == SECRET


@pytest.mark.parametrize("order", [1, -1])
def test_the_full_name_wins_over_the_shorthand_in_any_order(tmp_path, order):
    pairs = [("TAILRACE_DATABASE__URL", "postgresql://full/"), ("DATABASE_URL", "postgresql://short/")]
    url = load_settings(tmp_path, dict(pairs[::order])).database.url
    assert url is not None
    assert url.get_secret_value() == "postgresql://full/"


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", True), ("off", False), ("true", True), ("false", False), ("1", True), ("0", False)],
)
def test_switches_from_the_environment(tmp_path, text, value):
    assert load_settings(tmp_path, {"TAILRACE_CXONE__EXTENSION_CANCEL": text}).cxone.extension_cancel is value


@pytest.mark.parametrize("text", ["", "onn", "ON OFF", "2"])
def test_anything_else_is_no_switch(tmp_path, text):
    with pytest.raises(SettingsInvalid, match=r"cxone\.extension_cancel"):
        load_settings(tmp_path, {"TAILRACE_CXONE__EXTENSION_CANCEL": text})


def test_a_list_of_folders_is_separated_like_path(tmp_path):
    settings = load_settings(tmp_path, {"TAILRACE_CATALOG__FOLDERS": "/a:/b c:"})
    assert settings.catalog.folders == (Path("/a"), Path("/b c"))


def test_variables_that_are_no_settings_are_left_alone(tmp_path):
    environment = {"TAILRACE_DATA": "/x", "PATH": "/bin", "SERVER__PORT": "1", "TAILRACE_WHATEVER": "1"}
    assert load_settings(tmp_path, environment) == Settings()


@pytest.mark.parametrize(
    "url",
    ["example.org", "https://example.org/", "https://example.org/a", "https://u:p@example.org", "ftp://example.org"],
)
def test_a_public_url_is_scheme_and_host_only(tmp_path, url):
    with pytest.raises(SettingsInvalid, match=r"server\.public_url"):
        load_settings(tmp_path, {"TAILRACE_SERVER__PUBLIC_URL": url})


def test_secrets_are_hidden(tmp_path):
    settings = load_settings(tmp_path, {"DATABASE_URL": SECRET})
    shown = {name: value for name, value, _ in describe(settings)}
    assert shown["database.url"] == "********"
    assert "canary" not in repr(shown) + repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("text", [f"[database]\nurl = '{SECRET}'\nport = 3", f"[database]\nurl = ['{SECRET}']"])
def test_secrets_are_not_in_the_refusal_of_a_setting(tmp_path, text):
    write(tmp_path, text)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path, {})
    assert "canary" not in str(caught.value) + repr(caught.value.details)


def test_every_setting_has_a_description_and_a_default_that_can_be_written_as_toml(tmp_path):
    described = list(describe(Settings(sources={"lake": Source(kind="lake")}, datasets={"calls": DatasetSettings()})))
    assert len({name for name, _, _ in described}) == len(described)
    for name, _, text in described:
        assert text.endswith("."), name
        assert len(text) > 20, name
    groups = {name.partition(".")[0] for name, _, _ in described}
    assert groups == set(Settings.model_fields)
    assert tomllib.loads("\n".join(f"[{group}]" for group in sorted(groups))).keys() == groups


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("kind = 's3'", "bucket must be set"),
        ("kind = 's3'\nbucket = 'files'\nendpoint = 'http://store'", "allow_http"),
        ("access_key_id = 'key'", "must be set together"),
        ("prefix = ''", "prefix"),
        ("prefix = '/'", "prefix"),
    ],
)
def test_settings_of_the_store_must_fit_together(tmp_path, lines, fault):
    write(tmp_path, f"[storage]\n{lines}\n")
    with pytest.raises(SettingsInvalid, match=fault):
        load_settings(tmp_path, {})


def test_the_data_folder_is_the_argument_then_the_variable_then_beside_us(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAILRACE_DATA", "/srv/there")
    assert data_folder(Path("here")) == tmp_path / "here"
    assert data_folder() == Path("/srv/there")
    monkeypatch.delenv("TAILRACE_DATA")
    assert data_folder() == tmp_path / "tailrace-data"


WAREHOUSE = "[sources.warehouse]\nkind = 'postgresql'\n"
CALLS = "[datasets.calls]\nsource = 'warehouse'\n"
URL = {"TAILRACE_SOURCES__WAREHOUSE__URL": "postgresql://reader:secret@db/quality"}


def test_a_source_is_named_and_its_address_may_come_from_the_environment(tmp_path):
    write(tmp_path, f"{WAREHOUSE}statement_timeout_s = 9\n{CALLS}table = 'q.calls'\ntenant_column = 'tenant'\n")
    settings = load_settings(tmp_path, URL)
    assert settings.sources["warehouse"].url.get_secret_value() == URL["TAILRACE_SOURCES__WAREHOUSE__URL"]
    assert settings.sources["warehouse"].statement_timeout_s == 9
    assert settings.datasets["calls"].table == "q.calls"
    shown = {name: value for name, value, _ in describe(settings)}
    assert shown["sources.warehouse.url"] == "********"
    assert shown["datasets.calls.tenant_column"] == "tenant"


@pytest.mark.parametrize(
    ("lines", "environ", "fault"),
    [
        (WAREHOUSE, {}, "url must be set"),
        ("[sources.pond]\nkind = 'lake'\nurl = 'x'", {}, "not for a lake"),
        ("[sources.Pond]\nkind = 'lake'", {}, "sources.Pond"),
        (WAREHOUSE + CALLS + "tenant_column = 'tenant'", URL, "needs one of table, query and files"),
        (WAREHOUSE + CALLS + "table = 'a'\nquery = 'b'\ntenant_column = 'c'", URL, "needs one of table"),
        (WAREHOUSE + CALLS + "table = 'a'", URL, "tenant_column must be set"),
        (WAREHOUSE + CALLS + "files = ['/a/{tenant}/*', '/b/*']", URL, "tenant_column must be set"),
        (WAREHOUSE + CALLS + "files = ['/a-{tenant}/*']", URL, "a whole name between slashes"),
        (WAREHOUSE + CALLS + "files = ['/{tenant}*.parquet']", URL, "a whole name between slashes"),
        (WAREHOUSE + CALLS + "files = ['/a/*']\ntenant_column = 'c'", URL, "PostgreSQL a table or a query"),
        ("[sources.warehouse]\nkind = 'lake'\n" + CALLS + "table = 'a'\ntenant_column = 'c'", {}, "a lake has files"),
        ("[datasets.calls]\ntable = 'a'", {}, "any other none of them"),
        ("[datasets.calls]\nsource = 'attic'\ntable = 'a'\ntenant_column = 'c'", {}, "no source named 'attic'"),
        ("", {"TAILRACE_SOURCES__URL": "x"}, "SOURCES__<NAME>__<SETTING>"),
        ("", {"TAILRACE_DATASETS__CALLS__TABLE": "x"}, "in the settings file only"),
        ("sources = 1", {"TAILRACE_SOURCES__WAREHOUSE__URL": "x"}, "sources"),
    ],
)
def test_sources_and_what_is_read_from_them_must_fit_together(tmp_path, lines, environ, fault):
    write(tmp_path, lines + "\n")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(tmp_path, environ)
    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)


def test_formats_are_offered_by_name_and_others_are_refused_with_those_there_are(tmp_path):
    write(tmp_path, "[datasets.qm-workflows]\nformats = ['parquet', 'csv.gz']\n")
    assert load_settings(tmp_path, {}).datasets["qm-workflows"].formats == ("parquet", "csv.gz")
    write(tmp_path, "[datasets.qm-workflows]\nformats = ['parquet', 'xlsx']\n")
    with pytest.raises(SettingsInvalid, match=r"datasets\.qm-workflows\.formats\.1: .*'ndjson\.zst'"):
        load_settings(tmp_path, {})
