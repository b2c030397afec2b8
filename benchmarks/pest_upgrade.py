"""Upgrade vectors: seconds from a Jacobian to parameters, and memory beside the Jacobian's own.

`pest_upgrade.py --full` takes 100,000 observations x 5,000 parameters (a Jacobian of 4 GB; needs
some 5 GB of memory and a few minutes), else 20,000 x 1,000.
"""

import json
import sys

import lib

METHODS = [("automatic", 1, "1 lambda, nothing truncated"),
           ("automatic", 6, "6 lambdas, nothing truncated"),
           ("eigen", 1, "1 lambda, eigenvalues looked at"),
           ("lsqr", 6, "6 lambdas by LSQR, at most 100 steps")]


def measure(sizes, method, lambdas):
    words = [lib.built("benchmarks/pest_upgrade"), *map(str, sizes), method, str(lambdas)]
    return json.loads(lib.output_of(words))


def main():
    sizes = (100000, 5000) if "--full" in sys.argv[1:] else (20000, 1000)
    lib.title(f"pest_upgrade: {sizes[0]} observations x {sizes[1]} parameters")
    for method, lambdas, what in METHODS:
        found = measure(sizes, method, lambdas)
        print(f"  {what:38s} {found['normal_s'] + found['solve_s']:8.2f} s "
              f"({found['normal_s']:.2f} normal matrix, {found['solve_s']:.2f} solution), "
              f"{found['memory_mib'] / found['jacobian_mib']:.2f} x the Jacobian's memory")


if __name__ == "__main__":
    lib.main(main)
