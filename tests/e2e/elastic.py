#!/usr/bin/env python3
"""Workers that come, go, die, fall silent, and outlive their master."""
import os
import signal

import harness
from farms import Farm, count, counter, grid, have_mpi, held, kill, need_mpi, release, shell
from harness import alive, test, wait_until

VALUE = [{"name": "v", "regex": "v=(.*)"}]


def steady(case, tasks, seconds, hold=None, gate="gate", **more):
    """A farm of tasks that leave a byte in a side file when they begin; from number `hold` on they wait
    for release()."""
    side = counter(case)
    wait = "" if hold is None else held(case, hold, gate)
    return side, Farm(case, shell(f"printf x >>{side}; {wait}sleep {seconds}; echo v=$x",
                                  grid(x=range(tasks)), work_values=VALUE, **more))


def complete(farm, tasks):
    rows = farm.rows(tasks, "ok")
    assert all(row["v"] == row["x"] for row in rows), rows
    return rows


def children_of(pid):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def models_of(pid):
    """The processes of a worker's tasks: those whose environment has a task."""
    found = []
    for child in children_of(pid):
        try:
            with open(f"/proc/{child}/environ", "rb") as file:
                if b"\0BEOFARM_TASK=" in b"\0" + file.read():
                    found.append(child)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return found


def x_of(pid):
    """The parameter x of the task that a model computes."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        pairs = dict(v.split(b"=", 1) for v in file.read().split(b"\0") if b"=" in v)
    return pairs[b"x"].decode()


# ---- joining


@test
def workers_started_by_hand_join_a_running_farm(case):
    side, farm = steady(case, 40, 0.05, hold=10, backend={"workers": 1})
    farm.start()
    farm.wait_workers("joined", 1)
    hands = [farm.start_worker(f"hand-{i}") for i in (1, 2)]
    farm.wait_workers("joined", 3)
    release(case)
    farm.end()
    complete(farm, 40)
    for hand in hands:
        assert case.finish(hand).code == 0
        assert "secret" not in os.listdir(case.path("hand-1"))
    assert count(side) <= 40 + 3, "duplicates come at the end alone"


@test
def a_farm_without_workers_waits_for_those_started_by_hand(case):
    _, farm = steady(case, 20, 0.01, backend={"workers": 0})
    farm.start()
    # Before the farm's own master listens, a worker waits for it.
    hand = farm.start_worker("hand", "--tcp")
    farm.end()
    complete(farm, 20)
    assert case.finish(hand).code == 0


@test
def more_workers_than_slots_of_work_do_no_harm(case):
    _, farm = steady(case, 3, 0.1)
    farm.run("--workers", "8")
    complete(farm, 3)


# ---- leaving


@test
def sigterm_drains_a_worker(case):
    side, farm = steady(case, 12, 0.05, hold=0,
                        limits={"duplicates": False, "worker_restarts": 0})
    farm.start()
    farm.wait_workers("joined", 2)
    wait_until(lambda: count(side) >= 2, "tasks run")
    hand = farm.start_worker("hand")
    farm.wait_workers("joined", 3)
    wait_until(lambda: models_of(hand.pid), "it runs a task")
    hand.send_signal(signal.SIGTERM)
    harness.wait_taken(hand.pid, signal.SIGTERM)
    release(case)
    done = case.finish(hand)
    assert done.code == 0, done
    farm.wait_workers("left", 1)
    farm.end()
    complete(farm, 12)
    assert count(side) == 12, "a drained worker finishes what it has begun"


@test
def a_drained_worker_hands_back_what_takes_too_long(case):
    side = counter(case)
    farm = Farm(case, shell(f"printf x >>{side}; [ -e {case.folder}/quick ] || sleep 100",
                            grid(x=[1, 2]), worker={"drain_s": 0.5}, backend={"workers": 1},
                            limits={"attempts": 1}))
    farm.start()
    hand = farm.start_worker("hand")
    wait_until(lambda: count(side) == 2, "both run")
    pids = models_of(hand.pid)
    case.write("quick", "")
    hand.send_signal(signal.SIGTERM)
    assert case.finish(hand).code == 0
    assert pids and not any(alive(pid) for pid in pids)
    other = farm.start_worker("other")
    kill(farm.pid("worker-1"), signal.SIGTERM)
    farm.end()
    assert case.finish(other).code == 0
    # Handed back, so these were no failures: attempts is 1.
    farm.rows(2, "ok")


# ---- dying


@test
def a_killed_worker_costs_only_what_it_ran(case):
    side, farm = steady(case, 30, 0.05, hold=20, limits={"duplicates": False})
    farm.start()
    farm.wait_workers("joined", 2)
    wait_until(lambda: count(side) >= 6, "tasks ran")
    victim = farm.pid("worker-1")
    models = models_of(victim)
    kill(victim)
    farm.wait_workers("lost", 1)
    farm.wait_workers("joined", 3)  # launch starts another
    release(case)
    farm.end()
    complete(farm, 30)
    # One task was running there, and the result of the one before may not have left: they are gathered for 8 ms.
    assert 30 <= count(side) <= 32, count(side)
    wait_until(lambda: not any(alive(pid) for pid in models), "its models are gone")


@test
def a_killed_model_costs_one_attempt(case):
    side, farm = steady(case, 6, 0.02, hold=0, limits={"duplicates": False})
    farm.start()
    farm.wait_workers("joined", 2)
    worker = farm.pid("worker-1")
    wait_until(lambda: count(side) >= 2, "both have begun")
    kill(wait_until(lambda: models_of(worker), "a model runs")[0])
    release(case)
    farm.end()
    rows = complete(farm, 6)
    assert count(side) == 7
    assert sorted(row["attempts"] for row in rows)[-2:] == ["1", "2"]


@test
def a_worker_killed_again_and_again_does_not_spoil_the_farm(case):
    _, farm = steady(case, 40, 0.02, hold=20, limits={"worker_restarts": 10, "attempts": 9})
    farm.start()
    killed = 0
    for name in ("worker-1", "worker-1-2", "worker-1-3", "worker-1-4"):
        wait_until(lambda name=name: farm.task(name), f"{name} is started")
        pid = farm.pid(name)
        wait_until(lambda pid=pid: models_of(pid) or not alive(pid), "it runs a task")
        kill(pid)
        killed += 1
    assert killed == 4
    release(case)
    farm.end()
    complete(farm, 40)


@test
def workers_over_mpi_may_be_killed_and_join_late(case):
    need_mpi(case)
    side, farm = steady(case, 40, 0.05, hold=20, transport="mpi", limits={"duplicates": False})
    farm.start()
    farm.wait_workers("joined", 2)
    wait_until(lambda: count(side) >= 4, "tasks ran")
    kill(farm.pid("worker-2"))
    farm.wait_workers("lost", 1)
    hand = farm.start_worker("hand")
    farm.wait_workers("joined", 4)  # launch starts another, too
    release(case)
    farm.end()
    complete(farm, 40)
    assert count(side) <= 42, count(side)  # what it ran, and a result that had not left
    case.finish(hand)


# ---- falling silent


@test
def a_stopped_worker_is_lost_and_its_results_come_when_it_goes_on(case):
    side = counter(case)
    # The second worker's task writes its result while nobody hears: the guard is its model.
    farm = Farm(case, shell(f"printf x >>{side}; echo v=$x; while [ ! -e {case.folder}/go$x ]; "
                            "do sleep 0.05; done", grid(x=[1, 2]), work_values=VALUE,
                            limits={"heartbeat_timeout_s": 2, "worker_restarts": 0,
                                    "attempts": 2, "duplicates": False}))
    farm.start()
    farm.wait_workers("joined", 2)
    wait_until(lambda: count(side) == 2, "both run")
    victim = farm.pid("worker-1")
    model = wait_until(lambda: models_of(victim), "its task runs")[0]
    x = x_of(model)
    os.kill(victim, signal.SIGSTOP)
    case.write(f"go{x}", "")
    farm.wait_workers("lost", 1)
    os.kill(victim, signal.SIGCONT)
    farm.wait_workers("joined", 3)
    # The result that it kept is offered and counts, so the task does not run again.
    wait_until(lambda: farm.try_read("results.csv").count("\n") == 2, "its result came")
    case.write(f"go{3 - int(x)}", "")
    farm.end()
    complete(farm, 2)
    assert count(side) == 2, count(side)


@test
def a_master_that_was_stopped_for_long_takes_up_its_workers_again(case):
    for transport in ("tcp", "mpi") if have_mpi(case) else ("tcp",):
        gate = f"gate-{transport}"
        side, farm = steady(case, 30, 0.05, hold=10, gate=gate, transport=transport, name="toy",
                            limits={"heartbeat_timeout_s": 2, "worker_restarts": 0})
        farm.start("--run-dir", case.path(transport))
        farm.run_dir = case.path(transport)
        farm.wait_workers("joined", 2)
        wait_until(lambda: count(side) >= 6, "tasks ran")
        master = farm.pid("master")
        os.kill(master, signal.SIGSTOP)
        worker = farm.pid("worker-1")
        wait_until(lambda: "is lost" in farm.try_read("backend/tasks/worker-1/stderr.txt"),
                   f"{worker} gives it up")
        os.kill(master, signal.SIGCONT)
        release(case, gate)
        farm.end()
        complete(farm, 30)
        assert count(side) <= 36, "what was in hand is not run again"


# ---- outliving the master


@test
def workers_outlive_a_killed_master_and_bring_their_results(case):
    farm = Farm(case, shell(f"echo $x >>{case.folder}/begun; echo v=$x; "
                            f"while ! [ -e {case.folder}/go -o -e {case.folder}/go$x ]; "
                            "do sleep 0.05; done", grid(x=range(6)), work_values=VALUE,
                            limits={"duplicates": False}))
    begun = lambda: case.read("begun").split() if os.path.exists(case.path("begun")) else []
    farm.start()
    hand = farm.start_worker("hand")
    farm.wait_workers("joined", 3)
    wait_until(lambda: len(begun()) == 3, "three run")
    # The master and `beofarm run` die; of the workers that go on, one finishes its task
    # meanwhile, and the others are busy.
    farm.kill_run()
    farm.kill("master")
    running, model = begun(), models_of(hand.pid)[0]
    kept = x_of(model)
    case.write(f"go{kept}", "")
    wait_until(lambda: not alive(model), "its task has ended")
    assert hand.poll() is None, "it keeps its result"
    farm.start("--resume")
    farm.wait_workers("joined", 3, master="master-2")
    case.write("go", "")
    farm.end()
    complete(farm, 6)
    # What ran elsewhere may have been leased to the idle one before its worker was back.
    assert begun().count(kept) == 1 and len(begun()) <= 6 + 2, f"{begun()}\n{farm.logs()}"
    assert case.finish(hand).code == 0 and kept in running


@test
def beofarm_run_may_die_and_the_farm_goes_on(case):
    side, farm = steady(case, 30, 0.02, hold=10)
    farm.start()
    farm.wait_workers("joined", 2)
    master = farm.pid("master")
    farm.kill_run()
    farm.start("--resume")
    wait_until(lambda: "following it" in case.read("run.out"), "it follows the farm")
    release(case)
    farm.end()
    complete(farm, 30)
    assert farm.pid("master") == master and not farm.task("master-2"), "the same master went on"
    assert 30 <= count(side) <= 32


if __name__ == "__main__":
    harness.main(globals())
