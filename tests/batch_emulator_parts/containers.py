"""Container images, and what a command finds in a container.

An image is a name (--image NAME) or a folder besides (--image NAME=FOLDER): each of its topmost
folders that hold files takes the place of the node's own of that path. With no --image every name is
an image. A registry that asks who one is (--registry SERVER=USER:PASSWORD) gives to nobody else.

A container is a set of namespaces inside those of its node: processes (the command is the first),
mounts, and, unless the run options say --network host, a host name that nobody else knows. Its network
is the node's in any case. Where nodes are loopback addresses, a command in a container is a process as
any other.
"""
import os
import shlex

from .transfer import Failure
from .wire import new_id

# Options of `docker create` that are taken: True where a value follows.
OPTIONS = {"--network": True, "--net": True, "--env": True, "-e": True, "--workdir": True, "-w": True,
           "--hostname": True, "-h": True, "--shm-size": True, "--ulimit": True, "--gpus": True,
           "--cap-add": True, "--cap-drop": True, "--security-opt": True, "--ipc": True,
           "--pid": True, "--user": True, "-u": True, "--device": True, "--memory": True,
           "-m": True, "--cpus": True, "--volume": True, "-v": True, "--mount": True,
           "--tmpfs": True, "--add-host": True, "--entrypoint": True, "--label": True,
           "--rm": False, "--init": False, "--privileged": False, "--read-only": False}

SCRIPT = ('if [ -n "$1" ]; then hostname "$1"; fi; folder=$2; count=$3; shift 3; '
          'while [ "$count" -gt 0 ]; do mount --bind "$1" "$2"; shift 2; count=$((count-1)); done; '
          'cd "$folder"; exec "$@"')


def server_of(image):
    """The registry of an image's name; Docker's own where it names none."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def pull(service, image, registries):
    """Have an image on a node; Failure if there is none, or not for us."""
    options = service.options
    known = options.registries.get(server_of(image))
    if known and not any(item.get("registryServer", "docker.io") == server_of(image) and
                         f"{item.get('username')}:{item.get('password')}" == known
                         for item in registries if item):
        raise Failure("ContainerInvalidRegistryCredentials", "The container registry refused the "
                      "credentials.", Image=image)
    if options.images and image not in options.images:
        raise Failure("ContainerInvalidImage", "The container image is not there.", Image=image)


def registries_of(pool):
    machine = pool.body["virtualMachineConfiguration"]
    return machine.get("containerConfiguration", {}).get("containerRegistries", [])


def prefetch(pool):
    """What a node of the pool does before its start task."""
    machine = pool.body["virtualMachineConfiguration"]
    for image in machine.get("containerConfiguration", {}).get("containerImageNames", []):
        pull(pool.service, image, registries_of(pool))


def options_read(text):
    """[(option, value)] of containerRunOptions, as `docker create` takes them."""
    words, found = shlex.split(text or ""), []
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name not in OPTIONS:
            raise Failure("ContainerCreateFailed", "docker create does not know an option.",
                          Option=name)
        if OPTIONS[name] and not equals:
            if not words:
                raise Failure("ContainerCreateFailed", "An option of docker create needs a value.",
                              Option=name)
            value = words.pop(0)
        found.append((name, value))
    return found


def _mounts(folder):
    """[(folder, where it is to be seen)]: the topmost folders that hold files."""
    found = []
    for where, folders, files in os.walk(folder):
        if files:
            found.append((where, "/" + os.path.relpath(where, folder)))
            folders[:] = []
    return found


class Container:
    """What one command's containerSettings ask for, on a node that has the image."""

    def __init__(self, node, settings):
        machine = node.pool.body["virtualMachineConfiguration"]
        if "containerConfiguration" not in machine:
            raise Failure("ContainerPoolNotSupported", "The pool does not support containers.")
        self.options = options_read(settings.get("containerRunOptions"))
        pull(node.service, settings["imageName"],
             [*registries_of(node.pool), settings.get("registry")])
        self.default_folder = settings.get("workingDirectory") == "containerImageDefault"
        self.image = node.service.options.images.get(settings["imageName"])
        self.host = new_id().replace("-", "")[:12]
        self.environment = {}
        for name, value in self.options:
            if name in ("--network", "--net") and value == "host":
                self.host = ""
            elif name in ("--hostname", "-h"):
                self.host = value
            elif name in ("--env", "-e"):
                self.environment.update([value.split("=", 1)] if "=" in value else [])

    def command(self, words, folder):
        """Words that run these in the container, from inside the node."""
        mounts = _mounts(self.image) if self.image else []
        folder = "/" if self.default_folder else folder
        return ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                "sh", "-ec", SCRIPT, "container", self.host, folder, str(len(mounts)),
                *[word for mount in mounts for word in mount], *words]
