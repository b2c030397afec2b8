"""Tasks for mpi4py.futures, in its best form: mpi4py_tasks.py KIND COUNT [CHUNK].

spawn: start /bin/true and wait for it. noop: return a number. first: the same, and the wall clock
at the first result is printed. Otherwise tasks per second, without the time to start MPI.
"""

import os
import sys
import time

from mpi4py.futures import MPIPoolExecutor


def spawn(_):
    child = os.posix_spawn("/bin/true", ["true"], os.environ)
    return os.waitpid(child, 0)[1]


def noop(number):
    return number


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    chunk = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    with MPIPoolExecutor() as executor:
        if kind != "first":
            executor.bootup()
        start = time.monotonic()
        results = executor.map(spawn if kind == "spawn" else noop, range(count), chunksize=chunk)
        for done, _ in enumerate(results):
            if kind == "first" and done == 0:
                print(time.time())
    if kind != "first":
        print(count / (time.monotonic() - start))
