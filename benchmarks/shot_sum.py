"""Partial sums of shots: a gradient's file added to what a worker has, on one core."""

import lib

MEGABYTES = max(1, lib.scaled(128))


def tool(mode):
    return lambda: float(lib.output_of([lib.built("benchmarks/shot_sum"), mode, str(MEGABYTES)]))


def main():
    lib.title(f"shot_sum: a gradient of {MEGABYTES} MB of floats")
    figures = lib.measure(
        {
            "reading it": tool("read"),
            "checked": tool("check"),
            "double": tool("double"),
            "exact": tool("exact"),
        }
    )
    lib.report(figures, "MB/s", limit="reading it", target=0.15, subject="exact")


if __name__ == "__main__":
    lib.main(main)
