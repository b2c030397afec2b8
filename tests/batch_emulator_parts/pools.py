"""Pools: nodes rented together, resized, scaled by formulas."""
import secrets

from . import autoscale, images, shapes
from .nodes import Node
from .service import Resource, without_passwords
from .wire import Refusal, duration_read, time_text

SAMPLE_S = 30           # how often the service takes samples
HISTORY = 2000          # samples that are kept
EVALUATE_S = 15 * 60
RESIZE_S = "PT15M"
REASONS = {"AllocationFailed": "Desired number of {kind} nodes could not be allocated",
           "AllocationTimedout": "Desired number of {kind} nodes could not be allocated as the "
                                 "resize timeout was reached",
           "AccountCoreQuotaReached": "The specified account has reached its core quota",
           "AccountLowPriorityCoreQuotaReached": "The specified account has reached its "
                                                 "low-priority core quota"}


class Pool(Resource):
    """One pool."""

    def __init__(self, service, body, auto=False):
        super().__init__(service, body, f"{service.url}/pools/{body['id']}")
        self.auto = auto  # made for a job
        self.host_prefix, self.node_count = secrets.token_hex(16), 0
        self.nodes = {}
        self.become("active")
        self.allocation, self.allocation_since = "steady", self.created
        self.resize_errors, self.deadline, self.option = [], None, "requeue"
        self.limits = {}  # by kind: how many nodes the resize under way may get, and why
        self.samples, self.sampled_at = {}, 0
        self.run, self.evaluated_at, self.enabled_at = None, None, None
        self.dedicated = body.get("targetDedicatedNodes", 0)
        self.spot = body.get("targetLowPriorityNodes", 0)
        if body.get("enableAutoScale"):
            self.enabled_at = service.now()
        elif self.dedicated or self.spot:
            self.resize_begin(body.get("resizeTimeout", RESIZE_S), "requeue")

    @property
    def cores(self):
        return shapes.cores_of(self.body["vmSize"])

    @property
    def slots(self):
        return self.body.get("taskSlotsPerNode", 1)

    def allocation_become(self, state):
        self.allocation, self.allocation_since = state, self.service.now()
        self.service.wake()

    def counts(self, dedicated):
        return [n for n in self.nodes.values() if n.dedicated == dedicated]

    def tell_hosts(self):
        """Every node's /etc/hosts has all nodes of the pool, as Azure's DNS has."""
        up = [n for n in self.nodes.values() if n.machine]
        table = [] if self.service.options.no_dns else [(n.machine.address, n.host) for n in up]
        for node in up:
            mine = [(node.machine.address, node.host)]
            node.machine.tell_hosts(table or mine)

    # --- resizing ------------------------------------------------------------------------------------

    def resize_begin(self, timeout, option):
        self.deadline = self.service.now() + self.service.hurried(duration_read(timeout))
        self.option, self.resize_errors, self.limits = option, [], {}
        self.allocation_become("resizing")

    def resize_limit(self, dedicated):
        """(most nodes of that kind, code or None) for the resize under way; asked once for it."""
        if dedicated not in self.limits:
            wanted = self.dedicated if dedicated else self.spot
            self.limits[dedicated] = (wanted, None)
            if len(self.counts(dedicated)) < wanted:
                self.limits[dedicated] = self._limit_find(dedicated, wanted)
        return self.limits[dedicated]

    def _limit_find(self, dedicated, wanted):
        fault = self.service.faults.take("resize", pool=self.id, fits=lambda f: f.get(
            "kind", "dedicated" if dedicated else "spot") == ("dedicated" if dedicated else
                                                              "spot"))
        if fault:
            return min(wanted, fault.get("nodes", 0)), fault.get("code", "AllocationFailed")
        quota = self.service.settings["dedicated_cores" if dedicated else "spot_cores"]
        free = quota - self.service.cores_used(dedicated)
        room = len(self.counts(dedicated)) + max(0, free // self.cores)
        if room < wanted:
            return room, ("AccountCoreQuotaReached" if dedicated else
                          "AccountLowPriorityCoreQuotaReached")
        return wanted, None

    def _resize_step(self):
        leaving = False
        for dedicated, wanted in ((True, self.dedicated), (False, self.spot)):
            staying = [n for n in self.counts(dedicated) if n.state != "leavingpool"]
            leaving = leaving or len(staying) < len(self.counts(dedicated))
            most, code = self.resize_limit(dedicated)
            for _ in range(min(wanted, most) - len(staying)):
                node = Node(self, dedicated)
                self.nodes[node.id] = node
                node.boot()
            for node in self._least_useful(staying)[:max(0, len(staying) - wanted)]:
                node.leave(self.option)
                leaving = True
            if code and not any(e["code"] == code for e in self.resize_errors):
                kind = "dedicated" if dedicated else "low-priority"
                self.resize_errors.append({
                    "code": code, "message": REASONS.get(code, "The resize failed: {kind} nodes "
                                                         "are missing").format(kind=kind),
                    "values": [{"name": "Reason", "value": "asked for " + str(wanted)}]})
        if self.service.now() > self.deadline:
            self.resize_errors.append({"code": "AllocationTimedout",
                                       "message": REASONS["AllocationTimedout"].format(kind="")})
            leaving = False
        if not leaving:
            self.allocation_become("steady")

    @staticmethod
    def _least_useful(nodes):
        def worth(node):
            return (node.state in ("idle", "running"), len(node.works), -node.allocated)
        return sorted(nodes, key=worth)

    def delete(self):
        if self.state == "deleting":
            return
        self.become("deleting")
        self.dedicated = self.spot = 0
        for node in list(self.nodes.values()):
            node.leave("requeue")

    # --- autoscale -------------------------------------------------------------------------------------

    @property
    def autoscaled(self):
        return bool(self.body.get("enableAutoScale"))

    def _jobs(self):
        return [job for job in self.service.jobs.values() if job.pool_id.lower() ==
                self.id.lower() and job.state not in ("completed", "deleting")]

    def _values(self):
        """What the service's variables are just now."""
        tasks = [task for job in self._jobs() for task in job.open.values()]
        active = sum(task.state == "active" for task in tasks)
        nodes = [n for n in self.nodes.values() if n.state not in ("preempted", "leavingpool")]
        return {"$PendingTasks": len(tasks), "$ActiveTasks": active,
                "$RunningTasks": len(tasks) - active, "$SucceededTasks": self._ended("success"),
                "$FailedTasks": self._ended("failure"),
                "$TaskSlotsPerNode": self.slots,
                "$CurrentDedicatedNodes": sum(n.dedicated for n in nodes),
                "$CurrentLowPriorityNodes": sum(not n.dedicated for n in nodes),
                "$UsableNodeCount": sum(n.state in ("idle", "running") for n in nodes),
                "$PreemptedNodeCount": len(self.nodes) and sum(
                    n.state == "preempted" for n in self.nodes.values()),
                "$CPUPercent": 100.0 * sum(bool(n.works) for n in nodes) / max(1, len(nodes))}

    def _ended(self, result):
        return sum(job.ended[result] for job in self._jobs())

    def _sample(self):
        period = self.service.hurried(SAMPLE_S)
        now = self.service.now()
        if now - self.sampled_at < period:
            return
        self.sampled_at = now
        for name, value in self._values().items():
            line = self.samples.setdefault(name, [])
            line.append((now, float(value)))
            del line[:-HISTORY]

    def evaluate(self, formula):
        """The values after a formula, evaluated now; raises FormulaError. Formulas count in the
        time of the service: samples are as far apart for them as its 30 seconds."""
        now, hurry = self.service.now(), self.service.settings["hurry"]
        samples = {name: [(now - (now - at) * hurry, value) for at, value in line]
                   for name, line in self.samples.items()}
        targets = {"$TargetDedicatedNodes": float(self.dedicated),
                   "$TargetLowPriorityNodes": float(self.spot),
                   "$NodeDeallocationOption": "requeue"}
        return autoscale.evaluate(formula, samples, SAMPLE_S, now, targets)

    def run_of(self, formula):
        """(AutoScaleRun, values or None)"""
        run = {"timestamp": self.service.now_text()}
        try:
            values = self.evaluate(formula)
        except autoscale.FormulaError as problem:
            return {**run, "error": {"code": problem.code, "message": problem.message}}, None
        return {**run, "results": autoscale.results_text(values)}, values

    def _scale(self):
        interval = duration_read(self.body.get("autoScaleEvaluationInterval", "PT15M"))
        now = self.service.now()
        due = self.enabled_at if self.evaluated_at is None else \
            self.evaluated_at + self.service.hurried(interval)
        if now < due or self.allocation != "steady":
            return
        asked, self.evaluated_at = self.evaluated_at is None, now
        self.run, values = self.run_of(self.body["autoScaleFormula"])
        if values is None:
            return
        targets = values["$TargetDedicatedNodes"], values["$TargetLowPriorityNodes"]
        there = len(self.counts(True)), len(self.counts(False))
        # After a resize that failed nothing is tried until the targets change, or somebody gives a
        # formula: pools with autoscale have been seen stuck like that.
        if targets != (self.dedicated, self.spot) or (asked and targets != there):
            self.dedicated, self.spot = targets
            self.resize_begin(RESIZE_S, values["$NodeDeallocationOption"])

    # --- time ---------------------------------------------------------------------------------------------

    def turn(self):
        if self.state == "deleting":
            if not self.nodes:
                del self.service.pools[self.id.lower()]
            return
        self._sample()
        if self.allocation == "stopping":
            self.allocation_become("steady")
        if self.autoscaled:
            self._scale()
        if self.allocation == "resizing":
            self._resize_step()
        for node in list(self.nodes.values()):
            self._node_turn(node)

    def _fault_turn(self, node, now):
        """Is this node to be evicted by a fault that waits?"""
        if node.dedicated or node.state != "running" or not node.metadata or node.metadata.events:
            return
        fault = self.service.faults.take("evict", pool=self.id, fits=lambda f: (
            now - node.state_since >= f.get("seconds", 0)))
        if fault and "notice_s" in fault:
            node.metadata.announce(now + fault["notice_s"], fault.get("returns_s"))
        elif fault:
            self.service.later(node.evict, fault.get("returns_s"))

    def _node_turn(self, node):
        now = self.service.now()
        self._fault_turn(node, now)
        if node.state == "preempted" and node.returns_at is not None and now >= node.returns_at:
            node.returns_at = None
            node.become("creating")
            node.boot()
        for event in node.metadata.events if node.metadata else ():
            if event["EventStatus"] == "Started" or now >= event["at"]:
                # The service's own thread must not wait for processes to end.
                node.metadata.events = []
                self.service.later(node.evict, event["returns_s"])
                return

    # --- as the service tells it ---------------------------------------------------------------------------

    def describe(self):
        found = {**without_passwords(self.body), **self.common(),
                 "allocationState": self.allocation,
                 "allocationStateTransitionTime": time_text(self.allocation_since),
                 "currentDedicatedNodes": len(self.counts(True)),
                 "currentLowPriorityNodes": len(self.counts(False)),
                 "targetDedicatedNodes": self.dedicated, "targetLowPriorityNodes": self.spot,
                 "enableAutoScale": self.autoscaled, "taskSlotsPerNode": self.slots,
                 "enableInterNodeCommunication":
                     bool(self.body.get("enableInterNodeCommunication")),
                 "taskSchedulingPolicy": self.body.get("taskSchedulingPolicy",
                                                       {"nodeFillType": "spread"})}
        if self.autoscaled:
            found.setdefault("autoScaleEvaluationInterval", "PT15M")
            found.pop("resizeTimeout", None)
            if self.run:
                found["autoScaleRun"] = self.run
        else:
            found.setdefault("resizeTimeout", RESIZE_S)
        if self.resize_errors:
            found["resizeErrors"] = self.resize_errors
        found.pop("previousState", None)  # pools tell none
        found.pop("previousStateTransitionTime", None)
        return found


def check_body(service, body):
    """What a shape cannot say of a pool's body."""
    machine = body["virtualMachineConfiguration"]
    image = machine["imageReference"]
    refused = service.faults.take("image-refused", pool=body.get("id"), fits=lambda fault: fault.get(
        "sku", image.get("sku")) == image.get("sku"))
    if refused or not images.is_supported(machine):
        raise Refusal(400, "InvalidPropertyValue", "The value provided for one of the properties "
                      "in the request body is invalid.",
                      PropertyName="imageReference", PropertyValue=" ".join(
                          image.get(n, "") for n in ("publisher", "offer", "sku")),
                      Reason="The specified imageReference with the specified nodeAgentSKUId is "
                             "not supported. List supported images first.")
    if "containerConfiguration" in machine and not images.takes_containers(machine):
        raise Refusal(400, "InvalidPropertyValue", "The value provided for one of the properties "
                      "in the request body is invalid.", PropertyName="containerConfiguration",
                      Reason="The image is not compatible with containers.")
    check_packages(service, body.get("applicationPackageReferences"))
    if body.get("enableAutoScale"):
        check_formula(body["autoScaleFormula"])


def check_packages(service, references):
    """A pool names applications by their whole resource ids."""
    for item in references or []:
        name = item["applicationId"].rpartition("/")[2].lower()
        if not item["applicationId"].lower().startswith("/subscriptions/") or \
                (name, item.get("version", "")) not in service.options.packages:
            raise Refusal(409, "InvalidApplicationPackageReferences", "One or more application "
                          "package references could not be satisfied.",
                          ApplicationId=item["applicationId"], Version=item.get("version", ""))


def check_formula(text):
    try:
        autoscale.parse(text)
    except autoscale.FormulaError as problem:
        raise Refusal(400, problem.code, "The specified autoscaling formula has a syntax error.",
                      Reason=problem.message) from None
