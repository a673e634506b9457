"""Section 10: the two profiles side by side."""

from typing import Any

import pytest

from conformance.smartsync import exports_wire as exports
from conformance.smartsync.wire import check_faults, check_refusal
from service import Service

ONLY_JSON = "keepEmptyJsonFields can be set only if outputFormat is JSON"
ONLY_PIPE = "excludePipeHeader can be set only if outputFormat is PIPE"


@pytest.mark.req("SS-403", "SS-401")
def test_how_completion_is_spelt(service: Service):
    person = exports.centre_of(service)
    word = "COMPLETED_SUCCESFULLY" if exports.is_live(service) else "COMPLETED_SUCCESSFULLY"
    assert exports.status(person, exports.completed_once(person))["status"] == word


@pytest.mark.req("SS-406", "SS-509", "SS-005")
@pytest.mark.parametrize("path", ["status", "result"])
def test_the_status_in_the_body_for_an_unknown_job(service: Service, path: str):
    answer = exports.centre_of(service).get(f"{exports.BASE}/{path}/{'0' * 32}")
    check_refusal(answer, 404, "Job id is not found", printed=401 if exports.is_live(service) else 404)


@pytest.mark.req("SS-504")
@pytest.mark.parametrize("query", ["", "?startRecord=1&numRecords=2"], ids=["whole", "page"])
def test_how_the_coding_is_spelt(service: Service, query: str):
    person = exports.centre_of(service)
    coding, _ = exports.body_as_sent(person, exports.completed_once(person), query)
    assert coding == ("GZIP" if exports.is_live(service) else "gzip")


@pytest.mark.req("SS-221", "SS-301", "SS-302")
@pytest.mark.parametrize(
    ("exporter", "more", "unknown"),
    [
        ("agent-info", {"noSuch": 1, "muids": [1], "attribute": "Nope"}, ["attribute", "noSuch", "muids"]),
        ("agent-info", {"ctIds": [77], "recordType": [], "buIds": []}, ["buIds", "ctIds", "recordType"]),
        (
            "mu-opens",
            {"fields": [{"name": "x"}], "dateFormat": "x", "excludePipeHeader": True, "timeFormat": "x"},
            ["dateFormat", "timeFormat", "excludePipeHeader", "fields"],
        ),
        ("agent-activity-detail", {"disableMidnightCutOff": True, "": None, "\n": {}}, ["disableMidnightCutOff", "\n"]),
    ],
)
def test_parameters_that_an_exporter_does_not_take(
    service: Service, exporter: str, more: dict[str, Any], unknown: list[str]
):
    # With a fault of its own, so that no job is made.
    answer = exports.submit(exports.centre_of(service), exporter, **more, outputFormat="CSV")
    faults = [] if exports.is_live(service) else [f"Unknown parameter: '{name}'" for name in unknown]
    check_faults(answer, *faults, "Invalid outputFormat value: 'CSV'")


@pytest.mark.req("SS-221", "SS-218")
def test_what_live_ignores_changes_nothing(live: Service):
    person = exports.centre_of(live)
    odd = {"keepEmptyJsonFields": True, "fields": [{"name": "x"}], "noSuch": "x"}
    assert exports.export(person, "mu-opens", outputFormat="XML", **odd) == exports.expected(
        person, "mu-opens", outputFormat="XML"
    )
    assert exports.export(person, excludePipeHeader=True) == exports.expected(person, "agent-info")


@pytest.mark.req("SS-218", "SS-301", "SS-302")
@pytest.mark.parametrize(
    ("exporter", "changes", "faults"),
    [
        ("agent-info", {"outputFormat": "PIPE", "keepEmptyJsonFields": True}, [ONLY_JSON]),
        ("agent-info", {"excludePipeHeader": True}, [ONLY_PIPE]),
        ("mu-opens", {"outputFormat": "XML", "keepEmptyJsonFields": True}, [ONLY_JSON]),
        (
            "agent-vacation-summary",
            {"outputFormat": "XML", "keepEmptyJsonFields": True, "excludePipeHeader": True},
            [ONLY_JSON, ONLY_PIPE],
        ),
        ("agent-info", {"outputFormat": "PIPE", "keepEmptyJsonFields": False}, []),
        ("agent-info", {"excludePipeHeader": False}, []),
    ],
)
def test_switches_of_another_format(service: Service, exporter: str, changes: dict[str, Any], faults: list[str]):
    answer = exports.submit(exports.centre_of(service), exporter, **changes, startDate="x")
    wanted = "startDate must match the provided yyyy-MM-dd format"
    check_faults(answer, wanted, *([] if exports.is_live(service) else faults))


@pytest.mark.req("SS-218", "SS-301")
def test_a_switch_must_be_one_in_both_profiles(service: Service):
    answer = exports.submit(exports.centre_of(service), "agent-info", excludePipeHeader="true")
    check_faults(answer, "Invalid excludePipeHeader value: 'true'")
