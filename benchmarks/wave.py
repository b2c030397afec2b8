"""Waves: Gpoints/s per physics, order and size, beside a leap-frog stream; peers where installed.

The stream moves what an in-place propagator must at least, 16 bytes a point and step, and is the limit
of one that takes one step per pass over memory; several steps per pass may be faster. BENCH_THREADS is
the number of threads (default: 2), which are bound to cores, as a worker's slots are: left alone, two have
been seen to share one core for seconds. Printed too is how long a word from thread to thread takes: cores
without a common cache (of two chiplets, say) are slow to share, and faster at the stream. A peer is
skipped, with the reason, where it is not installed.
"""

import importlib.util
import json
import os
import subprocess
import tempfile
import textwrap

import lib

THREADS = os.environ.get("BENCH_THREADS", "2")

# Bytes that a step must move at least, in place: with fields of the medium, and with those of a tilted
# one that are made and used within a step while they are in cache.
BYTES = {"acoustic": 16, "density": 20, "vti": 36, "tti": 48}

# physics, order, points along x, y and z
CASES = [
    ("acoustic", 8, (1201, 1, 1201)),
    ("acoustic", 8, (8001, 1, 8001)),
    ("acoustic", 8, (264, 264, 264)),
    ("acoustic", 4, (1201, 1, 1201)),
    ("acoustic", 16, (1201, 1, 1201)),
    ("acoustic", 4, (264, 264, 264)),
    ("acoustic", 16, (264, 264, 264)),
    ("density", 8, (1201, 1, 1201)),
    ("density", 8, (264, 264, 264)),
    ("vti", 8, (1201, 1, 1201)),
    ("vti", 8, (264, 264, 264)),
    ("tti", 8, (1201, 1, 1201)),
    ("tti", 8, (264, 264, 264)),
]

DEVITO = """
    import time
    from devito import Eq, Grid, Operator, TimeFunction, Function, configuration, solve
    configuration["language"] = "openmp"
    configuration["log-level"] = "ERROR"
    shape = {shape}
    grid = Grid(shape=shape, extent=tuple(10. * (n - 1) for n in shape))
    u = TimeFunction(name="u", grid=grid, time_order=2, space_order={order})
    m = Function(name="m", grid=grid)
    m.data[:] = 0.25
    step = Operator(Eq(u.forward, solve(m * u.dt2 - u.laplace, u.forward)))
    points = 1
    for n in shape:
        points *= n
    steps = max(8, int(2e8 / points))
    step.apply(time_M=3, dt=0.5)
    begin = time.perf_counter()
    step.apply(time_M=steps, dt=0.5)
    print(1e-9 * points * steps / (time.perf_counter() - begin))
"""

DEEPWAVE = """
    import time
    import torch, deepwave
    torch.set_num_threads({threads})
    shape = {shape}
    v = 2000 * torch.ones(shape)
    points = v.numel()
    steps = max(8, int(2e8 / points))
    source = torch.tensor([[[n // 2 for n in shape]]])
    wave = torch.zeros(1, 1, steps)
    begin = time.perf_counter()
    deepwave.scalar(v, 10., 0.001, source_amplitudes=wave, source_locations=source, accuracy={order},
                    pml_width=0, max_vel=2000)
    print(1e-9 * points * steps / (time.perf_counter() - begin))
"""


def python_peer(module, script, order, shape):
    if not importlib.util.find_spec(module):
        raise lib.Skip(f"{module} is not installed")
    text = textwrap.dedent(script).format(order=order, shape=shape, threads=THREADS)
    environment = {**os.environ, "OMP_NUM_THREADS": THREADS}
    done = subprocess.run(["python3", "-c", text], env=environment, capture_output=True, text=True,
                          timeout=600, check=True)
    return float(done.stdout.split()[-1])


def fdelmodc_peer(order, shape):
    """One shot of fdelmodc (order 4, staggered, with density) on a grid of this size, in time."""
    make = lib.need_program("makemod")
    program = lib.need_program("fdelmodc")
    if len(shape) == 3:
        raise lib.Skip("fdelmodc is 2-D")
    if order != 4:
        raise lib.Skip("fdelmodc is of order 4")
    nx, nz = shape
    steps = max(8, int(2e8 / (nx * nz)))
    environment = {**os.environ, "OMP_NUM_THREADS": THREADS}
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        subprocess.run(
            [make, "cp0=2000", "ro0=1500", f"sizex={10 * (nx - 1)}", f"sizez={10 * (nz - 1)}",
             "dx=10", "dz=10", "orig=0,0", "file_base=model.su"],
            cwd=folder, env=environment, check=True, capture_output=True,
        )
        done = subprocess.run(
            [program, "file_cp=model_cp.su", "file_den=model_ro.su", "ischeme=1", "dt=0.001",
             f"tmod={0.001 * steps}", "src_type=1", "fmax=20", "verbose=1", "file_rcv=out.su",
             "left=1", "right=1", "top=1", "bottom=1"],
            cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=600,
        )
    for line in (done.stdout + done.stderr).splitlines():
        if "Total compute time" in line:
            return 1e-9 * nx * nz * steps / float(line.split()[-2])
    raise lib.Skip("fdelmodc did not say how long it took")


PEERS = {
    "devito": lambda order, shape: python_peer("devito", DEVITO, order, shape),
    "deepwave": lambda order, shape: python_peer("deepwave", DEEPWAVE, order, shape),
    "fdelmodc": fdelmodc_peer,
}


def case_run(physics, order, n):
    arguments = [physics, str(order), *map(str, n), str(lib.ROUNDS), THREADS]
    bound = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores", **os.environ}
    got = json.loads(lib.output_of([lib.built("benchmarks/wave"), *arguments], env=bound))
    stream, bare = got["stream"], got["bare"]
    size = "x".join(str(k) for k in n if k > 1)
    print(f"{physics}, order {order}, {size}, {THREADS} threads (Gpoints/s, of the stream):")
    print(f"  stream of 16 bytes a point   {stream:6.2f}  = {16 * stream:.1f} GB/s")
    if got["word_ns"] > 0:
        print(f"  a word from core to core     {got['word_ns']:6.0f}  ns")
    for name, what in (
        ("bare", "one step a pass"),
        ("blocked", "as run by default"),
        ("full", "with layers, source, receivers"),
        ("transposed", "the same, transposed"),
    ):
        rate = got[name]
        note = f", {rate / bare:.2f} of bare" if name in ("full", "transposed") else ""
        share = rate * BYTES[physics] / (16 * stream)
        print(f"  {what:<30} {rate:5.2f}  {rate / stream:.2f}"
              f", {share:.2f} of the bandwidth{note}")
    for name, run in PEERS.items():
        try:
            shape = tuple(k for k in n if k > 1)
            print(f"  {name:<30} {run(order, shape):5.2f}", flush=True)
        except lib.Skip as reason:
            print(f"  {name}: {reason}", flush=True)


def main():
    lib.title("wave: points updated per second")
    for physics, order, n in CASES:
        case_run(physics, order, n)


if __name__ == "__main__":
    lib.main(main)
