"""Nodes on one machine: namespaces with a network, a host name and processes of their own.

A Network is a switch (a bridge in a network namespace of its own, without a way out) and hosts
n1, n2, … with the addresses 10.77.0.1, 10.77.0.2, … on it, and 10.78.0.1, … on a second interface.
Every host has a host name, /etc/hosts, process numbers and a loopback of its own, and, as machines
with containers have, a docker0 whose address is the same everywhere and leads nowhere. Files are
shared.

Namespaces have no names, so tests may run at the same time. Each lives as long as its first
process, which ends when the test does, however that ends; and all processes of a host end with it.
"""
import os
import shutil
import signal
import subprocess
import sys

from harness import Skip, alive, wait_until

SUBNET = "10.77.0"
SUBNET_2 = "10.78.0"
CIDR = f"{SUBNET}.0/24"

# The first process of a host: it takes in orphans and ends when its standard input does.
INIT = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
print("up", flush=True)
sys.stdin.read()
"""


def _child(pid):
    """The only child of a process, 0 if it has none yet."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return int((file.read().split() or ["0"])[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def require():
    """Skip the test where namespaces cannot be made."""
    if os.geteuid() != 0:
        raise Skip("namespaces that act as nodes need root")
    for tool, package in [("ip", "iproute2"), ("unshare", "util-linux"),
                          ("nsenter", "util-linux")]:
        if not shutil.which(tool):
            raise Skip(f"{tool} is missing (Debian package {package})")
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
         "hostname n0 && ip link add s0 type bridge && ip link add v0 type veth peer name v1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False)
    if tried.returncode:
        said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
        raise Skip(f"namespaces cannot be made here: {said[-1]}")


class Host:
    """A set of namespaces, entered through its first process."""

    def __init__(self, case, name, address=None):
        self.case, self.name, self.address = case, name, address
        self.init = case.start("unshare", "--net", "--uts", "--mount", "--pid", "--fork",
                               "--kill-child", "--mount-proc", sys.executable, "-c", INIT,
                               stdin=subprocess.PIPE)
        assert self.init.stdout.readline() == "up\n", self.init.stderr.read()
        self.pid = _child(self.init.pid)
        self.set_up("hostname", name)
        self.set_up("ip", "link", "set", "lo", "up")

    def _args(self, args, cwd):
        return ["nsenter", "--target", self.pid, "--all", "--", "env", "-C", cwd, *args]

    def set_up(self, *args):
        """Run a command of the system in it, which must succeed."""
        done = subprocess.run([str(a) for a in self._args(args, "/")], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True, timeout=100, check=False)
        assert done.returncode == 0, f"{args} on {self.name}: {done.stderr}"
        return done.stdout

    def start(self, *args, cwd=None, **more):
        """Case.start on this host."""
        return self.case.start(*self._args(args, cwd or self.case.folder), **more)

    def run(self, *args, cwd=None, **more):
        """Case.run on this host."""
        return self.case.run(*self._args(args, cwd or self.case.folder), **more)

    def kill(self, process, number=signal.SIGKILL):
        """Send a signal to a program that was started here, not to its children."""
        os.kill(wait_until(lambda: _child(process.pid), f"{process.args} is started"), number)

    def lay_over(self, path, text):
        """Let this host alone see other content in a file that exists."""
        other = self.case.write(f".{self.name}{path.replace('/', '-')}", text)
        self.set_up("mount", "--bind", other, path)

    def processes(self):
        """{pid: name} of what runs on it, its first process left out."""
        found, here = {}, os.readlink(f"/proc/{self.pid}/ns/pid")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == here and int(pid) != self.pid:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                        found[int(pid)] = file.read().strip()
            except OSError:  # it ended, or is the system's
                continue
        return {pid: name for pid, name in found.items() if alive(pid)}

    def cpu_s(self, names):
        """{name: CPU seconds so far} of its processes that have one of these names."""
        used = dict.fromkeys(names, 0.0)
        for pid, name in self.processes().items():
            if name in used:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
                used[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used


class Network:
    """A switch and `count` hosts on it. With `named` they know each other's names; host_names
    gives them other names than n1, n2, …"""

    def __init__(self, case, count, named=True, host_names=None):
        require()
        self.switch = Host(case, "switch")
        self.switch.set_up("ip", "link", "add", "bridge", "type", "bridge")
        self.switch.set_up("ip", "link", "set", "bridge", "up")
        names = host_names or [f"n{i}" for i in range(1, count + 1)]
        self.hosts = [Host(case, name, f"{SUBNET}.{i}") for i, name in enumerate(names, 1)]
        table = "127.0.0.1 localhost\n"
        if named:
            table += "".join(f"{host.address} {host.name}\n" for host in self.hosts)
        for number, host in enumerate(self.hosts, 1):
            self._plug(number, host)
            host.lay_over("/etc/hosts", table)
        # Until every port forwards, a first packet may be lost, and a second of time with it.
        for host in self.hosts:
            wait_until(lambda h=host: "state UP" in h.set_up("ip", "link", "show", "eth0"),
                       f"{host.name} is on the network")

    def _plug(self, number, host):
        for name, subnet in [("eth0", SUBNET), ("eth1", SUBNET_2)]:
            port = f"{name}-{number}"
            self.switch.set_up("ip", "link", "add", port, "type", "veth", "peer", "name", "peer")
            # Across process namespaces a host is known by the number that all see: ours.
            subprocess.run(["nsenter", f"--net=/proc/{self.switch.pid}/ns/net", "ip", "link",
                            "set", "peer", "netns", str(host.pid)], check=True, timeout=100)
            self.switch.set_up("ip", "link", "set", port, "master", "bridge", "up")
            host.set_up("ip", "link", "set", "peer", "name", name)
            host.set_up("ip", "address", "add", f"{subnet}.{number}/24", "dev", name)
            host.set_up("ip", "link", "set", name, "up")
        # Open MPI behaves in another way where there is IPv6.
        host.set_up("ip", "address", "add", f"fd77::{number}/64", "dev", "eth0", "nodad")
        host.set_up("ip", "link", "add", "docker0", "type", "bridge")
        host.set_up("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
        host.set_up("ip", "link", "set", "docker0", "up")
        # A container on it, so that it counts as running.
        host.set_up("ip", "link", "add", "inner", "master", "docker0", "up", "type", "veth",
                    "peer", "name", "outer")
        host.set_up("ip", "link", "set", "outer", "up")

    def _set_ports(self, host, state):
        number = self.hosts.index(host) + 1
        for name in ["eth0", "eth1"]:
            self.switch.set_up("ip", "link", "set", f"{name}-{number}", state)

    def unplug(self, host):
        self._set_ports(host, "down")

    def plug_in(self, host):
        self._set_ports(host, "up")

    def be_impatient(self):
        """Let every host's kernel give up a connection after a few seconds instead of a quarter
        of an hour without an answer."""
        for host in self.hosts:
            host.set_up("sh", "-c", "echo 3 >/proc/sys/net/ipv4/tcp_retries2")

    def slow_down(self, host, rate="16mbit"):
        """Let this host send no faster; skips the test where that cannot be said."""
        try:
            host.set_up("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate,
                        "burst", "32kb", "latency", "200ms")
        except (AssertionError, FileNotFoundError) as problem:
            raise Skip(f"tc cannot shape traffic here: {problem}") from None
