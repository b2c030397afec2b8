"""A command on a node: its folders, environment, files and processes.

    /mnt/batch/tasks/           AZ_BATCH_NODE_ROOT_DIR
      shared/                   AZ_BATCH_NODE_SHARED_DIR
      startup/                  AZ_BATCH_NODE_STARTUP_DIR: stdout.txt, stderr.txt, wd/
      fsmounts/                 AZ_BATCH_NODE_MOUNTS_DIR
      workitems/JOB/job-1/TASK/ AZ_BATCH_TASK_DIR: stdout.txt, stderr.txt, wd/
"""
import os
import shlex
import shutil
import signal
import subprocess
import threading
import zipfile

from .containers import Container
from .transfer import Failure
from .wire import new_id

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "BATCH_EMULATOR_RUN"  # a variable by which a command's processes are found again


def marked(mark):
    """Processes of this machine that have the mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    yield int(pid)
        except OSError:
            continue


def kill_marked(mark):
    """Kill until none is left: who is killed may just have forked."""
    for _ in range(100):
        found = list(marked(mark))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if not found:
            return


class Run:
    """One command. `relative` is its folder below the node's root."""

    def __init__(self, node, relative, line, variables=(), more=None, container=None):
        self.node, self.relative, self.line = node, relative, line
        self.folder = os.path.join(node.tasks_folder, relative)
        self.wd = os.path.join(self.folder, "wd")
        self.inner = os.path.join(node.machine.tasks, relative)
        self.mark = new_id()
        self.process, self.killed, self.lock = None, None, threading.Lock()
        self.settings, self.container = container, None
        self.environment = self._environment(variables, more or {})

    def _environment(self, variables, more):
        options = self.node.service.options
        found = {"PATH": PATH, "HOME": f"{self.inner}/wd", "USER": "_azbatch", "LANG": "C.UTF-8",
                 **{n: os.environ[n] for n in options.passed if n in os.environ},
                 **self.node.environment(), MARK: self.mark, **more,
                 "AZ_BATCH_TASK_DIR": self.inner,
                 "AZ_BATCH_TASK_WORKING_DIR": f"{self.inner}/wd"}
        # What the user says comes first, but for the service's own names.
        for item in variables:
            if not item["name"].startswith("AZ_BATCH_"):
                found[item["name"]] = item.get("value", "")
        return found

    def prepare(self):
        """An empty folder with what a task finds in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.wd)
        for name in ("stdout.txt", "stderr.txt"):
            with open(os.path.join(self.folder, name), "wb"):
                pass

    def say(self, text):
        """A line of ours in its stderr.txt."""
        with open(os.path.join(self.folder, "stderr.txt"), "a", encoding="utf-8") as file:
            file.write(f"batch_emulator: {text}\n")

    def _words(self):
        try:
            words = shlex.split(self.line)
        except ValueError as problem:
            raise Failure("CommandLineInvalid", f"The command line cannot be split: "
                          f"{problem}.") from None
        program = words[0] if words else ""
        if self.settings:  # what is in the image is looked for inside
            self.container = Container(self.node, self.settings)
            self.environment.update(self.container.environment)
            return words
        root = self.node.machine.tasks
        path = os.path.join(f"{self.inner}/wd", program) if "/" in program else None
        if path and os.path.normpath(path).startswith(root + "/"):
            path = self.node.tasks_folder + os.path.normpath(path)[len(root):]
        elif not path:
            path = shutil.which(program, path=self.environment["PATH"]) or ""
        if not program or not os.path.isfile(path):
            raise Failure("CommandProgramNotFound", "The specified command program is not found",
                          Message="The system cannot find the file specified.")
        return words

    def run(self, limit_s=None):
        """The exit code; Failure if it cannot start or takes too long; None if it was killed."""
        words = self._words()
        with self.lock:
            if self.killed:
                return None
            with open(os.path.join(self.folder, "stdout.txt"), "ab") as out, \
                    open(os.path.join(self.folder, "stderr.txt"), "ab") as err:
                self.process = subprocess.Popen(
                    self.node.machine.command(words, f"{self.inner}/wd", self.container), env=self.environment,
                    stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                    cwd="/")
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill("limit")
            code = self.process.wait()
        if self.killed == "limit":
            raise Failure("TaskEnded", "The maximum wall clock time of the task has been "
                          "exceeded.", Message="maxWallClockTime")
        return None if self.killed else code if code >= 0 else 128 - code

    def clear(self):
        """End what it has left behind."""
        kill_marked(self.mark)

    def kill(self, why):
        """End it and all that it started; `run` returns None then."""
        with self.lock:
            if self.killed is None:
                self.killed = why
        kill_marked(self.mark)


def packages_deploy(node, references, found):
    """Application packages: unpacked below the node's root; adds their variables to `found`."""
    for item in references or []:
        name = item["applicationId"].rpartition("/")[2]
        version = item.get("version", "")
        path = node.service.options.packages.get((name.lower(), version))
        if not path:
            raise Failure("ApplicationPackageNotFound", "An application package is not there.",
                          ApplicationId=name, Version=version)
        relative = f"apppackages/{name.lower()}{version}"
        folder = os.path.join(node.tasks_folder, relative)
        if not os.path.isdir(folder):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    inner = archive.extract(member, folder)
                    if member.external_attr >> 16:
                        os.chmod(inner, (member.external_attr >> 16) & 0o777)
        key = f"{name}_{version}" if version else name
        key = key.lower().replace(".", "_").replace("-", "_")
        found[f"AZ_BATCH_APP_PACKAGE_{key}"] = os.path.join(node.machine.tasks, relative)
    return found
