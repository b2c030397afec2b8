#!/usr/bin/env python3
"""beofarm-shot on OpenCL devices. PoCL's processor stands in for a GPU where something is to be computed
(skipped without one); where GPUs are to be many, or to fail, those of opencl_fake.c do, which compute nothing."""
import array
import atexit
import json
import math
import os
import shutil
import subprocess
import tempfile

import harness
from farms import Farm
from harness import Skip, program, test, test_plainly

N = (61, 41)  # x, z: 20 m apart
SURVEY = {"operation": "model", "model": {"velocity": "v.json"}, "wavelet": {"kind": "ricker", "peak_hz": 7},
          "numerics": {"space_order": 8, "absorbing_points": 14, "free_surface": True},
          "record": {"length_s": 0.5, "interval_ms": 8},
          "geometry": {"sources": {"line": {"start": [300, 50], "step": [200, 0], "count": 2}},
                       "receivers": {"line": {"start": [103, 45], "end": [998, 45], "count": 20}}}}

GRADIENT = {"operation": "gradient", "model": {"velocity": "smooth.json"}, "data": {"paths": ["observed-*.sgy"]},
            "record": None, "geometry": None}  # those are in the data

# PoCL compiles kernels for seconds, and its compiler keeps what LeakSanitizer takes for leaks; kernels are
# compiled once for all of these tests.
CACHE = tempfile.mkdtemp(prefix="beofarm-pocl-")
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)

# Hundreds of steps of rounding in single precision; a wrong coefficient is off by more than 1e-2.
TOLERANCE = 1e-4


def shot(case, path, operation, *words, **environment):
    environment = {"POCL_CACHE_DIR": CACHE, **os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [program("beofarm-shot"), "--survey", path, "--shot", "2", "--operation", operation, *words],
        text=True, cwd=case.folder, env=environment, capture_output=True, timeout=120, check=False)


def write_model(case, name, velocity):
    values = array.array("f", [velocity(x, z) for x in range(N[0]) for z in range(N[1])])
    with open(case.path(name + ".bin"), "wb") as file:
        file.write(values.tobytes())
    case.write(name + ".json", {"data": name + ".bin", "points": list(N), "spacing_m": [20, 20]})


def survey(case, name, device, **changes):
    """A survey file; a change to None leaves a key out."""
    text = {**SURVEY, **changes, "numerics": {**SURVEY["numerics"], "device": device}}
    return case.write(name, {key: value for key, value in text.items() if value is not None})


def prepare(case):
    write_model(case, "v", lambda x, z: 1800 + 15 * z + (300 if z > 20 else 0))
    write_model(case, "smooth", lambda x, z: 1800 + 22 * z)


def need_device(case):
    done = shot(case, survey(case, "try.json", "opencl"), "model", "--output", "try.sgy")
    if done.returncode == 3 and "numerics.device" in done.stderr:
        raise Skip(done.stderr.strip())
    assert done.returncode == 0, done


def floats(case, name):
    with open(case.path(name), "rb") as file:
        return array.array("f", file.read())


def samples(case, name):
    """Of the traces of a SEG-Y file of IEEE floats, big-endian."""
    with open(case.path(name), "rb") as file:
        data = file.read()
    count = int.from_bytes(data[3220:3222], "big")
    values = array.array("f")
    for at in range(3600, len(data), 240 + 4 * count):
        values.frombytes(data[at + 240:at + 240 + 4 * count])
    values.byteswap()
    return values


def apart(one, other):
    assert len(one) == len(other) and any(other)
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other)) / sum(b * b for b in other))


def gradient(case, device, memory=None):
    path = survey(case, "gradient.json", device, **GRADIENT, memory=memory)
    done = shot(case, path, "gradient", "--output", f"{device}.f32")
    assert done.returncode == 0, done
    return json.loads(done.stdout), floats(case, f"{device}.f32")


@test_plainly
def a_gradient_of_the_device_is_that_of_the_processors(case):
    prepare(case)
    need_device(case)
    done = shot(case, survey(case, "model.json", "cpu"), "model", "--output", "observed-2.sgy")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["extra"]["device"] == "processors", done
    here, one = gradient(case, "cpu")
    there, other = gradient(case, "opencl")
    assert "processors" not in there["extra"]["device"], there
    assert abs(there["misfit"] / here["misfit"] - 1) < TOLERANCE, (here, there)
    assert apart(other, one) < TOLERANCE, apart(other, one)
    checkpointed, again = gradient(case, "opencl", {"method": "checkpoints", "budget_gib": 0.002})
    assert "checkpoints" in checkpointed["extra"]["memory"], checkpointed
    assert again == other  # to the bit
    for budget, kept in ((1, "boundary, "), (0.0001, "boundary of ")):  # all at once, and by segments
        said, back = gradient(case, "opencl", {"method": "boundary", "budget_gib": budget})
        assert said["extra"]["memory"].startswith(kept), said
        assert apart(back, one) < TOLERANCE, apart(back, one)


@test_plainly
def histories_that_pass_through_memory_agree_too(case):
    prepare(case)
    need_device(case)
    shot(case, survey(case, "model.json", "cpu"), "model", "--output", "observed-2.sgy")
    for memory in ({"compress": True, "spill": True}, {"method": "fourier", "frequencies_hz": [5, 7, 9]}):
        _, one = gradient(case, "cpu", memory)
        _, other = gradient(case, "opencl", memory)
        assert apart(other, one) < 10 * TOLERANCE, (memory, apart(other, one))


@test_plainly
def scattered_data_of_the_device_are_those_of_the_processors(case):
    prepare(case)
    need_device(case)
    write_model(case, "dm", lambda x, z: 1e-8 if 20 < z < 25 else 0)
    for more in ({}, {"epsilon": 0.2, "delta": 0.1, "theta": 0.4}):
        for device in ("cpu", "opencl"):
            path = survey(case, "born.json", device, operation="born",
                          model={"velocity": "smooth.json", "perturbation": "dm.json", **more})
            done = shot(case, path, "born", "--output", f"{device}.sgy")
            assert done.returncode == 0, done
        assert apart(samples(case, "opencl.sgy"), samples(case, "cpu.sgy")) < TOLERANCE, more


@test
def without_a_gpu_there_is_a_sentence(case):
    prepare(case)
    nothing = {"OCL_ICD_VENDORS": case.path("no-drivers")}
    os.mkdir(nothing["OCL_ICD_VENDORS"])
    done = shot(case, survey(case, "gpu.json", "gpu"), "model", "--output", "d.sgy", **nothing)
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1, done
    assert "numerics.device" in done.stderr and "GPU" in done.stderr, done
    assert not os.path.exists(case.path("d.sgy"))
    done = shot(case, survey(case, "auto.json", "auto"), "model", "--output", "d.sgy", **nothing)
    assert done.returncode == 0 and os.path.exists(case.path("d.sgy")), done
    said = json.loads(done.stdout)["extra"]
    assert said["device"] == "processors" and "OpenCL" in said["device_why"], said


# -- GPUs of opencl_fake.c

def fake(**more):
    """The environment in which they are seen."""
    library = program("tests/e2e/opencl/libOpenCL.so.1")
    return {"LD_LIBRARY_PATH": os.path.dirname(library), **more}


def fake_shot(case, device, operation, output, **more):
    """Its answer's extra, and the misfit."""
    changes = GRADIENT if operation == "gradient" else {}
    done = shot(case, survey(case, "fake.json", device, **changes), operation, "--output", output, **fake(**more))
    assert done.returncode == 0, done
    answer = json.loads(done.stdout)
    return answer["extra"], answer.get("misfit")


@test
def what_a_device_leaves_undone_the_processors_do(case):
    prepare(case)
    fake_shot(case, "cpu", "model", "observed-2.sgy")
    wanted = list(samples(case, "observed-2.sgy"))
    for fail, words in (("EnqueueNDRangeKernel:100:-5", "failed at a step: out of resources (-5)"),
                        ("Finish:2:-36", "invalid command queue (-36)"),
                        ("EnqueueReadBuffer:1:-14", "failed at giving back its arrays"),
                        ("EnqueueNDRangeKernel:50:-9999", "error (-9999)"),
                        ("SetKernelArg:2000:-38:1", "failed at an argument"),
                        ("CreateBuffer:18:-4", "memory cannot be allocated"),
                        ("CreateBuffer:4:-4", "memory cannot be allocated"),
                        ("BuildProgram:1:-11", "kernels cannot be built (-11): it is said so"),
                        ("CreateContext:1:-6", "out of host memory")):
        extra, _ = fake_shot(case, "auto", "model", "d.sgy", FAKE_OPENCL_FAIL=fail)
        assert extra["device"] == "processors" and words in extra["device_why"], (fail, extra)
        assert list(samples(case, "d.sgy")) == wanted, fail
        os.remove(case.path("d.sgy"))


@test
def a_gradient_begun_on_a_device_counts_once(case):
    prepare(case)
    fake_shot(case, "cpu", "model", "observed-2.sgy")
    _, misfit = fake_shot(case, "cpu", "gradient", "here.f32")
    for fail in ("EnqueueNDRangeKernel:900:-5", "EnqueueReadBuffer:3:-5"):
        extra, again = fake_shot(case, "auto", "gradient", "there.f32", FAKE_OPENCL_FAIL=fail)
        assert "failed at" in extra["device_why"], (fail, extra)
        assert again == misfit and floats(case, "there.f32") == floats(case, "here.f32"), fail


@test
def a_device_that_is_wanted_and_fails_is_an_error(case):
    prepare(case)
    path = survey(case, "gpu.json", "gpu")
    done = shot(case, path, "model", "--output", "d.sgy", **fake(FAKE_OPENCL_FAIL="Finish:2:-5"))
    assert done.returncode > 0 and len(done.stderr.splitlines()) == 1, done
    assert "shot 2: the OpenCL device Fake GPU 0 failed at" in done.stderr, done
    assert not os.path.exists(case.path("d.sgy"))


def serve(case, count, **more):
    """The extras of so many tasks of one process."""
    lines = [json.dumps({"task": i + 1, "attempt": 1, "dir": case.folder, "params": {
        "operation": "model", "survey": case.path("auto.json"), "shots": [0], "files": {}, "band_hz": [0, None],
        "memory_bytes": 0, "threads": 1}}) + "\n" for i in range(count)]
    done = subprocess.run([program("beofarm-shot"), "--serve"], input="".join(lines), text=True, capture_output=True,
                          env={**os.environ, **fake(**more)}, timeout=120, check=False)
    assert done.returncode == 0, done
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(answer["ok"] for answer in answers) and len(answers) == count, answers
    return [json.loads(answer["values"]["extra"]) for answer in answers]


@test
def a_check_says_that_this_machine_has_no_gpu(case):
    prepare(case)
    os.mkdir(case.path("no-drivers"))
    nothing = {"OCL_ICD_VENDORS": case.path("no-drivers")}
    farm = case.write("farm.json", {"name": "toy", "work": {"kind": "shots", "survey": "s.json"},
                                    "backend": {"kind": "local", "workers": 1}})
    for device, environment, words in (("gpu", nothing, "OpenCL has no GPU on this machine"),
                                       ("gpu", fake(), ""), ("auto", nothing, ""), ("opencl", fake(), ""),
                                       ("opencl", nothing, "OpenCL has no device on this machine")):
        survey(case, "s.json", device)
        said = case.beofarm("check", farm, expect=0, env=environment).out
        assert words in said if words else "on this machine" not in said, (device, environment, said)
    case.write("farm.json", {**json.loads(case.read("farm.json")), "work": {"kind": "socket", "survey": "s.json"}})
    assert words in case.beofarm("check", farm, expect=0, env=nothing).out


@test
def a_device_that_failed_is_opened_anew_but_not_for_ever(case):
    prepare(case)
    survey(case, "auto.json", "auto")
    for fail in ("EnqueueNDRangeKernel:20:-5", "CreateBuffer:25:-4"):  # the latter for traces
        first, second = serve(case, 2, FAKE_OPENCL_FAIL=fail + ":1")
        assert first["device"] == "processors" and second["device"] == "Fake GPU 0 (Fake)", (first, second)
    extras = serve(case, 4, FAKE_OPENCL_FAIL="EnqueueNDRangeKernel:20:-5")
    assert [extra["device"] for extra in extras] == ["processors"] * 4, extras
    assert "after 3 failures in a row" in extras[3]["device_why"], extras
    assert "in a row" not in extras[2]["device_why"], extras


@test
def slots_take_devices_of_their_own(case):
    prepare(case)
    for wanted, more in ((0, {}), (1, {"BEOFARM_SLOT": "1"}), (2, {"BEOFARM_SLOT": "5"}),
                         (1, {"BEOFARM_SLOT": "0", "BEOFARM_SHARE": "2/2"}),
                         (2, {"BEOFARM_SLOT": "1", "BEOFARM_SHARE": "1/2"}),
                         (2, {"BEOFARM_SLOT": "1", "CUDA_VISIBLE_DEVICES": "2"}),
                         (0, {"BEOFARM_SLOT": "1", "CUDA_VISIBLE_DEVICES": "2,0"})):
        extra, _ = fake_shot(case, "gpu", "model", "d.sgy", FAKE_OPENCL_DEVICES="3", **more)
        assert extra["device"].startswith(f"Fake GPU {wanted} (Fake)"), (more, extra)
    assert extra["device"].endswith("(Fake), 2 of 2"), extra
    extra, _ = fake_shot(case, "auto", "model", "d.sgy", CUDA_VISIBLE_DEVICES="")
    assert extra["device"] == "processors" and "no GPU" in extra["device_why"], extra


@test
def a_node_says_whether_shots_can_use_its_gpus(case):
    os.mkdir(case.path("no-drivers"))
    machine = {"HWLOC_XMLFILE": os.path.join(harness.SOURCE, "tests/worker/topologies/gpus-nvidia.xml"),
               "HWLOC_THISSYSTEM": "1"}
    none = case.run(program("beofarm-worker"), "--topology", expect=0,
                    env={**machine, "OCL_ICD_VENDORS": case.path("no-drivers")})
    assert "shots cannot use GPUs here: " in none.out, none
    some = case.run(program("beofarm-worker"), "--topology", expect=0, env={**machine, **fake()})
    assert "Fake GPU 0 of Fake" in some.out and "cannot" not in some.out, some


# -- on a farm

def farm(case, name, device, shots, expect=0, work=None, limits=None, env=None, **more):
    """Runs the survey on a farm of one worker; returns it, what was said, and the rows' extras."""
    geometry = {**SURVEY["geometry"], "sources": {"line": {"start": [300, 50], "step": [80, 0], "count": shots}}}
    survey(case, name + ".json", device, **{"batch": {"shots": 1}, "geometry": geometry, **more})
    made = Farm(case, {"name": name, "backend": {"kind": "local", "workers": 1}, "transport": "tcp", "port": 0,
                       "worker": {"slots": 2, "pin": False, **(work or {})},
                       "limits": {"task_timeout_s": 120, "attempts": 2, **(limits or {})},
                       "work": {"kind": "shots", "survey": name + ".json"}}, name=name + "-farm.json")
    done = made.run(expect=expect, env={"POCL_CACHE_DIR": CACHE, "OMP_NUM_THREADS": "1", **(env or {})})
    extras = [json.loads(row["extra"]) for row in made.rows() if row["extra"]]
    return made, done, extras


@test_plainly
def a_farm_computes_on_devices_what_it_does_on_processors(case):
    prepare(case)
    need_device(case)
    two = {"POCL_DEVICES": "pthread pthread"}
    farm(case, "here", "cpu", 4)
    _, _, extras = farm(case, "there", "opencl", 4, env=two)
    assert all(extra["device"].endswith(" of 2") for extra in extras), extras
    assert apart(samples(case, "there.data.segy"), samples(case, "here.data.segy")) < TOLERANCE
    more = {**GRADIENT, "data": "here.data.segy"}
    farm(case, "one", "cpu", 4, **more)
    farm(case, "other", "opencl", 4, env=two, **more)
    assert apart(floats(case, "other.gradient.bin"), floats(case, "one.gradient.bin")) < TOLERANCE


@test
def each_slot_of_a_farm_has_a_gpu_of_its_own(case):
    prepare(case)
    # Slots' programs begin to compute when all are there, so that each gets one shot.
    case.write("together.sh", f"""echo >"{case.folder}/began-$BEOFARM_SLOT"
until test $(ls "{case.folder}"/began-* | wc -l) = 3; do sleep 0.05; done
exec "{program('beofarm-shot')}" --serve
""")
    machine = os.path.join(harness.SOURCE, "tests/worker/topologies/gpus-nvidia.xml")
    env = fake(FAKE_OPENCL_DEVICES="3", HWLOC_XMLFILE=machine)
    _, _, extras = farm(case, "gpus", "gpu", 3, work={"gpus": "each", "slots": "auto"}, env=env,
                        program=["sh", "./together.sh"])
    devices = sorted(extra["device"] for extra in extras)
    assert devices == [f"Fake GPU {i} (Fake)" for i in range(3)], devices
    # A survey that wants GPUs has a slot for each, if nothing else is said.
    for device, slots in (("auto", 3), ("cpu", 8)):
        made, _, _ = farm(case, device, device, 3, work={"slots": "auto", "threads_per_slot": 1} if slots == 8 else
                          {"slots": "auto"}, env=env)
        assert made.events("progress")[-1]["slots"] == slots, made.events("progress")


@test
def a_farm_goes_on_where_gpus_fail_or_are_none(case):
    prepare(case)
    farm(case, "here", "cpu", 4)
    for name, more, words in (("fails", {"FAKE_OPENCL_FAIL": "EnqueueNDRangeKernel:100:-5"}, "failed at a step"),
                              ("none", {"FAKE_OPENCL_DEVICES": "0"}, "no GPU that OpenCL knows")):
        made, _, extras = farm(case, name, "auto", 4, env=fake(**more))
        assert [extra["device"] for extra in extras] == ["processors"] * 4, extras
        assert list(samples(case, name + ".data.segy")) == list(samples(case, "here.data.segy")), name
        notices = [event["sentence"] for event in made.events("notice")]
        assert sum("by processors in place of a GPU" in text and words in text for text in notices) >= 1, notices
    # A driver that ends its process: twice, and the third one does without it.
    _, _, extras = farm(case, "dies", "auto", 4, work={"slots": 1}, limits={"attempts": 3},
                        env=fake(FAKE_OPENCL_FAIL="EnqueueNDRangeKernel:100:0"))
    assert ["2 processes" in extra["device_why"] for extra in extras] == [True] * 4, extras
    _, done, _ = farm(case, "wanted", "gpu", 2, expect=None, env=fake(FAKE_OPENCL_DEVICES="0"))
    assert done.code != 0 and "a GPU is wanted" in done.out + done.err, done


if __name__ == "__main__":
    harness.main(globals())
