"""The SmartSync client's calls: sessions, entities, submitting, refusals."""

import logging
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from fault_peer import Reply
from smartsync_peer import (
    ENTITIES,
    EXPORT,
    EXPORTER,
    JOB_ID,
    LOGIN,
    LOGOUT,
    PASSWORD,
    SmartPeer,
)

from tailrace.client import Entity, ExportJob, Progress, SmartSync
from tailrace.client.smartsync import (
    ExporterNotFound,
    NotSignedIn,
    Refused,
    RequestRefused,
    TryLater,
)
from tailrace.errors import (
    ClientError,
    ComeBackLater,
    NotAuthenticated,
    RequestInvalid,
    ServerUnreachable,
    TailraceError,
)

DAY: dict[str, Any] = {"start": "2024-05-22", "end": "2024-05-22", "output_format": "PIPE"}
UNAUTHORIZED = Reply(401, {"message": "Unauthorized", "status": 401})


def submit(api: SmartSync, **more: Any) -> ExportJob:
    return api.export(EXPORTER, **(DAY | more))


# -- sessions -----------------------------------------------------------------------------------------------------


def test_logs_in_once_at_the_first_call(api: SmartSync, peer: SmartPeer) -> None:
    assert peer.seen == []
    api.entities("mu")
    submit(api)
    [request] = peer.requests(LOGIN)
    assert request.body == {"customerId": 7, "userName": "reporting", "password": PASSWORD, "locale": "en_US"}
    assert "cookie" not in request.headers
    [request] = peer.requests(EXPORT)
    assert request.headers["cookie"] == f"JSESSIONID={peer.sessions[0]}"
    assert request.headers["content-type"] == "application/json"


def test_logs_in_again_when_a_session_is_refused(api: SmartSync, peer: SmartPeer) -> None:
    api.entities()
    peer.sessions[0] = "ended"
    assert submit(api).id == JOB_ID
    assert [request.path for request in peer.seen] == [LOGIN, ENTITIES, EXPORT, LOGIN, EXPORT]


def test_a_session_refused_twice_is_an_error(api: SmartSync, peer: SmartPeer) -> None:
    peer.tell(EXPORT, *[UNAUTHORIZED] * 2)
    with pytest.raises(NotSignedIn) as caught:
        submit(api)
    assert isinstance(caught.value, NotAuthenticated)
    assert len(peer.requests(EXPORT)) == 2


def test_a_session_of_somebody_else_is_used_and_not_ended(peer: SmartPeer) -> None:
    peer.sessions.append("theirs.node")
    with SmartSync(peer.url, session="theirs.node") as api:
        api.entities()
        peer.sessions.clear()
        with pytest.raises(NotSignedIn):
            api.entities()
    assert {request.path for request in peer.seen} == {ENTITIES}


def test_a_session_with_a_password_is_renewed(peer: SmartPeer) -> None:
    with SmartSync(peer.url, customer_id=7, user="u", password=PASSWORD, session="ended.node") as api:
        assert api.entities()
    assert [request.path for request in peer.seen] == [ENTITIES, LOGIN, ENTITIES, LOGOUT]


def test_the_end_of_the_block_ends_the_session(peer: SmartPeer) -> None:
    with SmartSync(peer.url, customer_id=7, user="u", password=PASSWORD) as api:
        api.entities()
    with SmartSync(peer.url, customer_id=7, user="u", password=PASSWORD):
        pass
    assert [request.path for request in peer.seen] == [LOGIN, ENTITIES, LOGOUT]


@pytest.mark.parametrize("status", [401, 404, 500], ids=str)
def test_a_logout_that_fails_does_not_hide_what_happened_before(peer: SmartPeer, status: int) -> None:
    peer.tell(LOGOUT, Reply(status, {"message": "no"}))

    def work() -> None:
        with SmartSync(peer.url, customer_id=7, user="u", password=PASSWORD) as api:
            api.login()
            raise KeyError

    with pytest.raises(KeyError):
        work()


def test_logging_out_of_an_ended_session_is_well(api: SmartSync, peer: SmartPeer) -> None:
    session = api.login()
    assert session == peer.sessions[0]
    peer.sessions.clear()
    api.logout()
    assert len(peer.requests(LOGIN)) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (UNAUTHORIZED, NotSignedIn),
        (Reply(429, {"message": "Too many login attempts", "status": 429}, {"Retry-After": "77"}), NotSignedIn),
        (Reply(400, {"message": "One or more request validations failed", "details": ["x"]}), RequestRefused),
        (Reply(404, {"message": "Not Found", "status": 404}), Refused),
        (Reply(503, {"message": "Service Unavailable"}), ServerUnreachable),
        (Reply(200, {"jsessionId": None}), ClientError),
        (Reply(200, {"jsessionId": "a; b"}), ClientError),
        (Reply(200, b"<html>"), ClientError),
    ],
    ids=["401", "429", "400", "404", "503", "no-id", "odd-id", "no-json"],
)
def test_a_login_that_fails(api: SmartSync, peer: SmartPeer, reply: Reply, kind: type[TailraceError]) -> None:
    peer.tell(LOGIN, reply)
    with pytest.raises(TailraceError) as caught:
        submit(api, patient=True)
    assert type(caught.value) is kind
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("session", [None, "", "a\nb", "a;b", 'a"b'], ids=repr)
def test_neither_password_nor_session(session: str | None) -> None:
    with pytest.raises(ClientError):
        SmartSync("http://127.0.0.1:1", customer_id=7, user="u", session=session)


def test_nothing_shown_or_logged_holds_a_secret(
    api: SmartSync, job: ExportJob, peer: SmartPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        api.login()
        job.download(tmp_path / "out.txt")
    shown = repr(api) + repr(job) + str(vars(job)) + caplog.text
    assert "HTTP Request" in shown
    assert not any(secret in shown for secret in (PASSWORD, *peer.sessions))


def test_nobody_at_home() -> None:
    with (
        SmartSync("http://127.0.0.1:1", customer_id=7, user="u", password=PASSWORD) as api,
        pytest.raises(ServerUnreachable),
    ):
        api.jobs()


# -- entities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "since", "query"),
    [
        ((), None, {"entityType": ["mu,ct,bu,eg"]}),
        (("ct", "mu"), None, {"entityType": ["ct,mu"]}),
        (
            ("mu",),
            datetime(2024, 5, 22, 9, 30, 1, 123999, tzinfo=timezone(timedelta(hours=2))),
            {"entityType": ["mu"], "timestamp": ["2024.05.22T07:30:01.123Z"]},
        ),
        (("mu",), datetime(2024, 5, 22), {"entityType": ["mu"], "timestamp": ["2024.05.22T00:00:00.000Z"]}),
    ],
    ids=["all", "some", "since", "since-without-zone"],
)
def test_lists_entities(
    api: SmartSync, peer: SmartPeer, types: tuple[str, ...], since: datetime | None, query: dict[str, list[str]]
) -> None:
    assert api.entities(*types, since=since) == [Entity("mu", 12, "Lyon", "ADD")]
    [request] = peer.requests(ENTITIES)
    assert parse_qs(request.headers["query"]) == query


# -- submitting ---------------------------------------------------------------------------------------------------


def test_submits_what_the_wire_wants(api: SmartSync, peer: SmartPeer) -> None:
    job = submit(
        api,
        start=date(2024, 5, 22),
        end=datetime(2024, 5, 23, 8),
        mu_ids=(1, 2),
        date_format="mmddyyyy",
        time_format=24,
        fields=["date", "agentData=Unit Manager", "id=ssn", {"name": "x", "value": 1}],
        last_modified=datetime(2024, 5, 1, 12, tzinfo=UTC),
        exclude_header=True,
        disable_midnight_cut_off=False,
        attribute=None,
        future=[1],
    )
    assert (job.id, job.last_status) == (JOB_ID, None)
    [request] = peer.requests(EXPORT)
    assert request.body == {
        "startDate": "2024-05-22",
        "endDate": "2024-05-23",
        "outputFormat": "PIPE",
        "muIds": [1, 2],
        "dateFormat": "mmddyyyy",
        "timeFormat": 24,
        "fields": [
            {"name": "date"},
            {"name": "agentData", "value": "Unit Manager"},
            {"name": "id", "attributes": {"idType": "ssn"}},
            {"name": "x", "value": 1},
        ],
        "lastModifiedTime": "2024-05-01T12:00:00Z",
        "excludePipeHeader": True,
        "disableMidnightCutOff": False,
        "future": [1],
    }


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"time_off_groups": [3]}, {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": []}]}),
        ({"time_off_groups": {3: ("A",)}}, {"timeOffGroupList": [{"timeOffGroup": 3, "timeOffRules": ["A"]}]}),
        ({"time_off_groups": [{"timeOffGroup": 3}]}, {"timeOffGroupList": [{"timeOffGroup": 3}]}),
        ({"all_time_off_groups": False}, {"allTimeOffGroups": {"includeAllTimeOffRules": False}}),
        ({"all_time_off_groups": {}}, {"allTimeOffGroups": {}}),
        ({"fields": "date"}, {"fields": [{"name": "date"}]}),
        ({"bu_ids": [1], "ct_ids": []}, {"buIds": [1], "ctIds": []}),
        ({"keep_empty": True, "record_type": "newAgent"}, {"keepEmptyJsonFields": True, "recordType": "newAgent"}),
        ({"last_modified": "soon"}, {"lastModifiedTime": "soon"}),
    ],
    ids=["groups", "rules", "objects", "all", "all-object", "one-field", "bu-ct", "switches", "text"],
)
def test_writes_parameters(api: SmartSync, peer: SmartPeer, given: dict[str, Any], written: dict[str, Any]) -> None:
    submit(api, **given)
    [request] = peer.requests(EXPORT)
    assert request.body == {"startDate": "2024-05-22", "endDate": "2024-05-22", "outputFormat": "PIPE"} | written


def test_faults_are_printed_one_a_line(api: SmartSync, peer: SmartPeer) -> None:
    details = ["Invalid timeFormat value: '25'", "Insufficient permissions to view entities: muIds [12, 99]"]
    message = "One or more request validations failed"
    peer.tell(EXPORT, Reply(400, {"message": message, "status": 400, "details": details}))
    with pytest.raises(RequestRefused) as caught:
        submit(api)
    assert (caught.value.status, caught.value.message, list(caught.value.details)) == (400, message, details)
    assert str(caught.value).splitlines() == [message, *(f"  - {detail}" for detail in details)]
    assert isinstance(caught.value, ClientError)
    assert isinstance(caught.value, RequestInvalid)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(403, {"message": "Forbidden", "status": 403}), Refused),
        (Reply(404, {"message": "Not Found", "status": 404}), ExporterNotFound),
        (Reply(413, {"message": "Request Entity Too Large", "status": 413}), Refused),
        (Reply(429, {"message": "Too many jobs waiting", "status": 429}, {"Retry-After": "30"}), TryLater),
        (Reply(500, {"message": "Internal Server Error", "status": 500}), Refused),
        (Reply(502, b"<html>bad gateway</html>"), Refused),
        (Reply(503, {"message": "Service Unavailable", "status": 503}, {"Retry-After": "5"}), ServerUnreachable),
        (Reply(200, {"jobId": "../../x"}), ClientError),
        (Reply(200, "text"), ClientError),
        (Reply(200, b"not json"), ClientError),
    ],
    ids=["403", "404", "413", "429", "500", "502", "503", "odd-id", "no-object", "no-json"],
)
def test_refusals_become_errors(api: SmartSync, peer: SmartPeer, reply: Reply, kind: type[TailraceError]) -> None:
    peer.tell(EXPORT, reply)
    with pytest.raises(TailraceError) as caught:
        submit(api)
    assert type(caught.value) is kind
    assert isinstance(caught.value, ClientError)
    if isinstance(caught.value, Refused):
        assert caught.value.status == reply.status


def test_patience_waits_as_long_as_the_server_says(api: SmartSync, peer: SmartPeer, slept: list[float]) -> None:
    full = Reply(429, {"message": "Too many jobs waiting", "status": 429}, {"Retry-After": "30"})
    told: list[Progress] = []
    peer.tell(EXPORT, full, full, full)
    with pytest.raises(ComeBackLater) as caught:
        submit(api)
    assert caught.value.retry_after_seconds == 30
    assert submit(api, patient=True, progress=told.append).id == JOB_ID
    assert (slept, told) == ([30, 30], [Progress("waiting", 0, None)] * 2)


@pytest.mark.parametrize("name", ["", "../status", "a/b", "a?b"], ids=repr)
def test_a_name_that_is_no_exporters_is_not_sent(api: SmartSync, peer: SmartPeer, name: str) -> None:
    with pytest.raises(ExporterNotFound):
        api.export(name, **DAY)
    assert peer.seen == []
