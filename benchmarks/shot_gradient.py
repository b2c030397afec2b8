"""A gradient in forward runs, for every way to keep the wavefield."""

import lib


def main():
    lib.title("shots: what a gradient costs in forward runs (limit: 3.5 in a quarter of the storage)")
    program = lib.built("benchmarks/shot_gradient")
    for name, dims, points, steps in (("2-D, 400 x 300 points", "2d", "400x300", 1500),
                                      ("3-D, 100 x 100 x 100 points", "3d", "100", 400)):
        for threads in (1, 2):
            print(f"{name}, {threads} thread" + "s" * (threads > 1))
            print(lib.output_of([program, dims, points, str(lib.scaled(steps)),
                                 str(lib.ROUNDS), str(threads)]), end="")


if __name__ == "__main__":
    lib.main(main)
