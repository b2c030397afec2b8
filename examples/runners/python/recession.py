#!/usr/bin/env python3
"""Base flow of a catchment as a nonlinear reservoir, Q = k S^b (Brutsaert and Nieber, 1977).

A persistent runner: the rain record is read once, then each task is a pair (k, b). The value is
how well the simulated flow fits the observed one (Nash and Sutcliffe, 1970); the flow itself
comes home as a file.
"""

import csv
import os

import beofarm_runner

STEPS_PER_DAY = 24  # hourly Euler steps: k S^(b-1) dt stays far below 1 for the ranges of farm.json


def read_record(path):
    """Daily rain and observed flow, both in mm per day."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [float(row["rain"]) for row in rows], [float(row["flow"]) for row in rows]


def simulate(rain, k, b, storage=20.0):
    """Mean flow of each day in mm per day, from a storage in mm."""
    flows = []
    for input_mm in rain:
        out_mm = 0.0
        for _ in range(STEPS_PER_DAY):
            flow = min(k * storage**b, storage * STEPS_PER_DAY)
            storage += (input_mm - flow) / STEPS_PER_DAY
            out_mm += flow / STEPS_PER_DAY
        flows.append(out_mm)
    return flows


def efficiency(observed, simulated):
    """1 is perfect; 0 is no better than the mean of what was observed."""
    mean = sum(observed) / len(observed)
    errors = sum((o - s) ** 2 for o, s in zip(observed, simulated))
    return 1.0 - errors / sum((o - mean) ** 2 for o in observed)


def main():
    rain, observed = read_record("record.csv")

    def compute(task):
        k, b = float(task.params["k"]), float(task.params["b"])
        if k <= 0:
            raise ValueError(f"k must be positive, not {k}")
        flows = simulate(rain, k, b)
        with open(os.path.join(task.dir, "flow.csv"), "w", encoding="utf-8") as file:
            file.write("day,flow\n")
            file.writelines(f"{day},{flow:.4f}\n" for day, flow in enumerate(flows))
        return {"efficiency": efficiency(observed, flows), "peak": max(flows)}

    beofarm_runner.serve(compute)


if __name__ == "__main__":
    main()
