"""Machines that act as nodes.

As root a machine is a set of namespaces (network, host name, processes, mounts): it has a host name,
an address 10.0.0.N on a switch that all machines share, its own /etc/hosts, its own /mnt/batch/tasks,
and the metadata service at 169.254.169.254. Nothing else can be reached from it, but for the
emulator's --forward: those ports of this machine's loopback answer on its own loopback, too; their
sockets are opened inside and served by the emulator, outside. Namespaces have no names, and end with
their first process, which ends with the emulator, however that ends.

Otherwise a machine is an address 127.0.X.Y of this machine's loopback, and nothing more.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

METADATA = ("169.254.169.254", 80)
FIRST = 4  # Azure keeps the first addresses of a network
MOST = 250 * 250  # nodes at a time
CLONE_NEWNET = 0x40000000

# The first process: it takes in orphans and ends when its standard input does.
INIT = """
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("up", flush=True)
sys.stdin.read()
"""


def namespaces_work():
    """None, or why there can be none."""
    if os.geteuid() != 0:
        return "namespaces need root"
    for tool in ("ip", "unshare", "nsenter"):
        if not shutil.which(tool):
            return f"{tool} is missing"
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
         "hostname n0 && ip link add s0 type bridge && ip link add v0 type veth peer name v1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    if tried.returncode:
        return (tried.stderr.strip().splitlines() or ["unshare fails"])[-1]
    return None


def _run(args, text=None):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=30,
                          check=False, **({"input": text} if text is not None else
                                          {"stdin": subprocess.DEVNULL}))
    if done.returncode:
        raise OSError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")


class _Space:
    """Namespaces, entered through their first process."""

    def __init__(self, name):
        self.first = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child",
             "--mount-proc", sys.executable, "-I", "-S", "-c", INIT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True)
        if self.first.stdout.readline() != "up\n":
            raise OSError("namespaces cannot be made")
        with open(f"/proc/{self.first.pid}/task/{self.first.pid}/children",
                  encoding="ascii") as file:
            self.pid = int(file.read().split()[0])
        self.enter("hostname", name)
        self.ip("link set lo up")

    def enter(self, *args):
        _run(["nsenter", "--target", self.pid, "--all", "--", *args])

    def ip(self, *lines):
        _run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", "-batch", "-"],
             "\n".join(lines) + "\n")

    def close(self):
        """All its processes end at once."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.first.stdin.close()
        self.first.stdout.close()
        self.first.wait()

    def listen(self, address):
        """A listening socket inside. A thread alone enters: sockets stay where they were made."""
        found = []

        def inside():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self.pid}/ns/net", "rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    found.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                found.append(socket.create_server(address, backlog=64))
            except OSError as problem:
                found.append(problem)
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]


class _Forward:
    """Connections that a socket takes are led to an address that we can reach."""

    def __init__(self, listener, target):
        self.listener, self.target = listener, target
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=10)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(1 << 18):
                sink.sendall(data)
        except OSError:
            pass
        for sock, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                sock.shutdown(how)
            except OSError:
                pass


class NamespaceMachine:
    """A node of its own."""

    kind = "namespaces"

    def __init__(self, lan, name, number, folder):
        self.lan, self.name, self.number, self.folder = lan, name, number, folder
        self.address = f"10.0.{number // 250}.{FIRST + number % 250}"
        self.tasks = "/mnt/batch/tasks"  # as seen inside; outside it is self.folder
        self.hosts_file = folder + ".hosts"
        self.space, self.forwards = None, []

    def start(self):
        os.makedirs(os.path.join(self.folder, "batch", "tasks"), exist_ok=True)
        with open(self.hosts_file, "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost\n")
        self.space = _Space(self.name)
        try:
            self._plug()
            hide = "".join(f"mount -t tmpfs tmpfs '{path}'; " for path in self.lan.hide)
            self.space.enter("sh", "-ec", f"mount --bind '{self.folder}' /mnt; "
                             f"mount --bind '{self.hosts_file}' /etc/hosts; {hide}")
            self.forwards = [_Forward(self.space.listen(("127.0.0.1", port)), (host, port))
                             for host, port in self.lan.forward]
        except OSError:
            self.stop()
            raise

    def _plug(self):
        with self.lan.lock:
            switch = self.lan.switch()
            port = self.lan.port_name()  # that of an earlier life may still be there
            switch.ip(f"link add {port} type veth peer name peer",
                      f"link set peer netns {self.space.pid}",
                      f"link set {port} master bridge up")
        self.space.ip("link set peer name eth0", f"address add {self.address}/16 dev eth0",
                      "link set eth0 up", f"address add {METADATA[0]}/32 dev lo")

    def metadata_socket(self):
        return self.space.listen(METADATA)

    metadata_url = f"http://{METADATA[0]}"

    def tell_hosts(self, table):
        """/etc/hosts: in place, since a mount holds the file."""
        with open(self.hosts_file, "r+", encoding="ascii") as file:
            text = "127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for a, n in table)
            file.write(text)
            file.truncate()

    def command(self, args, folder, container=None):
        inside = container.command(args, folder) if container else ["env", "-C", folder, *args]
        return ["nsenter", "--target", str(self.space.pid), "--all", "--", *inside]

    def pids(self):
        """What runs on it, but for its first process."""
        found, here = [], os.readlink(f"/proc/{self.space.pid}/ns/pid")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(pid) != self.space.pid and os.readlink(f"/proc/{pid}/ns/pid") == here:
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def stop(self):
        for forward in self.forwards:
            forward.close()
        self.forwards = []
        if self.space:
            self.space.close()
            self.space = None


class LoopbackMachine:
    """A node that shares this machine: an address of its own, this host's name."""

    kind = "loopback"

    def __init__(self, _lan, _name, number, folder):
        self.number, self.folder = number, folder
        self.name = socket.gethostname()
        self.address = f"127.0.{1 + number // 250}.{FIRST + number % 250}"
        self.tasks = os.path.join(folder, "batch", "tasks")
        self.metadata_url = None

    def start(self):
        os.makedirs(self.tasks, exist_ok=True)

    def metadata_socket(self):
        listener = socket.create_server((self.address, 0), backlog=64)
        self.metadata_url = f"http://{self.address}:{listener.getsockname()[1]}"
        return listener

    def tell_hosts(self, table):
        """Names are this machine's own."""

    def command(self, args, folder, _container=None):
        # Who starts it waits for it: when the emulator is killed, so is what it had started.
        end = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        return [*end, "env", "-C", folder, *args]

    def stop(self):
        """Whoever kills a node's tasks does it by their marks: see runs.py."""


class Lan:
    """Where machines come from. `forward`: [(host, port)]; `hide`: folders that nodes shall not
    see."""

    def __init__(self, kind, root, forward=(), hide=()):
        why = None if kind == "loopback" else namespaces_work()
        if kind == "namespaces" and why:
            raise OSError(f"nodes cannot be namespaces: {why}")
        self.machine_class = LoopbackMachine if kind == "loopback" or why else NamespaceMachine
        self.kind, self.root = self.machine_class.kind, root
        self.forward, self.hide = list(forward), list(hide)
        self.lock = threading.RLock()
        self.numbers, self.last, self.ports = set(), -1, 0
        self._switch = None

    def switch(self):
        """The namespace with the bridge that all machines are plugged into."""
        if not self._switch:
            self._switch = _Space("switch")
            self._switch.ip("link add bridge type bridge forward_delay 0", "link set bridge up")
        return self._switch

    def port_name(self):
        self.ports += 1
        return f"port{self.ports}"

    def machine(self, name):
        with self.lock:
            # An address is not used again soon: neighbours would look for its last owner.
            number = (self.last + 1) % MOST
            while number in self.numbers:
                number = (number + 1) % MOST
            self.last = number
            self.numbers.add(number)
        return self.machine_class(self, name, number, os.path.join(self.root, f"n{number}"))

    def give_back(self, machine):
        machine.stop()
        shutil.rmtree(machine.folder, ignore_errors=True)
        with self.lock:
            self.numbers.discard(machine.number)

    def close(self):
        if self._switch:
            self._switch.close()
