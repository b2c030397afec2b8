#!/usr/bin/env python3
"""Calibrate an aquifer by CMA-ES: calibrate.py SOCKET, or a PEST case: calibrate.py SOCKET --case.

Observations are drawdowns that the model itself gives for a true aquifer, with 1 % of noise; then
transmissivity, storativity and the distance of the river are looked for, as if they were not known.
All evaluations of a generation, ten aquifers with twelve drawdowns each, are in flight at once.

CMA-ES as in N. Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772 (figure 6; its
default parameters, table 1).
"""
import math
import random
import sys

from driver import Farm

TRUTH = {"transmissivity": 420.0, "storativity": 2.5e-3, "river": 300.0}
START = {"transmissivity": 100.0, "storativity": 2e-4, "river": 150.0}
NAMES = list(TRUTH)
WELLS = [(distance, days) for distance in (15, 50, 120) for days in (0.1, 1, 10, 100)]
NOISE = 0.01
GENERATIONS = 80


def eigen(matrix):
    """Eigenvalues and eigenvectors (columns) of a small symmetric matrix, by Jacobi rotations."""
    n = len(matrix)
    a = [row[:] for row in matrix]
    v = [[float(i == j) for j in range(n)] for i in range(n)]
    for _ in range(50):
        for p in range(n):
            for q in range(p + 1, n):
                if a[p][q] == 0:
                    continue
                angle = 0.5 * math.atan2(2 * a[p][q], a[q][q] - a[p][p])
                c, s = math.cos(angle), math.sin(angle)
                for m in (a, v):
                    for row in m:
                        row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
                a[p], a[q] = ([c * x - s * y for x, y in zip(a[p], a[q])],
                              [s * x + c * y for x, y in zip(a[p], a[q])])
    return [max(a[i][i], 1e-300) for i in range(n)], v


class CmaEs:
    """Minimise: `ask` for a generation of points, `tell` their costs."""

    def __init__(self, mean, sigma, count, seed):
        n = self.n = len(mean)
        self.mean, self.sigma, self.count = list(mean), sigma, count
        self.random = random.Random(seed)
        raw = [math.log((count + 1) / 2) - math.log(i + 1) for i in range(count // 2)]
        self.weights = [w / sum(raw) for w in raw]
        self.mu_eff = mu = 1 / sum(w * w for w in self.weights)
        self.c_sigma = (mu + 2) / (n + mu + 5)
        self.damping = 1 + 2 * max(0, math.sqrt((mu - 1) / (n + 1)) - 1) + self.c_sigma
        self.c_c = (4 + mu / n) / (n + 4 + 2 * mu / n)
        self.c_1 = 2 / ((n + 1.3) ** 2 + mu)
        self.c_mu = min(1 - self.c_1, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
        self.chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self.path_sigma, self.path_c = [0.0] * n, [0.0] * n
        self.c = [[float(i == j) for j in range(n)] for i in range(n)]
        self.generation = 0

    def ask(self):
        values, self.vectors = eigen(self.c)
        self.scales = [math.sqrt(v) for v in values]
        steps = []
        for _ in range(self.count):
            z = [s * self.random.gauss(0, 1) for s in self.scales]
            steps.append([sum(b * x for b, x in zip(row, z)) for row in self.vectors])
        self.steps = steps
        return [[m + self.sigma * y for m, y in zip(self.mean, step)] for step in steps]

    def tell(self, costs):
        n, self.generation = self.n, self.generation + 1
        best = [self.steps[i] for i in sorted(range(self.count), key=costs.__getitem__)]
        best = best[:len(self.weights)]
        step = [sum(w * y[i] for w, y in zip(self.weights, best)) for i in range(n)]
        self.mean = [m + self.sigma * y for m, y in zip(self.mean, step)]
        # C^(-1/2) step, by the eigenvectors of C
        white = [sum(self.vectors[j][k] * step[j] for j in range(n)) / self.scales[k]
                 for k in range(n)]
        white = [sum(self.vectors[i][k] * white[k] for k in range(n)) for i in range(n)]
        keep = math.sqrt(self.c_sigma * (2 - self.c_sigma) * self.mu_eff)
        self.path_sigma = [(1 - self.c_sigma) * p + keep * w
                           for p, w in zip(self.path_sigma, white)]
        length = math.sqrt(sum(p * p for p in self.path_sigma))
        usual = math.sqrt(1 - (1 - self.c_sigma) ** (2 * self.generation))
        h = float(length / usual < (1.4 + 2 / (n + 1)) * self.chi)
        keep = h * math.sqrt(self.c_c * (2 - self.c_c) * self.mu_eff)
        self.path_c = [(1 - self.c_c) * p + keep * y for p, y in zip(self.path_c, step)]
        lost = (1 - h) * self.c_c * (2 - self.c_c)
        for i in range(n):
            for j in range(n):
                self.c[i][j] = ((1 + self.c_1 * lost - self.c_1 - self.c_mu) * self.c[i][j] +
                                self.c_1 * self.path_c[i] * self.path_c[j] +
                                self.c_mu * sum(w * y[i] * y[j]
                                                for w, y in zip(self.weights, best)))
        self.sigma *= math.exp(self.c_sigma / self.damping * (length / self.chi - 1))


def drawdowns(farm, aquifers):
    """The drawdowns of {name: aquifer} at all wells; None where the model failed."""
    sets = {f"{name}/{k}": {**aquifer, "pumping": 1500, "distance": distance, "days": days}
            for name, aquifer in aquifers.items() for k, (distance, days) in enumerate(WELLS)}
    farm.ask(sets)
    farm.wait(sets)
    ended = {name: [farm.results[f"{name}/{k}"] for k in range(len(WELLS))] for name in aquifers}
    return {name: [r["values"]["drawdown"] for r in results]
            if all(r["status"] == "ok" for r in results) else None
            for name, results in ended.items()}


def cost(computed, observed):
    """Sum of squares in units of the noise; a model that failed is no candidate."""
    if computed is None:
        return math.inf
    return sum(((c - o) / (NOISE * o)) ** 2 for c, o in zip(computed, observed))


def main(path):
    farm = Farm(path, "calibrate")
    noise = random.Random(1935)
    observed = [s * (1 + NOISE * noise.gauss(0, 1))
                for s in drawdowns(farm, {"truth": TRUTH})["truth"]]
    search = CmaEs([math.log(START[name]) for name in NAMES], 0.5, 10, seed=1)
    for generation in range(GENERATIONS):
        points = search.ask()
        aquifers = {f"{generation}.{i}": {name: math.exp(x) for name, x in zip(NAMES, point)}
                    for i, point in enumerate(points)}
        computed = drawdowns(farm, aquifers)
        costs = [cost(computed[name], observed) for name in aquifers]
        search.tell(costs)
        if generation % 10 == 9:
            print(f"generation {generation + 1}: least cost {min(costs):.4g}, "
                  f"step {search.sigma:.2g}", flush=True)
    for name, x in zip(NAMES, search.mean):
        print(f"{name}: {math.exp(x):.4g}, in truth {TRUTH[name]:g}")
    farm.finish()


def range_of(parameter):
    """How a parameter is scaled to 0 (its lower bound) to 1 (its upper bound), and back."""
    log = parameter["transform"] == "log"
    low, high = ((math.log10(parameter[k]) if log else parameter[k]) for k in ("lower", "upper"))
    return (lambda value: ((math.log10(value) if log else value) - low) / (high - low),
            lambda x: 10 ** (low + x * (high - low)) if log else low + x * (high - low))


def calibrate_case(path):
    """All adjustable parameters of the control file, within their bounds, to the least phi."""
    farm = Farm(path, "calibrate", observations=[])  # phi is all that is looked at
    free = [p for p in farm.case()["parameters"] if p["transform"] in ("none", "log")]
    ranges = [range_of(p) for p in free]
    search = CmaEs([scale(p["value"]) for p, (scale, _) in zip(free, ranges)], 0.2,
                   4 + int(3 * math.log(len(free))), seed=1)
    best = (math.inf, {})
    for generation in range(30 * len(free)):
        points = search.ask()
        inside = [[min(max(x, 0), 1) for x in point] for point in points]
        sets = {f"{generation}.{i}": {p["name"]: min(max(back(x), p["lower"]), p["upper"])
                                      for p, (_, back), x in zip(free, ranges, point)}
                for i, point in enumerate(inside)}
        farm.ask(sets)
        farm.wait(sets)
        ended = [farm.results[i] for i in sets]
        phis = [r["phi"] if r["status"] == "ok" else math.inf for r in ended]
        # What lies outside costs the more the farther it does, so that the search comes back.
        search.tell([phi * (1 + sum((a - b) ** 2 for a, b in zip(point, near)))
                     for phi, point, near in zip(phis, points, inside)])
        best = min([best, *zip(phis, sets.values())], key=lambda pair: pair[0])
        if generation % 10 == 9:
            print(f"generation {generation + 1}: least phi {best[0]:.6g}, "
                  f"step {search.sigma:.2g}", flush=True)
        if search.sigma * max(search.scales) < 1e-4:
            break
    for name, value in best[1].items():
        print(f"{name} {value:.6g}")
    farm.finish()


if __name__ == "__main__":
    if sys.argv[2:] not in ([], ["--case"]) or len(sys.argv) < 2:
        sys.exit("usage: calibrate.py SOCKET [--case]")
    (calibrate_case if sys.argv[2:] else main)(sys.argv[1])
