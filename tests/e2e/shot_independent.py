#!/usr/bin/env python3
"""beofarm-shot beside a program of another kind: modelling, Born modelling and the gradient in numpy.

That one shares nothing with ours but the equation, (1/c^2) u_tt - lap u = q: float64, plain slices,
no absorbing layers (the model is continued so far that nothing comes back in time), the adjoint
derived by hand. Data agree to some 3e-5, which is what the layers reflect and single precision.
"""
import json
import math
import os
import struct
import subprocess
import sys

import harness
from harness import Skip, program, test_plainly

sys.path.insert(0, os.path.join(harness.SOURCE, "tests"))
import debian_python  # pylint: disable=wrong-import-position

numpy = debian_python.module("numpy")

H, DT, PEAK_HZ = 20.0, 0.001, 5.0
ORDER_8 = (-205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560)
MARMOUSI = os.path.join(harness.SOURCE, "../shared/seismic/data/marmousi")


class Independent:
    """One source at a point of the grid, receivers at others; times 0, DT ... length_s."""

    def __init__(self, source, receivers, length_s, fastest):
        self.pad = math.ceil(0.5 * length_s * fastest / H) + 8
        self.source = tuple(i + self.pad for i in source)
        self.receivers = tuple(numpy.array(i) + self.pad for i in receivers)
        self.steps = round(length_s / DT)
        phase = (math.pi * PEAK_HZ * (numpy.arange(self.steps + 1) * DT - 1.5 / PEAK_HZ)) ** 2
        self.wavelet = (1 - 2 * phase) * numpy.exp(-phase)

    def inside(self, field):
        return field[self.pad:-self.pad, self.pad:-self.pad]

    def run(self, velocity, right_hand_side, each):
        """u from (1/c^2) u_tt = lap u + right_hand_side(n, field to add to); each(n, u, lap u)."""
        scale = DT ** 2 * numpy.pad(velocity, self.pad, mode="edge") ** 2
        before, now = numpy.zeros_like(scale), numpy.zeros_like(scale)
        for n in range(self.steps + 1):
            force = laplacian(now)
            each(n, now, force)
            right_hand_side(n, force)
            before = 2 * now - before + scale * force
            before, now = now, before

    def forward(self, velocity, accelerations=None):
        """Traces; with a list, u_tt inside the model at all times goes there."""
        traces = numpy.zeros((self.steps + 1, len(self.receivers[0])))

        def fire(n, force):
            force[self.source] += self.wavelet[n] / H ** 2
            if accelerations is not None:
                accelerations.append(self.inside(force) * velocity ** 2)

        def record(n, now, _):
            traces[n] = now[self.receivers]
        self.run(velocity, fire, record)
        return traces

    def born(self, velocity, accelerations, perturbation):
        traces = numpy.zeros((self.steps + 1, len(self.receivers[0])))

        def scatter(n, force):
            self.inside(force)[...] -= perturbation * accelerations[n]

        def record(n, now, _):
            traces[n] = now[self.receivers]
        self.run(velocity, scatter, record)
        return traces

    def gradient(self, velocity, accelerations, residual):
        """Of half the sum of squared residuals, by the squared slowness."""
        total = numpy.zeros_like(velocity)

        def fire(n, force):
            force[self.receivers] += residual[self.steps - n]

        def image(n, now, _):
            total[...] -= self.inside(now) * accelerations[self.steps - n]
        self.run(velocity, fire, image)
        return total


def laplacian(u):
    reach = len(ORDER_8) - 1
    total = numpy.zeros_like(u)
    middle = total[reach:-reach, reach:-reach]
    for k in range(-reach, reach + 1):
        end = -reach + k or None
        middle += ORDER_8[abs(k)] / H ** 2 * (u[reach + k:end, reach:-reach] + u[reach:-reach, reach + k:end])
    return total


def traces_read(case, name):
    with open(case.path(name), "rb") as file:
        data = file.read()
    samples, form = struct.unpack(">H2xh", data[3220:3226])
    assert form == 5, form
    record = numpy.dtype([("header", "V240"), ("samples", ">f4", samples)])
    return numpy.frombuffer(data, record, offset=3600)["samples"].astype(float).T


def field_write(case, name, values):
    values.astype("<f4").tofile(case.path(name + ".bin"))
    case.write(name + ".json", {"data": name + ".bin", "points": list(values.shape), "spacing_m": [H, H]})


def shot(case, operation, output, **survey):
    case.write(operation + ".json", {"operation": operation, "wavelet": {
        "kind": "ricker", "peak_hz": PEAK_HZ, "delay_s": 1.5 / PEAK_HZ}, **survey})
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    done = case.run(program("beofarm-shot"), "--survey", operation + ".json", "--shot", "1", "--operation",
                    operation, "--output", output, env=environment, expect=0)
    return json.loads(done.out)


def apart(ours, theirs):
    return numpy.linalg.norm(ours - theirs) / numpy.linalg.norm(theirs)


def compare(case, true, smooth, length_s):
    """All operations with a source in the middle of the top; largest relative L2 differences."""
    source = (true.shape[0] // 2, 2)
    columns = list(range(5, true.shape[0] - 5, 3))
    independent = Independent(source, (columns, [3] * len(columns)), length_s, max(true.max(), smooth.max()))
    field_write(case, "true", true)
    field_write(case, "smooth", smooth)
    perturbation = 1 / true ** 2 - 1 / smooth ** 2
    field_write(case, "dm", perturbation)
    numerics = {"numerics": {"dt_ms": 1000 * DT, "space_order": 8}}
    survey = {"record": {"length_s": length_s, "interval_ms": 1000 * DT}, **numerics, "geometry": {
        "sources": {"points": [[source[0] * H, source[1] * H]]},
        "receivers": {"points": [[x * H, 3 * H] for x in columns]}}}

    shot(case, "model", "data.sgy", model={"velocity": "true.json"}, **survey)
    data = independent.forward(true)
    found = {"forward": apart(traces_read(case, "data.sgy"), data)}

    accelerations = []
    residual = independent.forward(smooth, accelerations) - data
    shot(case, "born", "born.sgy", model={"velocity": "smooth.json", "perturbation": "dm.json"}, **survey)
    found["born"] = apart(traces_read(case, "born.sgy"),
                          independent.born(smooth, accelerations, perturbation))

    said = shot(case, "gradient", "gradient.f32", model={"velocity": "smooth.json"},
                data={"paths": ["data.sgy"]}, **numerics)
    found["misfit"] = abs(2 * said["misfit"] / (residual ** 2).sum() - 1)
    ours = numpy.fromfile(case.path("gradient.f32"), "<f4").reshape(true.shape)
    by_slowness = independent.gradient(smooth, accelerations, residual)
    found["gradient"] = apart(ours, -2 / smooth ** 3 * by_slowness)
    print("#", {name: f"{value:.1e}" for name, value in found.items()})
    return found


def numpy_needed():
    if numpy is None:
        raise Skip("numpy is not installed (Debian: python3-numpy)")


@test_plainly
def operators_agree_with_an_independent_program(case):
    numpy_needed()
    x, z = numpy.meshgrid(numpy.arange(56), numpy.arange(40), indexing="ij")
    smooth = 1500 + 20.0 * z
    true = smooth + 250 * (z + x // 20 * 5 > 18) - 150 * numpy.exp(-((x - 36) ** 2 + (z - 14) ** 2) / 20)
    found = compare(case, true, smooth, 0.65)
    # The perturbation is written in 32 bits, where 1/v^2 keeps six digits of a small difference.
    assert max(found.values()) < 1e-3, found


@test_plainly
def operators_agree_on_the_marmousi_pair(case):
    numpy_needed()
    if not os.path.isdir(MARMOUSI):
        raise Skip(f"{MARMOUSI} is not there")
    pair = [numpy.fromfile(os.path.join(MARMOUSI, name), "<f4").reshape(851, 176)[420:500, :110].astype(float)
            for name in ("marmousi_vp_20m_176x851.bin", "marmousi_vp_smooth_20m_176x851.bin")]
    found = compare(case, *pair, 0.9)
    # The two differ so little at these depths that residuals are a hundredth of the data.
    assert max(found.values()) < 1e-2 and found["forward"] < 1e-3 and found["born"] < 1e-3, found


if __name__ == "__main__":
    harness.main(globals())
