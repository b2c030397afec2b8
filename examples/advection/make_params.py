#!/usr/bin/env python3
"""Print params.csv: a seeded Latin hypercube over what is uncertain about the aquifer.

Each parameter's range is cut into as many equal parts as there are rows, and every part is used
once (McKay, Beckman and Conover, 1979, https://doi.org/10.1080/00401706.1979.10489755), so 240
rows cover the ranges more evenly than 240 independent draws.

    python3 make_params.py > params.csv
"""
import math
import random

ROWS = 240
SEED = 20260401
RANGES = [  # name, low, high, logarithmic, digits
    ("conductivity", 2.0, 20.0, True, 3),  # m/d: fine to coarse sand
    ("porosity", 0.20, 0.35, False, 4),
    ("dispersivity", 0.5, 5.0, True, 3),  # m: 1 to 10 % of the distance to the well
    ("retardation", 1.0, 4.0, False, 3),
    ("half_life", 100.0, 3000.0, True, 1),  # d
]


def column(rng, low, high, logarithmic, digits):
    parts = list(range(ROWS))
    rng.shuffle(parts)
    if logarithmic:
        low, high = math.log(low), math.log(high)
    draws = [low + (high - low) * (part + rng.random()) / ROWS for part in parts]
    if logarithmic:
        draws = [math.exp(x) for x in draws]
    return [f"{x:.{digits}f}" for x in draws]


def main():
    rng = random.Random(SEED)
    columns = [column(rng, *limits) for _, *limits in RANGES]
    print(",".join(name for name, *_ in RANGES))
    for row in zip(*columns):
        print(",".join(row))


if __name__ == "__main__":
    main()
