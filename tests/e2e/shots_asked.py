#!/usr/bin/env python3
"""Operations on a survey that clients of a socket ask for: what they get, what they may do wrong, and
what may die meanwhile. The shot program is the stand-in of shot_program.py, but where it says so."""
import array
import json
import os
import shutil
import signal
import subprocess
import sys

import harness
import shot_program
import surveys
from clients import Client, kill_master, start
from farms import kill
from harness import test, test_plainly, wait_until

SHOTS, POINTS = 6, surveys.POINTS
ZERO = "$.data: of shot %d and %d more, all observed samples are zero: there is nothing to explain"


def asked(case, env=None, work=None, survey=None, count=SHOTS, **limits):
    """A farm of the toy survey with a socket; returns it and the log of the program."""
    farm, log = surveys.lay(case, "gradient", shots=count, env=env, **(survey or {}))
    content = json.loads(case.read("farm.json"))
    content["work"] = {**content["work"], "kind": "socket", **(work or {})}
    content["limits"].update(limits)
    case.write("farm.json", content)
    return content, log


def model(case, name, value):
    """A model that has this velocity everywhere; its path."""
    with open(case.path(name + ".bin"), "wb") as file:
        array.array("f", [value] * POINTS).tofile(file)
    return case.write(name + ".json", {"data": name + ".bin", "points": [surveys.NX, surveys.NZ],
                                       "spacing_m": [20, 20], "origin_m": [0, 0]})


def floats(path):
    """The values of a raw file, by its header."""
    with open(path, encoding="utf-8") as file:
        header = json.load(file)
    values = array.array("f")
    with open(os.path.join(os.path.dirname(path), header["data"]), "rb") as file:
        values.frombytes(file.read())
    return values


def expected(value, shot_list):
    """Misfits and the gradient of the toy program."""
    misfits, gradient = [], [0.0] * POINTS
    for shot in shot_list:
        scales = [(shot_program.weight(shot, i) * 1e-3) ** 2 for i in range(POINTS)]
        misfits.append(0.5 * (value - shot_program.TRUTH) ** 2 * sum(scales))
        gradient = [g + s * (value - shot_program.TRUTH) for g, s in zip(gradient, scales)]
    return misfits, gradient


def is_near(a, b, relative=1e-6):
    """To the rounding of floats."""
    return abs(a - b) <= relative * max(abs(a), abs(b)) + 1e-12


def check_gradient(result, value, shot_list):
    misfits, gradient = expected(value, shot_list)
    assert result["status"] == "ok", result
    assert [s["shot"] for s in result["shots"]] == list(shot_list), result
    assert all(is_near(s["misfit"], m) for s, m in zip(result["shots"], misfits)), result
    assert is_near(result["values"]["misfit"], sum(misfits)), result
    assert all(is_near(a, b) for a, b in zip(floats(result["files"]["gradient"]), gradient))


@test
def operations_are_done_as_they_are_asked_for(case):
    content, _ = asked(case)
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    assert client.hello["survey"] == "survey.json" and "operation" in client.hello["params"]
    client.say(do="case")
    told = client.event("case")
    assert told["grid"] == {"points": [30, 20], "spacing_m": [20, 20], "origin_m": [0, 0]}, told
    assert told["shots"] == [str(i + 1) for i in range(SHOTS)], told
    slow, fast = model(case, "slow", 1900), model(case, "fast", 2400)
    client.say(do="submit", id="g1", params={"operation": "gradient", "velocity": slow})
    client.say(do="submit", id="m1", params={"operation": "misfit", "velocity": fast})
    client.say(do="submit", id="g2", params={"operation": "gradient", "velocity": fast,
                                             "shots": [1, 4]})
    client.say(do="submit", id="d", params={"operation": "model", "velocity": fast})
    client.say(do="submit", id="i", params={"operation": "rtm", "illumination": True})
    g1, m1, g2, d, i = client.wait(["g1", "m1", "g2", "d", "i"])
    check_gradient(g1, 1900, range(SHOTS))
    check_gradient(g2, 2400, [1, 4])
    assert is_near(m1["values"]["misfit"], sum(expected(2400, range(SHOTS))[0])), m1
    assert "files" not in m1, m1
    with open(d["files"]["data"], "rb") as file:
        assert len(file.read()) == 3600 + SHOTS * 3 * 280
    assert set(i["files"]) == {"image", "illumination"} and "values" not in i, i
    assert client.finish()["finished"]
    farm.end()
    assert not [f for _, _, files in os.walk(farm.run_dir) for f in files if f == "sum.bfs"]


REFUSED = [
    ({}, "params.operation"),
    ({"operation": "migrate"}, "\"migrate\""),
    ({"operation": "gradient", "velocty": "/v.json"}, "did you mean \"velocity\"?"),
    ({"operation": "gradient", "velocity": "v.json"}, "absolute"),
    ({"operation": "gradient", "velocity": {"file": "/v"}}, "absolute"),
    ({"operation": "gradient", "shots": []}, "params.shots"),
    ({"operation": "gradient", "shots": [2, 1]}, "rising"),
    ({"operation": "gradient", "shots": [SHOTS]}, "from 0 to 5"),
    ({"operation": "gradient", "shots": ["1"]}, "params.shots"),
    ({"operation": "gradient", "band_hz": [5, 2]}, "params.band_hz"),
    ({"operation": "gradient", "band_hz": 5}, "params.band_hz"),
    ({"operation": "gradient", "band_hz": [125, None]}, "every 4 ms, which hold up to 125 Hz"),
    ({"operation": "gradient", "illumination": 1}, "params.illumination"),
    ({"operation": "misfit", "illumination": True}, "no effect"),
    ({"operation": "gradient", "perturbation": "/p.json"}, "no effect"),
    ({"operation": "born"}, "params.perturbation"),
    ([1], "must be an object"),
]


@test
def what_is_asked_wrongly_gets_a_sentence(case):
    content, log = asked(case)
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    for params, words in REFUSED:
        client.say(do="submit", id="r", params=params)
        sentence = client.event("error")["sentence"]
        assert words in sentence, (params, sentence)
    bad = {"nan": float("nan"), "negative": -1.0, "vacuum": 0.0}
    sets = [{"id": name, "params": {"operation": "gradient", "velocity": model(case, name, value)}}
            for name, value in bad.items()]
    sets.append({"id": "gone", "params": {"operation": "gradient", "velocity": "/no/such.json"}})
    other = json.loads(case.read("nan.json"))
    case.write("other.json", {**other, "spacing_m": [10, 20]})
    sets.append({"id": "grid", "params": {"operation": "gradient",
                                          "velocity": case.path("other.json")}})
    client.say(do="submit", sets=sets)
    words = {"nan": "nan", "negative": "-1", "vacuum": "plausible", "gone": "/no/such.json",
             "grid": "the model has a spacing of (10, 20) m where the survey has (20, 20) m"}
    for result in client.wait(list(words)):
        assert result["status"] == "no-start", result
        assert words[result["id"]] in result["sentence"], result
    assert not surveys.lines(log)
    client.say(do="submit", id="good", params={"operation": "misfit",
                                               "velocity": model(case, "good", 2000)})
    assert client.wait(["good"])[0]["status"] == "ok"
    client.finish()
    farm.end()


@test
def the_time_step_of_a_bounded_survey_holds_for_all_models(case):
    content, log = asked(case, survey={"inversion": {"max_velocity_m_s": 3000}})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    client.say(do="submit", sets=[
        {"id": speed, "params": {"operation": "misfit", "velocity": model(case, f"v{speed}", speed)}}
        for speed in (2500, 4000)])
    good, bad = client.wait([2500, 4000])
    assert good["status"] == "ok" and bad["status"] == "no-start", (good, bad)
    assert "4000 m/s" in bad["sentence"] and "max_velocity_m_s" in bad["sentence"], bad
    client.finish()
    farm.end()


@test
def shots_that_fail_are_named_to_who_asked(case):
    content, _ = asked(case, env={"SHOT_BAD": "4"}, attempts=1)
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    path = model(case, "v", 2000)
    client.say(do="submit", id="all", params={"operation": "gradient", "velocity": path})
    client.say(do="submit", id="some", params={"operation": "gradient", "velocity": path,
                                               "shots": [0, 3]})
    client.say(do="submit", id="none", params={"operation": "gradient", "velocity": path,
                                               "shots": [4]})
    every, some, none = client.wait(["all", "some", "none"])
    assert every["status"] == "no-value" and "1 of 6 shots" in every["sentence"], every
    assert "bad one" in every["left_out"][0]["why"] and every["left_out"][0]["name"] == "5", every
    assert [s["shot"] for s in every["shots"]] == [0, 1, 2, 3, 5] and every["files"], every
    check_gradient(some, 2000, [0, 3])
    assert none["status"] == "no-value" and "files" not in none, none
    client.finish()
    farm.end()


@test
def data_that_turn_out_to_be_zero_are_refused_to_who_asked(case):
    content, _ = asked(case, env={"SHOT_SILENT": "all"})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    observing = ["rtm", "gradient", "misfit"]
    client.say(do="submit", sets=[{"id": name, "params": {"operation": name}} for name in observing])
    for result in client.wait(observing):
        assert result["status"] == "no-value" and "files" not in result and "values" not in result, result
        assert result["sentence"] == ZERO % (1, SHOTS - 1), result
    client.say(do="submit", id="some", params={"operation": "gradient", "shots": [0, 3]})
    client.say(do="submit", id="data", params={"operation": "model"})
    some, data = client.wait(["some", "data"])  # what some shots have says nothing of the others
    assert some["status"] == "ok" and some["files"] and data["status"] == "ok", (some, data)
    client.finish()
    farm.end()


@test
def what_is_cancelled_ends_at_once(case):
    content, log = asked(case, env={"SHOT_HOLD": case.write("hold", "1\n")})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    path = model(case, "v", 2000)
    for name in ("runs", "waits", "stays"):
        client.say(do="submit", id=name, params={"operation": "gradient", "velocity": path})
    wait_until(lambda: len(surveys.lines(log)) >= 2, "shots are computed")
    client.say(do="cancel", id="waits")
    client.say(do="cancel", id="runs")
    assert client.event("cancelled")["count"] == 1 and client.event("cancelled")["count"] == 1
    assert [r["status"] for r in client.wait(["waits", "runs"])] == ["cancelled"] * 2
    os.remove(case.path("hold"))
    check_gradient(client.wait(["stays"])[0], 2000, range(SHOTS))
    client.finish()
    farm.end()
    rows = [row["status"] for row in farm.rows()]
    end, = farm.events("end")
    assert end["cancelled"] == rows.count("cancelled") > 0 and end["done"] == rows.count("ok"), (end, rows)
    said = case.beofarm("status", farm.run_dir, expect=0).out
    assert f"{end['done']} done, {end['cancelled']} cancelled" in said, said
    said = json.loads(case.beofarm("status", "--json", farm.run_dir, expect=0).out)
    assert (said["done"], said["cancelled"]) == (end["done"], end["cancelled"]), said


@test
def sums_of_what_was_cancelled_are_not_fetched_when_the_farm_is_stopped(case):
    content, _ = asked(case, env={"SHOT_HOLD": case.write("hold", "1\n")})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    client.say(do="submit", id="runs",
               params={"operation": "gradient", "velocity": model(case, "v", 2000)})
    farm.wait_event("progress", done=2)
    client.say(do="cancel", id="runs")
    client.wait(["runs"])
    farm.process.send_signal(signal.SIGINT)
    farm.end(expect=130)
    assert "lost" not in farm.events("end")[0], farm.events("end")
    rows = [row["operation"] for row in farm.rows()]
    assert rows == ["gradient"] * SHOTS, rows


@test
def a_killed_master_is_resumed_where_it_was(case):
    content, log = asked(case, env={"SHOT_HOLD": case.write("hold", "2\n")})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    paths = {value: model(case, f"v{value}", value) for value in (1900, 2000, 2200)}
    client.say(do="submit", id="first", params={"operation": "misfit", "velocity": paths[1900],
                                                "shots": [0, 1]})
    client.wait(["first"])
    for value in (2000, 2200):
        client.say(do="submit", id=value, params={"operation": "gradient",
                                                  "velocity": paths[value]})
    client.wait_accepted([2000, 2200])
    wait_until(lambda: farm.try_read("results.csv").count("\n") >= 1 + 5,
               "what the second operation's first shots gave is durable")
    kill_master(farm)
    client.close()
    os.remove(paths[2000])  # its content was put into the store
    os.remove(case.path("hold"))
    farm.start("--resume")
    client = Client(farm.socket, "mine", since=0)
    second, third = client.wait([2000, 2200])
    assert client.results["first"]["status"] == "ok"
    check_gradient(second, 2000, range(SHOTS))
    check_gradient(third, 2200, range(SHOTS))
    client.finish()
    farm.end()
    # What was durable before the death of the master was not computed again.
    done = [line.split()[:3] for line in surveys.lines(log)]
    assert len(done) == len({tuple(line) for line in done}), done


@test
def masters_killed_again_and_again_answer_every_question_once(case):
    content, log = asked(case, env={"SHOT_S": "0.01"})
    farm = start(case, content)
    values = [1800 + 40 * k for k in range(12)]
    client = Client(farm.socket, "mine")
    client.say(do="submit", sets=[{"id": v, "params": {"operation": "gradient",
                                                       "velocity": model(case, f"v{v}", v)}}
                                  for v in values])
    client.wait_accepted(values)
    client.close()
    for generation in range(1, 4):
        target = 17 * generation
        wait_until(lambda: len(surveys.lines(log)) > target, "it goes on")
        farm.kill("master" if generation == 1 else f"master-{generation}")
        farm.end(expect=7)
        farm.start("--resume")
    client = Client(farm.socket, "mine", since=0)
    for value, result in zip(values, client.wait(values)):
        check_gradient(result, value, range(SHOTS))
    assert sorted(set(client.seqs)) == list(range(1, len(values) + 1)), client.seqs
    client.finish()
    farm.end()


@test
def a_killed_worker_changes_nothing(case):
    content, log = asked(case, env={"SHOT_HOLD": case.write("hold", "3\n"), "SHOT_S": "0.02"})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    client.say(do="submit", id="g", params={"operation": "gradient",
                                            "velocity": model(case, "v", 2000)})
    wait_until(lambda: len(surveys.lines(log)) >= 3, "half of the shots are there")
    kill(farm.pid("worker-1"))
    farm.wait_workers("lost", 1)
    os.remove(case.path("hold"))
    check_gradient(client.wait(["g"])[0], 2000, range(SHOTS))
    client.finish()
    farm.end()


@test
def what_the_limit_of_tasks_leaves_is_done_by_a_resumed_run(case):
    content, _ = asked(case, tasks=9)
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    path = model(case, "v", 2000)
    for name in ("first", "second", "third"):
        client.say(do="submit", id=name, params={"operation": "gradient", "velocity": path})
    check_gradient(client.wait(["first"])[0], 2000, range(SHOTS))
    left = client.event("left")
    assert set(left["ids"]) == {"second", "third"} and "9 tasks" in left["sentence"], left
    assert not client.event("end")["finished"]
    farm.end(expect=None)
    client.close()
    farm.start("--resume", "--limit", "100", "--accept-changes")
    client = Client(farm.socket, "mine", since=1)
    for result in client.wait(["second", "third"]):
        check_gradient(result, 2000, range(SHOTS))
    client.finish()
    farm.end()


@test
def a_survey_farm_takes_clients_where_that_is_told(case):
    farm, _ = surveys.lay(case, "fwi", shots=2)
    farm.start("--driver-socket", case.path("mine.sock"))
    client = Client(case.path("mine.sock"), "mine")
    client.say(do="submit", id="g", params={"operation": "gradient",
                                            "velocity": model(case, "v", 2000)})
    check_gradient(client.wait(["g"])[0], 2000, range(2))
    client.finish()
    farm.end()


@test
def keys_of_a_survey_go_with_a_survey_alone(case):
    content, _ = asked(case)
    for more, words in (({"command": ["./m"], "params": ["x"]}, "\"survey\""),
                        ({"control": "case.pst"}, "\"control\""),
                        ({"operation": "gradient"}, "unknown key")):
        case.write("farm.json", {**content, "work": {**content["work"], **more}})
        done = case.beofarm("check", case.path("farm.json"), expect=3)
        assert words in done.err + done.out, done
    work = {"kind": "socket", "command": ["./m"], "params": ["x"], "skip_ratio": 0.1}
    case.write("farm.json", {**content, "work": work})
    assert "skip_ratio" in case.beofarm("check", case.path("farm.json"), expect=3).err


# --- with beofarm-shot itself


@test
def gradients_of_real_shots_pass_a_taylor_test(case):
    """The socket's numbers are those of F: f(m + h dm) - f(m) - h <g, dm> falls as h squared."""
    surveys.observe(case)
    content = {"name": "real", "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
               "port": 0, "worker": {"slots": 1, "pin": False},
               "work": {"kind": "socket", "survey": "asked.json"}}
    # A constant starting model, whose grid no file says.
    case.write("asked.json", {
        "wavelet": {"kind": "ricker", "peak_hz": 15}, "data": "observed.data.segy",
        "model": {"velocity": 1850, "grid": {"points": [surveys.REAL_NX, surveys.REAL_NZ],
                                             "spacing_m": [10, 10]}},
        "inversion": {"max_velocity_m_s": 2400}})
    farm = start(case, content)
    client = Client(farm.socket, "mine")
    start_model = surveys.floats(case, "start.bin")
    truth = surveys.floats(case, "true.bin")
    change = [t - s for s, t in zip(start_model, truth)]
    header = json.loads(case.read("start.json"))

    def lay(name, h):
        with open(case.path(name + ".bin"), "wb") as file:
            array.array("f", [s + h * d for s, d in zip(start_model, change)]).tofile(file)
        return case.write(name + ".json", {**header, "data": name + ".bin"})

    steps = [0.2, 0.1, 0.05]
    client.say(do="submit", id="g", params={"operation": "gradient", "velocity": lay("m", 0)})
    client.say(do="submit", sets=[{"id": str(h), "params": {"operation": "misfit",
                                                            "velocity": lay(f"m{k}", h)}}
                                  for k, h in enumerate(steps)])
    g = client.wait(["g"])[0]
    slope = sum(a * b for a, b in zip(floats(g["files"]["gradient"]), change))
    rest = [r["values"]["misfit"] - g["values"]["misfit"] - h * slope
            for h, r in zip(steps, client.wait([str(h) for h in steps]))]
    # Halving h quarters what is left; third order in h is some percent of it at h = 0.2.
    assert all(3.4 < a / b < 4.6 for a, b in zip(rest, rest[1:])), rest
    client.say(do="submit", id="b", params={"operation": "born", "perturbation": 1e-9})
    assert os.path.getsize(client.wait(["b"])[0]["files"]["data"]) == \
        os.path.getsize(case.path("observed.data.segy"))
    client.finish()
    farm.end()


@test
def zero_data_are_refused_before_anything_is_computed(case):
    surveys.observe(case)
    surveys.blank(case, "observed.data.segy", "zero.segy")
    case.write("asked.json", {"wavelet": {"kind": "ricker", "peak_hz": 15}, "data": "zero.segy",
                              "model": {"velocity": "start.json"}})
    farm = start(case, {"name": "real", "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
                        "port": 0, "worker": {"slots": 1, "pin": False},
                        "work": {"kind": "socket", "survey": "asked.json"}})
    client = Client(farm.socket, "mine")
    client.say(do="submit", id="all", params={"operation": "rtm"})
    client.say(do="submit", id="one", params={"operation": "gradient", "shots": [2]})
    client.say(do="submit", id="b", params={"operation": "born", "perturbation": 1e-9})
    every, one, born = client.wait(["all", "one", "b"])
    for result in (every, one):
        assert result["status"] == "no-start" and "files" not in result, result
        assert result["sentence"] == ZERO % (1, surveys.REAL_SHOTS - 1), result
    assert born["status"] == "ok" and born["files"], born
    client.finish()
    farm.end()


@test
def names_and_ways_of_files_do_not_matter(case):
    """A survey whose own model is called as those of tasks are, and data that travel shot by shot."""
    surveys.observe(case)
    surveys.real_model(case, "velocity", 0)
    results = []
    for number, data in enumerate(("whole", "shots")):
        case.write("asked.json", {"wavelet": {"kind": "ricker", "peak_hz": 15},
                                  "data": "observed.data.segy",
                                  "model": {"velocity": "velocity.json"},
                                  "inversion": {"max_velocity_m_s": 2400}})
        farm = start(case, {"name": f"real{number}", "backend": {"kind": "local", "workers": 2},
                            "transport": "tcp", "port": 0, "worker": {"slots": 1, "pin": False},
                            "work": {"kind": "socket", "survey": "asked.json", "data": data,
                                     "sum": "exact"}})
        client = Client(farm.socket, "mine")
        client.say(do="submit", id="own", params={"operation": "gradient", "illumination": True})
        client.say(do="submit", id="true", params={"operation": "misfit",
                                                   "velocity": case.path("true.json")})
        own, true = client.wait(["own", "true"])
        assert own["status"] == true["status"] == "ok", (own, true)
        # The data were computed with a longer time step: some percent of their difference.
        assert true["values"]["misfit"] < 0.01 * own["values"]["misfit"], (own, true)
        results.append((own["values"]["misfit"], floats(own["files"]["gradient"]),
                        min(floats(own["files"]["illumination"]))))
        client.finish()
        farm.end()
    (one, g, light), (other, h, _) = results
    # The same traces in files of their own: the last digit of the time step.
    assert is_near(one, other, 1e-4) and light >= 0, (one, other)
    largest = max(map(abs, g))
    assert all(abs(a - b) < 1e-4 * largest for a, b in zip(g, h))


@test_plainly
def the_optimiser_of_the_examples_finds_the_lens(case):
    harness.program("beofarm-shot")
    source = os.path.join(harness.SOURCE, "examples/seismic/optimiser")
    for name in os.listdir(source):
        shutil.copy(os.path.join(source, name), case.path(name))
    subprocess.run([sys.executable, "lens.py"], cwd=case.path("."), check=True, timeout=200)
    case.beofarm("run", "-q", case.path("farm-observed.json"), cwd=case.path("."))
    content = json.loads(case.read("farm.json"))
    farm = start(case, {**content, "transport": "tcp", "port": 0})
    done = subprocess.run([sys.executable, "invert.py", farm.socket], cwd=case.path("."), text=True,
                          capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done
    farm.end()
    shares = [float(line.split()[2]) for line in done.stdout.splitlines()]
    # Steepest descent comes to 0.6 % in its twelve evaluations; other optimisers take other ways.
    assert shares[0] == 100 and min(shares) < 5, shares
    found, first = (surveys.floats(case, name) for name in ("found.bin", "start.bin"))
    change = [f - s for f, s in zip(found, first)]
    lens = [c for i, c in enumerate(change)
            if (i // 31 - 20) ** 2 + (i % 31 - 15) ** 2 < 36]
    assert sum(lens) / len(lens) > 10 + sum(change) / len(change), sum(lens) / len(lens)


if __name__ == "__main__":
    harness.main(globals())
