#!/usr/bin/env python3
"""The table of iterates in lbfgs.c beside this, against SciPy where that is installed: TAP; with --print the
table itself."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
import debian_python  # pylint: disable=wrong-import-position

numpy = debian_python.module("numpy")
optimize = debian_python.module("scipy.optimize")
if not optimize:
    print("1..0 # SKIP there is no SciPy here (Debian: python3-scipy)")
    sys.exit(0)

COUNT = 12  # all by steps of 1, but for the first
WEIGHTS = numpy.array([1, 2, 3, 5])
TRUTH = numpy.array([1, -2, 0.5, 3])


def quartic(x):
    r, p = x - TRUTH, x[0] * x[1]
    g = WEIGHTS * r + 0.2 * r ** 3
    g[0] += 0.01 * p * x[1]
    g[1] += 0.01 * p * x[0]
    return 0.5 * WEIGHTS @ r ** 2 + 0.05 * sum(r ** 4) + 0.005 * p * p, g


def iterates():
    """Those that took one evaluation each."""
    found, evaluations = [], [0]

    def counted(x):
        evaluations[0] += 1
        return quartic(x)

    def took(x):
        found.append((evaluations[0], x.copy()))
    optimize.minimize(counted, numpy.zeros(4), jac=True, method="L-BFGS-B", callback=took,
                      options={"maxcor": 3, "ftol": 0, "gtol": 1e-14})
    assert all(spent == k + 2 for k, (spent, _) in enumerate(found[:COUNT])), found
    return [x for _, x in found[:COUNT]]


def main():
    if sys.argv[1:] == ["--print"]:
        for x in iterates():
            print("    {" + ", ".join(f"{v:.17g}" for v in x) + "},")
        return
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "lbfgs.c"), encoding="utf-8") as file:
        table = re.search(r"peer: begin \*/(.*)/\* peer: end", file.read(), re.S)[1]
    kept = [float(v) for v in re.findall(r"-?\d[-+.e\d]*", table)]
    computed = [float(v) for x in iterates() for v in x]
    # Other versions of SciPy and BLAS round in other places.
    good = len(kept) == len(computed) and all(abs(a - b) < 1e-9 for a, b in zip(kept, computed))
    print("1..1")
    print("ok 1 - the table is what SciPy gives" if good else
          f"not ok 1 - the table is what SciPy gives\n# {kept}\n# {computed}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
