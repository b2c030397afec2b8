"""The account: what there is in it, its settings, faults and time, and the thread that moves it on.

Everything is guarded by one lock. Who changes something calls `wake`; then the mover looks whose turn
it is: pools that resize, tasks that can start, jobs that have ended, files to be removed.
"""
import email.utils
import threading
import time

from .faults import Faults
from .record import Record
from .wire import Answer, Refusal, time_text

# Versions of the REST API that are answered, unless --api-version names others.
VERSIONS = ("2025-06-01", "2024-07-01.20.0", "2024-02-01.19.0", "2023-11-01.18.0",
            "2023-05-01.17.0", "2022-10-01.16.0", "2022-01-01.15.0")


class Service:
    """An account of Batch. `options`: what the command line says."""

    def __init__(self, options, lan):
        self.options, self.lan = options, lan
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.record = Record(options.record)
        self.pools, self.jobs = {}, {}  # by id in lower case, in the order of creation
        self.settings = {
            "clock_ahead_s": options.clock_ahead, "page_size": 1000, "pool_quota": options.pool_quota,
            "job_quota": options.job_quota, "dedicated_cores": options.dedicated_cores,
            "spot_cores": options.spot_cores, "node_start_s": options.node_start,
            "hurry": options.hurry}
        self.faults = Faults(self, options.fault)
        self.log = []  # of requests, for tests: method, path, status
        self._etag = int(time.time() * 1000) << 12
        self.stopping = False
        self.mover = threading.Thread(target=self._move, daemon=True)

    def now(self):
        return time.time() + self.settings["clock_ahead_s"]

    def now_text(self):
        return time_text(self.now())

    def hurried(self, seconds):
        """How long an interval of the service really takes here."""
        return seconds / self.settings["hurry"]

    def etag(self):
        self._etag += 1
        return f"0x{self._etag:X}"

    def base(self, request):
        """Scheme and address under which the client reaches us."""
        host = request.header("host") or f"{self.options.host}:{self.options.port}"
        return f"{'https' if self.options.certificate else 'http'}://{host}"

    @property
    def url(self):
        """The same where nobody asks: in descriptions."""
        return self.options.url

    def wake(self):
        with self.lock:
            self.changed.notify_all()

    # --- what is there -----------------------------------------------------------------------------

    def pool(self, name):
        if name.lower() not in self.pools:
            raise Refusal(404, "PoolNotFound", "The specified pool does not exist.")
        return self.pools[name.lower()]

    def job(self, name):
        if name.lower() not in self.jobs:
            raise Refusal(404, "JobNotFound", "The specified job does not exist.")
        return self.jobs[name.lower()]

    def cores_used(self, dedicated):
        return sum(node.pool.cores for pool in self.pools.values() for node in
                   pool.nodes.values() if node.dedicated == dedicated)

    # --- moving on -----------------------------------------------------------------------------------

    def start(self):
        self.mover.start()

    def _move(self):
        while True:
            with self.lock:
                if self.stopping:
                    return
                self._turn()
                self.changed.wait(0.05)

    def _turn(self):
        for pool in list(self.pools.values()):
            pool.turn()
        for job in sorted(self.jobs.values(), key=lambda job: -job.body.get("priority", 0)):
            job.turn()

    @staticmethod
    def later(function, *arguments):
        """Call it in a thread of its own."""
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def stop(self):
        """Give everything back."""
        with self.lock:
            self.stopping = True
            nodes = [node for pool in self.pools.values() for node in pool.nodes.values()]
            for job in self.jobs.values():
                job.abandon()
        for node in nodes:
            node.machine_stop()
        self.lan.close()


def check_conditions(request, resource):
    """If-Match and its like against a resource's ETag and time of change; the resource, if they
    hold."""
    match, none = request.header("if-match"), request.header("if-none-match")
    tags = [resource.etag, f'"{resource.etag}"']
    refused = Refusal(412, "ConditionNotMet")
    if match and match != "*" and not any(t.strip() in tags for t in match.split(",")):
        raise refused
    if none and (none == "*" or any(t.strip() in tags for t in none.split(","))):
        if request.method in ("GET", "HEAD"):
            raise Refusal(304, "ConditionNotMet")
        raise refused
    missed = missed_date(request, resource.modified)
    if missed == "if-modified-since" and request.method in ("GET", "HEAD"):
        raise Refusal(304, "ConditionNotMet")
    if missed:
        raise refused
    return resource


def missed_date(request, modified):
    """Of If-Modified-Since and If-Unmodified-Since the first that does not hold of what changed at
    that time; None if both do."""
    for name, late in (("if-modified-since", False), ("if-unmodified-since", True)):
        text = request.header(name)
        if not text:
            continue
        try:
            when = email.utils.parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError):
            raise Refusal(400, "InvalidHeaderValue", HeaderName=name,
                          HeaderValue=text) from None
        if (int(modified) > when) == late:
            return name
    return None


def touched(resource, status):
    """It was changed."""
    resource.touch()
    return Answer(status, headers=resource.headers())


class Resource:
    """What pools, jobs and tasks have in common: an id, a body as added, ETag and times."""

    def __init__(self, service, body, url):
        self.service, self.body, self.id = service, body, body["id"]
        self.url = url
        self.created = self.modified = self.state_since = service.now()
        self.etag = service.etag()
        self.state = self.previous = self.previous_since = None

    def touch(self):
        """It was changed by its owner."""
        self.modified = self.service.now()
        self.etag = self.service.etag()
        self.service.wake()

    def become(self, state):
        if state == self.state:
            return
        if self.state is not None:
            self.previous, self.previous_since = self.state, self.state_since
        self.state, self.state_since = state, self.service.now()
        self.service.wake()

    def headers(self):
        """Of answers about it."""
        return {"etag": self.etag, "dataserviceid": self.url,
                "last-modified": email.utils.formatdate(self.modified, usegmt=True)}

    def common(self):
        found = {"url": self.url, "eTag": self.etag, "lastModified": time_text(self.modified),
                 "creationTime": time_text(self.created), "state": self.state,
                 "stateTransitionTime": time_text(self.state_since)}
        if self.previous:
            found["previousState"] = self.previous
            found["previousStateTransitionTime"] = time_text(self.previous_since)
        return found


def without_passwords(item):
    """What the service never gives back."""
    if isinstance(item, dict):
        return {k: without_passwords(v) for k, v in item.items()
                if k not in ("password", "accountKey", "sasKey", "sshPrivateKey")}
    if isinstance(item, list):
        return [without_passwords(v) for v in item]
    return item
