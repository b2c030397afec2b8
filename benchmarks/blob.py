"""How fast files travel to a container and back, against curl, and in how much memory.

The other end is a file server of this machine that speaks as much of Blob as that takes: it writes what
it is sent to a file, and gives what lies in the page cache. curl sends the file as one blob, without a
checksum; beofarm has the MD5 of each block. BENCH_AZURITE=1 measures against Azurite instead (an npm
package: tests/npm), which is slower than either client.
"""

import base64
import os
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import lib

SIZE = max(16, int(1024 * lib.SCALE)) << 20
BLOCK = 4 << 20  # as blob_upload cuts files; the first four bytes of a block's name count them
MEMORY_KIB = 64 << 10
HEAD = re.compile(rb"(\S+) (\S+) HTTP/1.1\r\n(.*?\r\n)\r\n", re.S)


class Server(socketserver.StreamRequestHandler):
    """Enough of Blob for one file."""

    file = None  # what GET gives
    store = None  # where PUT goes

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room = memoryview(bytearray(1 << 20))
        rest = b""
        while True:
            while b"\r\n\r\n" not in rest:
                some = self.request.recv(1 << 16)
                if not some:
                    return
                rest += some
            match = HEAD.match(rest)
            named = {k.lower(): v.strip() for k, _, v in
                     (line.partition(b":") for line in match[3].split(b"\r\n") if line)}
            rest = self.answer(match[1], match[2], named, rest[match.end():])

    def say(self, status, *lines, length=0):
        head = [f"HTTP/1.1 {status}", f"Content-Length: {length}", 'ETag: "0x1"',
                "Last-Modified: Sat, 21 Nov 2026 09:00:00 GMT", "x-ms-request-id: 1", *lines]
        self.request.sendall("\r\n".join([*head, "", ""]).encode())

    def answer(self, method, target, named, rest):
        left = int(named.get(b"content-length", 0))
        if named.get(b"expect"):
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        taken = min(left, len(rest))
        block = re.search(rb"blockid=([^&]*)", target)
        at = int.from_bytes(base64.b64decode(urllib.parse.unquote(block[1].decode()))[:4], "big") \
            * BLOCK if block else 0
        at = SIZE if b"comp=blocklist" in target else at  # behind the file
        os.pwrite(self.store.fileno(), rest[:taken], at)
        rest, left, at = rest[taken:], left - taken, at + taken
        while left:
            got = self.request.recv_into(self.room, min(left, len(self.room)))
            os.pwrite(self.store.fileno(), self.room[:got], at)
            left, at = left - got, at + got
        if method == b"PUT":
            self.say("201 Created")
        elif b"comp=blocklist" in target:
            self.say("404 Not Found", "x-ms-error-code: BlobNotFound")
        elif method == b"HEAD":
            self.say("200 OK", "x-ms-blob-type: BlockBlob", length=SIZE)
        else:
            asked = named.get(b"x-ms-range") or named.get(b"range") or b"bytes=0-"
            first, _, last = asked[len(b"bytes="):].partition(b"-")
            first, last = int(first), int(last or SIZE - 1)
            self.say("206 Partial Content" if len(asked) > 8 else "200 OK",
                     f"Content-Range: bytes {first}-{last}/{SIZE}", length=last + 1 - first)
            while first <= last:
                first += os.sendfile(self.request.fileno(), self.file.fileno(), first,
                                     last + 1 - first)
        return rest


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def timed(*words):
    begun = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def curl_run(direction, url, path):
    place, _, query = url.partition("?")
    words = ["-T", path, "-H", "x-ms-blob-type: BlockBlob", "-H", "x-ms-version: 2021-12-02"]
    return timed("curl", "-sSf", *(words if direction == "up" else ["-o", path]),
                 f"{place}/file?{query}")


def measure(url, source, target):
    tool = lib.built("benchmarks/blob_transfer")
    lib.need_program("curl")
    most = 0
    for direction, path in (("up", source), ("down", target)):
        rates = {"curl": [], "beofarm 1": [], "beofarm 4": []}
        for _ in range(lib.ROUNDS):
            rates["curl"].append(SIZE / 1e6 / curl_run(direction, url, path))
            for parallel in ("1", "4"):
                pathlib.Path(target).unlink(missing_ok=True)
                said = subprocess.run([tool, direction, parallel, url, path], check=True,
                                      stdout=subprocess.PIPE).stdout.split()
                rates[f"beofarm {parallel}"].append(SIZE / 1e6 / float(said[0]))
                most = max(most, int(said[1]))
        lib.report(rates, f"MB/s {direction}", subject="beofarm 1")
        for name, wanted in (("beofarm 1", 0.9), ("beofarm 4", 1.0)):
            ratios = sorted(a / b for a, b in zip(rates[name], rates["curl"]))
            lib.verdict(f"{direction}: {name} against curl", ratios[len(ratios) // 2], wanted, "x",
                        better=max)
    lib.verdict("resident", most / 1024, MEMORY_KIB / 1024, "MiB", better=min)


def main():
    lib.title(f"blob: a file of {SIZE >> 20} MiB to a container and back")
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        with open(source, "wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        if os.environ.get("BENCH_AZURITE"):
            sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
            import batch_emulator_tools as tools  # pylint: disable=import-outside-toplevel
            import harness  # pylint: disable=import-outside-toplevel
            case = harness.Case("bench")
            try:
                azurite = tools.Azurite(case)
                azurite.make("bench")
                measure(azurite.sas("bench", "racwdl"), source, target)
            finally:
                case.close()
            return
        with open(source, "rb") as Server.file, open(target + ".sent", "wb") as Server.store, \
                Threads(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            measure(f"http://127.0.0.1:{server.server_address[1]}/data/bench?sv=2021-12-02&sig=x",
                    source, target)
            server.shutdown()
            with open(source, "rb") as one, open(target + ".sent", "rb") as other:
                while some := one.read(1 << 20):
                    assert other.read(1 << 20) == some, "what arrived is what was sent"


if __name__ == "__main__":
    lib.main(main)
