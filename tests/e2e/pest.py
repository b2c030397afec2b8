#!/usr/bin/env python3
"""Calibration by PEST control files, through `beofarm run`. The model is an awk script: y = a exp(-b t)
at ten times; it leaves a line in runs.log of the farm's folder for each of its runs."""
import csv
import json
import math
import os
import re
import signal
import sqlite3
import time

import harness
from harness import Skip, test, wait_until

TIMES = range(1, 11)
TRUTH = (3.0, 0.25)

MODEL = """#!/bin/sh
echo "$(tr '\\n' ' ' <model.in)" >>"$LOG"
if [ -n "$STUCK" ]; then exec sleep 1000; fi
if [ -n "$HANG" ] && mkdir "$HANG" 2>/dev/null; then exec sleep 1000; fi
if [ -n "$GATE" ] && [ -e "$GATE" ] && [ "$BEOFARM_TASK" -gt "${AFTER:-0}" ]; then
    echo waiting >>"$LOG.waiting"
    while [ -e "$GATE" ]; do sleep 0.02; done
fi
exec awk -v fail="$FAIL" '
    NR == 1 { a = $1 } NR == 2 { b = $1 }
    END {
        if (fail != "" && a > fail) {
            print "no convergence at a = " a >"/dev/stderr"
            exit 3
        }
        for (t = 1; t <= 10; t++) printf "%.15e\\n", a * exp(-b * t)
    }' model.in >model.out
"""

CONTROL = """pcf
* control data
restart estimation
2 10 1 0 1
1 1 double point 1 0 0
10.0 -3.0 0.3 0.03 10
3.0 3.0 0.001
0.1
{noptmax} 0.005 4 4 0.005 4
0 0 0
* singular value decomposition
1
2 1e-7
0
* parameter groups
g relative 0.01 0 always_2 2 parabolic
* parameter data
a none factor {a} 0.1 100 g 1 0 1
b log factor 0.1 0.01 10 g 1 0 1
* observation groups
obs
* observation data
{observations}
* model command line
{command}
* model input/output
model.tpl model.in
model.ins model.out
{options}
"""


def problem(case, folder="case", noptmax=8, a=1.0, command="./model.sh", options=""):
    """A folder with a case; its control file's path."""
    observations = "\n".join(f"y{t} {TRUTH[0] * math.exp(-TRUTH[1] * t):.15e} 1 obs" for t in TIMES)
    case.write(f"{folder}/model.sh", MODEL, 0o755)
    case.write(f"{folder}/model.tpl", "ptf ~\n~a                      ~\n~b                      ~\n")
    case.write(f"{folder}/model.ins", "pif @\n" + "".join(f"l1 !y{t}!\n" for t in TIMES))
    case.environment["LOG"] = case.path("runs.log")
    case.write("runs.log", "")
    return case.write(f"{folder}/case.pst", CONTROL.format(
        noptmax=noptmax, a=a, observations=observations, command=command, options=options))


def calibrates(case):
    """Skip the test where this build has no estimator for it."""
    problem(case, "probe", noptmax=0)
    done = case.run(harness.program("beofarm-master"), "--plan", case.path("probe", "case.pst"))
    if "there is no estimator" in done.err:
        raise Skip("this beofarm has no estimator \"glm\"")
    assert done.code == 0, done
    return done.json()


def run(case, *args, cwd="case", **more):
    return case.beofarm("run", "--slots", "2", *args, cwd=case.path(cwd), **more)


def parameters(case, *path):
    """The values of a .par file."""
    rows = [line.split() for line in case.read(*path).splitlines()[1:]]
    return {row[0].lower(): row[1] for row in rows if row}


def model_runs(case):
    return case.read("runs.log").splitlines()


def master_pid(case, run_dir, name="master"):
    with open(case.path(run_dir, "backend", "tasks", name, "task.json"), encoding="utf-8") as file:
        return json.load(file)["pid"]


def journal(case, run_dir, query):
    with sqlite3.connect(case.path(run_dir, "journal.db"), timeout=60) as db:
        return db.execute(query).fetchall()


@test
def mistakes_are_named_before_anything_runs(case):
    calibrates(case)
    problem(case, options="++max_run_fail(none)")
    done = run(case, "case.pst", expect=3)
    assert "case.pst:" in done.err and "max_run_fail" in done.err, done
    assert done.err.count("case.pst") == 1, done
    problem(case)
    case.write("case/model.tpl", "ptf ~\n~c    ~\n")
    done = run(case, "case.pst", expect=3)
    assert "model.tpl:2" in done.err, done
    done = run(case, "other.pst")
    assert done.code != 0 and "other.pst" in done.err, done
    for name in ("../model.out", case.path("model.out")):
        problem(case)
        control = case.read("case", "case.pst").replace("model.ins model.out", f"model.ins {name}")
        case.write("case/case.pst", control)
        done = run(case, "case.pst", expect=3)
        assert name in done.err and "case.pst" in done.err, done
    problem(case)
    assert not os.path.exists(case.path("case", "runs"))
    case.write("case/farm.json", {"name": "x", "work": {"kind": "pest", "control": "../case.pst"}})
    done = run(case, expect=3)
    assert "$.work.control" in done.err and "outside" in done.err, done


@test
def a_control_file_runs_without_a_farm_file(case):
    calibrates(case)
    problem(case)
    done = run(case, "case.pst", expect=0)
    assert "phi" in done.out, done
    found = parameters(case, "case", "case.par")
    assert abs(float(found["a"]) - TRUTH[0]) < 1e-4 and abs(float(found["b"]) - TRUTH[1]) < 1e-5
    for name in ("case.rec", "case.par", "case.rei"):
        assert case.read("case", name) == case.read("case", "runs", "case-001", "out", "master", name)
    farm = json.loads(case.read("case", "runs", "case-001", "farm.json"))
    assert farm["name"] == "case" and farm["work"]["control"] == "case.pst"
    # A second run does not send the first one's outputs, and writes its own over them.
    os.remove(case.path("case", "case.rec"))
    run(case, "case.pst", expect=0)
    assert os.path.exists(case.path("case", "case.rec"))
    files = json.loads(case.read("case", "runs", "case-002", "files.json"))["files"]
    assert [f["path"] for f in files] == ["case.pst", "model.ins", "model.sh", "model.tpl"], files


@test
def the_state_of_an_estimation_is_shown(case):
    calibrates(case)
    problem(case)
    lines = run(case, "case.pst", "--json", expect=0).lines()
    states = [line for line in lines if line["event"] == "estimate"]
    assert [s["wave"] for s in states][-1] > 2 and states[0]["first"] == 1, states
    assert sum({s["wave"]: s["runs"] for s in states}.values()) == lines[-1]["done"], lines[-1]
    status = case.beofarm("status", "--json", cwd=case.path("case"), expect=0).json()
    assert status["estimate"]["wave"] == states[-1]["wave"], status
    text = case.beofarm("status", cwd=case.path("case"), expect=0).out
    assert states[-1]["purpose"] in text and ", phi " in text, text
    phis = [s["phi"] for s in states if "phi" in s]
    assert phis == sorted(phis, reverse=True) and phis[-1] < 1e-6 * phis[0], phis


@test
def a_model_input_is_never_overwritten(case):
    calibrates(case)
    problem(case, noptmax=0)
    case.write("case/case.par", "mine")
    case.write("case/farm.json", {"name": "toy", "files": ["model.sh", "case.par"],
                                  "work": {"kind": "pest", "control": "case.pst"}})
    done = run(case, expect=0)
    assert case.read("case", "case.par") == "mine"
    assert "case.par" in done.out and "left as it is" in done.out, done
    assert case.read("case", "runs", "toy-001", "out", "master", "case.par") != "mine"


@test
def a_control_file_may_lie_in_a_folder_below(case):
    calibrates(case)
    problem(case, "case/model", command="../tools/run.sh")
    case.write("case/tools/run.sh", "#!/bin/sh\nexec ./model.sh\n", 0o755)
    case.write("case/farm.json", {"name": "toy", "files": ["model", "tools"],
                                  "work": {"kind": "pest", "control": "model/case.pst"}})
    run(case, expect=0)
    found = parameters(case, "case", "model", "case.par")
    assert abs(float(found["a"]) - TRUTH[0]) < 1e-4, found


def killed_and_resumed(case, after):
    """Kill the master once the first `after` runs have been journaled, and resume. What the journal
    had then, and what it has at the end. No run of the first is repeated."""
    gate = case.write("gate", "")
    case.environment.update(GATE=gate, AFTER=str(after))  # later runs wait
    leader = case.start_beofarm("run", "--slots", "2", "case.pst", cwd=case.path("case"))
    run_dir = os.path.join("case", "runs", "case-001")
    wait_until(lambda: os.path.exists(case.path(run_dir, "journal.db")), "the journal is there")

    def ended():
        try:
            return journal(case, run_dir, "SELECT count(*) FROM result")[0][0] >= after
        except sqlite3.OperationalError:
            return False
    wait_until(ended, f"{after} runs have ended")
    os.kill(master_pid(case, run_dir), signal.SIGKILL)
    case.finish(leader)
    before = journal(case, run_dir, "SELECT task, params, \"values\", started_ns FROM result")
    begun = len(model_runs(case))
    os.remove(gate)
    case.beofarm("run", "--resume", cwd=case.path("case"), expect=0)
    rows = journal(case, run_dir, "SELECT task, params, \"values\", started_ns FROM result")
    assert set(before) <= set(rows), "a run that had ended was run again"
    # A busy machine may make a run so slow that it is started a second time.
    again = len(model_runs(case)) - begun - (len(rows) - len(before))
    assert 0 <= again <= 2, (begun, len(before), len(rows), len(model_runs(case)))
    return before, rows


@test
def a_killed_master_goes_on_to_the_same_bits(case):
    calibrates(case)
    problem(case)
    case.environment["GATE"] = case.path("no-gate")
    run(case, "case.pst", expect=0)
    parameters_then = case.read("case", "case.par")
    rows_then = journal(case, "case/runs/case-001", "SELECT task, params, \"values\" FROM result")
    for after in (2, 5, 9):
        os.rename(case.path("case"), case.path(f"before-{after}"))
        problem(case)
        _, rows = killed_and_resumed(case, after)
        assert [row[:3] for row in rows] == rows_then
        assert case.read("case", "case.par") == parameters_then


SMOOTHER = "++ies_num_reals(10) ++ies_lambda_mults(0.1,1) ++lambda_scale_fac(1)"


def smoothed(case):
    """What a smoother of three iterations leaves: its files' texts."""
    return {name: case.read("case", name)
            for name in ("case.0.par.csv", "case.3.par.csv", "case.3.obs.csv", "case.phi.actual.csv",
                         "case.phi.lambda.csv", "case.obs+noise.csv", "case.3.base.par", "case.base.rei")}


@test
def an_ensemble_is_smoothed(case):
    calibrates(case)
    problem(case, noptmax=3, options=SMOOTHER)
    done = run(case, "case.pst", expect=0)
    assert "iteration 3: phi" in done.out, done
    with open(case.path("case", "case.phi.actual.csv"), encoding="utf-8") as file:
        phi = [float(row["mean"]) for row in csv.DictReader(file)]
    assert len(phi) == 4 and phi[3] < phi[0] / 10, phi
    with open(case.path("case", "case.3.par.csv"), encoding="utf-8") as file:
        reals = list(csv.DictReader(file))
    assert [row["real_name"] for row in reals][-1] == "base" and len(reals) == 10, reals
    run(case, "case.pst", expect=0)  # what came home is no input of the next


@test
def a_killed_smoother_goes_on_to_the_same_bits(case):
    calibrates(case)
    problem(case, noptmax=3, options=SMOOTHER)
    case.environment["GATE"] = case.path("no-gate")
    run(case, "case.pst", expect=0)
    files = smoothed(case)
    rows_then = journal(case, "case/runs/case-001", "SELECT task, params, \"values\" FROM result")
    for after in (4, 14, 21):  # in the prior ensemble, among trials, in the remainder
        os.rename(case.path("case"), case.path(f"before-{after}"))
        problem(case, noptmax=3, options=SMOOTHER)
        _, rows = killed_and_resumed(case, after)
        assert [row[:3] for row in rows] == rows_then
        assert smoothed(case) == files


def sweep(case, sets, **more):
    """A case whose mode is sweep, with these sets of (a, b)."""
    problem(case, options="++sweep_parameter_csv_file(sets.csv)", **more)
    case.write("case/sets.csv", "run_id,a,b\n" + "".join(
        f"\"set {i}, of many\",{a!r},{b!r}\n" for i, (a, b) in enumerate(sets)))


def swept(case):
    strangers = [n for n in os.listdir(case.path("case")) if n.startswith("sweep_out.csv.")]
    assert not strangers, strangers
    with open(case.path("case", "sweep_out.csv"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


@test
def sets_from_a_file_are_run_and_come_back_in_order(case):
    calibrates(case)
    sets = [(1 + i / 8, 0.1 + i / 64) for i in range(40)]
    sweep(case, sets)
    done = run(case, "case.pst", expect=0)
    assert "40 tasks" in done.out, done
    rows = swept(case)
    assert len(rows) == 40
    assert rows[3]["input_run_id"] == "set 3, of many", rows[3]
    for (a, b), row in zip(sets, rows):
        # The model prints 16 digits, and awk computes with doubles.
        assert abs(float(row["y3"]) - a * math.exp(-3 * b)) < 1e-9 * a, (a, b, row)
    run(case, "case.pst", expect=0)  # what came home is no input of the next


@test
def a_killed_sweep_runs_nothing_twice(case):
    calibrates(case)
    sets = [(1 + i / 8, 0.1) for i in range(30)]
    sweep(case, sets)
    _, rows = killed_and_resumed(case, 7)
    assert len(rows) == 30
    assert [float(row["y1"]) > 0 for row in swept(case)] == [True] * 30


@test
def runs_that_fail_show_in_a_line_with_their_output(case):
    calibrates(case)
    problem(case, noptmax=0, a=5.0, options="++max_run_fail(1)")
    case.environment["FAIL"] = "4"
    done = run(case, "case.pst")
    assert done.code != 0 and "exit status 3" in done.out, done
    text = case.beofarm("status", cwd=case.path("case"), expect=0).out
    assert re.search(r"task 1 failed: .*exit status 3", text), text
    text = case.beofarm("logs", "task", "1", cwd=case.path("case"), expect=0).out
    assert "no convergence at a = 5" in text, text


@test
def a_script_that_names_no_shell_is_run_by_one(case):
    calibrates(case)
    problem(case)
    case.write("case/model.sh", MODEL.partition("\n")[2], 0o755)
    run(case, "case.pst", expect=0)
    assert abs(float(parameters(case, "case", "case.par")["a"]) - TRUTH[0]) < 1e-4


@test
def a_model_that_hangs_does_not_stall_the_farm(case):
    calibrates(case)
    problem(case, options="++overdue_giveup_minutes(0.04)")
    case.environment["HANG"] = case.path("hangs")
    began = time.monotonic()
    done = run(case, "case.pst", expect=0)
    assert time.monotonic() - began > 2.4  # it was given up, not passed by
    assert "no effect" not in done.out + done.err, done
    found = parameters(case, "case", "case.par")
    assert abs(float(found["a"]) - TRUTH[0]) < 1e-4, found
    failures = journal(case, "case/runs/case-001", "SELECT error FROM attempt_failure")
    # On a machine that stands still for some seconds others are overdue, too.
    assert failures and all("overdue" in row[0] for row in failures), failures


@test
def a_model_that_always_hangs_ends_the_estimation_with_a_sentence(case):
    calibrates(case)
    problem(case, noptmax=0, options="++overdue_giveup_minutes(0.01) ++max_run_fail(2)")
    case.environment["STUCK"] = "yes"
    done = run(case, "case.pst")
    assert done.code != 0 and "overdue" in done.out, done
    rows = journal(case, "case/runs/case-001", "SELECT status, attempts, error FROM result")
    assert rows[0][0] == 3 and rows[0][1] == 2 and "given up after" in rows[0][2], rows


@test
def wide_work_keeps_the_books_alone_in_results_csv(case):
    calibrates(case)
    problem(case, noptmax=0)
    text = case.read("case", "case.pst").replace("y1 ", "a ", 1)  # an observation called as a parameter
    case.write("case/case.pst", text)
    case.write("case/model.ins", case.read("case", "model.ins").replace("!y1!", "!a!"))
    run(case, "case.pst", expect=0)
    header = case.read("case", "runs", "case-001", "results.csv").splitlines()[0]
    assert header == "task,status,code,elapsed_s,worker,attempts,error", header


@test
def a_run_that_was_stopped_goes_on_although_its_outputs_are_there(case):
    calibrates(case)
    problem(case)
    gate = case.write("gate", "")
    case.environment["GATE"] = gate
    leader = case.start_beofarm("run", "--slots", "2", "case.pst", cwd=case.path("case"))
    wait_until(lambda: os.path.exists(case.path("runs.log.waiting")), "a model waits")
    os.remove(gate)
    wait_until(lambda: os.path.exists(case.path("case", "case.rec")), "outputs come home")
    leader.send_signal(signal.SIGINT)
    done = case.finish(leader)
    if done.code == 0:
        raise Skip("the estimation was faster than Ctrl-C")
    case.write("case/case.extra", "")  # this one is new, and a change
    done = case.beofarm("run", "--resume", cwd=case.path("case"), expect=8)
    assert '"case.extra" (new)' in done.err and "case.rec" not in done.err, done
    os.remove(case.path("case", "case.extra"))
    case.beofarm("run", "--resume", cwd=case.path("case"), expect=0)


@test
def a_log_beside_the_control_file_is_no_input(case):
    calibrates(case)
    problem(case)
    for words in (["run", "case.pst"], ["run", "--resume"]):
        leader = case.start_beofarm(*words, cwd=case.path("case"), out="case/run.log")
        assert case.finish(leader).code == 0, case.read("case", "run.log")
    assert "phi" in case.read("case", "run.log")
    assert "run.log" not in case.read("case", "runs", "case-001", "files.json")


if __name__ == "__main__":
    harness.main(globals())
