"""A master with thousands of workers: how long they take to join, what each costs, and what the
heartbeats use of a core. One process plays the workers (tests/e2e/crowd.c), over loopback, where
the master's sends include the network's and half of the crowd's work.
"""

import json
import resource
import subprocess
import time

import lib

WORKERS = lib.scaled(5000)
SPARE = 200  # descriptors beside the links
HEARTBEATS_S = (15, 60)  # the default, and what suits a large farm


def need_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < WORKERS + SPARE:
        raise lib.Skip(f"{WORKERS} links need more descriptors than ulimit -Hn ({hard})")


def crowd_of(farm, workers):
    """A crowd whose tasks do not end, and how long it took to join, in seconds."""
    listening = farm.wait_for(lambda event: event.get("event") == "listening")
    crowd = subprocess.Popen(
        [
            lib.built("tests/e2e/crowd"), "--workers", str(workers), "--farm", farm.name,
            "--secret-file", str(farm.folder / "runs" / f"{farm.name}-001" / "secret"),
            "--delay-ms", "3600000", f"{listening['address']}:{listening['port']}",
        ],
        stdout=subprocess.PIPE, text=True,
    )
    for line in crowd.stdout:
        said = json.loads(line)
        if said["event"] == "joined":
            return crowd, said["after_s"]
    raise RuntimeError("the crowd did not join")


def idle(pid, heartbeat_s):
    """Percent of a core, in at least 10 s and a whole number of the pulses' periods."""
    period_s = heartbeat_s / 4
    seconds = period_s * max(2, -(-10 // period_s))
    before = lib.cpu_seconds(pid)
    time.sleep(seconds)  # the length of the measurement, not a wait for something
    return 100 / seconds * (lib.cpu_seconds(pid) - before)


def measure(workers, heartbeat_s):
    """Seconds to join, the master's CPU seconds meanwhile, its size in bytes, % of a core idle."""
    work = {
        "kind": "sweep",
        "command": ["true"],
        "params": {"grid": {"i": {"from": 1, "to": 2 * workers, "count": 2 * workers}}},
    }
    limits = {"heartbeat_timeout_s": heartbeat_s}
    with lib.Farm(work, workers=0, transport="tcp", limits=limits) as farm:
        farm.start()
        crowd, joined_s = crowd_of(farm, workers)
        try:
            farm.wait_for(lambda event: event.get("running") == workers)
            pid = farm.processes()["beofarm-master"][0]
            size = lib.status_bytes(pid, "VmRSS")
            return joined_s, lib.cpu_seconds(pid), size, idle(pid, heartbeat_s)
        finally:
            crowd.kill()
            crowd.wait()


def main():
    lib.title(f"crowd: {WORKERS} workers by tcp")
    need_descriptors()
    few = measure(10, HEARTBEATS_S[0])
    for heartbeat_s in HEARTBEATS_S:
        many = measure(WORKERS, heartbeat_s)
        print(f"  heartbeat_timeout_s {heartbeat_s}")
        print(f"  joined after {many[0]:.2f} s; the master used {many[1]:.2f} s for it")
        per_worker = (many[2] - few[2]) / (WORKERS - 10) / 1024
        lib.verdict("beofarm tcp", per_worker, 40, "KiB per worker", better=min)
        lib.verdict("beofarm tcp, idle", many[3], 0.5, "% of a core", better=min)


if __name__ == "__main__":
    lib.main(main)
