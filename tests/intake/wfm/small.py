"""A tiny operator with a few rows in each of the 27 tables, and ways to write folders of them."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

TIMES = "created_at,changed_at,deleted_at"
MADE = "2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,"
SMALL: dict[str, str] = {
    "customer": "name,period_minutes\nHarbour Ferries,15\n",
    "enterprise_group": f"eg_id,name,{TIMES}\n1,Europe,{MADE}\n",
    "business_unit": f"bu_id,name,{TIMES}\n1,Tickets,{MADE}\n",
    "management_unit": f"mu_id,name,tz,eg_id,bu_id,{TIMES}\n1,Berlin,Europe/Berlin,1,1,{MADE}\n"
    f"2,Havana,America/Havana,,,{MADE}2024-02-01T00:00:00Z\n",
    "contact_type": f"ct_id,name,tz,eg_id,bu_id,{TIMES}\n1,Calls,Europe/Berlin,1,1,{MADE}\n"
    f"2,Mail,Asia/Kathmandu,,,{MADE}\n",
    "queue": "queue_id,ct_id,acd_id,name\n1,1,1,Calls DE\n2,2,1,Mail\n",
    "allocation": "mu_id,ct_id,open_share,contact_share\n1,1,1,0.33333\n",
    "entity_view": "user_id,entity_type,entity_id\nmaria,mu,1\nmaria,ct,2\nmaria,eg,1\npaul,bu,1\npaul,tog,1\n",
    "agent": f"tv_id,ssn,first_name,last_name,use_availability,vac_group,{TIMES}\n"
    f"1,123-45-6789,Zoë,O'Neil,true,1,{MADE}\n2,,Ann,Lee,,,{MADE}\n",
    "agent_mu": "tv_id,from_date,mu_id,to_date\n1,2024-01-01,1,2024-06-01\n1,2024-06-01,2,\n2,2024-01-01,1,\n",
    "agent_acd": "tv_id,acd_id,logon_id,from_date,agent_group,to_date\n1,1,A4711,2024-01-01,North,\n",
    "data_group": "group_id,name\n1,Team\n2,Site\n",
    "agent_data": "tv_id,group_id,from_date,value\n1,1,2024-01-01,Blue\n1,2,2024-01-01,\n",
    "activity_code": "code,is_open\nOpen,true\nBreak,false\n",
    "code_attribute": "name\nEXC_EXPORT\n",
    "code_value": "code,attribute,value\nBreak,EXC_EXPORT,PAUSE\n",
    "schedule": "tv_id,sched_date,mu_id,changed_at\n1,2024-03-04,1,2024-03-01T12:00:01Z\n"
    "1,2024-07-01,2,2024-03-01T12:00:01Z\n",
    "schedule_part": "tv_id,sched_date,start_at,stop_at,code\n"
    "1,2024-03-04,2024-03-03T23:00:00Z,2024-03-04T09:00:00Z,Open\n"
    "1,2024-03-04,2024-03-04T09:00:00Z,2024-03-05T23:00:00Z,Break\n"
    "1,2024-07-01,2024-07-01T04:00:00Z,2024-07-01T05:00:00Z,Open\n",
    "activity": "tv_id,start_at,stop_at,code\n1,2024-03-04T08:00:00Z,2024-03-04T08:15:00Z,Open\n"
    "1,2024-03-04T08:15:00Z,2024-03-04T08:16:00Z,Break\n2,2024-03-04T08:00:00Z,2024-03-04T09:00:00Z,Open\n",
    "imported_open": "mu_id,ct_id,sched_date,step,minutes\n1,1,2024-03-04,0,1.25\n1,-1,2024-03-04,191,15\n",
    "ct_forecast": "ct_id,period_at,received,handled,aht_s,req,occ\n1,2024-03-04T08:15:00Z,10,9.5,180,3,80\n"
    "2,2024-03-04T08:00:00Z,1,1,60,0.1,70\n",
    "queue_period": "queue_id,period_at,received,handled,abandoned,in_time,talk_s,hold_s,work_s,wait_s\n"
    "1,2024-03-04T08:15:00Z,10,9,1,8,100,10,20,5\n",
    "agent_period": "tv_id,queue_id,period_at,handled,talk_s,hold_s,work_s\n1,1,2024-03-04T08:15:00Z,9,100,10,20\n",
    "time_off_group": "group_id,name\n1,Staff\n",
    "time_off_rule": "group_id,rule,from_date,last_date,unit\n1,Vacation,2024-01-01,2024-12-31,minutes\n"
    "1,Sick,2024-01-01,2024-12-31,days\n",
    "time_off_balance": "tv_id,group_id,rule,allotted,carried_over\n1,1,Vacation,9600,480\n",
    "time_off_day": "tv_id,group_id,rule,day,minutes\n1,1,Vacation,2024-05-01,480\n",
}
_OF_ALL_TYPES = (
    *("customer", "enterprise_group", "business_unit", "management_unit", "imported_open"),
    *("time_off_group", "agent", "activity_code", "activity", "agent_acd"),
)
OF_ALL_TYPES = {name: SMALL[name] for name in _OF_ALL_TYPES}
_FEW = (
    "customer",
    "business_unit",
    "entity_view",
    "agent",
    "data_group",
    "agent_data",
    "time_off_group",
    "time_off_rule",
)
FEW = {name: SMALL[name] for name in _FEW} | {
    "entity_view": "user_id,entity_type,entity_id\nmaria,bu,1\nmaria,tog,1\npaul,bu,1\n"
}


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a folder of files; a name without an ending is a table's CSV."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / (name if "." in name else f"{name}.csv")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def stored_rows(tables: Path, files: Mapping[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    """Read what is stored of each table."""
    found = {}
    for name, paths in files.items():
        [path] = paths
        found[name] = duckdb.execute(f"FROM read_parquet('{tables / path}')").fetchall()
    return found
