"""Waves on OpenCL devices: Gpoints/s per physics and size on each device of this machine.

A processor with an OpenCL driver (PoCL) is one too; it is measured on small grids alone. BENCH_STEPS is
the number of steps (default: 200 on GPUs, 16 on others).
"""

import json
import os
import subprocess

import lib

# physics, order, points along x, y and z
SMALL = [("acoustic", 8, (301, 1, 301)), ("acoustic", 8, (80, 80, 80)), ("vti", 8, (80, 80, 80)),
         ("tti", 8, (80, 80, 80))]
LARGE = [("acoustic", 8, (1201, 1, 1201)), ("acoustic", 8, (8001, 1, 8001)), ("acoustic", 8, (264, 264, 264)),
         ("acoustic", 16, (264, 264, 264)), ("density", 8, (264, 264, 264)), ("vti", 8, (264, 264, 264)),
         ("tti", 8, (264, 264, 264))]


def measure(physics, order, shape, steps, rounds):
    words = [physics, str(order), *map(str, shape), str(steps), str(rounds)]
    done = subprocess.run([lib.built("benchmarks/wave_opencl"), *words], capture_output=True, text=True,
                          timeout=600, check=False)
    if done.returncode:
        raise lib.Skip(done.stderr.strip())
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    lib.title("wave_opencl: points updated per second on OpenCL devices")
    probe = measure("acoustic", 4, (64, 1, 64), 8, 1)
    gpu = any(device["gpu"] for device in probe)
    steps = os.environ.get("BENCH_STEPS", "200" if gpu else "16")
    for physics, order, shape in LARGE if gpu else SMALL:
        for device in measure(physics, order, shape, steps, 5 if gpu else 3):
            label = f"{physics} order {order}, {'x'.join(str(n) for n in shape if n > 1)}, {device['device']}"
            print(f"{label}: bare {device['bare']:.2f}, with layers {device['full']:.2f}, transposed "
                  f"{device['transposed']:.2f}, gradient {device['gradient']:.2f} Gpoints/s")


if __name__ == "__main__":
    lib.main(main)
