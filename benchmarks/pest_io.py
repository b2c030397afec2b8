"""PEST's templates and instructions: a large output file per second, a small model's files per run."""

import lib

MEGABYTES = lib.scaled(500)
NUMBERS_MEGABYTES = lib.scaled(50)


def tool(mode, amount):
    return lambda: float(lib.output_of([lib.built("benchmarks/pest_io"), mode, str(amount)]))


def main():
    lib.title(f"pest_io: an output file of {MEGABYTES} MB, in lines of 81 bytes")
    figures = lib.measure(
        {
            "reading it": tool("read", MEGABYTES),
            "l#": tool("lines", MEGABYTES),
            "a primary marker": tool("marker", MEGABYTES),
            f"all numbers of {NUMBERS_MEGABYTES} MB": tool("free", NUMBERS_MEGABYTES),
        }
    )
    lib.report(figures, "MB/s", limit="reading it", target=0.3, subject="a primary marker")
    figures = lib.measure(
        {
            "template, 10 fields": tool("template", 10),
            "template, 1000 fields": tool("template", 1000),
            "instructions, 20 values": tool("instructions", 20),
            "instructions, 1000 values": tool("instructions", 1000),
        }
    )
    lib.report(figures, "us")


if __name__ == "__main__":
    lib.main(main)
