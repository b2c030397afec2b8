"""The command line of the emulator."""
import argparse
import base64
import os
import shutil
import signal
import sys
import tempfile
import threading

from . import (api_files, api_jobs, api_nodes, api_pools, api_tasks, faults,  # noqa: F401
               images)  # they register their operations  pylint: disable=unused-import
from .machines import Lan
from .service import VERSIONS, Service
from .web import Server


def key(text):
    try:
        if base64.b64decode(text, validate=True):
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("a key is base64")


def address(text):
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host or "127.0.0.1", int(port)


def fault(text):
    try:
        faults.read(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r}: {problem}") from None
    return text


def package(text):
    name, _, path = text.partition("=")
    name, _, version = name.partition(":")
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:VERSION=FILE.zip")
    return (name.lower(), version), os.path.abspath(path)


def image(text):
    name, equals, folder = text.partition("=")
    if equals and not os.path.isdir(folder):
        raise argparse.ArgumentTypeError(f"{folder!r} is no folder")
    return name, os.path.abspath(folder) if equals else None


def registry(text):
    server, _, who = text.partition("=")
    if ":" not in who:
        raise argparse.ArgumentTypeError("a registry is SERVER=USER:PASSWORD")
    return server, who


def principal(text):
    parts = text.split(":", 2)
    if len(parts) != 3:
        raise argparse.ArgumentTypeError("a principal is TENANT:CLIENT:SECRET")
    return (parts[0], parts[1]), parts[2]


def parser():
    found = argparse.ArgumentParser(
        prog="batch_emulator", description="An Azure Batch account on this machine. Manual: "
                                           "docs/batch-emulator.md.")
    add = found.add_argument
    add("--port", type=int, default=0, help="0 (the default): any; the ready line tells")
    add("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    add("--account", required=True)
    add("--key", type=key, required=True, metavar="BASE64KEY")
    add("--record", metavar="FILE", help="append each exchange as a JSON line")
    add("--root", metavar="FOLDER", help="disks of nodes (default: a temporary folder)")
    add("--nodes", choices=("auto", "namespaces", "loopback"), default="auto",
        help="what nodes are made of; auto: namespaces as root, else loopback addresses")
    add("--forward", type=address, action="append", default=[], metavar="HOST:PORT",
        help="nodes reach this address as their own 127.0.0.1:PORT")
    add("--hide", action="append", default=[], metavar="FOLDER",
        help="a folder that is empty on nodes (namespaces)")
    add("--pass", dest="passed", action="append", default=[], metavar="NAME",
        help="an environment variable of ours that all commands on nodes get")
    add("--fault", type=fault, action="append", default=[], metavar="NAME,key=value,...")
    add("--node-start", type=float, default=0.2, metavar="S", help="how long a node starts")
    add("--hurry", type=float, default=1.0, metavar="N",
        help="autoscale, resize time-outs and retention run N times as fast")
    add("--clock-ahead", type=float, default=0.0, metavar="S",
        help="how far our clock is ahead of the client's")
    add("--pool-quota", type=int, default=100)
    add("--job-quota", type=int, default=300)
    add("--dedicated-cores", type=int, default=10000)
    add("--spot-cores", type=int, default=10000)
    add("--api-version", dest="versions", action="append", metavar="VERSION",
        help="answer this version of the API alone (may be repeated)")
    add("--int64-strings", action="store_true",
        help="64-bit numbers as strings, as models of 2025-06-01 have them")
    add("--no-shared-key", dest="shared_key", action="store_false",
        help="refuse SharedKey, as accounts in user-subscription mode do")
    add("--principal", type=principal, action="append", default=[], dest="principals",
        metavar="TENANT:CLIENT:SECRET", help="gets tokens at /TENANT/oauth2/v2.0/token")
    add("--identity", metavar="CLIENT", help="nodes have this managed identity")
    add("--auto-storage", metavar="URL?SAS", help="the account's own storage: blob endpoint and "
                                                  "an account SAS")
    add("--package", dest="packages", type=package, action="append", default=[],
        metavar="NAME:VERSION=FILE.zip", help="an application package")
    add("--image", dest="images", type=image, action="append", default=[],
        metavar="NAME[=FOLDER]", help="a container image, and what is in it")
    add("--registry", dest="registries", type=registry, action="append", default=[],
        metavar="SERVER=USER:PASSWORD", help="a container registry that asks who one is")
    add("--no-dns", action="store_true", help="nodes do not know each other's names")
    add("--metadata-variable", default="BEOFARM_METADATA", metavar="NAME",
        help="the variable that tells commands the URL of the metadata service (%(default)s)")
    add("--certificate", metavar="PEM", help="speak TLS, with this certificate and key")
    return found


def wait_for_end():
    """Until SIGTERM or SIGINT."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    while not over.wait(1):
        pass


def run(options):
    options.packages, options.principals = dict(options.packages), dict(options.principals)
    options.images, options.registries = dict(options.images), dict(options.registries)
    options.versions = tuple(options.versions or VERSIONS)
    root = options.root or tempfile.mkdtemp(prefix="batch-emulator-")
    os.makedirs(root, exist_ok=True)
    lan = Lan(options.nodes, os.path.abspath(root), options.forward, options.hide)
    service = Service(options, lan)
    server = Server(service, options.host, options.port, options.certificate)
    options.port = server.server_address[1]
    scheme = "https" if options.certificate else "http"
    options.url = f"{scheme}://{options.host}:{options.port}"
    service.start()
    print(f"batch_emulator ready: account {options.account} at {options.url} "
          f"(nodes: {lan.kind})", flush=True)
    try:
        wait_for_end()
    finally:
        service.stop()
        if not options.root:
            shutil.rmtree(root, ignore_errors=True)


def main():
    options = parser().parse_args()
    try:
        run(options)
    except OSError as problem:
        sys.exit(f"batch_emulator: {problem}")
