"""One execution of a task, on one node or, of a multi-instance task, on several."""
import os
import threading

from . import transfer
from .nodes import exit_failure
from .runs import Run, packages_deploy
from .transfer import Failure

MASTER_PORT = 6000  # AZ_BATCH_MASTER_NODE's, which is the service's own


class Execution:
    """A thread that takes a task through its files, commands and outputs."""

    def __init__(self, task, nodes):
        self.task, self.nodes, self.service = task, nodes, task.service
        self.slots = task.slots(nodes[0].pool)
        self.key = (task.job.id, task.id)
        self.over = False  # nobody waits for its end any more
        self.runs = []

    def start(self):
        for node in self.nodes:
            node.occupy(self)
        self.task.run_on(self.nodes, self)
        threading.Thread(target=self._go, daemon=True).start()

    def kill(self, why):
        for run in list(self.runs):
            run.kill(why)

    def abandon(self):
        """Stop it; its task knows already what became of it."""
        self.over = True
        self.service.later(self._abandon)

    def _abandon(self):
        self.kill("abandoned")
        with self.service.lock:
            for node in self.nodes:
                node.release(self)

    def lose(self, node, option):
        """A node of it is being taken away."""
        if self.over:
            return
        self.over = True
        if option == "requeue":
            self.task.again("requeue")
        else:
            self.task.end()
        for other in self.nodes:
            if other is not node:
                other.release(self)
        self.service.later(self.kill, "node")

    # --- the thread ------------------------------------------------------------------------------------

    def _run_make(self, node, line, more=None):
        body = self.task.body
        variables = list(self.task.job.body.get("commonEnvironmentSettings", []))
        variables += body.get("environmentSettings", [])
        packages = packages_deploy(node, body.get("applicationPackageReferences"), {})
        run = Run(node, self.task.relative, line, variables, {
            **packages, "AZ_BATCH_JOB_ID": self.task.job.id, "AZ_BATCH_TASK_ID": self.task.id,
            **(more or {})}, body.get("containerSettings"))
        self.runs.append(run)
        if self.over:
            run.kill("abandoned")
        return run

    def _go(self):
        code = failure = run = None
        try:
            run = self._run_make(self.nodes[0], self.task.body["commandLine"], self._multi(0))
            run.prepare()
            if self.task.is_multi:
                self._coordinate()
            transfer.resources_fetch(self.task.body.get("resourceFiles"), run.wd, self.service,
                                     self.nodes[0].pool.id)
            code = run.run(self.task.limit_s())
            failure = None if code in (0, None) else exit_failure(code)
        except Failure as problem:
            failure = problem.info
        except OSError as problem:
            failure = Failure("TaskPreparationFailed", str(problem), "servererror").info
        if not self.over and run:
            failure = self._upload(run, failure)
        if not self.over:
            for one in self.runs:
                one.clear()
        self._end(code, failure)

    def _upload(self, run, failure):
        try:
            transfer.outputs_upload(self.task.body.get("outputFiles"), run.wd, not failure,
                                    self.service, self.nodes[0].pool.id)
        except Failure as problem:
            return failure or problem.info
        return failure

    def _end(self, code, failure):
        with self.service.lock:
            if self.over:
                return
            self.over = True
            retries, tried = self.task.retries(), self.task.info["retryCount"]
            wrong = failure and failure["code"] == "FailureExitCode"
            if wrong and (retries < 0 or tried < retries):
                self.task.info.update(endTime=self.service.now_text(), exitCode=code,
                                      failureInfo=failure, result="failure")
                self.task.again("retry")
            else:
                self.task.complete(code, failure)
            for node in self.nodes:
                node.recent.append(self.task.describe_recent())
                node.succeeded_total += not failure
                node.release(self)

    # --- several nodes -----------------------------------------------------------------------------------

    def _multi(self, number):
        """The variables that multi-instance tasks find."""
        if not self.task.is_multi:
            return {}
        addresses = [node.machine.address for node in self.nodes]
        slots = " ".join(f"{address} 1" for address in addresses)
        return {"AZ_BATCH_HOST_LIST": ",".join(addresses), "AZ_BATCH_NODE_LIST": ";".join(addresses),
                "AZ_BATCH_MASTER_NODE": f"{addresses[0]}:{MASTER_PORT}",
                "AZ_BATCH_IS_CURRENT_NODE_MASTER": "true" if number == 0 else "false",
                "AZ_BATCH_TASK_SHARED_DIR": f"{self.nodes[number].machine.tasks}/"
                                            f"{self.task.relative}/shared",
                "CCP_NODES": f"{len(addresses)} {slots}"}

    def _coordinate(self):
        """The coordination command on every node; all must end well."""
        infos = [{"startTime": self.service.now_text()} for _ in self.nodes]
        with self.service.lock:
            self.task.subtasks = list(zip(range(len(self.nodes)), self.nodes, infos))
        threads = [threading.Thread(target=self._coordinate_one, args=(number, node, infos[number]))
                   for number, node in enumerate(self.nodes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for info in infos:
            if info["result"] == "failure" and not self.over:
                raise Failure(**_plain(info["failureInfo"]))

    def _coordinate_one(self, number, node, info):
        settings = self.task.body["multiInstanceSettings"]
        code = failure = None
        try:
            run = self._run_make(node, settings["coordinationCommandLine"], self._multi(number))
            if number:
                run.prepare()
            os.makedirs(f"{run.folder}/shared", exist_ok=True)
            transfer.resources_fetch(settings.get("commonResourceFiles"), f"{run.folder}/shared",
                                     self.service, node.pool.id)
            code = run.run()
            failure = None if code == 0 else exit_failure(code)
        except Failure as problem:
            failure = problem.info
        except OSError as problem:
            failure = Failure("TaskPreparationFailed", str(problem), "servererror").info
        with self.service.lock:
            info.update(endTime=self.service.now_text(), result="failure" if failure else "success")
            if code is not None:
                info["exitCode"] = code
            if failure:
                info["failureInfo"] = failure


def _plain(info):
    return {"code": info["code"], "message": info["message"], "category": info["category"]}
