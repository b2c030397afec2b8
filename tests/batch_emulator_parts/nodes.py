"""The nodes of a pool: from creation to their last task."""
import os
import secrets
import shutil
import threading

from . import containers, imds, transfer
from .runs import Run, packages_deploy
from .transfer import Failure
from .wire import time_text

FOLDERS = ("shared", "startup", "workitems", "fsmounts", "applications")
BILLED = ("creating", "starting", "waitingforstarttask", "starttaskfailed", "idle", "running",
          "unusable", "rebooting", "reimaging", "leavingpool", "offline", "unknown", "preempted")


class Node:
    """A node; its life is a thread."""

    def __init__(self, pool, dedicated):
        self.pool, self.service, self.dedicated = pool, pool.service, dedicated
        self.id = f"tvmps_{secrets.token_hex(32)}_{'d' if dedicated else 'p'}"
        pool.node_count += 1
        self.host = f"{pool.host_prefix}{pool.node_count - 1:06d}"
        self.machine = self.metadata = None
        self.state, self.state_since = "creating", self.service.now()
        self.allocated = self.booted = self.state_since
        self.scheduling = True
        self.works = {}   # (job id, task id): the execution that occupies slots of it
        self.recent = []  # descriptions of executions that ended
        self.run_total = self.succeeded_total = 0
        self.start_info, self.errors = None, []
        self.packages = {}
        self.life = 0     # counts boots: a thread of an earlier one changes nothing
        self.option = None  # how it leaves
        self.returns_at = None
        self.start_run = None

    # --- state ---------------------------------------------------------------------------------------

    def become(self, state):
        if state != self.state:
            self.state, self.state_since = state, self.service.now()
            self.service.wake()

    @property
    def tasks_folder(self):
        """Its AZ_BATCH_NODE_ROOT_DIR, as we see it."""
        return os.path.join(self.machine.folder, "batch", "tasks")

    def slots_used(self):
        return sum(work.slots for work in self.works.values())

    def takes(self, slots):
        return (self.state in ("idle", "running") and self.scheduling and
                self.slots_used() + slots <= self.pool.slots)

    def occupy(self, work):
        self.works[work.key] = work
        self.become("running")

    def release(self, work):
        """A task's execution has left it."""
        if self.works.get(work.key) is work:
            del self.works[work.key]
            self.run_total += 1
        if not self.works and self.state == "running":
            self.become("idle")
        self.service.wake()

    # --- life ------------------------------------------------------------------------------------------

    def boot(self, wipe=True):
        """Come up, in a thread."""
        self.life += 1
        threading.Thread(target=self._boot, args=(self.life, wipe), daemon=True).start()

    def _is(self, life):
        return life == self.life and not self.service.stopping

    def _pause(self, seconds, life):
        """Wait, without the lock; False if that life is over."""
        end = self.service.now() + seconds
        with self.service.lock:
            while self._is(life) and self.service.now() < end:
                self.service.changed.wait(min(0.05, max(0.0, end - self.service.now())))
            return self._is(life)

    def _boot(self, life, wipe):
        try:
            self._boot_steps(life, wipe)
        except (Failure, OSError) as problem:
            info = problem.info if isinstance(problem, Failure) else {"message": str(problem)}
            with self.service.lock:
                if self._is(life):
                    self.errors = [{"code": info.get("code", "NodeStartFailed"),
                                    "message": info["message"],
                                    "errorDetails": info.get("details", [])}]
                    self.become("unusable")

    def _boot_steps(self, life, wipe):
        delay = self.service.settings["node_start_s"]
        slow = self.service.faults.take("node-slow", pool=self.pool.id)
        if not self._pause(delay / 2, life):
            return
        with self.service.lock:
            self.become("starting")
        if not self._pause(delay / 2 + slow.get("seconds", 0), life):
            return
        if self.service.faults.take("node-unusable", pool=self.pool.id):
            raise Failure("NodeBecameUnusable", "The node became unusable: the node agent did not "
                          "answer. (a fault that was asked for)", "servererror")
        self._machine_start(life, wipe)
        with self.service.lock:
            if not self._is(life):
                return
            self.booted = self.service.now()
            self.pool.tell_hosts()
        containers.prefetch(self.pool)
        packages = packages_deploy(self, self.pool.body.get("applicationPackageReferences"), {})
        with self.service.lock:
            self.packages = packages
        if "startTask" in self.pool.body and not self._start_task(life):
            return
        with self.service.lock:
            if self._is(life):
                self.become("idle")

    def _machine_start(self, life, wipe):
        machine = self.machine or self.service.lan.machine(self.host)
        if wipe:
            shutil.rmtree(machine.folder, ignore_errors=True)
        machine.start()
        for name in FOLDERS:
            os.makedirs(os.path.join(machine.folder, "batch", "tasks", name), exist_ok=True)
        with self.service.lock:
            self.machine = machine
            over = not self._is(life)
        if over:
            self.machine_stop()
            return
        self.metadata = imds.Metadata(self, machine.metadata_socket())

    def environment(self):
        """What every command on it finds."""
        root, options = self.machine.tasks, self.service.options
        found = {
            "AZ_BATCH_ACCOUNT_NAME": options.account, "AZ_BATCH_ACCOUNT_URL": options.url + "/",
            "AZ_BATCH_POOL_ID": self.pool.id, "AZ_BATCH_NODE_ID": self.id,
            "AZ_BATCH_NODE_IS_DEDICATED": "true" if self.dedicated else "false",
            "AZ_BATCH_NODE_ROOT_DIR": root, "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
            "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
            "AZ_BATCH_NODE_STARTUP_WORKING_DIR": f"{root}/startup/wd",
            "AZ_BATCH_NODE_MOUNTS_DIR": f"{root}/fsmounts", **self.packages}
        if self.machine.metadata_url:
            found[options.metadata_variable] = self.machine.metadata_url
        return found

    # --- the start task ------------------------------------------------------------------------------

    def _start_task(self, life):
        """Run it, again where it fails; True if the node may take tasks."""
        task = self.pool.body["startTask"]
        wait, retries = task.get("waitForSuccess", True), task.get("maxTaskRetryCount", 0)
        with self.service.lock:
            self.become("waitingforstarttask")
            self.start_info = {"state": "running", "retryCount": 0,
                               "startTime": self.service.now_text()}
        if not wait:
            threading.Thread(target=self._start_tries, args=(life, task, retries),
                             daemon=True).start()
            return True
        good = self._start_tries(life, task, retries)
        with self.service.lock:
            if not good and self._is(life):
                self.become("starttaskfailed")
        return good

    def _start_tries(self, life, task, retries):
        tried = 0
        while True:
            code, failure = self._start_once(task)
            with self.service.lock:
                if not self._is(life):
                    return False
                info = {"state": "completed", "startTime": self.start_info["startTime"],
                        "endTime": self.service.now_text(), "retryCount": tried,
                        "result": "failure" if failure else "success"}
                if code is not None:
                    info["exitCode"] = code
                if failure:
                    info["failureInfo"] = failure
                again = failure and (retries < 0 or tried < retries)
                self.start_info = {**info, "state": "running"} if again else info
                if not again:
                    return not failure
                tried += 1
                self.start_info["lastRetryTime"] = info["endTime"]

    def _start_once(self, task):
        """(exit code or None, failureInfo or None)"""
        run = Run(self, "startup", task["commandLine"], task.get("environmentSettings", ()),
                  {"AZ_BATCH_TASK_ID": "startup"}, task.get("containerSettings"))
        self.start_run = run
        try:
            run.prepare()
            transfer.resources_fetch(task.get("resourceFiles"), run.wd, self.service, self.pool.id)
            code = run.run()
            fault = self.service.faults.take("start-task", pool=self.pool.id)
            if fault:
                code = fault.get("exit_code", 1)
                run.say(f"this start task was made to fail with exit code {code}")
            return code, None if code == 0 else exit_failure(code)
        except Failure as failure:
            return None, failure.info
        except OSError as problem:
            return None, Failure("TaskPreparationFailed", str(problem), "servererror").info

    # --- the end -----------------------------------------------------------------------------------------

    def machine_stop(self):
        """Kill all that runs on it and forget its disk."""
        for work in list(self.works.values()):
            work.kill("node")
        if self.start_run:
            self.start_run.kill("node")
        if self.metadata:
            self.metadata.close()
            self.metadata = None
        machine, self.machine = self.machine, None
        if machine:
            self.service.lan.give_back(machine)

    def drop_tasks(self, option):
        """What becomes of its tasks when it is taken away: "requeue" or "terminate"."""
        for work in list(self.works.values()):
            work.lose(self, option)
        self.works.clear()

    def evict(self, returns_s=None):
        """A spot node is taken away at once; it may come back, with an empty disk."""
        with self.service.lock:
            if self.state in ("preempted", "leavingpool"):
                return
            self.life += 1
            self.become("preempted")
            self.drop_tasks("requeue")
            self.start_info = None
            self.returns_at = None if returns_s is None else self.service.now() + returns_s
        self.machine_stop()

    def fail(self):
        """It turns unusable, with all that ran on it; the service moves its tasks elsewhere."""
        with self.service.lock:
            self.life += 1
            self.errors = [{"code": "NodeBecameUnusable", "message": "The node does not answer."}]
            self.become("unusable")
            self.drop_tasks("requeue")
        self.machine_stop()

    def leave(self, option):
        """Go from the pool, in a thread: requeue, terminate, taskcompletion or retaineddata."""
        with self.service.lock:
            if self.state == "leavingpool":
                return
            self.life += 1
            self.become("leavingpool")
            self.option = option
        threading.Thread(target=self._leave, args=(option,), daemon=True).start()

    def _leave(self, option):
        with self.service.lock:
            while option in ("taskcompletion", "retaineddata") and self.works and \
                    not self.service.stopping:
                self.service.changed.wait(0.05)
            self.drop_tasks("terminate" if option == "terminate" else "requeue")
        self.machine_stop()
        with self.service.lock:
            self.pool.nodes.pop(self.id, None)
            self.pool.tell_hosts()
        self.service.wake()

    def restart(self, state, option, wipe):
        """Reboot or reimage."""
        with self.service.lock:
            self.life += 1
            life = self.life
            self.become(state)

        def go():
            with self.service.lock:
                while option in ("taskcompletion", "retaineddata") and self.works and \
                        self._is(life):
                    self.service.changed.wait(0.05)
                if not self._is(life):
                    return
                self.drop_tasks("terminate" if option == "terminate" else "requeue")
            if wipe:
                self.machine_stop()
            elif self.machine:
                self.metadata.close()
                self.machine.stop()
            self.boot(wipe)
        threading.Thread(target=go, daemon=True).start()

    # --- as the service tells it -----------------------------------------------------------------------

    def describe(self):
        found = {
            "id": self.id, "url": f"{self.service.url}/pools/{self.pool.id}/nodes/{self.id}",
            "state": self.state, "stateTransitionTime": time_text(self.state_since),
            "schedulingState": "enabled" if self.scheduling else "disabled",
            "allocationTime": time_text(self.allocated), "lastBootTime": time_text(self.booted),
            "affinityId": f"TVM:{self.id}", "vmSize": self.pool.body["vmSize"],
            "totalTasksRun": self.run_total, "runningTasksCount": len(self.works),
            "runningTaskSlotsCount": self.slots_used(),
            "totalTasksSucceeded": self.succeeded_total, "isDedicated": self.dedicated,
            "recentTasks": self.recent[-10:],
            "endpointConfiguration": {"inboundEndpoints": []},
            "nodeAgentInfo": {"version": "1.12.11.0", "lastUpdateTime": time_text(self.booted)},
            "virtualMachineInfo": {"imageReference": {
                **self.pool.body["virtualMachineConfiguration"]["imageReference"]}}}
        if self.machine:
            found["ipAddress"] = self.machine.address
        for name, value in (("startTask", self.pool.body.get("startTask")),
                            ("startTaskInfo", self.start_info), ("errors", self.errors)):
            if value:
                found[name] = value
        return found


def exit_failure(code):
    """failureInfo of an exit code that is not 0."""
    return Failure("FailureExitCode", "The task exited with an exit code representing a failure",
                   Message="The task process exited with an unexpected exit code",
                   AdditionalErrorCode="FailureExitCode", ExitCode=code).info
