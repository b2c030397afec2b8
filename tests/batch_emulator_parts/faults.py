"""Faults on command: of requests, nodes, resizes and transfers.

A fault is an object with its name under "fault", and how many times it strikes ("times", 1):

    {"fault": "status", "status": 503, "retry_after": 1, "code": "ServerBusy"}
    {"fault": "drop"}                     no answer: the line is cut
    {"fault": "cut", "bytes": 100}        half an answer: so many bytes of the body, then cut
    {"fault": "slow", "seconds": 2}       an answer after this time
    {"fault": "lost"}                     done, but the line is cut before the answer
    {"fault": "servererror", "times": 3}  items of task collections, each
    {"fault": "node-slow", "seconds": 5}  nodes that start so much later
    {"fault": "node-unusable"}            nodes that turn up unusable
    {"fault": "start-task"}               start tasks that fail: "exit_code" (1)
    {"fault": "resize", "code": "AllocationFailed", "nodes": 1}    resizes that get so many nodes
    {"fault": "image-refused", "sku": "12"}                        pools that want this image
    {"fault": "expired-sas"}              transfers of resource and output files
    {"fault": "evict", "seconds": 5, "notice_s": 30, "returns_s": 60}
                                          spot nodes that have run tasks for so long

The first five strike requests that match "method" and "path" (a part of path and query), the others
pools whose id is "pool", where these are given. On a command line: NAME,key=value,...
"""
import json

from .wire import Refusal

REQUEST_FAULTS = ("status", "drop", "cut", "slow", "lost")
NAMES = REQUEST_FAULTS + ("servererror", "node-slow", "node-unusable", "start-task", "resize",
                          "image-refused", "expired-sas", "evict")
KEYS = {"fault", "times", "method", "path", "pool", "status", "retry_after", "code", "bytes",
        "seconds", "exit_code", "nodes", "sku", "message", "kind", "notice_s", "returns_s"}


def read(text):
    """A fault of the command line: JSON, or NAME,key=value,..."""
    if text.startswith("{"):
        return check(json.loads(text))
    name, *pairs = text.split(",")
    found = {"fault": name}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return check(found)


def check(fault):
    if not isinstance(fault, dict) or fault.get("fault") not in NAMES:
        raise ValueError(f"a fault is one of {', '.join(NAMES)}")
    unknown = set(fault) - KEYS
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    for key in ("times", "status", "bytes", "nodes", "exit_code"):
        if not isinstance(fault.get(key, 1), int):
            raise ValueError(f"{key} is a whole number")
    for key in ("seconds", "notice_s", "returns_s"):
        if not isinstance(fault.get(key, 1), (int, float)):
            raise ValueError(f"{key} is a number")
    if fault["fault"] == "status" and not 400 <= fault.get("status", 503) <= 599:
        raise ValueError("status is 400 to 599")
    return {"times": 1, **fault}


class Faults:
    """Those to come, and how often each struck."""

    def __init__(self, service, first):
        self.service = service
        self.waiting = [read(text) for text in first]
        self.struck = {}

    def add(self, fault):
        with self.service.lock:
            self.waiting.append(check(fault))
        self.service.wake()

    def clear(self):
        with self.service.lock:
            self.waiting.clear()

    def take(self, *names, pool=None, fits=lambda fault: True):
        """The next fault of these names that fits, as it strikes; {} if there is none."""
        with self.service.lock:
            for fault in self.waiting:
                if fault["fault"] in names and fault["times"] > 0 and fits(fault) and \
                   fault.get("pool", pool) == pool:
                    fault["times"] -= 1
                    self.waiting = [f for f in self.waiting if f["times"] > 0]
                    self.struck[fault["fault"]] = self.struck.get(fault["fault"], 0) + 1
                    return fault
        return {}

    def of_request(self, request):
        return self.take(*REQUEST_FAULTS, fits=lambda fault: (
            fault.get("method", request.method) == request.method and
            fault.get("path", "") in request.target))


def refusal_of(fault):
    """The answer of a "status" fault."""
    status = fault.get("status", 503)
    code = fault.get("code") or {429: "TooManyRequests", 503: "ServerBusy", 408: "OperationTimedOut",
                                 500: "InternalError"}.get(status, "InternalError")
    refusal = Refusal(status, code, fault.get("message"))
    if "retry_after" in fault:
        refusal.headers["retry-after"] = str(fault["retry_after"])
    return refusal
