"""The journal: rows per second made durable, results.csv, one row alone, 1 MiB outputs.

benchmarks/journal measures each beside its limit on this disk: the same rows in one bare SQLite
transaction, one fdatasync, the same bytes with one syncfs.
"""

import tempfile

import lib


def main():
    print("journal: what is made durable, beside the limits of this disk; medians", flush=True)
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        print(lib.output_of([lib.built("benchmarks/journal"), folder]), end="")


if __name__ == "__main__":
    lib.main(main)
