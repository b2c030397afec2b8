#!/usr/bin/env python3
"""Sum up test runs: skips with their reasons, failures with what their logs say, one last line.

    python3 tests/summary.py BUILD...

BUILD is a build directory in which `./quickstart test` has run the suite. Its file `result` says
how far that came: `broken` (it did not build, which counts as a failure), `built` (it was only to
be built, a pass), `tested`. The tests' own results are the .trs files that Automake's TAP driver
leaves. The last line is `N passed, N failed, N skipped`; the exit code is 1 if any failed.
"""
import os
import sys

LOG_LINES = 40      # of a log without a "not ok"
AROUND_LINES = 12   # before and after a "not ok"
END_LINES = 5
LOG_LINES_MAX = 150
LOG_BYTES = 1 << 20
REASON_MAX = 300
PASSES = {"PASS", "XFAIL"}
KINDS = PASSES | {"FAIL", "XPASS", "SKIP", "ERROR"}
PREFIX = ":test-result: "


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []  # (what, log or None)
        self.skipped = []

    def add(self, kind, what, log=None):
        if kind in PASSES:
            self.passed += 1
        elif kind == "SKIP":
            self.skipped.append(what)
        else:  # FAIL, ERROR, XPASS
            self.failed.append((f"{what} ({kind})" if kind != "FAIL" else what, log))


def results_of(build):
    """The .trs files of a build, in order."""
    found = []
    for folder, folders, files in os.walk(build):
        folders.sort()
        found += [os.path.join(folder, name) for name in sorted(files) if name.endswith(".trs")]
    return found


def names_of(test, log):
    """What the driver wrote into a test's log about each result: (kind, name and reason)."""
    names = []
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                kind, _, rest = line.rstrip().partition(f": {test}")
                rest = rest.removeprefix(".py")
                if kind in KINDS and rest[:1] in ("", " "):
                    names.append((kind, rest.strip()))
    except OSError:
        pass
    return names


def add_trs(tally, build, path):
    """The .trs file is what counts; the log beside it has the names."""
    test = os.path.relpath(path, build).removesuffix(".trs")
    log = path.removesuffix(".trs") + ".log"
    with open(path, encoding="utf-8", errors="replace") as file:
        kinds = [line[len(PREFIX):].strip() for line in file if line.startswith(PREFIX)]
    if not kinds:
        tally.add("ERROR", f"{build}: {test}: it left no result", log)
    names = names_of(test, log)
    known = [kind for kind, _ in names] == kinds
    for i, kind in enumerate(kinds):
        name = names[i][1] if known else f"result {i + 1}"
        if kind == "ERROR" and "FAIL" in kinds and name.startswith("- exited with status "):
            continue  # it said so because of the failure, which is counted already
        tally.add(kind, f"{build}: {test} {name}", log)


def add_build(tally, build):
    try:
        with open(os.path.join(build, "result"), encoding="utf-8") as file:
            result = file.read().strip()
    except OSError as error:
        tally.add("ERROR", f"{build}: {error}")
        return
    if result == "broken":
        tally.add("FAIL", f"{build} does not build", os.path.join(build, "build.log"))
    if result == "built":
        tally.add("PASS", f"{build} builds")
    if result != "tested":
        return
    for path in results_of(build):
        add_trs(tally, build, path)
    if not os.path.exists(os.path.join(build, "test-suite.log")):
        tally.add("ERROR", f"{build}: the suite did not come to its end",
                  os.path.join(build, "check.log"))


def log_excerpt(path):
    """The lines around each "not ok", and the end: what explains a failure stands there."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return [f"(no log: {error})"]
    wanted = set(range(max(0, len(lines) - END_LINES), len(lines)))
    for i, line in enumerate(lines):
        if line.startswith("not ok"):
            wanted.update(range(max(0, i - AROUND_LINES), min(len(lines), i + AROUND_LINES)))
    if not any(line.startswith("not ok") for line in lines):
        wanted.update(range(max(0, len(lines) - LOG_LINES), len(lines)))
    excerpt = []
    for i in sorted(wanted):
        if i > 0 and i - 1 not in wanted:
            excerpt.append("…")
        excerpt.append(lines[i])
    return excerpt[:LOG_LINES_MAX]


def reason(what, log):
    """What the log says beside the test's "not ok", in a line; "" if nothing."""
    name = what.rpartition(" - ")[2].removesuffix(" (ERROR)")
    lines = log_excerpt(log) if log else []
    for i, line in enumerate(lines):
        if line.startswith("not ok") and line.endswith(name):
            said = [text for text in lines[max(0, i - 3):i + 4] if text.startswith("# ")]
            return " | ".join(text[2:].strip() for text in said[-3:])[:REASON_MAX]
    return ""


def report(tally):
    """Failures first, each in a line: a reader may see only the beginning of this."""
    for what, log in tally.failed:
        print(f"FAILED: {what}: {reason(what, log)}".removesuffix(": "))
    if tally.skipped:
        print("Skipped:")
        for what in tally.skipped:
            print(f"  {what}")
    for log in dict.fromkeys(log for _, log in tally.failed if log):
        print(f"From {log}:")
        for line in log_excerpt(log):
            print(f"  | {line}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: python3 tests/summary.py BUILD...")
    tally = Tally()
    for build in sys.argv[1:]:
        add_build(tally, build)
    if tally.passed + len(tally.failed) == 0:
        tally.add("ERROR", "no test ran at all")
    report(tally)
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
