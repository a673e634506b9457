"""The generated pages: what the code knows about itself, written down for readers."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs import requirements
from tailrace import errors
from tailrace.catalog.exporter import Exporter
from tailrace.catalog.loader import Catalog, load_catalog
from tailrace.catalog.model import Column, Dataset
from tailrace.catalog.wfm import WfmTable, load_wfm_tables
from tailrace.client.smartsync import refusals
from tailrace.errors import TailraceError
from tailrace.settings import DatasetSettings, Settings, Source
from tailrace.web.app import bare_app, describe_api
from tailrace.web.cxone.errors import CASES
from tailrace.web.smartsync.errors import CASES as SMARTSYNC_CASES

_DO_NOT_EDIT = "<!-- Written by docs/build.py (`make docs`). Do not edit. -->"

_ABOUT_REQUIREMENTS = """\
Each requirement of the [specifications](../specification/README.md) with the tests that carry its number. A test
speaks real HTTP to a real server, unless the requirement is about a file or about data alone. `make check` fails when a
number has no test and no reason here.
"""

_ABOUT_SETTINGS = """\
A setting `group.name` is given in one of two places. The environment wins.

- In the file `tailrace.toml` of the data folder, under its group: `[group]`, then `name = value`. The environment
  variable `TAILRACE_CONFIG` names another file.
- In the environment, as `TAILRACE_GROUP__NAME`: two underscores between group and name, all in capitals. Switches
  are `on` or `off`; a list is separated by colons, as in `PATH`.

Of `sources` and `datasets` there may be any number, each with a name: `[sources.warehouse]` in the file,
`TAILRACE_SOURCES__WAREHOUSE__URL` in the environment. Datasets are set in the file only.

A name that does not exist or a value that is not allowed stops the program before it does anything, and every fault
is named at once. `tailrace settings` shows what is in force. [Change settings](../how-to/change-settings.md) has
examples.

Three environment variables are not settings: `TAILRACE_DATA` (the data folder), `TAILRACE_CONFIG` (the settings
file) and `DATABASE_URL` (another name for `database.url`). `tailrace extract` also reads `TAILRACE_URL`,
`TAILRACE_ACCESS_KEY_ID` and `TAILRACE_ACCESS_KEY_SECRET`.

Numbers such as CX-801 name the rule of the Data Extraction API that a setting belongs to. Their meaning is in [the
API's page](data-extraction-api.md) as far as an operator or a client needs it.
"""

# Groups of which there may be any number, each with a name.
_NAMED = {"sources": Source(kind="lake"), "datasets": DatasetSettings()}

_ABOUT_ERRORS = """\
Every error that Tailrace raises on purpose has a code. Codes are stable: programs may match them. The sentence
beside it is for people and may change. No error holds a secret, SQL, or another tenant's data.

The command line prints the sentence, what to do, and the code on standard error, and ends with status 1. The Python
client raises the classes below; all are subclasses of `tailrace.errors.TailraceError`.
"""

_ABOUTCASES = """\
## Answers of the Data Extraction API

A refused request is answered with JSON. Profile `documented`: `{"message": "…", "error": "<code>",
"errorDescription": "…"}`, and `details` (a list of texts) with code `invalid_request`. Profile `live`: `{"message":
"…"}` alone; the details follow in the message.

`Retry-After` (seconds) comes with every 429 and 503, and with a 403 of profile `live` that stands for a 429. A more
exact message may take the place of the one shown.
"""

_ABOUT_SMARTSYNC_CASES = """\
## Answers of the SmartSync Export APIs

A refused request is answered with `{"message": "…", "status": <status>}`; the first one below has `details` too, a list
with a sentence for every fault. In profile `live` the body that says that a job is not found has status 401.
"""

_ABOUT_DATASETS = """\
These datasets come with Tailrace. An operator adds others with a file: [Add a dataset](../how-to/add-a-dataset.md).
What is offered on your installation: `tailrace dataset list`.

Columns are written in this order. How each type is written: [The CSV format](csv-format.md). "Range column" is the
column the requested dates apply to. "Partial" means that the vendor's dataset is known to have more columns.
"""


_ABOUT_EXPORTERS = """\
These exporters come with Tailrace; they are asked for through the [SmartSync Export APIs](smartsync-api.md). Each is
one file in `tailrace/catalog/exporters`, its SQL included; an operator adds others in the folder `exporters` of a
catalogue folder.

Fields are written in this order unless the request names others. `agentData` stands for one field for each agent data
group of the tenant.
"""

_ABOUT_WFM_TABLES = """\
What the exporters are computed from. `tailrace load wfm` brings an operator's own tables in: [Load WFM
data](../how-to/load-wfm-data.md). The rules between tables are in [the data
model](../specification/wfm-data-model.md).

An instant is a moment in UTC, a date a local day without zone. Ends (`to_date`, `stop_at`) are not included.
"""


def settings_page(settings: Settings | None = None) -> str:
    """Write every setting with its default; a secret's is hidden."""
    lines = [_DO_NOT_EDIT, "# Settings", "", _ABOUT_SETTINGS]
    for group, fields in groups_of(settings or Settings()):
        lines += [
            f"## `{group}`",
            "",
            first_line(fields),
            "",
            "| Setting | Environment | Default | Allowed | Meaning |",
        ]
        lines += ["|---|---|---|---|---|"]
        for name, field in type(fields).model_fields.items():
            variable = (
                "" if group.startswith("datasets.") else f"`{f'TAILRACE_{group}__{name}'.upper().replace('.', '__')}`"
            )
            cells = (f"`{group}.{name}`", variable, _default(field), _allowed(field), field.description or "")
            lines.append(_row(cells))
        lines.append("")
    return _finish(lines)


def groups_of(settings: Settings) -> Iterator[tuple[str, BaseModel]]:
    """Yield the groups of settings; one as an example of those of which there may be any number."""
    for group in type(settings).model_fields:
        found = getattr(settings, group)
        yield (group, found) if isinstance(found, BaseModel) else (f"{group}.<name>", _NAMED[group])


def first_line(thing: object) -> str:
    """Take the first line of what a class says about itself."""
    return (type(thing).__doc__ or "").strip().partition("\n")[0]


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "must be set"
    match value:
        case SecretStr():
            return "(hidden)"
        case None:
            return "not set"
        case bool():
            return "`on`" if value else "`off`"
        case () | dict():
            return "none"
        case _:
            return f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    """Say which values are taken, as far as type and bounds tell."""
    if field.annotation is bool:
        return "`on`, `off`"
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    least = next((bound.ge for bound in field.metadata if hasattr(bound, "ge")), None)
    most = next((bound.le for bound in field.metadata if hasattr(bound, "le")), None)
    if least is not None:
        return f"{least:,} to {most:,}" if most is not None else f"{least:,} or more"
    return "text" if field.annotation is str else _kinds(field.annotation)


def _kinds(annotation: Any) -> str:
    words = {Path: "a folder", SecretStr: "text, kept secret", str: "text"}
    if choices := [choice for kind in get_args(annotation) if get_origin(kind) is Literal for choice in get_args(kind)]:
        return "any of " + ", ".join(f"`{choice}`" for choice in choices)
    inner = [kind for kind in get_args(annotation) if kind in words]
    word = words[inner[0]] if inner else ""
    return "folders" if get_origin(annotation) is tuple else word


def errors_page() -> str:
    """Write every error with code, meaning and what to do, then the cases of the HTTP API."""
    lines = [
        _DO_NOT_EDIT,
        "# Errors",
        "",
        _ABOUT_ERRORS,
        "| Class | Code | Meaning | What to do |",
        "|---|---|---|---|",
    ]
    lines += [
        _row((f"`{kind.__name__}`", f"`{kind.code}`", own_doc(kind).partition("\n")[0], kind.advice))
        for kind in error_classes()
    ]
    lines += ["", _ABOUTCASES, "| Code | `documented` | `live` | Message |", "|---|---|---|---|"]
    lines += [_row((f"`{case}`", str(documented), str(live), text)) for case, (documented, live, text) in CASES.items()]
    lines += ["", _ABOUT_SMARTSYNC_CASES, "| Status | Message |", "|---|---|"]
    lines += [_row((str(status), text)) for status, text in SMARTSYNC_CASES.values()]
    return _finish(lines)


def error_classes() -> list[type[TailraceError]]:
    """List the classes of the error tree in the order they are written in, those of the SmartSync client last."""
    found = [*vars(errors).values(), *vars(refusals).values()]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, errors.TailraceError)]
    return list(dict.fromkeys(kinds))


def own_doc(kind: type) -> str:
    """Take a class's own docstring, not its parent's."""
    return str(vars(kind).get("__doc__") or "").strip()


def datasets_page(catalog: Catalog | None = None) -> str:
    """Write every dataset that comes with Tailrace, and its columns."""
    lines = [_DO_NOT_EDIT, "# Datasets", "", _ABOUT_DATASETS]
    for dataset in catalog or load_catalog():
        lines += _describe_dataset(dataset)
    return _finish(lines)


def _describe_dataset(dataset: Dataset) -> list[str]:
    order = ", ".join(name.replace("source:", "stored key ") for name in dataset.order_by)
    facts = {
        "Permission id": f"`{dataset.permission_id}`",
        "Range column": dataset.range_column,
        "One row is": dataset.grain.removeprefix("one row per ").join(("one ", "")) if dataset.grain else "",
        "Order": order,
        "Partial": "yes" if dataset.partial else "no",
    }
    lines = [f"## `{dataset.name}` version {dataset.version}", "", dataset.description, ""]
    lines += [f"- {name}: {value}" for name, value in facts.items() if value]
    lines += ["", "| # | Column | Type | Always there | Meaning |", "|---|---|---|---|---|"]
    lines += [_describe_column(number, column) for number, column in enumerate(dataset.columns, 1)]
    return [*lines, ""]


def _describe_column(number: int, column: Column) -> str:
    kind: str = column.type
    if column.type == "decimal":
        kind = f"decimal, {column.scale} after the point"
    if column.type == "boolean":
        kind = f"boolean: `{column.true_text}`, `{column.false_text}`"
    meaning = column.description
    if column.enum:
        meaning += f" Known labels: {', '.join(column.enum)}."
    return _row((str(number), column.name, kind, "no" if column.nullable else "yes", meaning))


def openapi_page() -> str:
    """Write the OpenAPI document as the server gives it at `/openapi.json`."""
    return json.dumps(describe_api(bare_app()), indent=2, ensure_ascii=False) + "\n"


def requirements_page() -> str:
    """Write which tests prove each numbered requirement of the specification."""
    root = Path(__file__).resolve().parent.parent
    proven = requirements.proofs(root)
    lines = [_DO_NOT_EDIT, "", "# Requirements and their tests", "", _ABOUT_REQUIREMENTS]
    for title, file in requirements.SPECIFICATIONS.items():
        lines += [f"## [{title}](../specification/{file})", "", _row(("Number", "Proved by")), "|---|---|"]
        lines += [_proof(number, proven.get(number, [])) for number in requirements.required(root, file)]
        lines.append("")
    return _finish(lines)


def _proof(number: str, proofs: list[tuple[str, str]]) -> str:
    tests = ", ".join(f"[{name}](../../{path})" for path, name in proofs)
    return _row((number, tests or f"not tested: {requirements.NOT_TESTED.get(number)}"))


def exporters_page(catalog: Catalog | None = None) -> str:
    """Write every exporter that comes with Tailrace: formats, parameters and fields."""
    lines = [_DO_NOT_EDIT, "# Exporters", "", _ABOUT_EXPORTERS]
    for exporter in (catalog or load_catalog()).exporters:
        lines += _describe_exporter(exporter)
    return _finish(lines)


def _describe_exporter(exporter: Exporter) -> list[str]:
    lines = [f"## `{exporter.name}`", "", exporter.description, ""]
    zone = {"mu": "the MU's", "ct": "the contact type's"}[exporter.time_zone]
    lines += [
        f"- Formats: {', '.join(exporter.formats)}",
        f"- Records: {exporter.grain}",
        f"- Order: {', '.join(exporter.sort)}",
        f"- Time zone: {zone}; dates: {'past ones only' if exporter.dates == 'past' else 'any'}",
        *(f"- {note}" for note in exporter.notes),
    ]
    lines += ["", "| Parameter | Required |", "|---|---|"]
    lines += [_row((f"`{name}`", rule)) for name, rule in exporter.params.items()]
    lines += ["", "| # | Field | Type | Meaning |", "|---|---|---|---|"]
    for number, field in enumerate(exporter.fields, 1):
        kind = f"decimal, {field.scale} after the point" if field.type == "decimal" else field.type
        unit = f" Unit: {field.unit}." if field.unit else ""
        lines.append(_row((str(number), field.name, kind, field.description + unit)))
    return [*lines, ""]


def wfm_tables_page() -> str:
    """Write the WFM tables with their columns."""
    lines = [_DO_NOT_EDIT, "# WFM tables", "", _ABOUT_WFM_TABLES]
    for table in load_wfm_tables().values():
        key = ", ".join(table.key) or "none; one row"
        lines += [
            f"## `{table.name}`",
            "",
            f"Key: {key}.",
            "",
            "| Column | Type | May be empty | Refers to |",
            "|---|---|---|---|",
        ]
        lines += [_describe_wfm_column(table, column) for column in table.columns]
        lines.append("")
    return _finish(lines)


def _describe_wfm_column(table: WfmTable, column: Column) -> str:
    kinds = {"datetime": "instant (UTC)", "decimal": f"decimal, {column.scale} after the point"}
    kind = kinds.get(column.type, column.type) + (f": {', '.join(column.enum)}" if column.enum else "")
    refers = ", ".join(f"`{one.table}`" for one in table.references if column.name in one.columns)
    return _row((f"`{column.name}`", kind, "yes" if column.nullable else "no", refers))


def _row(cells: tuple[str, ...]) -> str:
    """Write a row of a table; a bar in a cell would end it, and `<` could begin HTML."""
    escaped = (cell.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").strip() for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _finish(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "datasets.md": datasets_page,
    "exporters.md": exporters_page,
    "wfm-tables.md": wfm_tables_page,
    "openapi.json": openapi_page,
    "requirements.md": requirements_page,
}
