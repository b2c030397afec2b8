"""A process per task: how many /bin/true per second, against two bare posix_spawn loops."""

import time

import lib

TASKS = lib.scaled(6000)
PARALLEL_TASKS = lib.scaled(600)  # GNU parallel takes ten times as long for each


def loops():
    return float(lib.output_of([lib.built("benchmarks/spawn_loop"), "/bin/true", str(TASKS), "2"]))


def farm():
    work = {
        "kind": "sweep",
        "command": ["/bin/true"],
        "params": {"grid": {"i": {"from": 1, "to": TASKS, "count": TASKS}}},
    }
    with lib.Farm(work) as farm:
        return farm.run(TASKS)


def timed(command, count):
    numbers = "\n".join(str(i) for i in range(count)) + "\n"
    start = time.monotonic()
    lib.output_of(command, input=numbers)
    return count / (time.monotonic() - start)


def xargs():
    return timed([lib.need_program("xargs"), "-P", "2", "-n", "1", "/bin/true"], TASKS)


def parallel():
    return timed([lib.need_program("parallel"), "-j", "2", "/bin/true"], PARALLEL_TASKS)


def mpi4py():
    return float(lib.mpi4py("mpi4py_tasks.py", "spawn", TASKS))


def main():
    lib.title(f"spawn: {TASKS} tasks of /bin/true, a process each")
    figures = lib.measure(
        {
            "two posix_spawn loops": loops,
            "beofarm": farm,
            "xargs -P2": xargs,
            "GNU parallel -j2": parallel,
            "mpi4py.futures": mpi4py,
        }
    )
    lib.report(figures, "tasks/s", limit="two posix_spawn loops", target=0.8)


if __name__ == "__main__":
    lib.main(main)
