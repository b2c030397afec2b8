#!/usr/bin/env python3
"""Make aquifer.pst: what was "measured" is the model with known parameters, and noise.

    python3 make_case.py MODEL >aquifer.pst        (MODEL: the built program `aquifer`)
"""
import os
import random
import subprocess
import sys
import tempfile

PILOTS = 8
BOREHOLES = 20
HEAD_SD_M = 0.05  # of a measured head
RIVER_SD_M3_D = 60.0  # of a measured gain of the river
TRUTH = {
    "transmissivity_1": 180, "transmissivity_2": 90, "transmissivity_3": 60,
    "transmissivity_4": 250, "transmissivity_5": 140, "transmissivity_6": 320,
    "transmissivity_7": 500, "transmissivity_8": 220,
    "recharge_upland": 6.5e-4, "recharge_lowland": 3.2e-4,
    "river_conductance": 40, "hills_conductance": 3,
}
# name: initial value, lower and upper bound, group
PARAMETERS = {f"t{i + 1}": (150, 5, 5000, "trans") for i in range(PILOTS)}
PARAMETERS.update({
    "rch_up": (5e-4, 1e-4, 1.5e-3, "recharge"), "rch_low": (4e-4, 1e-4, 1.5e-3, "recharge"),
    "c_river": (10, 0.5, 500, "bounds"), "c_hills": (8, 0.1, 50, "bounds"),
})


def model(program):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "aquifer.in"), "w", encoding="ascii") as file:
            file.writelines(f"{name} {value}\n" for name, value in TRUTH.items())
        subprocess.run([os.path.abspath(program)], cwd=folder, check=True)
        with open(os.path.join(folder, "heads.out"), encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[3:]]
        with open(os.path.join(folder, "budget.out"), encoding="ascii") as file:
            flows = [float(line.split(":")[1]) for line in file.readlines()[1:]]
    return rows, flows


def observations(program):
    noise = random.Random(19)
    rows, (before, pumped, dry) = model(program)
    for column, state in ((3, "n"), (4, "p")):
        for row in rows:
            head = float(row[column]) + noise.gauss(0, HEAD_SD_M)
            yield f"{state}_{row[0]}", f"{head:.3f}", 1 / HEAD_SD_M, f"heads_{state}"
    for name, flow in (("river_n", before), ("river_p", pumped)):
        yield name, f"{flow + noise.gauss(0, RIVER_SD_M3_D):.1f}", 1 / RIVER_SD_M3_D, "river"
    yield "river_dry", f"{dry:.1f}", 0, "forecast"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = list(observations(sys.argv[1]))
    groups = ["heads_n", "heads_p", "river", "forecast", "prior"]
    out = print
    out("pcf")
    out("# Twelve parameters of an aquifer from 42 measurements. make_case.py wrote this.")
    out("* control data")
    out("restart estimation")
    out(f"{len(PARAMETERS)} {len(rows)} 3 {PILOTS} {len(groups)}")
    out("1 2 double point")
    out("10.0 2.0 0.3 0.01 10")
    out("10.0 10.0 0.001")
    out("0.1")
    out("20 0.005 4 4 0.005 4")
    out("1 1 1")
    out("* singular value decomposition")
    out("1")
    out(f"{len(PARAMETERS)} 5e-7")
    out("0")
    out("* parameter groups")
    for name in ("trans", "recharge", "bounds"):
        out(f"{name} relative 0.01 0.0 switch 2.0 parabolic")
    out("* parameter data")
    for name, (value, low, high, group) in PARAMETERS.items():
        out(f"{name:<8} log factor {value:<8g} {low:<8g} {high:<8g} {group:<9} 1.0 0.0 1")
    out("* observation groups")
    for name in groups:
        out(name)
    out("* observation data")
    for name, value, weight, group in rows:
        out(f"{name:<10} {value:>9} {weight:<10g} {group}")
    out("* model command line")
    out("./aquifer")
    out("* model input/output")
    out("aquifer.in.tpl aquifer.in")
    out("heads.out.ins heads.out")
    out("budget.out.ins budget.out")
    out("* prior information")
    for i in range(PILOTS):
        out(f"p{i + 1} 1.0 * log(t{i + 1}) = 2.3 1.0 prior")
    out("++forecasts(river_dry)")


if __name__ == "__main__":
    main()
