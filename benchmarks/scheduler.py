"""The scheduler alone: events per second, and bytes per task and worker."""

import lib


def main():
    lib.title("scheduler: what deciding costs, with no farm around it")
    print(lib.output_of([lib.built("benchmarks/scheduler")]), end="")


if __name__ == "__main__":
    lib.main(main)
