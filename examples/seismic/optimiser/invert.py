#!/usr/bin/env python3
"""Invert a survey by an optimiser of one's own: invert.py SOCKET. SciPy's L-BFGS-B where it is
installed, else steepest descent. Started again, it asks the same questions by the same ids, and what
was computed before is not computed twice."""
import array
import json
import os
import socket
import sys

try:
    from scipy.optimize import minimize
except ImportError:
    minimize = None
LEAST, MOST, SCALE, EVALUATIONS = 1500, 2400, 100, 12  # m/s, of one unit of the unknowns


def read(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return values


class Misfit:
    """f and its gradient at x, each evaluation an operation on the survey."""

    def __init__(self, path, header):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        # Two files: one for both, "rw", forgets the lines that it has read ahead whenever it writes.
        self.farm, self.requests = connection.makefile("r"), connection.makefile("w")
        self.header, self.count, self.first = header, 0, None
        self.say(do="attach", client="invert", since=0)

    def say(self, **request):
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()

    def __call__(self, x):
        name = os.path.abspath(f"trial-{self.count}")  # stays until the farm has used it
        self.count += 1
        with open(name + ".bin", "wb") as file:
            array.array("f", [value * SCALE for value in x]).tofile(file)
        with open(name + ".json", "w", encoding="utf-8") as file:
            json.dump({**self.header, "data": os.path.basename(name) + ".bin"}, file)
        self.say(do="submit", id=name, params={"operation": "gradient", "velocity": name + ".json"})
        for line in self.farm:
            event = json.loads(line)
            if event["event"] == "error" or event.get("status", "ok") != "ok":
                sys.exit(event["sentence"])
            if event["event"] == "result" and event["id"] == name:
                break
        else:
            sys.exit("the farm is gone; resume its run, then start this again")
        self.first = self.first or event["values"]["misfit"]
        f = event["values"]["misfit"] / self.first
        gradient = read(event["files"]["gradient"].replace(".json", ".bin"))
        print(f"evaluation {self.count}: {100 * f:.3g} % of the first misfit", flush=True)
        return f, [float(g) * SCALE / self.first for g in gradient]


def descend(misfit, x):
    """Along the gradient; steps grow where they succeed."""
    (f, g), step = misfit(x), 0.2
    while misfit.count < EVALUATIONS:
        most = max(map(abs, g))
        trial = [min(max(a - step / most * b, LEAST / SCALE), MOST / SCALE) for a, b in zip(x, g)]
        f_trial, g_trial = misfit(trial)
        if f_trial < f:
            x, f, g, step = trial, f_trial, g_trial, 1.5 * step
        else:
            step /= 3
    return x


def main(path):
    with open("start.json", encoding="utf-8") as file:
        header = json.load(file)
    misfit, x = Misfit(path, header), [v / SCALE for v in read("start.bin")]
    if minimize:
        x = minimize(misfit, x, jac=True, method="L-BFGS-B", options={"maxfun": EVALUATIONS},
                     bounds=[(LEAST / SCALE, MOST / SCALE)] * len(x)).x
    else:
        x = descend(misfit, x)
    with open("found.bin", "wb") as file:
        array.array("f", [value * SCALE for value in x]).tofile(file)
    with open("found.json", "w", encoding="utf-8") as file:
        json.dump({**header, "data": "found.bin"}, file)
    misfit.say(do="finish")


if __name__ == "__main__":
    main(sys.argv[1])
