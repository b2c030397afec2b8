"""What the master keeps in memory: per waiting task, per worker, and for a million tasks done.

Once each: memory does not depend on what else the machine does. BENCH_SCALE=1 is 1,000,000 tasks.
"""

import lib

TASKS = lib.scaled(1000000)
WORKERS_MORE = 32


def grid(count):
    return {"grid": {"i": {"from": 1, "to": count, "count": count}}}


def master_of(farm):
    pids = farm.processes().get("beofarm-master", [])
    if len(pids) != 1:
        raise RuntimeError(f"there are {len(pids)} masters")
    return pids[0]


def waiting_rss(count):
    """The master's size with `count` tasks, of which one worker has the first."""
    work = {"kind": "sweep", "command": ["/bin/sleep", "600"], "params": grid(count)}
    with lib.Farm(work, workers=1, transport="tcp") as farm:
        farm.start().wait_for(lambda event: event.get("running") == 1)
        return lib.status_bytes(master_of(farm), "VmRSS")


def joined_rss(transport, workers):
    """The master's size with so many workers, each with a task."""
    work = {"kind": "sweep", "command": ["/bin/sleep", "600"], "params": grid(workers)}
    with lib.Farm(work, workers=workers, transport=transport) as farm:
        farm.start().wait_for(lambda event: event.get("running") == workers)
        return lib.status_bytes(master_of(farm), "VmRSS")


def finished():
    """Run them all; the master's largest size on the way."""
    work = {
        "kind": "sweep",
        "runner": "persistent",
        "command": [lib.built("benchmarks/noop_runner")],
        "params": grid(TASKS),
        "values": [{"name": "y"}],
    }
    largest = 0
    end = {}
    with lib.Farm(work) as farm:
        for event in farm.start().events():
            if event.get("event") == "progress":
                for pid in farm.processes().get("beofarm-master", []):
                    largest = max(largest, lib.status_bytes(pid, "VmHWM"))
            if event.get("event") == "end":
                end = event
    return end, largest


def main():
    lib.title(f"memory: resident size of the master, {TASKS} tasks")
    few = waiting_rss(1000)
    many = waiting_rss(TASKS)
    per_task = (many - few) / (TASKS - 1000)
    print(f"  {TASKS} tasks waiting: {many / 2**20:.1f} MiB, 1000 waiting: {few / 2**20:.1f} MiB")
    lib.verdict("beofarm", per_task, 400, "bytes per waiting task", better=min)
    for transport in lib.transports():
        more = 1 + (WORKERS_MORE if transport == "tcp" else WORKERS_MORE // 4)
        alone = joined_rss(transport, 1)
        crowd = joined_rss(transport, more)
        per_worker = (crowd - alone) / (more - 1) / 1024
        name = f"beofarm {transport}, {more} workers"
        if transport == "tcp":
            lib.verdict(name, per_worker, 40, "KiB per worker", better=min)
        else:
            print(f"     {name}: {per_worker:.3g} KiB per worker, Open MPI's own included")
    end, largest = finished()
    if end.get("done") == TASKS:
        print(
            f"  {TASKS} tasks done in {end['elapsed_s']:.1f} s "
            f"({TASKS / end['elapsed_s']:,.0f}/s), at most {largest / 2**20:.1f} MiB"
        )
    else:
        print(f"  -> MISSED: not all tasks are done: {end}")


if __name__ == "__main__":
    lib.main(main)
