"""Where a local day begins, as the loader checks it."""

import pytest

from intake.wfm.conftest import House, make_tenant
from intake.wfm.small import MADE, TIMES
from tailrace.database.pool import Database

pytestmark = [pytest.mark.slow, pytest.mark.share]


@pytest.mark.req("WM-003", "WM-102")
@pytest.mark.parametrize(
    ("tz", "date", "first", "before"),
    [
        ("America/Havana", "2023-11-05", "2023-11-05T04:00Z", "2023-11-05T03:59Z"),  # midnight comes twice
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z", "2018-11-04T02:59Z"),  # the clock skips midnight
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00Z", "2018-02-18T02:59Z"),  # the day before ends twice
        ("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15Z", "2023-12-31T18:14Z"),
    ],
)
def test_a_day_begins_with_its_first_instant(new_database, tmp_path, tz, date, first, before) -> None:
    database = Database(new_database(), size=2)
    one = House(database, tmp_path / "tables", make_tenant(database, "one"), tmp_path)
    files = {
        "management_unit": f"mu_id,name,tz,{TIMES}\n1,One,{tz},{MADE}\n",
        "agent": f"tv_id,first_name,last_name,{TIMES}\n1,a,b,{MADE}\n",
        "agent_mu": "tv_id,from_date,mu_id\n1,2000-01-01,1\n",
        "activity_code": "code,is_open\nx,true\n",
        "schedule": f"tv_id,sched_date,mu_id,changed_at\n1,{date},1,2024-01-01\n",
    }
    head = "tv_id,sched_date,start_at,stop_at,code\n"
    day = before[:10]
    refusal = one.refused({**files, "schedule_part": f"{head}1,{date},{before},{first},x\n"})
    assert refusal.details[0].startswith("schedule_part.csv, line 2, column 'start_at': '" + day)
    assert one.load({**files, "schedule_part": f"{head}1,{date},{first},{date}T23:00Z,x\n"}).rows == 6
    database.close()
