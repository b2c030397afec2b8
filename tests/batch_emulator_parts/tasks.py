"""Tasks: what was asked for, and how far it is."""
import os
import shutil

from .service import Resource
from .transfer import Failure
from .wire import FOREVER, duration_read

ENDED = ("TaskEnded", "Task Was Ended by User Request")


class Task(Resource):
    """A task of a job."""

    def __init__(self, job, body, manager=None):
        super().__init__(job.service, body, f"{job.url}/tasks/{body['id']}")
        self.job, self.manager = job, manager  # manager: the job manager's settings, or None
        self.become("active")
        self.execution = None      # while it runs
        self.node = None           # where it ran last
        self.info = {"retryCount": 0, "requeueCount": 0}
        self.subtasks = []
        self.cleaned = self.deleted = False
        self.relative = f"workitems/{job.id}/job-1/{self.id}"

    # --- what it wants -------------------------------------------------------------------------------

    @property
    def instances(self):
        return self.body.get("multiInstanceSettings", {}).get("numberOfInstances", 1)

    @property
    def is_multi(self):
        return "multiInstanceSettings" in self.body

    def slots(self, pool):
        exclusive = self.manager and self.manager.get("runExclusive", True)
        return pool.slots if exclusive else self.body.get("requiredSlots", 1)

    def constraint(self, name, default):
        return self.body.get("constraints", {}).get(name, default)

    def limit_s(self):
        """Of its wall clock, None for none."""
        seconds = duration_read(self.constraint("maxWallClockTime", FOREVER))
        return None if seconds > 1e9 else seconds

    def retries(self):
        return self.constraint("maxTaskRetryCount",
                               self.job.body.get("constraints", {}).get("maxTaskRetryCount", 0))

    def ready(self):
        """Have the tasks ended that it waits for?"""
        wanted = self.body.get("dependsOn", {})
        names = set(wanted.get("taskIds", []))
        for item in wanted.get("taskIdRanges", []):
            names.update(str(n) for n in range(item["start"], item["end"] + 1))
        return all(self._satisfied(self.job.tasks.get(name.lower())) for name in names)

    @staticmethod
    def _satisfied(task):
        if task is None or task.state != "completed":
            return False
        return task.info["result"] == "success" or \
            task.exit_options().get("dependencyAction") == "satisfy"

    def exit_options(self):
        """What is to follow from how it ended."""
        conditions = self.body.get("exitConditions", {})
        code, failure = self.info.get("exitCode"), self.info.get("failureInfo", {}).get("code", "")
        if failure.startswith("FileUpload"):
            return conditions.get("fileUploadError", conditions.get("default", {}))
        if code is None and failure != ENDED[0]:
            return conditions.get("preProcessingError", conditions.get("default", {}))
        for item in conditions.get("exitCodes", []):
            if item["code"] == code:
                return item["exitOptions"]
        for item in conditions.get("exitCodeRanges", []):
            if code is not None and item["start"] <= code <= item["end"]:
                return item["exitOptions"]
        return conditions.get("default", {}) if self.info.get("result") == "failure" else {}

    # --- what happens to it ----------------------------------------------------------------------------

    def run_on(self, nodes, execution):
        self.execution, self.node = execution, nodes[0]
        for name in ("endTime", "exitCode", "failureInfo", "result"):
            self.info.pop(name, None)
        self.info["startTime"] = self.service.now_text()
        self.become("running")

    def again(self, why):
        """Back to the queue: "retry" after a failure, "requeue" after its node is gone."""
        now = self.service.now_text()
        self.execution = None
        self.info[f"{why}Count"] += 1
        self.info["lastRetryTime" if why == "retry" else "lastRequeueTime"] = now
        if why == "requeue":
            self.node = None
            self.info.pop("startTime", None)
        self.become("active")
        self.job.task_waits(self)

    def complete(self, code=None, failure=None):
        """It has ended for good."""
        now = self.service.now_text()
        self.execution = None
        self.info.setdefault("startTime", now)
        self.info.update(endTime=now, result="failure" if failure else "success")
        if code is not None:
            self.info["exitCode"] = code
        if failure:
            self.info["failureInfo"] = failure
        self.become("completed")
        self.job.task_ended(self)

    def end(self):
        """Ended by somebody's wish."""
        execution = self.execution
        self.complete(failure=Failure(*ENDED, Message="The task was ended").info)
        if execution:
            execution.abandon()

    def reactivate(self):
        """A failed task is to run again."""
        self.job.task_reactivated(self)
        self.info = {"retryCount": 0, "requeueCount": 0}
        self.node, self.cleaned = None, False
        self.become("active")
        self.job.task_waits(self)

    def folder(self):
        """Where its files are, as we see it; None if they are nowhere."""
        if self.node is None or self.node.machine is None or self.cleaned:
            return None
        path = os.path.join(self.node.tasks_folder, self.relative)
        return path if os.path.isdir(path) else None

    def clean(self):
        """Its retention is over."""
        folder = self.folder()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        self.cleaned = True

    def retention_s(self):
        return duration_read(self.constraint("retentionTime", "P7D"))

    # --- as the service tells it -----------------------------------------------------------------------

    def node_info(self, node=None):
        node = node or self.node
        base = f"{self.service.url}/pools/{node.pool.id}/nodes/{node.id}"
        return {"affinityId": f"TVM:{node.id}", "nodeUrl": base, "poolId": node.pool.id,
                "nodeId": node.id, "taskRootDirectory": self.relative,
                "taskRootDirectoryUrl": f"{base}/files/{self.relative}"}

    def describe(self):
        constraints = {"maxWallClockTime": FOREVER, "retentionTime": "P7D", "maxTaskRetryCount": 0,
                       **self.body.get("constraints", {})}
        found = {**self.body, **self.common(), "constraints": constraints,
                 "requiredSlots": self.body.get("requiredSlots", 1),
                 "userIdentity": self.body.get("userIdentity", {
                     "autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}),
                 "executionInfo": dict(self.info)}
        if self.node:
            found["nodeInfo"] = self.node_info()
        return found

    def describe_recent(self):
        """As its node lists it."""
        return {"taskUrl": self.url, "jobId": self.job.id, "taskId": self.id,
                "taskState": self.state, "executionInfo": dict(self.info)}

    def describe_subtask(self, number, node, info):
        state = "completed" if "endTime" in info else "running"
        return {"id": number, "nodeInfo": self.node_info(node), "state": state,
                "stateTransitionTime": info.get("endTime", info["startTime"]), **info}
