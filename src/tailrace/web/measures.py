"""What `/metrics` tells: requests counted in this process, and the state of the service read from the database.

Labels are names from our own code, never a tenant's, a user's or a client's.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tailrace.errors import DatabaseUnavailable
from tailrace.jobs.model import State
from tailrace.jobs.monitoring import ATTEMPT_FAILED, FENCED, RECOVERED, JobCounts, count_events, count_jobs
from tailrace.runtime import Runtime
from tailrace.web.probes import Probes

_DIALECTS = ("cxone", "smartsync")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
# Said of the jobs of a dialect: name, meaning, and how it comes from those in each state.
_BY_DIALECT: tuple[tuple[str, str, Callable[[JobCounts], float], Callable[[Iterable[float]], float]], ...] = (
    ("jobs_repeated", "Recorded jobs that needed more than one attempt.", lambda jobs: jobs.repeated, sum),
    ("queue_age_seconds", "Age of the oldest waiting job.", lambda jobs: jobs.waiting, max),
    ("lease_overdue_seconds", "How long the lease of a running job is past its end.", lambda jobs: jobs.overdue, max),
    ("retention_lag_seconds", "How long a result is past its retention, unpurged.", lambda jobs: jobs.unpurged, max),
    ("results_bytes", "Bytes of the results that are kept.", lambda jobs: jobs.stored_bytes, sum),
)


class RequestCounts:
    """Requests of this process, by route template; a method nobody offers counts as `other`."""

    def __init__(self) -> None:
        """Begin at nothing."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tailrace_http_requests",
            "Requests answered by this process.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tailrace_http_request_seconds",
            "Time until the last byte of an answer of this process.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        # Statuses are few, and routes and methods are known names, so this does not grow without end.
        self._counts = cache(self._find_counts)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; status 0 when it ended without an answer."""
        method = method if method in _METHODS else "other"
        requests, times = self._counts(method, route, status)
        requests.inc()
        times.observe(seconds)

    def _find_counts(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, str(status)), self._seconds.labels(method, route)


class Measures(Collector):
    """All that `/metrics` tells; the service's own state is read when it is asked for."""

    def __init__(self, runtime: Runtime, requests: RequestCounts, probes: Probes) -> None:
        """Take the runtime, and the requests that are told of as well."""
        self._runtime = runtime
        self._probes = probes
        self._requests = requests
        self._stored = CollectorRegistry(auto_describe=False)
        self._stored.register(self)

    def write(self) -> bytes:
        """Write everything in Prometheus' text form."""
        return generate_latest(self._stored) + generate_latest(self._requests.registry)

    def describe(self) -> list[Metric]:
        """Tell nothing beforehand: it would read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the database says; without one only that it is not there."""
        told = self._read() if self._probes.has_database() else []
        yield GaugeMetricFamily("tailrace_database_up", "Whether the database answers.", value=int(bool(told)))
        yield from told

    def _read(self) -> list[Metric]:
        life = self._runtime.settings.smartsync
        try:
            jobs = count_jobs(self._runtime.database)
            events = count_events(self._runtime.database, life.session_idle_s, life.session_max_s)
        except DatabaseUnavailable:
            return []
        return [*_tell_jobs(jobs), *_tell_events(events)]


def _tell_jobs(counted: list[JobCounts]) -> Iterator[Metric]:
    """Tell of every dialect and state, also where there is no job, so that a series never ends."""
    found = {(jobs.dialect, jobs.state): jobs for jobs in counted}
    nothing = partial(JobCounts, jobs=0, repeated=0, waiting=0, overdue=0, unpurged=0, stored_bytes=0)
    family = GaugeMetricFamily("tailrace_jobs", "Recorded jobs.", labels=("dialect", "state"))
    every = {
        dialect: [found.get((dialect, state), nothing(dialect, state)) for state in get_args(State)]
        for dialect in _DIALECTS
    }
    for jobs in (jobs for states in every.values() for jobs in states):
        family.add_metric((jobs.dialect, jobs.state), jobs.jobs)
    yield family
    for name, meaning, value, together in _BY_DIALECT:
        family = GaugeMetricFamily(f"tailrace_{name}", meaning, labels=("dialect",))
        for dialect, states in every.items():
            family.add_metric((dialect,), together(value(jobs) for jobs in states))
        yield family


def _tell_events(events: dict[str, int]) -> Iterator[Metric]:
    sign_ins = GaugeMetricFamily("tailrace_sign_ins", "Tokens and sessions that are good now.", labels=("dialect",))
    sign_ins.add_metric(("cxone",), events.get("tokens", 0))
    sign_ins.add_metric(("smartsync",), events.get("sessions", 0))
    recovered = CounterMetricFamily("tailrace_recoveries", "Jobs taken back from a worker that gave no sign of life.")
    recovered.add_metric((), events.get(RECOVERED, 0))
    fenced = CounterMetricFamily("tailrace_fenced", "Writes refused because the lease was lost.", labels=("reason",))
    for reason in ("cancelled", "taken_over"):
        fenced.add_metric((reason,), events.get(f"{FENCED}:{reason}", 0))
    failed = CounterMetricFamily("tailrace_attempts_failed", "Attempts without a result.", labels=("code",))
    for name, value in sorted(events.items()):
        if name.startswith(f"{ATTEMPT_FAILED}:"):
            failed.add_metric((name.partition(":")[2],), value)
    yield from (sign_ins, recovered, fenced, failed)
