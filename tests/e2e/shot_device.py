#!/usr/bin/env python3
"""beofarm-shot on OpenCL devices: PoCL's processor stands in for a GPU. Skipped without one."""
import array
import atexit
import json
import math
import os
import shutil
import subprocess
import tempfile

import harness
from harness import Skip, program, test, test_plainly

N = (61, 41)  # x, z: 20 m apart
SURVEY = {"operation": "model", "model": {"velocity": "v.json"}, "wavelet": {"kind": "ricker", "peak_hz": 7},
          "numerics": {"space_order": 8, "absorbing_points": 14, "free_surface": True},
          "record": {"length_s": 0.5, "interval_ms": 8},
          "geometry": {"sources": {"line": {"start": [300, 50], "step": [200, 0], "count": 2}},
                       "receivers": {"line": {"start": [103, 45], "end": [998, 45], "count": 20}}}}

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
    return case.write(name, {**SURVEY, **changes, "numerics": {**SURVEY["numerics"], "device": device}})


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
    changes = {"operation": "gradient", "model": {"velocity": "smooth.json"},
               "data": {"paths": ["observed-*.sgy"]}}
    changes = {**changes, **({"memory": memory} if memory else {})}
    path = survey(case, "gradient.json", device, **changes)
    text = json.loads(open(path).read())
    del text["geometry"], text["record"]
    done = shot(case, case.write("gradient.json", text), "gradient", "--output", f"{device}.f32")
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
    _, back = gradient(case, "opencl", {"method": "boundary"})
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
    for device in ("cpu", "opencl"):
        path = survey(case, "born.json", device, operation="born",
                      model={"velocity": "smooth.json", "perturbation": "dm.json"})
        done = shot(case, path, "born", "--output", f"{device}.sgy")
        assert done.returncode == 0, done
    assert apart(samples(case, "opencl.sgy"), samples(case, "cpu.sgy")) < TOLERANCE


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
    said = json.loads(done.stdout)["extra"]["device"]
    assert said.startswith("processors (") and "OpenCL" in said, said


if __name__ == "__main__":
    harness.main(globals())
