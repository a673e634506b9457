"""What every format must do, whichever it is: SQL that writes each row as text, and its own name on its files."""

from dataclasses import replace

import duckdb
import pytest

from tailrace.formats.base import FILLED, SPECIALS, Field
from tailrace.intake.specials import find_specials
from tailrace.plugins import load_plugin, plugin_names

KINDS = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,6)",
    "datetime": "TIMESTAMP",
    "date": "DATE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "elapsed": "INTEGER",
}
VALUES = {
    "text": [
        "plain",
        "",
        " ",
        ",",
        '"',
        "'",
        "\n",
        "\r\n",
        "\0",
        "<&>",
        "|",
        "\\",
        "]]>",
        "\x1b",
        "\ufffe",
        "😀",
        "é" * 999,
    ],
    "integer": [0, -(2**63), 2**63 - 1],
    "decimal": ["0", "-0.000001", "999999999999.999999", "-999999999999.999999"],
    "datetime": ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"],
    "date": ["0001-01-01", "9999-12-31"],
    "boolean": [True, False],
    "time": ["1970-01-01 00:00:00", "2999-12-31 23:59:59"],
    "elapsed": [0, 59, 2865],
}
FIELDS = tuple(
    Field(name=f'A "{kind}", <&>|', source=f'c "{kind}"', type=kind, scale=2 if kind == "decimal" else 0)
    for kind in KINDS
)
GROUP = Field(name="agentData", source="", type="group")


@pytest.fixture(params=plugin_names("tailrace.formats"))
def module(request):
    return load_plugin("tailrace.formats", request.param)


@pytest.fixture
def name(module):
    return module.__name__.rpartition(".")[2]


def render(made, fields, rows, what="row"):
    with duckdb.connect(config={"threads": 1}) as connection:
        declared = ", ".join(f"{field.reference} {KINDS[field.type]}" for field in fields)
        connection.execute(f"CREATE TABLE rows (_row_key BIGINT, _opens BOOLEAN, {declared})")
        marks = ", ".join("?" * (len(fields) + 2))
        for number, row in enumerate(rows):
            connection.execute(f"INSERT INTO rows VALUES ({marks})", [number, number == 0, *row])
        sql = getattr(made, what)()
        return [line for (line,) in connection.execute(f"SELECT {sql} FROM rows ORDER BY _row_key").fetchall()]


def all_rows():
    yield [None] * len(FIELDS)
    for place, field in enumerate(FIELDS):
        for value in VALUES[field.type]:
            yield [value if at == place else None for at in range(len(FIELDS))]


def test_it_names_its_files_by_its_own_name(module, name):
    made = module.create(FIELDS, {})
    assert made.extension == name
    assert "/" in made.media_type


def test_it_can_be_made_without_columns_to_ask_for_its_media_type(module):
    assert module.create((), {}).media_type == module.create(FIELDS, {}).media_type


def test_every_row_becomes_text_that_is_utf8(module):
    made = module.create(FIELDS, {})
    lines = render(made, FIELDS, list(all_rows()))
    assert all(isinstance(line, str) and line for line in lines)
    whole = made.head() + "".join(lines).encode() + made.tail()
    assert "\0" not in whole.decode()


@pytest.mark.parametrize("options", [{}, {"spreadsheet_safe": True}, {"backslash_plus": True}, {"nobody": "knows"}])
def test_a_row_is_written_alike_wherever_it_stands(module, options):
    made = module.create(FIELDS, options)
    rows = list(all_rows())
    assert render(made, FIELDS, rows) == render(made, FIELDS, rows[::-1])[::-1]


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize(
    "options",
    [{}, {"spreadsheet_safe": True, "backslash_plus": True}, {"keep_empty": True}],
    ids=["", "guarded", "keeping"],
)
def test_what_texts_are_known_to_hold_changes_nothing(module, options, turn):
    """Columns that always have a value come first, and then last."""
    values = [
        *VALUES["text"],
        "\t",
        "\ta",
        "a\tb",
        "a\t",
        " a",
        "a ",
        "a b",
        '="a"',
        "+1",
        "#1",
        'a"b,c\\|',
        "\x7f",
        None,
    ]
    rows = [[*["plain"] * len(values), *[None] * len(values)], [*values, *values]]
    texts = [Field(f"t{number}", f"t{number}", "text", backslash_plus=True) for number in range(len(rows[0]))]
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows ({', '.join(f'{field.source} VARCHAR' for field in texts)})")
        connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(texts))})", rows)
        specials = find_specials(connection, "rows", [field.source for field in texts])
    assert len(set(specials.values())) > len(SPECIALS)
    facts = [() if None in column else (FILLED,) for column in zip(*rows, strict=True)]
    assert len(set(facts)) == 2
    knowing = [replace(field, specials=specials[field.source] + fact) for field, fact in zip(texts, facts, strict=True)]
    rows, texts, knowing = [row[::turn] for row in rows], texts[::turn], knowing[::turn]
    made, wary = module.create(knowing, options), module.create(texts, options)
    for what in ("row", "lead", "replaced"):
        assert render(made, texts, rows, what) == render(wary, texts, rows, what)
    assert len(made.row()) < len(wary.row())


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("options", [{}, {"keep_empty": True}], ids=["", "keeping"])
def test_that_a_column_always_has_a_value_changes_nothing(module, options, turn):
    """Of every kind there is one column that has, and one that has not."""
    rows = [[VALUES[kind][-1] for kind in KINDS] + [None] * len(KINDS), [VALUES[kind][0] for kind in KINDS] * 2]
    fields = [replace(field, name=f"{field.name}{at}", source=f"{field.source}{at}") for at in "ab" for field in FIELDS]
    knowing = [replace(field, specials=(FILLED, *SPECIALS)) for field in fields[: len(FIELDS)]]
    rows, fields, knowing = [row[::turn] for row in rows], fields[::turn], [*knowing, *fields[len(FIELDS) :]][::turn]
    made, wary = module.create(knowing, options), module.create(fields, options)
    for what in ("row", "lead", "replaced"):
        assert render(made, fields, rows, what) == render(wary, fields, rows, what)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.type)
def test_a_single_column(module, field):
    lines = render(module.create((field,), {}), (field,), [[None], *([value] for value in VALUES[field.type])])
    assert all(lines)


def test_the_first_page_of_all_records_is_the_whole_file(module):
    made = module.create(FIELDS, {})
    rows = list(all_rows())
    leads, lines = render(made, FIELDS, rows, "lead"), render(made, FIELDS, rows)
    assert made.grouped or not leads[0]
    records = "".join(lead + line for lead, line in zip(["", *leads[1:]], lines, strict=True)).encode()
    opened = made.open_page(leads[0].encode() if made.grouped else b"")
    assert opened + records + made.tail() == made.head() + leads[0].encode() + records + made.tail()


def test_the_file_without_records_is_known_beforehand(module):
    assert "\0" not in module.create(FIELDS, {}).empty().decode()


def test_replaced_characters_are_a_number_for_each_row(module):
    counts = render(module.create(FIELDS, {}), FIELDS, list(all_rows()), "replaced")
    assert all(isinstance(count, int) and 0 <= count <= 1 for count in counts)
    assert counts[0] == 0


def test_an_empty_group_of_columns_holds_nothing(module):
    made = module.create((*FIELDS, GROUP), {})
    assert all(render(made, FIELDS, [[None] * len(FIELDS)]))
