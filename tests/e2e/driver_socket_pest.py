#!/usr/bin/env python3
"""Parameter sets for a PEST case from clients of a Unix socket."""
import json
import math
import os
import signal
import sys

import harness
from clients import Client, Master, kill_master, start
from farms import counter, count
from harness import test, wait_until

CASE = """pcf
* control data
restart estimation
4 6 1 1 3
1 1 double point 1 0 0
10.0 -3.0 0.3 0.03 10
3.0 3.0 0.001
0.1
8 0.005 4 4 0.005 4
0 0 0
* parameter groups
g relative 0.01 0 always_2 2 parabolic
* parameter data
Alpha none factor 2 0.5 4 g 1 0 1
b log factor 0.1 0.01 10 g 2 0.5 1
c fixed factor 7 1 10 g 1 0 1
d tied factor 4 0.1 100 g 1 0 1
d Alpha
* observation groups
early
late
prior
* observation data
y1 1.5 2 early
y2 1.25 1 early
y3 1 1 early
y4 0.75 0.5 late
y5 0.5 1 late
y6 0.25 0 late
* prior information
p1 1.0 * log(b) = -0.5 3 prior
* model command line
./model.sh
* model input/output
model.tpl model.in
model.ins model.out
"""

# Alpha has a field of 7 characters and c one of 4; the others hold all digits.
TEMPLATE = f"ptf ~\n~alpha~\n~{'b':22}~\n~c ~\n~{'d':22}~\n"

PEST_MODEL = """#!/bin/sh
printf x >>"$LOG"
while [ -e "$GATE" ] && head -n 1 model.in | grep -q '^ *3[.]0'; do sleep 0.02; done
exec awk 'NR == 1 { a = $1 } NR == 2 { b = $1 } NR == 3 { c = $1 } NR == 4 { d = $1 }
    END {
        if (a > 50) { print "a = " a " is too much" >"/dev/stderr"; exit 3 }
        for (t = 1; t <= 6; t++) printf "%.15e\\n", (a + d / c) * exp(-b * t)
    }' model.in >model.out
"""


def pest_case(case, **more):
    """A farm file for a PEST case in the folder model/, its log of runs and its gate."""
    case.write("model/model.sh", PEST_MODEL, 0o755)
    case.write("model/model.tpl", TEMPLATE)
    case.write("model/model.ins", "pif @\n" + "".join(f"l1 !y{t}!\n" for t in range(1, 7)))
    case.write("model/case.pst", CASE)
    keys = {"kind": "socket", "control": "model/case.pst",
            "env": {"LOG": counter(case), "GATE": case.path("gate")}}
    keys.update(more.pop("work", {}))
    return {"name": "toy", "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
            "port": 0, "worker": {"slots": 1}, "limits": {"attempts": 1, **more}, "work": keys}


def by_hand(case, values):
    """The observations of a run with these values, by `beofarm pest write`, the model, and `beofarm
    pest read`."""
    scales = {"b": "2 0.5"}
    rows = "".join(f"{name} {value!r} {scales.get(name, '1 0')}\n"
                   for name, value in values.items())
    case.write("hand/values.par", "double point\n" + rows)
    for name in ("model.sh", "model.tpl", "model.ins", "case.pst"):
        case.write(f"hand/{name}", case.read("model", name), 0o755)
    here = case.path("hand")
    case.beofarm("pest", "write", "case.pst", "--par", "values.par", cwd=here, expect=0)
    case.run("./model.sh", cwd=here, expect=0)
    read = case.beofarm("pest", "read", "case.pst", cwd=here, expect=0)
    pairs = (line.split() for line in read.out.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


def phi_of(values, b):
    """By group; b is what the prior information has."""
    data = [line.split() for line in CASE.splitlines() if line.startswith("y")]
    phi = {"early": 0.0, "late": 0.0, "prior": (3 * (-0.5 - math.log10(b))) ** 2}
    for name, observed, weight, group in data:
        phi[group] += (float(weight) * (float(observed) - values[name])) ** 2
    return phi


def close_to(a, b):
    return math.isclose(a, b, rel_tol=1e-12)  # sums of six squares, in another order perhaps


@test
def a_pest_case_is_evaluated_as_by_hand(case):
    farm = start(case, pest_case(case))
    client = Client(farm.socket, "one")
    assert client.hello["params"] == ["alpha", "b"], client.hello
    assert client.hello["values"] == [f"y{t}" for t in range(1, 7)], client.hello
    client.say(do="case")
    told = client.event("case")
    assert [p["name"] for p in told["parameters"]] == ["alpha", "b", "c", "d"], told
    assert told["parameters"][1] == {"name": "b", "transform": "log", "value": 0.1, "lower": 0.01,
                                     "upper": 10, "group": "g"}, told
    assert told["parameters"][3]["tied_to"] == "alpha", told
    assert told["observations"][3] == {"name": "y4", "value": 0.75, "weight": 0.5, "group": "late"}
    # All at their initial values; one alone; in any case, with a field that cannot hold it; by order;
    # a fixed one, and a tied one that is what it follows.
    sets = {"none": ({}, (2, 0.1, 7, 4)), "one": ({"b": 0.3}, (2, 0.3, 7, 4)),
            "narrow": ({"ALPHA": 1.23456789, "B": 1 / 3}, (1.23456789, 1 / 3, 7, 2 * 1.23456789)),
            "order": ([3.5, 0.25], (3.5, 0.25, 7, 7)),
            "all": ({"alpha": 1, "b": 1, "c": 5, "D": 2}, (1, 1, 5, 2)),
            "outside": ({"alpha": 40, "b": 20}, (40, 20, 7, 80))}
    client.say(do="submit", sets=[{"id": i, "params": p[0]} for i, p in sets.items()])
    for name, result in zip(sets, client.wait(sets)):
        hand = by_hand(case, dict(zip(("alpha", "b", "c", "d"), sets[name][1])))
        assert result["status"] == "ok" and result["values"] == hand, (name, result, hand)
        phi = phi_of(hand, sets[name][1][1])
        assert result["phi_groups"].keys() == phi.keys(), result
        assert all(close_to(result["phi_groups"][group], phi[group]) for group in phi), (result, phi)
        assert close_to(result["phi"], sum(phi.values())), (result, phi)
        written = {"alpha": 1.23457} if name == "narrow" else None
        assert result.get("written") == written, result
    client.finish()
    farm.end()
    assert {row["y1"] for row in farm.rows(6, "ok")} == {
        repr(result["values"]["y1"]) for result in client.results.values()}


PEST_REFUSED = [
    ({"params": {"alhpa": 1}}, "there is no parameter \"alhpa\"; did you mean \"alpha\"?"),
    ({"params": {"alpha": "1"}}, "params.alpha must be a number"),
    ({"params": {"alpha": None}}, "params.alpha must be a number"),
    ({"params": {"alpha": 1, "Alpha": 1}}, "twice"),
    ({"params": {"d": 3}}, "tied to \"alpha\""),
    ({"params": [1]}, "2 adjustable"),
    ({"params": 1}, "\"params\""),
    ({"params": {"c": -1e300}}, "model.tpl"),
    ({"params": {"alpha": 5}, "check": True}, "above its upper bound"),
    ({"params": {"b": 0.001}, "check": True}, "below its lower bound"),
    ({"params": {}, "check": 1}, "\"check\""),
    ({"params": {}, "observations": ["y7"]}, "there is no observation \"y7\"; did you mean"),
    ({"params": {}, "observations": "y1"}, "\"observations\""),
    ({"params": {}, "observations": [1]}, "\"observations\""),
    ({"params": {}, "groups": ["erly"]}, "observation group \"erly\"; did you mean \"early\"?"),
    ({"params": {}, "written": "no"}, "\"written\""),
]


@test
def what_a_pest_case_does_not_know_gets_a_sentence(case):
    farm = start(case, pest_case(case))
    client = Client(farm.socket)
    for number, (request, words) in enumerate(PEST_REFUSED):
        client.say(do="submit", id=number, **request)
        event = client.event("error")
        assert words in event["sentence"] and event["id"] == number, (request, event)
    client.say(do="attach", client="late", observations=["y9"])
    assert "y9" in client.event("error")["sentence"]
    client.say(do="attach", client="late")
    client.event("attached")
    client.say(do="submit", id="bad", params={"alpha": 60})
    result = client.wait(["bad"])[0]
    assert result["status"] == "exit" and result["code"] == 3, result
    assert "is too much" in result["sentence"] and "phi" not in result, result
    client.finish()
    farm.end(expect=0)
    assert count(case.path("count")) == 1


@test
def clients_choose_their_observations(case):
    farm = start(case, pest_case(case))
    client = Client(farm.socket, "one", observations=["y6", "Y1"])
    client.say(do="submit", id="attached", params={})
    client.say(do="submit", groups=["late"], written=False, sets=[
        {"id": "line", "params": {"alpha": 1.23456789}},
        {"id": "set", "params": {}, "observations": [], "groups": ["early"]},
        {"id": "none", "params": {"alpha": 1.23456789}, "observations": [], "written": True}])
    attached, line, own, none = client.wait(["attached", "line", "set", "none"])
    assert list(attached["values"]) == ["y1", "y6"], attached
    assert list(line["values"]) == ["y4", "y5", "y6"] and "written" not in line, line
    assert list(own["values"]) == ["y1", "y2", "y3"], own
    assert none["values"] == {} and none["written"] == {"alpha": 1.23457}, none
    assert none["phi"] == line["phi"] and own["phi"] == attached["phi"]  # of all, whatever is told
    client.say(do="submit", id="attached", params={}, observations=["y1"])
    assert "choice" in client.event("error")["sentence"]
    client.finish()
    farm.end()


@test
def a_pest_case_survives_its_master(case):
    farm = start(case, pest_case(case))
    case.write("gate", "")
    client = Client(farm.socket, "one", groups=["early"])
    waiting = {f"gated-{i}": {"alpha": 3, "b": 0.1 + i / 100} for i in range(4)}
    client.say(do="submit", id="first", params={"b": 0.2})
    client.wait(["first"])
    client.say(do="submit", sets=[{"id": i, "params": p} for i, p in waiting.items()])
    client.wait_accepted(waiting)
    wait_until(lambda: count(case.path("count")) == 3, "two of them run")
    kill_master(farm)
    while client.read():
        pass
    os.unlink(case.path("gate"))
    farm.start("--resume")
    again = Client(farm.socket, "one", since=max(client.seqs))
    for name, result in zip(waiting, again.wait(waiting)):
        hand = by_hand(case, {"alpha": 3, "b": waiting[name]["b"], "c": 7, "d": 6})
        assert result["values"] == {y: hand[y] for y in ("y1", "y2", "y3")}, (result, hand)
    assert "first" not in again.results
    again.finish()
    farm.end()
    farm.rows(5, "ok")


@test
def a_control_file_alone_is_driven(case):
    pest_case(case)
    path = case.path("s")
    env = {"LOG": case.path("count"), "GATE": ""}
    process = case.start_beofarm("run", "--json", "-w", "1", "-s", "1", "case", "--driver-socket",
                                 "../s", cwd=case.path("model"), env=env, out="run.out")
    client = Client(path, "one")
    client.say(do="submit", id="a", params={"alpha": 1})
    client.wait(["a"])
    run_dir = case.path("model", "runs", "case-001")
    with open(os.path.join(run_dir, "farm.json"), encoding="utf-8") as file:
        work = json.load(file)["work"]
    assert (work["kind"], work["path"], work["control"]) == ("socket", case.path("model", "../s"),
                                                             "case.pst"), work
    process.send_signal(signal.SIGTERM)
    assert not client.event("end")["finished"]
    case.finish(process)
    process = case.start_beofarm("run", "-q", "--resume", run_dir, cwd=case.path("model"), env=env)
    client = Client(path, "one")
    client.wait(["a"])
    client.finish()
    done = case.finish(process)
    assert done.code == 0, done
    done = case.beofarm("run", "case.pst", "--driver-socket", "x" * 110, cwd=case.path("model"))
    assert done.code == 2 and "107" in done.err, done
    case.write("sweep.json", {"name": "x", "work": {"kind": "sweep", "command": ["true"],
                                                    "params": {"list": [{"x": 1}]}}})
    done = case.beofarm("run", "sweep.json", "--driver-socket", "s")
    assert done.code == 2 and "\"sweep\"" in done.err, done


@test
def an_estimation_is_driven_by_hand(case):
    farm = start(case, pest_case(case))  # leaves a store and a list of its files
    client = Client(farm.socket)
    client.finish(all=True)
    farm.end()
    case.write("files.json", farm.read("files.json"))
    path = case.path("s")
    master = Master(case, pest_case(case, work={"kind": "pest", "mode": "glm"}), "--driver-socket",
                    path, BEOFARM_STORE="dir:" + farm.path("store"))
    master.start_worker()
    client = Client(path)
    client.say(do="submit", id="a", params={"b": 0.2})
    hand = by_hand(case, {"alpha": 2, "b": 0.2, "c": 7, "d": 4})
    assert client.wait(["a"])[0]["values"] == hand, client.results
    client.finish()
    master.end(expect=0)


@test
def sets_beyond_the_limit_are_told(case):
    farm = start(case, pest_case(case, tasks=3))
    client, other = Client(farm.socket, "one"), Client(farm.socket, "two")
    client.say(do="submit", sets=[{"id": i, "params": {"b": 0.1 + i / 10}} for i in range(8)])
    left = client.event("left")
    assert left["ids"] == [3, 4, 5, 6, 7] and "$.limits.tasks" in left["sentence"], left
    client.wait(range(3))
    end = client.event("end")
    assert not end["finished"] and "3 tasks" in end["sentence"], end
    assert other.event("end")["sentence"] == end["sentence"]
    farm.end(expect=0)
    farm.start("--resume", "--limit", "9", "--accept-changes")
    again = Client(farm.socket, "one", since=max(client.seqs))
    again.wait(range(3, 8))
    again.finish(all=True)
    farm.end(expect=0)
    farm.rows(8, "ok")


@test
def a_farm_file_has_a_command_or_a_case(case):
    def check(words, **work):
        farm = pest_case(case)
        farm["work"] = {"kind": "socket", **work}
        case.write("farm.json", farm)
        done = case.beofarm("check", "farm.json", expect=3)
        assert all(word in done.err + done.out for word in words), (words, done)
    check(["$.work", "\"command\" and \"params\"", "\"control\""])
    check(["$.work", "\"params\""], command=["true"])
    check(["$.work.command", "\"control\""], command=["true"], control="model/case.pst")
    check(["$.work.params"], params=["x"], control="model/case.pst")
    check(["$.work.runner"], runner="persistent", control="model/case.pst")
    check(["$.work.fresh", "PEST"], command=["true"], params=["x"], fresh=True)
    check(["$.work.options", "PEST"], command=["true"], params=["x"], options={"max_run_fail": 1})
    check(["other.pst"], control="model/other.pst")
    check(["max_run_fail"], control="model/case.pst", options={"max_run_fail": "none"})
    case.write("model/model.ins", "pif @\nl1 !y1!\n")
    farm = pest_case(case)
    case.write("model/model.ins", "pif @\nl1 !z1!\n")
    case.write("farm.json", farm)
    done = case.beofarm("check", "farm.json", expect=3)
    assert "model.ins:2" in done.err + done.out, done


@test
def a_changed_control_file_does_not_take_old_sets(case):
    farm = start(case, pest_case(case))
    client = Client(farm.socket, "one")
    client.say(do="submit", id="a", params={})
    client.wait(["a"])
    client.wait_accepted(["a"])
    kill_master(farm)
    text = case.read("model", "case.pst").replace("c fixed", "cc fixed")
    case.write("model/case.pst", text)
    case.write("model/model.tpl", TEMPLATE.replace("~c ~", "~cc~"))
    done = farm.resume("--accept-changes", expect=None)
    assert done.code != 0 and "driver.ledger" in done.out, done


@test
def the_example_finds_what_an_estimation_finds(case):
    farm = pest_case(case, work={"kind": "pest", "options": {"uncertainty": False}})
    case.write("farm.json", farm)
    case.beofarm("run", "-q", "farm.json", expect=0)
    least = float(case.read("model", "case.iobj").splitlines()[-1].split(",")[2])
    farm = start(case, {**pest_case(case), "name": "driven"})
    script = os.path.join(harness.SOURCE, "examples", "optimiser", "calibrate.py")
    done = case.run(sys.executable, script, farm.socket, "--case", expect=0)
    farm.end()
    found = float([line for line in done.out.splitlines() if "least phi" in line][-1]
                  .split("phi ")[1].split(",")[0])
    # Both end where phi is flat to their criteria; 7 digits of alpha are coarser than either.
    assert found < least * 1.001, (found, least, done.out)


if __name__ == "__main__":
    harness.main(globals())
