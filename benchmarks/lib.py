"""What the benchmarks share: farms in folders of their own, contestants, medians and ratios.

Every figure is measured in rounds. In each round all contestants run one after another, so that
what else the machine does meets all of them alike; what is printed is the median of the rounds, and
the median of the rounds' ratios. BEOFARM_BUILD names the build directory (default: the current
one), BENCH_ROUNDS the number of rounds (default: 5), BENCH_SCALE multiplies the amounts of work.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BEOFARM_BUILD", ".")).resolve()
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
WORKERS = 2

# The mpi4py of Debian is installed for Debian's own Python.
SYSTEM_PYTHON = "/usr/bin/python3"


class Skip(Exception):
    """A contestant cannot run here; the text says why."""


def scaled(count):
    return max(WORKERS, int(count * SCALE))


def need_program(name):
    path = shutil.which(name)
    if not path:
        raise Skip(f"{name} is not installed")
    return path


def built(name):
    path = BUILD / name
    if not path.exists():
        raise Skip(f"{path} is not built")
    return str(path)


# ---- farms ----


class Farm:
    """A farm file in a folder of its own, run there by `beofarm run --json`.

    `work` is the farm file's "work"; other keys of the farm file are given by name. The folder,
    which holds the run directory and all that workers do, is made in `parent`.
    """

    def __init__(self, work, workers=WORKERS, parent=None, **keys):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="beofarm-bench-", dir=parent))
        self.name = f"bench-{os.getpid()}-{self.folder.name[-8:]}"
        self.farm = {
            "name": self.name,
            "backend": {"kind": "local", "workers": workers},
            "worker": {"slots": 1, "threads_per_slot": 1},
            "work": work,
            "port": 0,
            **keys,
        }
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)

    def start(self):
        """Start the farm; its events are read by `events`."""
        self.write("farm.json", json.dumps(self.farm))
        self.errors = open(self.folder / "stderr", "w+b")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [built("beofarm"), "run", "farm.json", "--json"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        return self

    def events(self):
        """The farm's events as they come, each with "at": seconds since the start."""
        for line in self.process.stdout:
            if line.startswith("{"):
                event = json.loads(line)
                event["at"] = time.monotonic() - self.started
                yield event

    def wait_for(self, condition):
        """Read events until one meets the condition, and return it."""
        for event in self.events():
            if condition(event):
                return event
        raise RuntimeError(f"the farm ended too early: {self.stderr()}")

    def run(self, expected):
        """Run it all, and return the tasks per second from the moment when the first worker had
        joined. All `expected` tasks must be done."""
        end = joined = None
        self.start()
        for event in self.events():
            if event.get("state") == "joined" and not joined:
                joined = event
            if event.get("event") == "end":
                end = event
        self.process.wait()
        if not joined or not end or end.get("done") != expected:
            raise RuntimeError(f"not all of {expected} tasks are done: {end} {self.stderr()}")
        return expected / (end["at"] - joined["at"])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read()[-2000:].decode(errors="replace")

    def processes(self):
        """The process ids of the farm's programs: {"beofarm-master": [17], …}."""
        found = {}
        mark = f"BEOFARM_FARM={self.name}".encode()
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    name = (entry / "comm").read_text().strip()
                    found.setdefault(name, []).append(int(entry.name))
            except OSError:
                continue  # it ended meanwhile, or is not ours
        return found


def transports():
    """The transports that this build has."""
    mpi = subprocess.run(
        ["grep", "-q", "#define HAVE_MPI 1", str(BUILD / "config.h")], check=False
    )
    return ["tcp", "mpi"] if mpi.returncode == 0 else ["tcp"]


# ---- processes ----


def cpu_seconds(pid):
    """User and system time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_bytes(pid, key):
    """A size in /proc/PID/status, such as VmRSS, in bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def output_of(command, **options):
    """Run a command and return its output; its errors are shown if it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def mpi4py(script, *arguments):
    """Run a script that uses mpi4py.futures with as many workers as the farm has."""
    mpiexec = need_program("mpiexec")
    if subprocess.run(
        [SYSTEM_PYTHON, "-c", "import mpi4py.futures"], stderr=subprocess.DEVNULL, check=False
    ).returncode:
        raise Skip("mpi4py is not installed (python3-mpi4py)")
    command = [mpiexec, "--oversubscribe", "-n", str(WORKERS + 1)]
    if os.geteuid() == 0:
        command.insert(1, "--allow-run-as-root")
    command += [SYSTEM_PYTHON, "-m", "mpi4py.futures"]
    path = pathlib.Path(__file__).resolve().parent / script
    return output_of(command + [str(path)] + [str(argument) for argument in arguments])


# ---- figures ----


def measure(contestants):
    """Run all contestants ({name: function that returns a number}) in rounds, each of which begins
    with another one: who comes first finds memory and caches cold.

    Returns {name: [number per round]}. A contestant that cannot run is named and left out.
    """
    figures = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(ROUNDS):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            if name not in figures:
                continue
            try:
                figures[name].append(contestants[name]())
            except Skip as reason:
                del figures[name]
                print(f"  {name:<28} skipped: {reason}", flush=True)
    return figures


def report(figures, unit, limit=None, target=None, subject="beofarm", better=max):
    """Print medians, spreads and ratios. `target` is the least ratio to `limit` that the farm
    should reach (with better=min: the most)."""
    for name, values in figures.items():
        line = f"  {name:<28} {statistics.median(values):>12,.5g} {unit}"
        line += f"  ({min(values):,.4g} to {max(values):,.4g})"
        if subject in figures and name != subject:
            line += f"  {subject} {ratio(figures, subject, name):.3g} times that"
        print(line)
    if limit in figures and subject in figures and target is not None:
        reached = ratio(figures, subject, limit)
        verdict(subject, reached, target, f"of {limit}", better)
    sys.stdout.flush()


def median(figures, name):
    return statistics.median(figures[name])


def ratio(figures, above, below):
    return statistics.median(a / b for a, b in zip(figures[above], figures[below]))


def verdict(subject, reached, target, unit, better=max):
    met = reached >= target if better is max else reached <= target
    sign = "at least" if better is max else "at most"
    word = "met" if met else "MISSED"
    print(f"  -> {subject}: {reached:.3g} {unit}, wanted {sign} {target:g}: {word}", flush=True)


def title(text):
    print(f"{text}\n  {ROUNDS} rounds, {WORKERS} workers, {os.cpu_count()} CPUs", flush=True)


def main(function):
    """Run a benchmark; what cannot run here is said, and is no failure."""
    try:
        function()
    except Skip as reason:
        print(f"  skipped: {reason}")
