"""Dataset files of an operator: they add and replace, and a broken one is refused with its file and the reason."""

import pytest

from tailrace.catalog.loader import load_catalog
from tailrace.errors import CatalogInvalid

GOOD = """
name = "shifts"
version = "1"
range_column = "Begins"

[[columns]]
name = "Begins"
type = "datetime"

[[columns]]
name = "Paid Hours"
type = "decimal"
scale = 2
"""


def write(folder, text, name="shifts.toml"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_adds_a_dataset_with_everything_that_may_be_left_out(tmp_path):
    write(tmp_path, GOOD)
    catalog = load_catalog([tmp_path])
    assert len(list(catalog)) == 6
    shifts = catalog.get("shifts", "1")
    assert shifts.permission_id == "shifts"
    assert shifts.order_by == ("Begins",)
    assert [column.source for column in shifts.columns] == ["begins", "paid_hours"]
    assert catalog.table("shifts").range_column == "begins"


def test_a_file_replaces_the_equal_name_and_version_of_an_earlier_folder(tmp_path):
    write(tmp_path / "a", GOOD.replace('"shifts"', '"qm-questions"').replace("Begins", "Evaluation Submission Date"))
    write(tmp_path / "b", GOOD + 'description = "from b"\n')
    write(tmp_path / "a", GOOD + 'description = "from a"\n', "other.toml")
    catalog = load_catalog([tmp_path / "a", tmp_path / "b"])
    assert len(catalog.get("qm-questions", "1").columns) == 2
    assert catalog.get("shifts", "1").columns[1].description == "from b"


def test_another_version_joins_the_shipped_ones(tmp_path):
    text = GOOD.replace('"shifts"', '"qm-workflows"').replace('"1"', '"4"').replace("Begins", "Submission Date")
    write(tmp_path, text)
    catalog = load_catalog([tmp_path])
    assert [dataset.version for dataset in catalog.versions("qm-workflows")] == ["1", "3", "4"]
    assert "paid_hours" in {column.source for column in catalog.table("qm-workflows").columns}


def test_other_files_are_left_alone(tmp_path):
    write(tmp_path, "not toml at all {", "notes.md")
    (tmp_path / "folder.d").mkdir()
    assert len(list(load_catalog([tmp_path]))) == 5


COLUMN = '\n[[columns]]\nname = "{}"\ntype = "{}"\n'
BROKEN = {
    "unknown key": (GOOD.replace("version =", 'colour = "red"\nversion ='), "colour: "),
    "unknown key of a column": (GOOD + 'colour = "red"\n', r"columns\[2\]\.colour: "),
    "range column missing": (GOOD.replace('"Begins"', '"Starts"', 1), "range_column 'Starts' must be"),
    "range column not told": (GOOD.replace('range_column = "Begins"', ""), "range_column: Field required"),
    "range column of another type": (
        GOOD.replace('range_column = "Begins"', 'range_column = "Paid Hours"'),
        "'Paid Hours' must be a datetime or date column",
    ),
    "no such type": (GOOD.replace('"decimal"', '"float"'), r"columns\[2\]\.type: "),
    "type of a key": (GOOD.replace('version = "1"', "version = 1"), "version: "),
    "a yes that is a text": (GOOD + 'nullable = "yes"\n', r"columns\[2\]\.nullable: "),
    "decimal without scale": (GOOD.replace("scale = 2", ""), "'Paid Hours': 'scale' belongs to type decimal"),
    "scale without decimal": (GOOD.replace('"datetime"', '"datetime"\nscale = 1'), "'Begins': 'scale' belongs"),
    "scale too large": (GOOD.replace("scale = 2", "scale = 19"), r"columns\[2\]\.scale: "),
    "precision too small": (GOOD + "precision = 6\n", "'precision' must be at least 7"),
    "column twice": (GOOD + COLUMN.format("Begins", "text"), "columns share the name: Begins"),
    "stored name twice": (GOOD + COLUMN.format("begins!", "text"), "columns share the stored name .*: begins"),
    "stored name twice but for case": (
        GOOD + COLUMN.format("Other", "text") + 'source = "BEGINS"\n',
        "columns share the stored name",
    ),
    "our own stored name": (GOOD + COLUMN.format("K", "text") + 'source = "_row_key"\n', "_row_key"),
    "our own stored name in capitals": (GOOD + COLUMN.format("K", "text") + 'source = "_ROW_KEY"\n', "_row_key"),
    "our own key as hidden key": (
        GOOD.replace("version =", 'order_by = ["Begins", "source:_row_key"]\nversion ='),
        "_row_key",
    ),
    "hidden key without a name": (
        GOOD.replace("version =", 'order_by = ["Begins", "source:"]\nversion ='),
        "source:",
    ),
    "order by nothing": (
        GOOD.replace("version =", 'order_by = ["Begins", "Name"]\nversion ='),
        "order_by names 'Name'",
    ),
    "order begins elsewhere": (
        GOOD.replace("version =", 'order_by = ["Paid Hours"]\nversion ='),
        "order_by must begin with the range column",
    ),
    "booleans alike": (
        GOOD + COLUMN.format("Open", "boolean") + 'true_text = "x"\nfalse_text = "x"\n',
        "'true_text' and 'false_text' must differ",
    ),
    "no columns": ('name = "shifts"\nversion = "1"\nrange_column = "Begins"\ncolumns = []\n', "columns: "),
    "name with blanks": (GOOD.replace('"shifts"', '"my shifts"'), "name: "),
    "name that is a path": (GOOD.replace('"shifts"', '"../shifts"'), "name: "),
    "version that is a path": (GOOD.replace('version = "1"', 'version = "a/b"'), "version: "),
    "not TOML": ("name = shifts", ".*"),
    "not UTF-8": (b'name = "\xff"', "utf-8"),
    "empty": ("", "name: Field required"),
}


@pytest.mark.parametrize(("text", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_file_and_reason(tmp_path, text, reason):
    path = write(tmp_path, text)
    with pytest.raises(CatalogInvalid, match=f"(?s){reason}") as caught:
        load_catalog([tmp_path])
    assert str(path) in caught.value.message


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    write(
        tmp_path,
        GOOD.replace('"datetime"', '"instant"').replace("scale = 2", "scale = -1")
        + "pii = 3\n"
        + COLUMN.format("Name", "text"),
    )
    with pytest.raises(CatalogInvalid) as caught:
        load_catalog([tmp_path])
    assert [fault.partition(":")[0] for fault in caught.value.details] == [
        "columns[1].type",
        "columns[2].scale",
        "columns[2].pii",
    ]


def test_two_files_of_a_folder_may_not_describe_the_same(tmp_path):
    write(tmp_path, GOOD, "a.toml")
    second = write(tmp_path, GOOD, "b.toml")
    with pytest.raises(CatalogInvalid, match=r"'shifts' version 1 is described in a\.toml already") as caught:
        load_catalog([tmp_path])
    assert str(second) in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("scale = 2", "scale = 3", "disagree about the type of 'Paid Hours'"),
        ('"decimal"\nscale = 2', '"integer"', "disagree about the type of 'Paid Hours'"),
        ("scale = 2", "scale = 2\nprecision = 20", "disagree about the type of 'Paid Hours'"),
        (
            'range_column = "Begins"',
            'range_column = "Ends"\n\n[[columns]]\nname = "Ends"\ntype = "datetime"',
            "disagree about the range column",
        ),
    ],
)
def test_versions_that_disagree_are_refused(tmp_path, old, new, reason):
    write(tmp_path, GOOD, "v1.toml")
    write(tmp_path, GOOD.replace('version = "1"', 'version = "2"').replace(old, new), "v2.toml")
    with pytest.raises(CatalogInvalid, match=f"'shifts'.*{reason}"):
        load_catalog([tmp_path])


def test_a_dangling_link_is_refused_with_its_path(tmp_path):
    path = tmp_path / "gone.toml"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(CatalogInvalid, match=r"gone\.toml"):
        load_catalog([tmp_path])
