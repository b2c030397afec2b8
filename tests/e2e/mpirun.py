#!/usr/bin/env python3
"""Tasks of several nodes, and `beofarm mpirun`: real ranks of Open MPI, on this machine and on the
nodes of an emulated Azure Batch, which share no files and know no ssh."""
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import azure_farm  # noqa: E402
import farms  # noqa: E402
import harness  # noqa: E402
from harness import test, wait_until  # noqa: E402

SOURCE = r"""
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int rank, size, sum, from = 0;
    char host[256], path[300], (*hosts)[256];
    FILE *in = fopen("deep/in.txt", "r"), *out;
    if (!in || fscanf(in, "%d", &from) != 1) { fprintf(stderr, "no input here\n"); return 9; }
    fclose(in);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&from, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    gethostname(host, sizeof host);
    hosts = malloc(256 * (size_t)size);
    MPI_Gather(host, 256, MPI_CHAR, hosts, 256, MPI_CHAR, 0, MPI_COMM_WORLD);
    snprintf(path, sizeof path, "ranks/%d.txt", rank);
    out = fopen(path, "w");
    if (out) { fprintf(out, "%s %s\n", host, argc > 1 ? argv[1] : ""); fclose(out); }
    if (rank == 0) {
        printf("size = %d\nsum = %d\n", size, sum);
        for (int i = 0; i < size; i++) printf("host %s\n", hosts[i]);
        if (argc > 2) { out = fopen("deep/in.txt", "w"); fprintf(out, "77\n"); fclose(out); }
    }
    fflush(stdout);
    if (argc > 2 && strcmp(argv[2], "sleep") == 0) sleep(600);
    MPI_Finalize();
    return argc > 2 ? atoi(argv[2]) : 0;
}
"""


def build(case):
    """The program, compiled."""
    farms.need_mpi(case)
    if not shutil.which("mpicc"):
        raise harness.Skip("mpicc is not here")
    case.write("program.c", SOURCE)
    subprocess.run(["mpicc", "-O1", "-o", case.path("program"), case.path("program.c")], check=True,
                   timeout=60)
    os.remove(case.path("program.c"))
    for folder in ("deep", "ranks"):
        os.makedirs(case.path(folder), exist_ok=True)
    case.write("deep/in.txt", "5\n")
    case.write("ranks/keep", "")


def sweep(nodes, ranks, words=(1, 2), **more):
    """Work that asks for nodes."""
    return {"kind": "sweep", "nodes": nodes, "ranks": ranks,
            "command": ["mpirun", "./program", "{word}"], "params": farms.grid(word=words),
            "values": [{"name": "size", "regex": "^size = ([0-9]+)"},
                       {"name": "sum", "regex": "^sum = ([0-9]+)"}],
            "outputs": ["stdout.txt", "ranks/*.txt"], **more}


def check_rows(farm, ranks, words=(1, 2)):
    """Results of a sweep of it."""
    for row in farm.rows(expect=len(words), status="ok"):
        assert int(row["size"]) == ranks and int(row["sum"]) == 5 * ranks, row
        for rank in range(ranks):
            found = farm.output(int(row["task"]), f"ranks/{rank}.txt")
            assert found.split()[1] == row["word"], (row, found)


@test
def a_sweep_of_mpi_runs_on_this_machine(case):
    build(case)
    farm = farms.Farm(case, {"name": "toy", "work": sweep(3, 3), "files": ["."],
                             "backend": {"kind": "local", "workers": 1}})
    case.beofarm("run", farm.file, expect=0, limit_s=120)
    check_rows(farm, 3)
    assert not [f for f in os.listdir("/tmp") if f.startswith("beofarm-") and
                os.path.exists(f"/tmp/{f}/hosts")], "a folder of nodes is left"


@test
def a_sweep_of_mpi_runs_on_nodes_of_batch(case):
    build(case)
    cloud = azure_farm.Cloud(case)
    farm = cloud.write(work=sweep(2, 3, words=(1, 2, 3)), backend={
        "kind": "azure", "workers": 2, "container": "farm", "bundle": azure_farm.bundle(case),
        "pool": {"vm_size": "Standard_D2s_v3", "start": {"kind": "none"}},
        "waits": {"poll_s": 0.1, "nodes_s": 0.2}}, files=["program", "deep", "ranks"],
        worker={"slots": 1, "pin": False})
    cloud.start()
    cloud.end()
    check_rows(farm, 3, (1, 2, 3))
    hosts = {farm.output(1, f"ranks/{rank}.txt").split()[0] for rank in range(3)}
    assert len(hosts) == 2, hosts
    cloud.wait_nothing()
    cloud.search()


if __name__ == "__main__":
    harness.main(globals())
