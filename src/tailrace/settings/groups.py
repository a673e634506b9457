"""The groups of settings: every setting with its bounds, default and meaning."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from tailrace.faults import read_orders

_SWITCH = {"on": True, "off": False}
Switch = Annotated[bool, BeforeValidator(lambda value: _SWITCH.get(value, value) if isinstance(value, str) else value)]
Seconds = Annotated[int, Field(ge=1, le=7 * 86_400)]


class Group(BaseModel):
    """A group of settings: no name besides its own, and no value is repeated in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(Group):
    """How the server is reached."""

    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s@]+$",
        description="Scheme and host clients use, without a slash at the end; all links are built from it (CX-005). "
        "Not set: the address the server listens on, which must then be a loopback address.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on, unless --host says otherwise.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on, unless --port says otherwise; 0 picks one.")
    trusted_proxies: str = Field(
        "",
        pattern=r"^[0-9A-Fa-f.:/, ]*$",
        description="Addresses of proxies, joined by commas, whose `X-Forwarded-For` tells the caller's address; it "
        "counts failed sign-ins (CX-117). Empty: nobody's.",
    )
    threads: int = Field(32, ge=2, le=512, description="Requests answered at the same time.")
    metrics: Literal["loopback", "all", "off"] = Field(
        "loopback",
        description="Who may read `GET /metrics`: programs on this machine that ask without a proxy, everybody who "
        "reaches the server, or nobody.",
    )


class Database(Group):
    """Where the control plane's PostgreSQL is."""

    url: SecretStr | None = Field(
        None,
        description="PostgreSQL to use, as a URL or libpq string; `DATABASE_URL` sets it too. Not set: a private "
        "PostgreSQL in the data folder.",
    )
    pool_size: int = Field(10, ge=1, le=500, description="Most connections one process holds.")
    timeout_s: int = Field(10, ge=1, le=300, description="Longest wait for a connection or one statement.")
    system_user: str | None = Field(
        None,
        description="Account the private PostgreSQL runs as when Tailrace runs as root. Not set: postgres or nobody.",
    )


class _Bucket(Group):
    """How a store is reached that speaks S3."""

    kind: str
    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s@]+$",
        description="Scheme and host of a store that is not AWS's own. Clients download results from there, so they "
        "must reach it by this name.",
    )
    region: str | None = Field(None, description="Region of the bucket. Not set: `AWS_REGION`, otherwise us-east-1.")
    access_key_id: str | None = Field(
        None,
        description="Key of the store's account; of Azure, the account. Not set: what the machine gives, such as "
        "`AWS_ACCESS_KEY_ID` or its role.",
    )
    secret_access_key: SecretStr | None = Field(
        None, description="Secret that belongs to that key; of Azure, the account's key."
    )
    virtual_host: Switch = Field(
        False, description="Whether the bucket is part of the host's name, as `bucket.host`, instead of the path."
    )
    allow_http: Switch = Field(
        False, description="Whether the endpoint may be http; bytes and links are readable on the way then."
    )
    connect_timeout_s: int = Field(5, ge=1, le=300, description="Longest wait for a connection.")
    timeout_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="Longest time of one request to a store, such as a part of 8 MiB, and longest silence of a "
        "download.",
    )
    retry_timeout_s: int = Field(
        20,
        ge=1,
        le=3600,
        description="How long a request to a store that fails is tried again; an attempt then under way may end.",
    )

    @model_validator(mode="after")
    def check_access(self) -> Self:
        """Http is meant, and a key has its secret."""
        if (self.endpoint or "").startswith("http:") and not self.allow_http:
            raise ValueError("endpoint is http, which allow_http must allow")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key must be set together")
        return self


class Storage(_Bucket):
    """Where results rest."""

    kind: str = Field(
        "local", description="Kind of store: `local`, `s3`, `gcs` or `azure`, the name of a file in `tailrace/storage`."
    )
    folder: Path | None = Field(None, description="Folder of the local store. Not set: `results` in the data folder.")
    bucket: str | None = Field(
        None, min_length=3, max_length=222, description="Bucket, or container of Azure; it must be there."
    )
    credentials_file: Path | None = Field(
        None,
        description="Google: file with the key of a service account. Not set: what the machine gives, such as "
        "`GOOGLE_APPLICATION_CREDENTIALS` or its role.",
    )
    prefix: str = Field(
        "tailrace",
        pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
        description="What keys in the bucket begin with. All below it belongs to one Tailrace service: what no job "
        "points to is removed.",
    )

    @model_validator(mode="after")
    def check_bucket(self) -> Self:
        """A store other than the folder has a bucket."""
        if self.kind != "local" and self.bucket is None:
            raise ValueError("bucket must be set for a store that is not local")
        return self


class Source(_Bucket):
    """Rows of the operator's own: a PostgreSQL, or a lake of Parquet files."""

    kind: str = Field(
        pattern=r"^[a-z0-9_]+$",
        description="Software that reads it: `postgresql` or `lake`, the name of a file in `tailrace/engines`.",
    )
    url: SecretStr | None = Field(
        None, description="PostgreSQL: what to connect to, as a URL or libpq string, with a role that may only read."
    )
    statement_timeout_s: int = Field(
        600, ge=1, le=86_400, description="PostgreSQL: longest time of one statement; it is cancelled after it."
    )

    @model_validator(mode="after")
    def check_url(self) -> Self:
        """A database has an address, a lake has none."""
        if {"postgresql": self.url is None, "lake": self.url is not None}.get(self.kind):
            raise ValueError("url must be set for a source of kind postgresql, and not for a lake")
        return self


# Nothing may stand beside it: a pattern for the tenant `a` must not be one for `ab` too.
_WHOLE_TENANT = re.compile(r"(?<=[/=])\{tenant\}(?=/|\.parquet$)")
FormatOffered = Literal["csv.gz", "csv.zst", "ndjson", "ndjson.gz", "ndjson.zst", "parquet"]


class DatasetSettings(Group):
    """What is special about one dataset: where its rows are, if not loaded into Tailrace, and formats besides CSV."""

    source: str | None = Field(
        None, description="Name of the group of `sources` that has its rows. Not set: rows loaded into Tailrace."
    )
    table: str | None = Field(
        None, min_length=1, description="PostgreSQL: table or view with the rows, as written in SQL."
    )
    query: str | None = Field(None, min_length=1, description="PostgreSQL: a SELECT that gives the rows, instead.")
    files: tuple[str, ...] = Field(
        (),
        description="Lake: paths or patterns of Parquet files, or `s3://…`; `{tenant}` stands for what `tenant_is` "
        "says, `{day}` for a day in UTC that the range is cut into.",
    )
    tenant_column: str | None = Field(
        None, min_length=1, description="Column that says whose a row is. Only a lake's files may say it instead."
    )
    tenant_is: Literal["name", "id", "customer_id"] = Field(
        "name", description="What of a tenant stands in that column, or for `{tenant}`."
    )
    columns: dict[str, str] = Field(
        {}, description="Stored columns that are not columns of the same name: each with its SQL over the rows."
    )
    formats: tuple[FormatOffered, ...] = Field(
        (),
        max_length=6,
        description="Formats that callers of the Data Extraction API may ask for with `format`, besides `csv`. None: "
        "the API is exactly the vendor's.",
    )

    @model_validator(mode="after")
    def check_together(self) -> Self:
        """Rows have one place, and are told apart by tenant."""
        places = [name for name in ("table", "query", "files") if getattr(self, name)]
        if len(places) != (1 if self.source else 0):
            raise ValueError("a dataset with a source needs one of table, query and files, any other none of them")
        if any(pattern.count("{tenant}") != len(_WHOLE_TENANT.findall(pattern)) for pattern in self.files):
            raise ValueError("{tenant} in files must be a whole name between slashes, or all that stands after a '='")
        if self.source and not self.tenant_column and not all("{tenant}" in pattern for pattern in self.files or ("",)):
            raise ValueError("tenant_column must be set, or every one of files have {tenant} in it")
        return self


class Catalog(Group):
    """Where further datasets are."""

    folders: tuple[Path, ...] = Field(
        (), description="Folders with dataset files (TOML) besides Tailrace's own and `catalog` in the data folder."
    )

    @classmethod
    def split(cls, text: str) -> list[str]:
        """Take a list as the environment writes it: separated like PATH."""
        return [part for part in text.split(os.pathsep) if part]


class Worker(Group):
    """How extractions are run."""

    slots: int = Field(4, ge=1, le=64, description="Jobs of each API that one worker runs at the same time.")
    threads: int = Field(2, ge=1, le=64, description="Slices of one job that are rendered at the same time.")
    lease_s: int = Field(30, ge=3, le=3600, description="After this long without a sign of life a job is taken over.")
    poll_s: float = Field(
        1.0, ge=0.05, le=60, description="Longest time between two looks at the queue; a notification wakes it sooner."
    )
    memory_mb: int = Field(
        512,
        ge=64,
        le=65536,
        description="DuckDB's memory limit for one slice, some 30,000 rows (rows of usual size need a tenth of it), "
        "and for computing an exporter's rows. Beyond it DuckDB uses temporary files.",
    )
    share_slices: int = Field(
        0,
        ge=0,
        le=10_000,
        description="So many slices of a large job make a share, which another worker may render; 8 is a good number. "
        "All workers must see the same data folder or sources, and the same store. Jobs that read a lake are not "
        "shared. 0: none are.",
    )
    jobs_per_child: int = Field(50, ge=1, le=100_000, description="Jobs after which a child process is replaced.")


class Log(Group):
    """What is written about the running service."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least serious events written.")
    format: Literal["text", "json"] = Field("text", description="`text` for people, `json` one object a line.")


class Cxone(Group):
    """The Data Extraction API."""

    profile: Literal["documented", "live"] = Field(
        "documented",
        description="Wire behaviour: as documented, or as public clients meet the vendor's service (section 10).",
    )
    area: str = Field("na1", pattern=r"^[a-z0-9-]{1,32}$", description="Area named in tokens and discovery (CX-162).")
    domain: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.-]{1,253}$",
        description="Domain named in discovery; not set: the public URL's host.",
    )
    read_limit_per_s: int = Field(
        20, ge=1, le=100_000, description="GET requests a second and access token, measured over ten seconds (CX-019)."
    )
    sync_timeout_s: Seconds = Field(120, description="Longest wait of `POST jobs/sync` for its job (CX-404).")
    extension_cancel: Switch = Field(True, description="Whether `DELETE jobs/{jobId}` cancels a running job (CX-421).")
    extension_idempotency: Switch = Field(
        True, description="Whether `POST jobs` with an `Idempotency-Key` sent again makes one job (CX-431)."
    )
    link_life_s: Seconds = Field(30, description="How long a download link may be started (CX-503).")
    spreadsheet_safe: Switch = Field(
        False, description="Put ' before text that a spreadsheet could run as a formula; changes data (CX-608)."
    )
    result_retention_h: int = Field(24, ge=1, le=8760, description="Hours a result is kept (CX-705).")
    job_record_days: int = Field(7, ge=1, le=3650, description="Days the record of a finished job is kept (CX-708).")
    job_timeout_s: Seconds = Field(3600, description="Longest run of a job, all attempts together (CX-709).")
    max_result_bytes: int = Field(10_737_418_240, ge=1024, description="Largest result file in bytes (CX-709).")
    max_concurrent: int = Field(4, ge=1, le=10_000, description="Jobs run at once in the whole service (CX-710).")
    max_concurrent_per_tenant: int = Field(2, ge=1, le=10_000, description="Jobs run at once for one tenant (CX-710).")
    min_interval_s: int = Field(
        30,
        ge=0,
        le=86_400,
        description="Seconds between two accepted requests of a tenant; 0 switches the rule off (CX-801).",
    )
    one_user_per_tenant: Switch = Field(True, description="Only one user of a tenant extracts at a time (CX-809).")
    max_unfinished_jobs: int = Field(100, ge=1, le=1_000_000, description="Unfinished jobs of a tenant (CX-810).")
    max_range_days: int = Field(15, ge=1, le=36_500, description="Longest date range in days (CX-814).")
    simulated_latency_s: int = Field(
        0, ge=0, le=86_400, description="Leave out rows younger than this, as the vendor's service may (CX-815)."
    )
    partial_entities: Literal["offer", "hide"] = Field(
        "offer", description="Whether datasets known to lack columns are offered (CX-825)."
    )


class Smartsync(Group):
    """The SmartSync Export APIs."""

    profile: Literal["documented", "live"] = Field(
        "documented",
        description="Wire behaviour: as documented, or as customers' programs meet the vendor's service (section 10).",
    )
    session_idle_s: Seconds = Field(1800, description="A session ends so long after its last request (SS-031).")
    session_max_s: Seconds = Field(43_200, description="A session ends so long after the login (SS-031).")
    max_range_days: int = Field(400, ge=1, le=36_500, description="Longest date range in days (SS-211).")
    max_concurrent: int = Field(4, ge=1, le=10_000, description="Exports run at once in the whole service (SS-601).")
    max_concurrent_per_tenant: int = Field(
        2, ge=1, le=10_000, description="Exports run at once for one tenant (SS-601)."
    )
    max_waiting_per_tenant: int = Field(500, ge=1, le=1_000_000, description="Waiting exports of a tenant (SS-603).")
    max_records: int = Field(5_000_000, ge=1, description="Most records of a result (SS-605).")
    max_result_bytes: int = Field(2_147_483_648, ge=1024, description="Largest result in bytes, uncompressed (SS-605).")
    job_timeout_s: Seconds = Field(3600, description="Longest run of an export, all attempts together (SS-606).")


class Testing(Group):
    """What Tailrace's own tests of faults need; never for production."""

    faults: Switch = Field(False, description="Whether `testing.fault` may be set. Never on in production.")
    fault: str = Field(
        "",
        description="What goes wrong at which fault point (`tailrace/faults.py`), such as `worker.claimed=kill`; "
        "`TAILRACE_FAULT` sets it too. Never in production.",
    )

    @field_validator("fault")
    @classmethod
    def _check_orders(cls, text: str) -> str:
        read_orders(text)
        return text

    @model_validator(mode="after")
    def _refuse_in_production(self) -> Self:
        if self.fault and not self.faults:
            raise ValueError("testing.fault makes the service fail on purpose, so it is refused here; unset it")
        return self


class Settings(Group):
    """All settings of one process."""

    server: Server = Server()
    database: Database = Database()
    storage: Storage = Storage()
    catalog: Catalog = Catalog()
    worker: Worker = Worker()
    log: Log = Log()
    cxone: Cxone = Cxone()
    smartsync: Smartsync = Smartsync()
    testing: Testing = Testing()
    sources: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], Source] = {}
    datasets: dict[str, DatasetSettings] = {}

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        """Every source that is named is described."""
        for name, dataset in self.datasets.items():
            if dataset.source is not None and dataset.source not in self.sources:
                raise ValueError(f"datasets.{name}.source: there is no source named '{dataset.source}'")
            kind = self.sources[dataset.source].kind if dataset.source else ""
            if (kind == "lake" and not dataset.files) or (kind == "postgresql" and dataset.files):
                raise ValueError(f"datasets.{name}: a lake has files, PostgreSQL a table or a query")
        return self
