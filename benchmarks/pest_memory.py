"""The master's memory while it gathers a Jacobian of 1,000 parameters and 1,000 observations, makes
upgrades of it, and tells the uncertainty that is left."""

import shutil

import lib
from pest_case import case_files

PARAMETERS = OBSERVATIONS = lib.scaled(1000)
WANTED_MIB = 60


def megabytes(transport):
    """The master's largest resident size over the whole of one iteration."""
    work = {"kind": "pest", "control": "case.pst"}
    with lib.Farm(work, transport=transport) as farm:
        files = case_files("spin", 0, PARAMETERS, OBSERVATIONS, noptmax=1)
        for name, text in files.items():
            farm.write(name, text)
        shutil.copy2(lib.built("benchmarks/pest_model"), farm.folder / "pest_model")
        most = 0
        farm.start()
        for _ in farm.events():
            for pid in farm.processes().get("beofarm-master", []):
                try:
                    most = max(most, lib.status_bytes(pid, "VmHWM"))
                except (OSError, KeyError):
                    pass  # it has just ended
        if farm.process.wait() != 0 or most == 0:
            raise RuntimeError(f"the iteration was not made: {farm.stderr()}")
        return most / 2**20


def main():
    lib.title(f"pest_memory: the master of an iteration of {PARAMETERS} x {OBSERVATIONS}")
    figures = lib.measure({name: lambda name=name: megabytes(name) for name in lib.transports()})
    lib.report(figures, "MiB", subject=None)
    for name in figures:
        lib.verdict(name, lib.median(figures, name), WANTED_MIB, "MiB", better=min)


if __name__ == "__main__":
    lib.main(main)
