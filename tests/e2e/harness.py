"""What end-to-end tests share: temporary folders, programs run with a time limit, TAP.

A test is a function of one argument, a Case; its name is a sentence. It fails by raising, most
simply by `assert`; `raise Skip("why")` skips it. A file of tests ends with

    if __name__ == "__main__":
        harness.main(globals())

which runs every function whose name begins with no underscore and that is marked by @test, in the
order of the file (or only those named on the command line), and prints TAP.
"""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = os.environ.get("BEOFARM_SOURCE") or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEOFARM_BUILD") or os.path.join(SOURCE, "build")
SANITIZED = bool(os.environ.get("BEOFARM_SANITIZER"))
# Limits are there for what hangs, not for what is slow: a busy machine may stand still for seconds.
LIMIT_S = float(os.environ.get("BEOFARM_TEST_LIMIT_S", "150"))  # of each program, by default


class Skip(Exception):
    """Raise it with the reason why a test cannot run here."""


def test(function):
    """Mark a function as a test."""
    function.is_test = True
    return function


def test_plainly(function):
    """Mark a function as a test that is skipped in builds with sanitizers: it is long, and others make
    the programs do there what it makes them do."""
    function.is_plain = True
    return test(function)


def program(name):
    """The path of a program of this build; skips the test if it was not built."""
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise Skip(f"{name} is not built in {BUILD}")
    return path


def wait_until(condition, what, limit_s=100.0):
    """Call `condition` until it returns something true, which is returned; fail after limit_s."""
    deadline = time.monotonic() + limit_s
    pause = 0.002
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def alive(pid):
    """Does this process run (a zombie does not)?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port():
    """A port at which nobody listens, and which the kernel gives to nobody by itself: connections that
    other programs make meanwhile do not take it."""
    for _ in range(100):
        port = random.SystemRandom().randrange(10000, 32000)
        try:
            with socket.create_server(("", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")


def wait_taken(pid, number):
    """Until a signal that was sent to a process does not wait any more: another one is a second one, then."""
    def taken():
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                pending = [int(line.split()[1], 16) for line in file
                           if line.startswith(("SigPnd:", "ShdPnd:"))]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return not any(mask >> (number - 1) & 1 for mask in pending)
    wait_until(taken, f"process {pid} takes signal {number}")


class Done:
    """How a program ended: code (negative: a signal), out, err."""

    def __init__(self, args, code, out, err, elapsed_s):
        self.args, self.code, self.out, self.err, self.elapsed_s = args, code, out, err, elapsed_s

    def json(self):
        return json.loads(self.out)

    def lines(self):
        """stdout as JSON objects, one per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return f"{self.args} ended with {self.code}\nstdout: {self.out}\nstderr: {self.err}"


class Case:
    """One test: a folder of its own, and processes that end with it."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"beofarm-{name[:40]}-")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("BEOFARM_")}
        self.environment["BEOFARM_BIN"] = BUILD
        self.started = []

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content, mode=0o644):
        """A file in the test's folder; what is no text is written as JSON. Returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def read(self, *parts):
        with open(self.path(*parts), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def start(self, *args, cwd=None, env=None, stdin=subprocess.DEVNULL, out=None, **more):
        """Start a program. Its stdout and stderr are pipes, or with `out` a file of that name in
        the test's folder takes its stdout. It is killed when the test ends."""
        stdout = subprocess.PIPE if out is None else open(self.path(out), "wb")
        process = subprocess.Popen(
            [str(a) for a in args], cwd=cwd or self.folder, env={**self.environment, **(env or {})},
            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True,
            errors="surrogateescape", start_new_session=True, **more)
        if out is not None:
            stdout.close()
        process.out = out
        process.began = time.monotonic()
        self.started.append(process)
        return process

    def finish(self, process, limit_s=LIMIT_S):
        """Wait for a started program."""
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"{process.args} did not end within {limit_s} s\n"
                                 f"stdout: {out}\nstderr: {err}") from None
        if process.out is not None:
            out = self.read(process.out)
        return Done(process.args, process.returncode, out, err, time.monotonic() - process.began)

    def run(self, *args, limit_s=LIMIT_S, expect=None, **more):
        """Run a program to its end; with `expect`, its exit code must be that."""
        done = self.finish(self.start(*args, **more), limit_s)
        assert expect is None or done.code == expect, f"expected exit code {expect}: {done}"
        return done

    def beofarm(self, *args, **more):
        return self.run(program("beofarm"), *args, **more)

    def start_beofarm(self, *args, **more):
        return self.start(program("beofarm"), *args, **more)

    def _supervisors(self):
        """Of every farm that left its run directory in our folder: those that still live."""
        for where, folders, files in os.walk(self.folder):
            if "task.json" not in files:
                continue
            folders[:] = []
            try:
                with open(os.path.join(where, "task.json"), encoding="utf-8") as file:
                    task = json.load(file)
                with open(f"/proc/{task['supervisor']['pid']}/comm", encoding="utf-8") as file:
                    comm = file.read().strip()
            except (ValueError, FileNotFoundError, ProcessLookupError):
                continue
            # The number of one that is gone may be somebody else's by now.
            if task["state"] != "ended" and comm == "beofarm-task":
                yield task["supervisor"]["pid"]

    def close(self):
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        supervisors = list(self._supervisors())
        for pid in supervisors:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)  # end the task and all its processes
        wait_until(lambda: not any(alive(pid) for pid in supervisors), "the farms' tasks end")
        for where, folders, _ in os.walk(self.folder):
            for folder in folders:
                with contextlib.suppress(FileNotFoundError):  # somebody may still be removing it
                    if not os.path.islink(os.path.join(where, folder)):
                        os.chmod(os.path.join(where, folder), 0o700)
        # A process that was killed just now may still have been writing.
        wait_until(lambda: shutil.rmtree(self.folder, ignore_errors=True) or
                   not os.path.exists(self.folder), "the test's folder is removed")


def _run_one(number, name, function):
    case = Case(name)
    began = time.monotonic()
    try:
        if SANITIZED and getattr(function, "is_plain", False):
            raise Skip("with sanitizers, shorter tests run the same code")
        function(case)
    except Skip as skip:
        print(f"ok {number} - {name} # SKIP {skip}", flush=True)
        return True
    except BaseException as problem:  # whatever it is, the tests after it shall run
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        print(f"not ok {number} - {name}", flush=True)
        if isinstance(problem, KeyboardInterrupt):
            raise
        return False
    finally:
        case.close()
    print(f"ok {number} - {name} # {time.monotonic() - began:.2f} s", flush=True)
    return True


def main(names):
    """Run the tests among `names` (a module's globals()) and exit."""
    tests = {n: f for n, f in names.items() if getattr(f, "is_test", False)}
    chosen = sys.argv[1:] or list(tests)
    unknown = [n for n in chosen if n not in tests]
    if unknown:
        sys.exit(f"no such test: {', '.join(unknown)}")
    print(f"1..{len(chosen)}")
    results = [_run_one(i, name, tests[name]) for i, name in enumerate(chosen, 1)]
    sys.exit(0 if all(results) else 1)
