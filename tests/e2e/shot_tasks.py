#!/usr/bin/env python3
"""How a survey becomes tasks: longest first, by what shots took; as much memory as they need; the model
once for each worker."""
import json
import os

import harness
import surveys
from farms import Farm
from harness import test, test_plainly

# The stand-in program; a shot takes what SECONDS says, and where its model lies is noted.
PROGRAM = """
import json, os, shot_program
inner = shot_program.compute
def compute(line):
    answer = inner(line)
    asked = line["params"]
    answer["values"]["seconds"] = sum(SECONDS[shot] for shot in asked["shots"])
    for path in asked["files"].values():
        if path.endswith((".bin", ".f32")):
            with open(NOTES, "a", encoding="utf-8") as notes:
                notes.write(json.dumps([line["dir"], path, os.stat(os.path.join(line["dir"], path)).st_ino]) + "\\n")
    return answer
shot_program.compute = compute
shot_program.main()
"""


def toy(case, seconds, workers, env=None, **inversion):
    """An inversion by that program; returns the farm and the log of its shots."""
    farm, log = surveys.lay(case, "fwi", shots=len(seconds), worker={"slots": 1}, env=env,
                          inversion={"iterations": 2, "min_velocity_m_s": 1500,
                                     "max_velocity_m_s": 3000, **inversion})
    text = PROGRAM.replace("SECONDS", repr(seconds)).replace("NOTES", repr(case.path("notes")))
    case.write("slow.py", text)
    content = json.loads(case.read("survey.json"))
    content["program"] = [content["program"][0], "./slow.py"]
    case.write("survey.json", content)
    made = json.loads(case.read("farm.json"))
    made["backend"]["workers"] = workers
    made["files"] = ["shot_program.py"]
    return Farm(case, made), log


@test
def what_shots_took_says_which_goes_first(case):
    seconds = [0.2, 0.9, 0.1, 0.5, 0.7, 0.3]
    farm, log = toy(case, seconds, 1)
    farm.run()
    order = [int(line.split()[1]) for line in surveys.lines(log)]
    waves = [order[i:i + len(seconds)] for i in range(0, len(order), len(seconds))]
    longest = sorted(range(len(seconds)), key=lambda shot: -seconds[shot])
    assert len(waves) >= 3 and all(sorted(wave) == sorted(longest) for wave in waves), waves
    # Nothing is known of them at first but that they are of one size.
    assert waves[0] != longest and all(wave == longest for wave in waves[1:]), waves


@test
def a_model_goes_to_each_worker_once(case):
    hold = case.write("hold", "-1\n")
    farm, log = toy(case, [0.1] * 12, 2, env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    farm.start()
    farm.wait_workers("joined", 2)  # else one may do it all while the other starts
    os.remove(hold)
    farm.end()
    with open(case.path("notes"), encoding="utf-8") as file:
        notes = [json.loads(line) for line in file]
    seen = {}
    for folder, path, inode in notes:
        worker = folder.partition("/tasks/")[2].split("/")[0]
        seen.setdefault((worker, path.rpartition("/")[2]), []).append((path, inode))
    assert {worker for worker, _ in seen} == {"worker-1", "worker-2"}, seen.keys()
    waves = len(surveys.lines(log)) // 12
    assert waves >= 3, waves
    for key, places in seen.items():  # the tasks of a wave find one file, at one place
        assert len(set(places)) <= waves, (key, places)
    assert max(map(len, seen.values())) > waves, seen


def wide(case, name, operation, **more):
    """Shots whose receivers are the farther the higher their number."""
    reach = [[[100 + 30 * i, 20] for i in range(2 + 2 * shot)] for shot in range(5)]
    content = {"operation": operation, "sum": "exact", "batch": {"shots": 1},
               "model": {"velocity": 1800, "grid": {"points": [401, 161], "spacing_m": [5, 5]}},
               "wavelet": {"kind": "ricker", "peak_hz": 12}, "record": {"length_s": 0.4},
               "geometry": {"sources": {"points": [[100, 20]] * 5}, "receivers": {"points": reach}},
               **more}
    case.write(name + ".json", {key: value for key, value in content.items() if value is not None})
    farm = Farm(case, {"name": name, "backend": {"kind": "local", "workers": 1}, "transport": "tcp",
                       "port": 0, "worker": {"slots": 1, "pin": False},
                       "work": {"kind": "shots", "survey": name + ".json"}}, name=name + "-farm.json")
    farm.run()
    rows = [row for row in farm.rows() if row["operation"] != "collect"]
    # One process computes them all, and keeps what the largest took; 6 MB are the program itself.
    given = max(int(row["memory_bytes"]) for row in rows) + 6e6
    assert all(0 < int(row["peak_bytes"]) <= given for row in rows), rows
    return rows


@test_plainly
def shots_of_wide_apertures_go_first_and_all_have_the_memory_they_were_given(case):
    harness.program("beofarm-shot")
    cut = {"aperture": {"limit_m": True, "buffer_m": 20}}
    rows = sorted(wide(case, "cut", "model", **cut), key=lambda row: int(row["task"]))
    assert [row["shots"] for row in rows] == ["4", "3", "2", "1", "0"], rows
    needed = [int(row["memory_bytes"]) for row in rows]
    assert needed == sorted(needed, reverse=True) and needed[0] > needed[-1], needed
    uncut = wide(case, "uncut", "model")
    assert max(needed) < min(int(row["memory_bytes"]) for row in uncut)
    data = {"geometry": None, "record": None, "data": {"paths": ["cut.data.segy"], "shots": [1, 5]}}
    for name, operation, memory in (("full", "gradient", {"method": "full"}),
                                    ("few", "rtm", {"method": "checkpoints", "budget_gib": 0.02}),
                                    ("edge", "gradient", {"method": "boundary"}),
                                    ("part", "gradient", {"method": "boundary", "budget_gib": 0.002}),
                                    ("lines", "rtm", {"method": "fourier", "frequencies_hz": [8, 12]})):
        wide(case, name, operation, memory=memory, **data)


if __name__ == "__main__":
    harness.main(globals())
