"""A gradient in forward runs, for every way to keep the wavefield."""

import lib


def main():
    lib.title("shots: what a gradient costs in forward runs (limit: 3.5 in a quarter of the storage)")
    program = lib.built("benchmarks/shot_gradient")
    for name, dims, points, steps in (("2-D, 400 x 400 points", "2d", 400, 1000),
                                      ("3-D, 96 x 96 x 96 points", "3d", 96, 200)):
        print(name)
        print(lib.output_of([program, dims, str(points), str(lib.scaled(steps)),
                             str(lib.ROUNDS)]), end="")


if __name__ == "__main__":
    lib.main(main)
