"""Jobs: tasks for a pool, and which of them may run where."""
import collections
import heapq
import itertools

from .executions import Execution
from .pools import Pool
from .service import Resource, without_passwords
from .tasks import Task
from .wire import FOREVER, duration_read, new_id, time_text

OVER = ("terminating", "completed", "deleting")


class Job(Resource):
    """One job."""

    def __init__(self, service, body):
        super().__init__(service, body, f"{service.url}/jobs/{body['id']}")
        self.tasks = {}    # by id in lower case
        self.open = {}     # those that have not ended
        self.waiting = {}  # those that wait for a node, in their order
        self.ended = collections.Counter()
        self.reason = self.ended_at = self.disabling = None
        self.retention, self.order = [], itertools.count()
        self.pool_id = body["poolInfo"].get("poolId", "")
        self.become("active")
        if "autoPoolSpecification" in body["poolInfo"]:
            self._pool_make(body["poolInfo"]["autoPoolSpecification"])
        if "jobManagerTask" in body:
            self._manager_make(body["jobManagerTask"])

    def _pool_make(self, wanted):
        self.pool_id = f"{wanted.get('autoPoolIdPrefix', '')}_{new_id().upper()}".lstrip("_")
        pool = Pool(self.service, {**wanted["pool"], "id": self.pool_id}, auto=True)
        self.service.pools[self.pool_id.lower()] = pool

    def _manager_make(self, wanted):
        own = ("killJobOnCompletion", "runExclusive", "allowLowPriorityNode")
        self.task_add({k: v for k, v in wanted.items() if k not in own}, manager=wanted)

    # --- its tasks -------------------------------------------------------------------------------------

    def task_add(self, body, manager=None):
        task = Task(self, body, manager)
        self.tasks[task.id.lower()] = self.open[task.id.lower()] = task
        self.waiting[task.id.lower()] = task
        return task

    def task_waits(self, task):
        if not task.deleted:
            self.waiting[task.id.lower()] = task

    def task_ended(self, task):
        name = task.id.lower()
        self.open.pop(name, None)
        self.waiting.pop(name, None)
        self.ended[task.info["result"]] += 1
        if task.node:
            due = self.service.now() + self.service.hurried(task.retention_s())
            heapq.heappush(self.retention, (due, next(self.order), task))
        if self.state != "active":
            return
        if task.manager and task.manager.get("killJobOnCompletion", True):
            self.terminate("JMComplete")
        if task.info["result"] == "failure" and \
                self.body.get("onTaskFailure") == "performexitoptionsjobaction":
            action = task.exit_options().get("jobAction", "none")
            if action == "terminate":
                self.terminate("TaskFailed")
            elif action == "disable":
                self.disable("requeue")

    def task_reactivated(self, task):
        self.ended[task.info["result"]] -= 1
        self.open[task.id.lower()] = task
        self.retention = [item for item in self.retention if item[2] is not task]
        heapq.heapify(self.retention)

    def task_delete(self, task):
        task.deleted = True
        if task.state == "completed":
            self.ended[task.info["result"]] -= 1
        for table in (self.tasks, self.open, self.waiting):
            table.pop(task.id.lower(), None)
        execution, task.execution = task.execution, None
        if execution:
            execution.abandon()
        task.clean()
        self.service.wake()

    def counts(self):
        active = sum(t.state == "active" for t in self.open.values())
        return {"active": active, "running": len(self.open) - active,
                "completed": self.ended["success"] + self.ended["failure"],
                "succeeded": self.ended["success"], "failed": self.ended["failure"]}

    def slot_counts(self):
        found = collections.Counter(active=0, running=0, completed=0, succeeded=0, failed=0)
        for task in self.tasks.values():
            slots = task.body.get("requiredSlots", 1)
            found[task.state if task.state != "preparing" else "running"] += slots
            if task.state == "completed":
                found["succeeded" if task.info["result"] == "success" else "failed"] += slots
        return dict(found)

    # --- its own states --------------------------------------------------------------------------------

    def running(self):
        return [t for t in self.open.values() if t.execution]

    def terminate(self, reason):
        self.become("terminating")
        self.reason = reason
        for task in self.running():
            task.end()

    def disable(self, what):
        self.become("disabling")
        for task in self.running():
            if what == "terminate":
                task.end()
            elif what == "requeue":
                execution = task.execution
                task.again("requeue")
                execution.abandon()

    def abandon(self):
        """The emulator ends."""
        for task in self.running():
            task.execution.over = True

    def delete(self):
        self.become("deleting")
        for task in list(self.tasks.values()):
            self.task_delete(task)

    def _complete(self):
        self.become("completed")
        self.ended_at = self.service.now()
        self._pool_give_back()

    def _pool_give_back(self):
        wanted = self.body["poolInfo"].get("autoPoolSpecification")
        pool = self.service.pools.get(self.pool_id.lower())
        if wanted and pool and pool.auto and not wanted.get("keepAlive"):
            pool.delete()

    # --- time ----------------------------------------------------------------------------------------------

    def turn(self):
        while self.retention and self.retention[0][0] <= self.service.now():
            heapq.heappop(self.retention)[2].clean()
        if self.state == "deleting" and not self._busy():
            self._pool_give_back()
            del self.service.jobs[self.id.lower()]
        elif self.state == "terminating" and not self.running():
            self._complete()
        elif self.state == "disabling" and not self.running():
            self.become("disabled")
        elif self.state == "enabling":
            self.become("active")
        elif self.state == "active":
            self._turn_active()

    def _busy(self):
        pool = self.service.pools.get(self.pool_id.lower())
        return pool and any(key[0] == self.id for node in pool.nodes.values()
                            for key in node.works)

    def _turn_active(self):
        limit = duration_read(self.body.get("constraints", {}).get("maxWallClockTime", FOREVER))
        if self.service.now() - self.created > limit:
            self.terminate("MaxWallClockTimeExpiry")
        elif self.body.get("onAllTasksComplete") == "terminatejob" and not self.open:
            self.terminate("AllTasksCompleted")
        else:
            self._schedule()

    def _schedule(self):
        pool = self.service.pools.get(self.pool_id.lower())
        if not pool or pool.state != "active" or not self.waiting:
            return
        most = self.body.get("maxParallelTasks", -1)
        room = len(self.open) if most < 0 else most - len(self.open) + len(self.waiting)
        for task in list(self.waiting.values()):
            free = [n for n in pool.nodes.values() if n.takes(1)]
            if room <= 0 or not free:
                return
            nodes = task.ready() and self._choose(task, pool, free)
            if nodes:
                del self.waiting[task.id.lower()]
                room -= 1
                Execution(task, nodes).start()

    @staticmethod
    def _choose(task, pool, free):
        """The nodes for a task, or nothing."""
        slots = task.slots(pool)
        if task.is_multi:
            whole = [n for n in free if not n.works]
            fits = pool.body.get("enableInterNodeCommunication") and pool.slots == 1
            return whole[:task.instances] if fits and len(whole) >= task.instances else []
        fits = [n for n in free if n.takes(slots)]
        if task.manager and not task.manager.get("allowLowPriorityNode", True):
            fits = [n for n in fits if n.dedicated]
        wanted = task.body.get("affinityInfo", {}).get("affinityId", "").removeprefix("TVM:")
        policy = pool.body.get("taskSchedulingPolicy", {}).get("nodeFillType", "spread").lower()
        pack = -1 if policy == "pack" else 1
        fits.sort(key=lambda n: (n.id != wanted, pack * n.slots_used()))
        return fits[:1]

    # --- as the service tells it ---------------------------------------------------------------------------

    def describe(self):
        run = {"startTime": time_text(self.created), "poolId": self.pool_id}
        if self.ended_at:
            run["endTime"] = time_text(self.ended_at)
        if self.reason:
            run["terminateReason"] = self.reason
        constraints = {"maxWallClockTime": FOREVER, "maxTaskRetryCount": 0,
                       **self.body.get("constraints", {})}
        return {**without_passwords(self.body), **self.common(), "constraints": constraints,
                "priority": self.body.get("priority", 0),
                "maxParallelTasks": self.body.get("maxParallelTasks", -1),
                "onAllTasksComplete": self.body.get("onAllTasksComplete", "noaction"),
                "onTaskFailure": self.body.get("onTaskFailure", "noaction"),
                "usesTaskDependencies": self.body.get("usesTaskDependencies", False),
                "executionInfo": run}
