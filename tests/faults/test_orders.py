"""Fault points do nothing by themselves, are refused in production, and every one of them is struck by the matrix."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faults.scenarios import SCENARIOS
from tailrace.errors import SettingsInvalid
from tailrace.faults import POINTS, Fault, arm, fault_point
from tailrace.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def disarm():
    yield
    arm("")


def test_an_order_is_refused_unless_faults_are_switched_on(tmp_path):
    with pytest.raises(SettingsInvalid, match="makes the service fail on purpose"):
        load_settings(tmp_path, {"TAILRACE_FAULT": "worker.claimed=kill"})
    allowed = {"TAILRACE_FAULT": "worker.claimed=kill", "TAILRACE_TESTING__FAULTS": "on"}
    assert load_settings(tmp_path, allowed).testing.fault == "worker.claimed=kill"


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ("worker.claims=kill", "no fault point named 'worker.claims'"),
        ("worker.claimed=explode", "'explode' is no action"),
        ("worker.claimed@soon=kill", "'soon' is no number"),
        ("worker.claimed", "'' is no action"),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(tmp_path, order, fault):
    with pytest.raises(SettingsInvalid, match=re.escape(fault)):
        load_settings(tmp_path, {"TAILRACE_FAULT": order, "TAILRACE_TESTING__FAULTS": "on"})


def test_a_command_does_not_start_with_an_order_in_production(tmp_path):
    environment = {**os.environ, "TAILRACE_FAULT": "worker.claimed=kill"}
    command = [sys.executable, "-m", "tailrace", "worker", "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "testing.fault" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_an_order_is_carried_out_from_its_pass_on_and_once_by_whoever_comes_first(tmp_path):
    once = tmp_path / "once"
    arm(f"store.write@2=raise:boom*once:{once},store.sync=errno:ENOSPC")
    fault_point("store.write")
    fault_point("store.rename")
    with pytest.raises(Fault, match="boom"):
        fault_point("store.write")
    fault_point("store.write")
    assert once.read_text() == str(os.getpid())
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            fault_point("store.sync")


def test_whoever_passes_a_point_is_killed_there():
    assert {scenario.point for scenario in SCENARIOS if scenario.deed == "kill"} - {""} == POINTS.keys()


def test_every_point_is_in_the_code_in_the_matrix_and_in_the_documents():
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert set(re.findall(r'fault_point\("([a-z._]+)"\)', code)) == POINTS.keys()
    assert POINTS.keys() == {scenario.point for scenario in SCENARIOS} - {""}
    page = (ROOT / "docs/explanation/reliability.md").read_text()
    assert set(
        re.findall(r"`((?:submit|login|token|cancel|worker|child|share|store|housekeeping)\.[a-z_]+)`", page)
    ) - {"worker.lease_s"} == set(POINTS)
