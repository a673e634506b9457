"""The datasets that come with Tailrace are the published ones: names, versions, columns and their order."""

import pytest

from tailrace.catalog.loader import load_catalog
from tailrace.catalog.permissions import CANCEL_ANY, permission_ids_for
from tailrace.errors import UnknownDataset, UnknownPermission

WORKFLOWS_V1 = (
    "Tenant Name",
    "Agent ID",
    "Type",
    "Evaluation Flow Trigger",
    "Workflow Status",
    "Auto Acknowledged",
    "Workflow State",
    "Plan Name",
    "Form Name",
    "Form Version",
    "Start Date",
    "Submission Date",
    "Last Updated",
    "Score - Percentage",
    "Score",
    "Maximum Possible Score",
    "Rank",
    "Failed Critical Question",
    "User Review Comments",
    "Dispute Resolver Comments",
    "Segment ID",
    "ACD ID",
    "Interaction Type",
    "Interaction Start Date",
    "Interaction End Date",
    "Interaction Direction",
    "Team ID",
    "Team Name",
    "Phone Number",
    "FirstName (Eva)",
    "LastName (Eva)",
    "FirstName (Agent)",
    "LastName (Agent)",
    "FirstName (Disp)",
    "LastName (Disp)",
    "FirstName (Assigner)",
    "LastName (Assigner)",
)
PUBLISHED = {
    ("qm-questions", "1"): (34, "Evaluation Submission Date", "qm-workflow"),
    ("qm-workflows", "1"): (37, "Submission Date", "qm-workflow"),
    ("qm-workflows", "3"): (38, "Submission Date", "qm-workflow"),
    ("recording-interaction-metadata", "7"): (10, "Start Date", "interaction-metadata"),
    ("recording-interaction-metadata", "10"): (12, "Start Date", "interaction-metadata"),
}


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


def test_names_versions_counts_range_and_permission(catalog):
    found = {(d.name, d.version): (len(d.columns), d.range_column, d.permission_id) for d in catalog}
    assert found == PUBLISHED


def test_datasets_come_by_name_and_version_as_a_number(catalog):
    assert [(dataset.name, dataset.version) for dataset in catalog] == list(PUBLISHED)
    assert [dataset.version for dataset in catalog.versions("recording-interaction-metadata")] == ["7", "10"]


@pytest.mark.req("CX-616")
def test_qm_workflows_v1_column_by_column(catalog):
    columns = catalog.get("qm-workflows", "1").columns
    assert tuple(column.name for column in columns) == WORKFLOWS_V1
    assert len(WORKFLOWS_V1) == 37


def test_qm_workflows_v3_is_v1_with_the_workflow_id_after_the_state(catalog):
    names = [column.name for column in catalog.get("qm-workflows", "3").columns]
    at = names.index("Workflow ID")
    assert names[at - 1] == "Workflow State"
    assert tuple(names[:at] + names[at + 1 :]) == WORKFLOWS_V1


@pytest.mark.req("CX-611")
def test_booleans_are_written_as_published(catalog):
    for dataset in catalog:
        for column in dataset.columns:
            if column.type == "boolean":
                expected = ("TRUE", "FALSE") if column.name == "Auto Acknowledged" else ("true", "false")
                assert (column.true_text, column.false_text) == expected, column.name


@pytest.mark.req("CX-613")
def test_phone_numbers_alone_get_the_backslash(catalog):
    marked = {column.name for dataset in catalog for column in dataset.columns if column.backslash_plus}
    assert marked == {"ANI", "DNIS"}


@pytest.mark.req("CX-614")
def test_order(catalog):
    order = {(d.name, d.version): d.order_by for d in catalog}
    assert order["qm-workflows", "1"] == ("Submission Date", "source:workflow_id")
    assert order["qm-workflows", "3"] == ("Submission Date", "Workflow ID")
    [hidden] = catalog.get("qm-workflows", "1").order_columns()
    [written] = catalog.get("qm-workflows", "3").order_columns()
    assert (hidden.source, hidden.type) == (written.source, written.type) == ("workflow_id", "text")


def test_one_table_holds_the_columns_of_all_versions(catalog):
    table = catalog.table("qm-workflows")
    stored = {column.source for column in table.columns}
    assert stored == {column.source for dataset in catalog.versions("qm-workflows") for column in dataset.columns}
    assert (table.range_column, table.hidden_keys) == ("submission_date", ())
    assert catalog.table("recording-interaction-metadata").hidden_keys == ()


@pytest.mark.parametrize(("name", "version"), [("qm-workflows", "2"), ("QM-Workflows", "1"), ("", ""), ("x", "1")])
def test_what_is_not_there_is_refused(catalog, name, version):
    with pytest.raises(UnknownDataset):
        catalog.get(name, version)


def test_an_unknown_table_is_refused_with_the_names_there_are(catalog):
    with pytest.raises(UnknownDataset, match="qm-questions, qm-workflows, recording-interaction-metadata"):
        catalog.table("qm-workflow")


def test_permissions_are_named_by_dataset_or_id(catalog):
    assert permission_ids_for(catalog, ["qm-workflows"]) == ["qm-workflow"]
    assert permission_ids_for(catalog, ["qm-workflow", "qm-questions", CANCEL_ANY]) == [CANCEL_ANY, "qm-workflow"]
    with pytest.raises(UnknownPermission, match="interaction-metadata"):
        permission_ids_for(catalog, ["qm-workflows", "everything"])
