"""How fast files travel to a container and back, against curl, and in how much memory.

The other end is a file server of this machine that speaks as much of Blob as that takes: it writes what
it is sent to a file, and gives what lies in the page cache. It believes checksums of what it gets, and
has those of what it gives from before, so that it costs curl and beofarm the same. curl sends and gets
the file as one blob, once without a checksum (what beofarm is compared with), and once with an MD5 that
the program openssl makes, which is the least that is as safe; beofarm has the CRC-64 of each block.
BENCH_CONNECTION_MBPS=60 lets no connection of the file server be faster than that, as Azure does: what
several streams are for. BENCH_AZURITE=1 measures against Azurite instead (an npm package: tests/npm),
which is slower than any client, and knows MD5 alone. `blob.py up` or `down` measures one direction.
"""

import base64
import os
import pathlib
import re
import shutil
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
MEMORY_KIB = 64 << 10
CONNECTION_BYTES_S = 1e6 * float(os.environ.get("BENCH_CONNECTION_MBPS", "inf"))
PIECE = 1 << 18 if CONNECTION_BYTES_S < 1e9 else SIZE
HEAD = re.compile(rb"(\S+) (\S+) HTTP/1.1\r\n(.*?\r\n)\r\n", re.S)


class Server(socketserver.StreamRequestHandler):
    """Enough of Blob for one file."""

    file = None  # what GET gives
    store = None  # where PUT goes
    block = None  # bytes, as blob_upload cuts files; the first four of a block's name count them
    span = None  # bytes of a range
    sums = []  # of these, as x-ms-content-crc64

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room = memoryview(bytearray(min(PIECE, 1 << 20)))
        self.free = time.monotonic()  # when the connection may carry more
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

    def carry(self, count):
        """`count` bytes went over the connection; waits as long as they take."""
        now = time.monotonic()
        self.free = max(self.free, now) + count / CONNECTION_BYTES_S
        if self.free > now:
            time.sleep(self.free - now)
        return count

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
            * self.block if block else 0
        at = SIZE if b"comp=blocklist" in target else at  # behind the file
        os.pwrite(self.store.fileno(), rest[:taken], at)
        rest, left, at = rest[taken:], left - taken, at + taken
        while left:
            got = self.request.recv_into(self.room, min(left, len(self.room)))
            os.pwrite(self.store.fileno(), self.room[:got], at)
            left, at = left - self.carry(got), at + got
        if method == b"PUT":
            self.say("201 Created", *(f"{name}: {named[name.encode()].decode()}"
                                      for name in ("x-ms-content-crc64",)
                                      if name.encode() in named))
        elif b"comp=blocklist" in target:
            self.say("404 Not Found", "x-ms-error-code: BlobNotFound")
        elif method == b"HEAD":
            self.say("200 OK", "x-ms-blob-type: BlockBlob", length=SIZE)
        else:
            asked = named.get(b"x-ms-range") or named.get(b"range") or b"bytes=0-"
            first, _, last = asked[len(b"bytes="):].partition(b"-")
            first, last = int(first), int(last or SIZE - 1)
            sums = [f"x-ms-content-crc64: {self.sums[first // self.span]}"] \
                if named.get(b"x-ms-range-get-content-crc64") else []
            self.say("206 Partial Content" if len(asked) > 8 else "200 OK",
                     f"Content-Range: bytes {first}-{last}/{SIZE}", *sums, length=last + 1 - first)
            while first <= last:
                first += self.carry(os.sendfile(self.request.fileno(), self.file.fileno(), first,
                                                min(PIECE, last + 1 - first)))
        return rest


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def md5_of(path):
    digest = lib.output_of(["openssl", "md5", "-r", path]).split()[0]
    return base64.b64encode(bytes.fromhex(digest)).decode()


def curl_rate(direction, url, path, checked):
    """MB/s of one request, with the time that an MD5 of the file takes, if it is to be checked."""
    place, _, query = url.partition("?")
    begun = time.monotonic()
    words = ["-o", path]
    if direction == "up":
        words = ["-T", path, "-H", "x-ms-blob-type: BlockBlob", "-H", "Expect:"]
        words += ["-H", "Content-MD5: " + md5_of(path)] if checked else []
    subprocess.run(["curl", "-sSf", "-H", "x-ms-version: 2021-12-02", *words,
                    f"{place}/file?{query}"], check=True, stdout=subprocess.DEVNULL)
    if checked and direction == "down":
        md5_of(path)
    return SIZE / 1e6 / (time.monotonic() - begun)


def beofarm_rate(direction, parallel, url, path):
    """(MB/s, most KiB resident)"""
    begun = time.monotonic()
    said = lib.output_of([lib.built("benchmarks/blob_transfer"), direction, parallel, url, path])
    return SIZE / 1e6 / (time.monotonic() - begun), int(said.split()[1])


def measure(url, source, target):
    for name in ("curl", "openssl"):
        lib.need_program(name)
    most = 0
    for direction, path in (("up", source), ("down", target)):
        if direction not in (sys.argv[1:] or ("up", "down")):
            continue
        rates = {"curl": [], "curl, checked": [], "beofarm 1": [], "beofarm 4": []}
        for _ in range(lib.ROUNDS):
            for name in rates:
                pathlib.Path(target).unlink(missing_ok=True)
                if name.startswith("curl"):
                    rate = curl_rate(direction, url, path, name != "curl")
                else:
                    rate, resident = beofarm_rate(direction, name[-1], url, path)
                    most = max(most, resident)
                rates[name].append(rate)
        lib.report(rates, f"MB/s {direction}", subject="beofarm 1")
        for name, wanted in (("beofarm 1", 0.9), ("beofarm 4", 1.0)):
            lib.verdict(f"{direction}: {name} against curl", lib.ratio(rates, name, "curl"), wanted,
                        "x")
    lib.verdict("resident", most / 1024, MEMORY_KIB / 1024, "MiB", better=min)


def prepare(source):
    """Fill the file, and have the server know its checksums."""
    with open(source, "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    said = lib.output_of([lib.built("benchmarks/blob_transfer"), "sums", source]).split()
    Server.block, Server.span, Server.sums = int(said[0]), int(said[1]), said[2:]


def main():
    lib.title(f"blob: a file of {SIZE >> 20} MiB to a container and back")
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        prepare(source)
        if os.environ.get("BENCH_AZURITE"):
            sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
            import batch_emulator_tools as tools  # pylint: disable=import-outside-toplevel
            import harness  # pylint: disable=import-outside-toplevel
            case = harness.Case("bench")
            try:
                azurite = tools.Azurite(case)
                azurite.make("bench")
                url = azurite.sas("bench", "racwdl")
                curl_rate("up", url, source, False)  # something to give
                measure(url, source, target)
            finally:
                case.close()
            return
        shutil.copyfile(source, target + ".sent")  # whoever comes first need not make its pages
        with open(source, "rb") as Server.file, open(target + ".sent", "r+b") as Server.store, \
                Threads(("127.0.0.1", 0), Server) as server:
            Server.store.write(bytes(1 << 20))
            Server.store.flush()
            threading.Thread(target=server.serve_forever, daemon=True).start()
            measure(f"http://127.0.0.1:{server.server_address[1]}/data/bench?sv=2021-12-02&sig=x",
                    source, target)
            server.shutdown()
            if "down" in sys.argv[1:]:
                return
            with open(source, "rb") as one, open(target + ".sent", "rb") as other:
                while some := one.read(1 << 20):
                    assert other.read(len(some)) == some, "what arrived is what was sent"


if __name__ == "__main__":
    lib.main(main)
