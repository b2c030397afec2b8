#!/usr/bin/env python3
"""Estimations that are killed in the middle, and models that fail or hang, through `beofarm run`.

The model is a script that leaves a line in runs.log for each time it is started: the number of its
run, the attempt, and its parameters. Runs with a number above the one in the file `hold` wait until
that file is gone, so that what is killed is killed at a known point."""
import collections
import math
import os
import re
import sqlite3

import harness
from farms import Farm, kill
from harness import Skip, alive, test, wait_until

SLOTS = 4
TIMES = range(1, 13)
START = {"a": 2.0, "b": 0.2, "c": 1.0, "d": 0.03, "e": 0.2}
TRUTH = {"a": 3.0, "b": 0.5, "c": 2.0, "d": 0.05, "e": 0.1}

MODEL = """#!/bin/sh
run=$BEOFARM_TASK.$BEOFARM_ATTEMPT
echo "$BEOFARM_TASK $BEOFARM_ATTEMPT $(tr '\\n' ' ' <model.in)" >>"$LOG"
if [ -e "$HOLD" ] && read -r last <"$HOLD" && [ "$BEOFARM_TASK" -gt "$last" ]; then
    echo "$run" >>"$LOG.held"
    while [ -e "$HOLD" ]; do sleep 0.02; done
fi
case " $HANG " in *" $run "*|*" $BEOFARM_TASK "*) exec sleep 1000 ;; esac
if [ -n "$FAIL_C" ] && awk 'NR == 3 { exit $1 == 1 }' model.in; then exit 3; fi
case " $FAIL " in *" $run "*|*" $BEOFARM_TASK "*|*" all "*)
    echo "no convergence" >&2
    exit 3 ;;
esac
exec awk '
    { p[NR] = $1 }
    END { for (t = 1; t <= 12; t++)
              printf "%.15e\\n", p[1] * exp(-p[2] * t) + p[3] * exp(-p[4] * t) + p[5] * t * t / 100 }
    ' model.in >model.out
"""

CONTROL = """pcf
* control data
restart estimation
5 12 1 0 1
1 1 double point 1 0 0
10.0 -3.0 0.3 0.03 10
3.0 3.0 0.001
0.1
3 0.005 4 4 0.005 4
0 0 0
* singular value decomposition
1
5 1e-7
0
* parameter groups
g relative 0.01 0 switch 2 parabolic
* parameter data
{parameters}
* observation groups
obs
* observation data
{observations}
* model command line
./model.sh
* model input/output
model.tpl model.in
model.ins model.out
{options}
"""


def observed(t):
    p = TRUTH
    exact = p["a"] * math.exp(-p["b"] * t) + p["c"] * math.exp(-p["d"] * t) + p["e"] * t * t / 100
    return exact + 0.02 * math.sin(7 * t)


def lay(case, folder, options="", mode="glm", **limits):
    """A farm of a case; its model logs into that folder."""
    case.write(f"{folder}/case.pst", CONTROL.format(
        # However long a run is held, it is not given up.
        options=f"{options}\n++overdue_giveup_fac(1e9)",
        parameters="\n".join(f"{name} {'log' if name in 'bd' else 'none'} factor {value} 0.001 100 "
                             "g 1 0 1" for name, value in START.items()),
        observations="\n".join(f"y{t} {observed(t):.15e} 10 obs" for t in TIMES)))
    case.write(f"{folder}/model.sh", MODEL, 0o755)
    case.write(f"{folder}/model.tpl", "ptf ~\n" + "".join(f"~{n}                      ~\n"
                                                          for n in START))
    case.write(f"{folder}/model.ins", "pif @\n" + "".join(f"l1 !y{t}!\n" for t in TIMES))
    case.write(f"{folder}-side/runs.log", "")
    case.environment.update(LOG=case.path(f"{folder}-side", "runs.log"),
                            HOLD=case.path(f"{folder}-side", "hold"))
    return Farm(case, {
        "name": "toy", "backend": {"kind": "local", "workers": 1}, "transport": "tcp", "port": 0,
        "files": ["model.sh"], "worker": {"slots": SLOTS},
        "limits": {"duplicates": False, **limits},
        "work": {"kind": "pest", "control": "case.pst", "mode": mode}}, f"{folder}/farm.json")


def hold(case, last):
    with open(case.environment["HOLD"], "w", encoding="ascii") as file:
        file.write(f"{last}\n")


def release(case):
    os.remove(case.environment["HOLD"])


def started(case):
    """How often each run was started."""
    with open(case.environment["LOG"], encoding="ascii") as file:
        return collections.Counter(int(line.split()[0]) for line in file)


def journal(farm, query):
    with sqlite3.connect(farm.path("journal.db"), timeout=60) as db:
        return db.execute(query).fetchall()


def ended(farm):
    return {row[0] for row in journal(farm, "SELECT task FROM result")}


def ended_by_now(farm):
    try:
        return ended(farm)
    except sqlite3.OperationalError:
        return set()  # the journal is just being made


def runs(farm):
    """What was asked and what came of it."""
    return journal(farm, 'SELECT task, status, params, "values" FROM result ORDER BY task')


def outputs(farm):
    """The estimation's files; but the record of model runs says how long they took, and where."""
    folder = farm.path("out", "master")
    found = {}
    for name in sorted(os.listdir(folder)):
        if re.match(r"case\.", name) and name not in ("case.rmr", "case.pst"):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def failed(farm):
    return [row[0] for row in runs(farm) if row[1] != 0]


def record(farm):
    return farm.read("out/master/case.rec")


def estimate(farm):
    rows = [line.split() for line in farm.read("out/master/case.par").splitlines()[1:]]
    return {row[0]: float(row[1]) for row in rows}


Result = collections.namedtuple("Result", "outputs runs waves")


def waves(farm):
    """Of each wave: its first run, how many, and what for."""
    found = {}
    for event in farm.events("estimate"):
        found.setdefault(event["wave"], (event["first"], event["runs"], event["purpose"]))
    return [found[wave] for wave in sorted(found)]


KNOWN = {}


def undisturbed(case, mode="glm", options=""):
    """What the estimation comes to when nobody kills anything. Computed once."""
    if (mode, options) not in KNOWN:
        farm = lay(case, f"undisturbed-{mode}", options, mode)
        done = farm.run(expect=None)
        if "there is no estimator" in done.err:
            raise Skip(f"this beofarm has no estimator \"{mode}\"")
        assert done.code == 0, done
        assert set(started(case).values()) == {1}
        KNOWN[mode, options] = Result(outputs(farm), runs(farm), waves(farm))
    return KNOWN[mode, options]


def middle(result, purpose, number=0):
    """A run in the middle of a wave, counted among those of this purpose with several runs."""
    found = [(first, count) for first, count, what in result.waves if purpose in what and count > 1]
    assert len(found) > number, result.waves
    first, count = found[number]
    return first + count // 2 - 1


def run_up_to(case, farm, last):
    """Start, and wait until the runs up to `last` have ended, and others have begun."""
    hold(case, last)
    farm.start()
    wait_until(lambda: len(ended_by_now(farm)) >= last, f"{last} runs have ended")
    wait_until(lambda: os.path.exists(case.environment["LOG"] + ".held"), "others have begun")
    assert ended(farm) == set(range(1, last + 1))


def same_bits(farm, expected):
    assert runs(farm) == expected.runs
    found = outputs(farm)
    assert sorted(found) == sorted(expected.outputs)
    different = [name for name, content in found.items() if content != expected.outputs[name]]
    assert not different, different


def none_repeated(case, farm, before):
    """Runs that had ended before were started once; the others at most once more."""
    times = started(case)
    assert all(times[task] == 1 for task in before), times
    assert set(times) == ended(farm) and max(times.values()) <= 2, times


def kill_all(farm):
    names = ["master", "worker-1"]
    victims = [farm.process.pid] + [farm.pid(name) for name in names]
    victims += [farm.task(name)["supervisor"]["pid"] for name in names]
    for pid in victims:
        kill(pid)
    wait_until(lambda: not any(alive(pid) for pid in victims[1:]), "all are gone")
    farm.process.wait()


def killed_and_resumed(case, expected, last, everything=False, mode="glm", options=""):
    farm = lay(case, "killed", options, mode)
    run_up_to(case, farm, last)
    if everything:
        kill_all(farm)
    else:
        farm.kill("master")
        farm.end(expect=7)
    before = ended(farm)
    release(case)
    farm.resume()
    same_bits(farm, expected)
    none_repeated(case, farm, before)


@test
def a_master_killed_in_a_jacobian_goes_on_to_the_same_bits(case):
    expected = undisturbed(case)
    killed_and_resumed(case, expected, middle(expected, "Jacobian", 1))


@test
def a_master_killed_in_a_lambda_search_goes_on_to_the_same_bits(case):
    expected = undisturbed(case)
    killed_and_resumed(case, expected, middle(expected, "lambda search", 1))


@test
def all_killed_at_once_goes_on_to_the_same_bits(case):
    expected = undisturbed(case)
    killed_and_resumed(case, expected, middle(expected, "lambda search"), everything=True)


@test
def a_killed_worker_changes_nothing(case):
    expected = undisturbed(case)
    farm = lay(case, "killed")
    last = middle(expected, "Jacobian")
    run_up_to(case, farm, last)
    before = ended(farm)
    kill(farm.pid("worker-1"))
    farm.wait_workers("lost", 1)
    release(case)
    farm.end()
    same_bits(farm, expected)
    none_repeated(case, farm, before)


@test
def an_ensemble_smoother_killed_in_its_trials_goes_on_to_the_same_bits(case):
    options = "++ies_num_reals(8)"
    expected = undisturbed(case, "ies", options)
    last = middle(expected, "lambda search", 1)
    killed_and_resumed(case, expected, last, mode="ies", options=options)


@test
def an_ensemble_smoother_killed_after_its_trials_goes_on_to_the_same_bits(case):
    options = "++ies_num_reals(8)"
    expected = undisturbed(case, "ies", options)
    last = middle(expected, "remaining", 1)
    killed_and_resumed(case, expected, last, everything=True, mode="ies", options=options)


@test
def resumed_with_other_slots_the_waves_begun_are_the_same(case):
    expected = undisturbed(case)
    last = middle(expected, "lambda search")
    farm = lay(case, "killed")
    run_up_to(case, farm, last)
    farm.kill("master")
    farm.end(expect=7)
    before = ended(farm)
    release(case)
    farm.resume("--slots", "2", "--workers", "1")
    first, count = next(w[:2] for w in reversed(expected.waves) if w[0] <= last)
    begun = first + count - 1
    assert runs(farm)[:begun] == expected.runs[:begun]
    none_repeated(case, farm, before)
    assert "OPTIMISATION COMPLETE" in record(farm)


@test
def a_run_that_hangs_once_in_a_jacobian_is_run_again(case):
    expected = undisturbed(case)
    task = middle(expected, "Jacobian", 1)
    farm = lay(case, "hangs", "++overdue_giveup_minutes(0.03)")
    case.environment["HANG"] = f"{task}.1"
    farm.run()
    assert runs(farm) == expected.runs
    assert started(case)[task] == 2
    failures = journal(farm, "SELECT task, error FROM attempt_failure")
    # On a machine that stands still for some seconds others are overdue, too.
    assert task in [row[0] for row in failures], failures
    assert all("overdue" in row[1] for row in failures), failures


@test
def a_derivative_run_that_always_hangs_is_replaced_by_another(case):
    expected = undisturbed(case)
    task = middle(expected, "Jacobian", 1)
    farm = lay(case, "hangs", "++overdue_giveup_minutes(0.03) ++max_run_fail(2)")
    case.environment["HANG"] = f"{task}"
    farm.run()
    assert failed(farm) == [task] and started(case)[task] == 2
    assert [what for _, _, what in waves(farm) if "failed runs again" in what], waves(farm)
    assert "No derivatives" not in record(farm)


@test
def a_parameter_without_derivatives_stays_and_the_others_move(case):
    expected = undisturbed(case)
    case.environment["FAIL_C"] = "yes"  # wherever c is not its initial value
    farm = lay(case, "fails", "++max_run_fail(1)")
    farm.run()
    assert failed(farm), "the runs that move c failed"
    assert 'No derivatives could be had of "c"' in record(farm)
    assert not re.search(r'No derivatives could be had of "[^c]"', record(farm)), record(farm)
    assert estimate(farm)["c"] == START["c"] and estimate(farm)["a"] != START["a"]
    first = [w[0] for w in expected.waves][1]
    assert runs(farm)[:2] == expected.runs[:2] and first > 2


@test
def a_failed_derivative_ends_the_estimation_where_that_is_asked_for(case):
    expected = undisturbed(case)
    case.environment["FAIL"] = f"{middle(expected, 'Jacobian', 1)}"
    farm = lay(case, "fails", "++max_run_fail(1) ++der_forgive(false)")
    done = farm.run(expect=1)
    assert "der_forgive is false" in done.out + done.err, done
    assert farm.events("end")[0]["status"] == "failed"
    first = [first for first, _, what in expected.waves if what == "Jacobian"][0]
    assert runs(farm)[:first - 1] == expected.runs[:first - 1]
    assert "case.par" in outputs(farm)


@test
def a_failed_lambda_run_costs_that_trial_alone(case):
    expected = undisturbed(case)
    task = middle(expected, "lambda search")
    case.environment["FAIL"] = f"{task}"
    farm = lay(case, "fails", "++max_run_fail(1)")
    farm.run()
    assert failed(farm) == [task], journal(farm, "SELECT task, error FROM result WHERE status != 0")
    assert record(farm).count("the run failed") == 1
    assert estimate(farm)["a"] != START["a"]


@test
def a_model_that_always_fails_ends_the_estimation_with_a_sentence(case):
    undisturbed(case)
    farm = lay(case, "fails", "++max_run_fail(2)")
    case.environment["FAIL"] = "all"
    done = farm.run(expect=1)
    assert "initial parameter values failed" in done.out + done.err, done
    assert farm.events("end")[0]["status"] == "failed"
    assert set(started(case).values()) == {2} and set(started(case)) == ended(farm)
    assert all("no convergence" in row[0] or "status 3" in row[0]
               for row in journal(farm, "SELECT error FROM result"))
    # It knows so when it is resumed, and runs nothing.
    count = sum(started(case).values())
    case.environment["FAIL"] = ""
    done = farm.resume(expect=1)
    assert "initial parameter values failed" in done.out + done.err, done
    assert sum(started(case).values()) == count


@test
def a_model_that_begins_to_fail_ends_the_estimation_and_loses_nothing(case):
    expected = undisturbed(case)
    last = [first for first, _, what in expected.waves if what == "Jacobian"][0] - 1
    farm = lay(case, "fails", "++max_run_fail(1)")
    case.environment["FAIL"] = " ".join(str(i) for i in range(last + 1, 500))
    done = farm.run(expect=1)
    assert "every derivative run failed" in done.out + done.err, done
    assert "every derivative run failed" in record(farm)
    failures = journal(farm, "SELECT task, error FROM result WHERE status != 0 ORDER BY task")
    assert runs(farm)[:last] == expected.runs[:last], failures[:3]
    assert outputs(farm)["case.par"] == expected.outputs["case.1.par"]


if __name__ == "__main__":
    harness.main(globals())
