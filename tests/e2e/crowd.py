#!/usr/bin/env python3
"""Farms with thousands of workers, which one process plays (tests/e2e/crowd.c)."""
import json
import resource
import signal
import sqlite3
import time

import harness
from farms import Farm, kill, sweep
from harness import Skip, program, test, wait_until

MANY = 5000
SPARE = 200  # descriptors that master and crowd need beside their links
NEVER_MS = 600000


def need_descriptors(count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Skip(f"needs {count} descriptors in a process, and ulimit -Hn is {hard}")


def limited(soft, hard):
    """For a program that is started: its limit on open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def farm_of(case, tasks, **more):
    """Nobody runs the command: a crowd answers each task with its first parameter."""
    # One process plays all of them: on a busy machine it is slow to answer.
    more["limits"] = {"heartbeat_timeout_s": 100, **more.get("limits", {})}
    return Farm(case, sweep(["true"], {"grid": {"i": {"from": 1, "to": tasks, "count": tasks}}},
                            backend={"workers": 0},
                            work_values=[{"name": "y", "regex": "(.*)"}], **more))


class Crowd:
    def __init__(self, case, farm, workers, delay_ms=0, name="crowd"):
        self.case, self.out = case, name + ".out"
        self.process = case.start(
            program("tests/e2e/crowd"), "--workers", workers, "--secret-file", farm.path("secret"),
            "--farm", "toy", "--delay-ms", delay_ms, f"127.0.0.1:{farm.port()}", out=self.out)

    def said(self, event):
        lines = [json.loads(line) for line in self.case.read(self.out).split("\n")[:-1]]
        found = [line for line in lines if line["event"] == event]
        return found[0] if found else None

    def wait(self, event):
        return wait_until(lambda: self.said(event) or self.process.poll() is not None and
                          self.said(event), f"the crowd says {event}")

    def all_run(self, farm, workers):
        self.wait("joined")
        try:
            farm.wait_event("progress", running=workers)
        except AssertionError:
            raise AssertionError(f"not all workers run: {farm.events('progress')[-1:]}, "
                                 f"lost {farm.workers('lost')}") from None

    def end(self):
        self.case.finish(self.process)
        return self.said("end")


def exact(farm, tasks):
    """Each task ended once, well, and with its own value."""
    rows = farm.rows(tasks, "ok")
    wrong = [row for row in rows if float(row["y"]) != float(row["i"]) or row["task"] != row["i"]]
    assert not wrong, wrong[:3]
    with sqlite3.connect(farm.path("journal.db"), timeout=60) as db:
        counts = db.execute("SELECT count(*), count(DISTINCT task), sum(status) FROM result")
        assert counts.fetchone() == (tasks, tasks, 0)


def losses_told(farm):
    return [e["sentence"] for e in farm.events("notice") if "lost" in e["sentence"]]


@test
def one_that_comes_late_is_seen_to_run(case):
    farm = farm_of(case, 4).start()
    farm.wait_event("listening")
    # Nothing is said meanwhile, so that the progress that its coming is worth is due at once: before the
    # master has leased anything to it.
    late = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > late, "the master has been silent for long")
    Crowd(case, farm, 1, NEVER_MS).all_run(farm, 1)


@test
def thousands_of_workers_run_all_tasks(case):
    need_descriptors(MANY + SPARE)
    farm = farm_of(case, 4 * MANY)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    farm.start(preexec_fn=limited(1024, hard))  # as shells start programs
    crowd = Crowd(case, farm, MANY)
    farm.end()
    end = crowd.end()
    assert (end["joined"], end["stopped"], end["lost"], end["refused"]) == (MANY, MANY, 0, 0), end
    assert end["results"] == 4 * MANY, end
    exact(farm, 4 * MANY)


@test
def thousands_that_vanish_are_noticed_and_replaced(case):
    need_descriptors(MANY + SPARE)
    farm = farm_of(case, 2 * MANY).start()
    first = Crowd(case, farm, MANY, NEVER_MS, "first")
    first.all_run(farm, MANY)
    kill(first.process.pid)
    farm.wait_workers("lost", MANY)
    wait_until(lambda: any("more workers are lost" in s for s in losses_told(farm)),
               "the losses are summed up")
    assert len(losses_told(farm)) < 100, losses_told(farm)[:30]
    second = Crowd(case, farm, MANY, name="second")
    farm.end()
    end = second.end()
    assert (end["stopped"], end["lost"]) == (MANY, 0), end
    exact(farm, 2 * MANY)


@test
def a_thousand_that_fall_silent_are_noticed_and_replaced(case):
    need_descriptors(2 * 1000 + SPARE)
    farm = farm_of(case, 5000, limits={"heartbeat_timeout_s": 15}).start()
    first = Crowd(case, farm, 1000, NEVER_MS, "first")
    first.all_run(farm, 1000)
    first.process.send_signal(signal.SIGSTOP)
    farm.wait_workers("lost", 1000)
    assert "nothing was heard" in losses_told(farm)[0], losses_told(farm)
    second = Crowd(case, farm, 1000, name="second")
    second.wait("joined")
    first.process.send_signal(signal.SIGCONT)
    farm.end()
    assert first.end()["lost"] == 1000
    assert second.end()["stopped"] == 1000
    exact(farm, 5000)


@test
def workers_beyond_the_limit_on_open_files_are_told_and_the_farm_goes_on(case):
    farm = farm_of(case, 2000).start(preexec_fn=limited(256, 256))
    first = Crowd(case, farm, 400, NEVER_MS, "first")
    sentence = first.wait("refused")["sentence"]
    assert "256 files and connections" in sentence and "raise that limit" in sentence, sentence
    wait_until(lambda: any(e["workers"] > 150 for e in farm.events("progress")), "many have joined")
    assert any("256 files" in e["sentence"] for e in farm.events("notice"))
    kill(first.process.pid)
    farm.wait_workers("lost", len(farm.workers("joined")))
    second = Crowd(case, farm, 100, name="second")
    farm.end()
    assert second.end()["stopped"] == 100
    exact(farm, 2000)


if __name__ == "__main__":
    harness.main(globals())
