#!/usr/bin/env python3
"""Partial sums that go from worker to worker before the master gets any: few come to it, every shot counts
once whoever dies on the way, and who cannot be reached by others gives to the master itself."""
import collections
import functools
import json
import os
import random
import re
import signal
import sqlite3
import time

import harness
import nodes
from farms import kill, need_mpi
from harness import test, test_plainly, wait_until
from surveys import floats, held_back, lay, lines, straight, wait_held_back

SHOTS = 18


@functools.lru_cache
def undisturbed():
    """The gradient as two workers make it."""
    return straight(None, shots=SHOTS)


# On a busy machine too nobody's shot is computed by another, who would then hold all.
EACH_ITS_OWN = {"heartbeat_timeout_s": 100, "duplicates": False}


class Tree:
    """A farm in which no shot ends before every worker is at one, so that all hold something."""

    def __init__(self, case, workers=9, seconds=0, **more):
        self.case, self.workers = case, workers
        self.hold = case.write("hold", "-1\n")
        self.farm, self.log = lay(case, "gradient", shots=SHOTS, worker={"slots": 1},
                                  env={"SHOT_HOLD": self.hold, "SHOT_S": str(seconds)},
                                  limits=EACH_ITS_OWN)
        document = json.loads(case.read("farm.json"))
        document["backend"]["workers"] = workers
        document.update(more)
        case.write("farm.json", document)
        self.stopped = set()

    def start(self, last=None):
        """Until all are at a shot; from then on shots up to `last` are let go."""
        self.farm.start()
        wait_held_back(self.case, self.workers)
        if last is None:
            os.remove(self.hold)
        else:
            self.case.write("hold.new", f"{last}\n")
            os.replace(self.case.path("hold.new"), self.hold)

    # -- what was noted

    def query(self, text):
        try:
            with sqlite3.connect(self.farm.path("journal.db"), timeout=60) as db:
                return db.execute(text).fetchall()
        except sqlite3.OperationalError:
            return []  # it is just being made

    def ended(self):
        return {row[0] for row in self.query("SELECT task FROM result WHERE status = 0")}

    def notes(self, kind):
        found = [json.loads(row[0]) for row in self.query("SELECT bytes FROM note ORDER BY id")]
        return [note[kind] for note in found if kind in note]

    def numbered(self, kind):
        """The first round of this kind: tasks by their numbers."""
        number = 1
        for row in self.query("SELECT bytes FROM note ORDER BY id"):
            for what, tasks in json.loads(row[0]).items():
                if what == kind:
                    return {number + i: task for i, task in enumerate(tasks)}
                number += len(tasks) if what in ("tasks", "collect", "listen", "take") else 0
        return {}

    # -- processes

    def names(self):
        return [f"worker-{i + 1}" for i in range(self.workers)]

    def listening(self):
        """The workers that listen, by the numbers of their processes."""
        found = {}
        for name in self.names():
            said = re.search("process ([0-9a-f]{16}) lets other workers take sums",
                             self.farm.try_read("backend/tasks", name, "stderr.txt"))
            if said:
                found[said[1]] = name
        return found

    def signal(self, name, number):
        os.kill(self.farm.pid(name), number)
        (self.stopped.add if number == signal.SIGSTOP else self.stopped.discard)(name)

    def resume_all(self):
        for name in sorted(self.stopped):
            self.signal(name, signal.SIGCONT)

    def idle(self):
        """A worker that is not at the shot that is held back."""
        first = {}
        busy = wait_until(lambda: held_back(self.case, first), "one is at a shot")
        return next(name for name in self.names() if name not in busy)

    def stop_before_taking(self):
        """All workers stand still when it is known who takes from whom, and nothing is taken yet. Returns that by
        task: (taker, giver, tasks)."""
        self.start(last=SHOTS - 2)
        wait_until(lambda: len(self.ended()) >= SHOTS - 1, "all shots but one are there")
        late = self.idle()
        self.signal(late, signal.SIGSTOP)
        os.remove(self.hold)
        wait_until(lambda: len(self.ended() & self.numbered("listen").keys()) >= self.workers - 1,
                   "the others listen")
        for name in list(self.listening().values()):
            self.signal(name, signal.SIGSTOP)
        self.signal(late, signal.SIGCONT)
        wait_until(lambda: self.notes("take"), "it is known who takes what")
        self.signal(late, signal.SIGSTOP)
        names = self.listening()
        return {task: (names[taker], names[giver], [attempt[0] for attempt in attempts])
                for task, (taker, attempts, giver, _, _) in self.numbered("take").items()}

    def tasks_of(self, name):
        """The shots' tasks that a worker holds as it has computed them."""
        process = next(process for process, worker in self.listening().items() if worker == name)
        return next([attempt[0] for attempt in attempts]
                    for task in self.notes("listen") for who, attempts in task if who == process)

    # -- what came of it

    def check(self, collected=None, again=0):
        """How many sums came to the master; how many shots were computed twice."""
        rows = collections.Counter(row["operation"] for row in self.farm.rows()
                                   if row["status"] == "ok")
        assert collected in (None, rows["collect"]), (rows, self.farm.logs())
        if again is not None:
            assert len(lines(self.log)) == SHOTS + again, (lines(self.log), self.farm.logs())
        assert floats(self.case, "survey.gradient.bin") == undisturbed()
        return rows


@test
def of_nine_workers_sums_three_come_to_the_master(case):
    tree = Tree(case)
    tree.start()
    tree.farm.end()
    rows = tree.check(collected=3)
    assert rows["listen"] == 9 and rows["take"] == 6, rows


@test_plainly
def the_same_where_workers_join_by_mpi(case):
    need_mpi(case)
    tree = Tree(case, workers=6, transport="mpi")
    tree.start()
    tree.farm.end()
    rows = tree.check(collected=2)
    assert rows["take"] == 4, rows


@test
def four_workers_give_to_the_master_alone(case):
    tree = Tree(case, workers=4)
    tree.start()
    tree.farm.end()
    rows = tree.check(collected=4)
    assert "listen" not in rows and "take" not in rows, rows


@test
def a_worker_that_dies_with_what_it_took_costs_only_what_it_had_computed(case):
    """Those who gave still have theirs, and are asked again."""
    tree = Tree(case)
    gifts = tree.stop_before_taking()
    victim, other = sorted({taker for taker, _, _ in gifts.values()})[:2]
    takes = [task for task, (taker, _, _) in gifts.items() if taker == victim]
    held = {giver for taker, giver, _ in gifts.values() if taker == other}
    # Those of another group stand still, so that the round is not over when the victim has all.
    for name in sorted(tree.stopped - held - {other}):
        tree.signal(name, signal.SIGCONT)
    wait_until(lambda: tree.ended().issuperset(takes), "it has taken all")
    own = tree.tasks_of(victim)
    kill(tree.farm.pid(victim))
    tree.farm.wait_workers("lost", 1)
    tree.resume_all()
    tree.farm.end()
    tree.check(again=len(own))


@test
def a_worker_that_dies_while_it_takes_changes_nothing(case):
    tree = Tree(case)
    gifts = tree.stop_before_taking()
    victim = sorted({taker for taker, _, _ in gifts.values()})[0]
    own = tree.tasks_of(victim)
    kill(tree.farm.pid(victim))
    tree.stopped.discard(victim)
    tree.farm.wait_workers("lost", 1)
    tree.resume_all()
    tree.farm.end()
    tree.check(again=len(own))


@test
def workers_that_are_told_to_go_give_and_take_first(case):
    tree = Tree(case)
    gifts = tree.stop_before_taking()
    taker, giver, _ = gifts[min(gifts)]
    for name in (taker, giver):
        os.kill(tree.farm.pid(name), signal.SIGTERM)
    tree.resume_all()
    tree.farm.end()
    tree.check(again=0)


@test_plainly
def whoever_dies_at_moments_of_chance_the_gradient_is_the_same(case):
    chance = random.Random(3)
    tree = Tree(case, seconds=0.02)
    tree.start()
    for _ in range(5):
        pause = time.monotonic() + chance.uniform(0.01, 0.2)
        while time.monotonic() < pause and tree.farm.process.poll() is None:
            time.sleep(0.005)
        try:
            kill(tree.farm.pid(chance.choice(tree.names())))
        except (ProcessLookupError, AssertionError):
            continue  # between two lives
    tree.farm.end()
    assert floats(case, "survey.gradient.bin") == undisturbed()


@test_plainly
def who_cannot_be_reached_gives_to_the_master(case):
    """A giver that stands still is silent to the taker, and is told of once; the master waits for it longer."""
    tree = Tree(case)
    gifts = tree.stop_before_taking()
    silent = sorted({giver for _, giver, _ in gifts.values()})[0]
    for name in sorted(tree.stopped - {silent}):
        tree.signal(name, signal.SIGCONT)
    wait_until(lambda: [event for event in tree.farm.events("notice")
                        if "could not get the sum of another" in event["sentence"]], "it is told")
    tree.resume_all()
    tree.farm.end()
    assert tree.check()["collect"] >= 4  # three groups, and that one


class Spread:
    """Five hosts with a worker each, and the master on a sixth."""

    def __init__(self, case):
        self.case, self.network = case, nodes.Network(case, 6)
        self.master, *self.hosts = self.network.hosts
        self.hold = case.write("hold", "-1\n")
        self.farm, self.log = lay(case, "gradient", shots=SHOTS, env={"SHOT_HOLD": self.hold},
                                  worker={"slots": 1}, limits=EACH_ITS_OWN)
        document = json.loads(case.read("farm.json"))
        case.write("farm.json", {**document, "network": nodes.CIDR})

    def run(self):
        process = self.master.start(harness.program("beofarm"), "run", "farm.json", "--workers", "0",
                                    cwd=self.case.folder, out="run.out")
        port = self.farm.port()
        for host in self.hosts:
            folder = self.case.path(f"on-{host.name}")
            os.makedirs(folder)
            host.start(harness.program("beofarm-worker"), "--secret-file",
                       self.farm.path("secret"), f"{self.master.name}:{port}", cwd=folder,
                       env={"BEOFARM_FARM": "toy"})
        wait_held_back(self.case, len(self.hosts))
        os.remove(self.hold)
        done = self.case.finish(process)
        assert done.code == 0, f"{done}\n{self.farm.logs()}"
        assert floats(self.case, "survey.gradient.bin") == undisturbed()
        return collections.Counter(row["operation"] for row in self.farm.rows())

    def told(self):
        return [event["sentence"] for event in self.farm.events("notice")
                if "could not get the sum of another" in event["sentence"]]


@test
def workers_on_other_hosts_reach_each_other_where_the_master_was_reached_from(case):
    spread = Spread(case)
    rows = spread.run()
    assert rows["collect"] == 2 and rows["take"] == 3, (rows, spread.told())
    assert not spread.told()


@test
def workers_that_a_firewall_keeps_apart_give_to_the_master(case):
    spread = Spread(case)
    for host in spread.hosts:
        for other in spread.hosts:
            if other is not host:
                host.set_up("ip", "route", "add", "unreachable", f"{other.address}/32")
    rows = spread.run()
    assert rows["collect"] == 5 and rows["take"] == 3, rows
    assert len(spread.told()) == 1, spread.told()


@test
def a_master_that_is_killed_in_the_midst_of_it_is_resumed(case):
    tree = Tree(case, seconds=1.7)  # all that they hold is worth 30 s: so long are workers awaited
    tree.stop_before_taking()
    tree.farm.kill_run()  # with it the workers would be told to go
    tree.farm.kill("master")
    tree.resume_all()
    tree.farm.start("--resume")
    tree.farm.end()
    tree.check(again=None)  # one that is late may be done without


if __name__ == "__main__":
    harness.main(globals())
