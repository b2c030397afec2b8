"""A mock of Azure for tests of the client: Blob and Entra's token endpoint, in this process. Batch is
tests/batch_emulator's part.

It holds blobs in memory. What it is strict about is what a client can get wrong: signatures (computed
here anew, from the service's reference), SAS, tokens, dates, lengths. Faults come on command.

    with Mock() as mock:
        mock.fault(status=429, retry_after=1, times=2)          # the next two requests, whichever
        mock.fault(cut=100, method="GET", path="/farm/big")     # half an answer, then the line drops
        run("...", env=mock.environment())
        assert mock.log[-1]["status"] == 200

An operation is one function under @route; it gets the mock, the request and the names in its
pattern, and returns an Answer or raises a Refusal.
"""
import base64
import datetime
import email.utils
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
import xml.etree.ElementTree
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from batch_emulator_parts import identity  # noqa: E402

KEY = base64.b64encode(b"TOPSECRET-batch-key-of-the-mock-0123456789").decode()
STORAGE_KEY = base64.b64encode(b"TOPSECRET-storage-key-of-the-mock-012345678").decode()
DELEGATION_KEY = base64.b64encode(b"TOPSECRET-delegation-key-of-the-mock-01234").decode()
CLIENT_SECRET = "TOPSECRET-client~secret"
SECRETS = [KEY, STORAGE_KEY, DELEGATION_KEY, CLIENT_SECRET, "TOPSECRET"]
SKEW_S = 15 * 60  # what the services allow
ROUTES = []


class Answer:
    """What goes back: JSON or XML or bytes."""

    def __init__(self, status, body=b"", **headers):
        self.status = status
        self.headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            self.headers.setdefault("content-type", "application/json")
        elif isinstance(body, str):
            body = body.encode()
            self.headers.setdefault("content-type", "application/xml")
        self.body = body


class Refusal(Exception):
    """An error in the service's own form."""

    def __init__(self, status, code, message="The request was refused.", **values):
        super().__init__(code)
        self.status, self.code, self.message, self.values = status, code, message, values

    def answer(self, service):
        text = f"{self.message}\nRequestId:{uuid.uuid4()}\nTime:2026-11-21T09:00:00.0Z"
        if service == "entra":
            return Answer(self.status, {"error": self.code, "error_description": self.message})
        extra = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in self.values.items())
        return Answer(self.status,
                      f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code>'
                      f"<Message>{escape(text)}</Message>{extra}</Error>",
                      x_ms_error_code=self.code)


class Request:
    """A request as it came; `path` is percent-encoded, `query` decoded."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.body = method, target, body
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.path, _, self.raw_query = target.partition("?")
        self.query = {}
        for part in filter(None, self.raw_query.split("&")):
            name, _, value = part.partition("=")
            name = urllib.parse.unquote(name).lower()
            self.query.setdefault(name, []).append(urllib.parse.unquote(value))

    def get(self, name, default=""):
        return self.query.get(name.lower(), [default])[0]

    def range(self, header):
        """(first, last) of "bytes=a-b", or None."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get(header, ""))
        return match and (int(match[1]), int(match[2]) if match[2] else sys.maxsize)


def route(service, method, pattern, **wanted):
    """Serve method and path (of Blob: without the account) with this query, "" for any value."""
    def mark(function):
        ROUTES.append((service, method, re.compile(pattern), wanted, function))
        return function
    return mark


# --- signatures, as the services' references tell ------------------------------------------------


def collated(name):
    """The order of header names in Storage: '-' counts only between names alike without it."""
    kinds = [(0 if not c.isalnum() else 1 if c.isdigit() else 2, c)
             for c in name if c != "-"]
    return kinds, [c == "-" for c in name]


def string_to_sign(account, request):
    headers = request.headers
    prefix = "x-ms-"
    length = headers.get("content-length", "")
    if length == "0":
        length = ""
    date = "" if prefix + "date" in headers else headers.get("date", "")
    lines = [request.method, headers.get("content-encoding", ""),
             headers.get("content-language", ""), length, headers.get("content-md5", ""),
             headers.get("content-type", ""), date]
    lines += [headers.get(name, "") for name in (
        "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")]
    lines += [f"{name}:{headers[name].strip()}"
              for name in sorted((n for n in headers if n.startswith(prefix)), key=collated)]
    resource = f"/{account}{request.path}"
    for name in sorted(request.query):
        resource += f"\n{name}:{','.join(sorted(request.query[name]))}"
    return "\n".join(lines + [resource])


def signature(key, text):
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Mock:
    """The two services, each on a port of its own of 127.0.0.1."""

    def __init__(self, storage="data", key=KEY, storage_key=STORAGE_KEY, certificate=None):
        """`key`: that of the Batch account, with which its tokens are signed; `certificate`: a PEM
        file with certificate and key of localhost, to speak TLS."""
        self.storage, self.certificate = storage, certificate
        self.key, self.storage_key = key, storage_key
        self.appends_max = 50000
        self.page_size = 1000
        self.tokens = {}      # token: [service, ends at]
        self.token_life_s = 3600
        self.clock_ahead_s = 0
        self.log, self.faults = [], []
        self.lock = threading.RLock()
        self.containers = {}  # name: {blob: {"body", "blocks", "type"}}
        self.servers = {name: _Server(self, name) for name in ("blob", "entra")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for server in self.servers.values():
            server.shutdown()
            server.server_close()

    def url(self, service):
        port = self.servers[service].server_address[1]
        base = f"https://localhost:{port}" if self.certificate else f"http://127.0.0.1:{port}"
        return base + (f"/{self.storage}" if service == "blob" else "")

    def environment(self, how="key"):
        """Variables with which a client finds the mock: by keys, or as a principal."""
        found = {"AZURE_STORAGE_ACCOUNT": self.storage,
                 "AZURE_STORAGE_BLOB_ENDPOINT": self.url("blob"), "no_proxy": "*"}
        if how == "key":
            return {**found, "AZURE_STORAGE_KEY": self.storage_key}
        return {**found, "AZURE_TENANT_ID": "tenant-1", "AZURE_CLIENT_ID": "client-1",
                "AZURE_CLIENT_SECRET": CLIENT_SECRET,
                "AZURE_AUTHORITY_HOST": self.url("entra")}

    def container_sas(self, container, permissions="racwdl", seconds=86400):
        """The URL of a container with a service SAS."""
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() + seconds))
        query = {"sp": permissions, "se": ends, "sv": "2021-12-02", "sr": "c"}
        fields = [permissions, "", ends, f"/blob/{self.storage}/{container}", "", "", "",
                  query["sv"], "c", *[""] * 7]
        query["sig"] = signature(self.storage_key, "\n".join(fields))
        return f"{self.url('blob')}/{container}?{urllib.parse.urlencode(query)}"

    def fault(self, times=1, service=None, method=None, path=None, **what):
        """The next `times` requests that match get a fault: status= (with code=, retry_after= a
        number or a date), drop=True (no answer), cut=N (N bytes of the answer's body), slow=S
        (seconds before the answer), date=S (its Date that much ahead)."""
        with self.lock:
            self.faults.append({"times": times, "service": service, "method": method,
                                "path": path, **what})

    def fault_take(self, service, request):
        with self.lock:
            for fault in self.faults:
                if fault["times"] > 0 and fault["service"] in (None, service) and \
                   fault["method"] in (None, request.method) and \
                   (fault["path"] is None or fault["path"] in request.path):
                    fault["times"] -= 1
                    return fault
        return {}

    def now(self):
        return time.time() + self.clock_ahead_s

    # --- who asks -------------------------------------------------------------------------------

    def check_date(self, request):
        text = request.headers.get("x-ms-date") or request.headers.get("date", "")
        try:
            sent = email.utils.parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError):
            sent = 0
        if abs(self.now() - sent) > SKEW_S:
            raise Refusal(403, "AuthenticationFailed", "The date is missing or too far off.",
                          AuthenticationErrorDetail=f"The Date header '{text}' is not in time.")

    def check_key(self, request, given):
        text = string_to_sign(self.storage, request)
        self.check_date(request)
        if given != f"{self.storage}:{signature(self.storage_key, text)}":
            raise Refusal(403, "AuthenticationFailed",
                          "Server failed to authenticate the request.",
                          AuthenticationErrorDetail="The MAC signature found in the HTTP request "
                          f"'{given}' is not the same as any computed signature. Server used "
                          f"following string to sign: '{text}'.")

    def check_token(self, token):
        scope, ends = self.tokens.get(token, ["", 0])
        if "storage.azure.com" not in scope:
            raise Refusal(401, "AuthenticationFailed", "Audience validation failed.")
        if self.now() > ends:
            raise Refusal(401, "AuthenticationFailed", "The token has expired.")

    def sas_text(self, request, delegated):
        get, path = request.get, urllib.parse.unquote(request.path)
        name = path[len(self.storage) + 2:]
        if get("sr") == "c":
            name = name.split("/")[0]
        fields = [get("sp"), get("st"), get("se"), f"/blob/{self.storage}/{name}"]
        fields += [get(n) for n in ("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid",
                                    "scid")] if delegated else [get("si")]
        fields += [get(n) for n in ("sip", "spr", "sv", "sr", "snapshot", "ses", "rscc", "rscd",
                                    "rsce", "rscl", "rsct")]
        return "\n".join(fields)

    def check_sas(self, request):
        delegated = "skoid" in request.query
        key = DELEGATION_KEY if delegated else self.storage_key
        if request.get("sig") != signature(key, self.sas_text(request, delegated)):
            raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail="Signature did "
                          "not match.")
        if not request.get("st") <= now_text() < request.get("se"):
            raise Refusal(403, "AuthenticationFailed", AuthenticationErrorDetail="Signature not "
                          "valid in the specified time frame")
        wanted = {"GET": "l" if request.get("comp") == "list" else "r", "HEAD": "r",
                  "DELETE": "d", "PUT": "cwa"}.get(request.method, "?")
        if not set(wanted) & set(request.get("sp")):
            raise Refusal(403, "AuthorizationPermissionMismatch")

    def check(self, service, request):
        given = request.headers.get("authorization", "")
        if service == "entra":
            return
        if "sig" in request.query:
            self.check_sas(request)
        elif given.startswith("SharedKey "):
            self.check_key(request, given[10:])
        elif given.startswith("Bearer "):
            self.check_token(given[7:])
        else:
            raise Refusal(401, "NoAuthenticationInformation")

    # --- answering ---------------------------------------------------------------------------------

    def find(self, service, request):
        path = request.path
        if service == "blob":
            path = path[len(self.storage) + 1:] or "/"
        for its, method, pattern, wanted, function in ROUTES:
            names = pattern.fullmatch(path)
            if its == service and method == request.method and names and \
               all(n in request.query and v in ("", request.get(n)) for n, v in wanted.items()):
                return function, {k: urllib.parse.unquote(v) for k, v in
                                  names.groupdict().items()}
        raise Refusal(405, "MethodNotAllowed", f"{request.method} {request.target}")

    def answer(self, service, request):
        fault = self.fault_take(service, request)
        time.sleep(fault.get("slow", 0))
        try:
            if "status" in fault:
                raise Refusal(fault["status"], fault.get("code", "ServerBusy"))
            with self.lock:
                self.check(service, request)
                function, names = self.find(service, request)
                found = function(self, request, **names)
        except Refusal as refusal:
            found = refusal.answer(service)
        if "retry_after" in fault:
            found.headers["retry-after"] = str(fault["retry_after"])
        found.headers["date"] = email.utils.formatdate(self.now() + fault.get("date", 0),
                                                       usegmt=True)
        found.headers["x-ms-request-id" if service == "blob" else "request-id"] = \
            str(uuid.uuid4())
        with self.lock:
            self.log.append({"service": service, "method": request.method, "url": request.target,
                             "headers": request.headers, "body": request.body,
                             "status": found.status, "fault": fault})
        return found, fault


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        length = self.headers.get("content-length")
        body = self.rfile.read(int(length or 0))
        request = Request(self.command, self.path, self.headers, body)
        answer, fault = self.server.mock.answer(self.server.service, request)
        if fault.get("drop"):
            return self.hang_up()
        self.send_response_only(answer.status)
        answer.headers.setdefault("content-length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if "cut" in fault:
            self.wfile.write(answer.body[:fault["cut"]])
            return self.hang_up()
        self.wfile.write(answer.body)
        return None

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, mock, service):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mock, self.service = mock, service
        if mock.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(mock.certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that hangs up is no event."""


# --- Entra -----------------------------------------------------------------------------------------


@route("entra", "POST", r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")
def token_issue(mock, request, tenant):
    form = {k: v[0] for k, v in urllib.parse.parse_qs(request.body.decode()).items()}
    if tenant != "tenant-1" or form.get("client_id") != "client-1":
        raise Refusal(400, "unauthorized_client", "AADSTS700016: Application not found.")
    if form.get("client_secret") != CLIENT_SECRET and "client_assertion" not in form:
        raise Refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
    audience = form.get("scope", "").removesuffix("/.default")
    token = identity.token_issue(mock.key, audience, "client-1", mock.now())
    mock.tokens[token] = [form.get("scope", ""), mock.now() + mock.token_life_s]
    return Answer(200, {"token_type": "Bearer", "expires_in": mock.token_life_s,
                        "access_token": token})


# --- Blob ------------------------------------------------------------------------------------------

CONTAINER, BLOB = r"/(?P<container>[^/]+)", r"/(?P<container>[^/]+)/(?P<blob>.+)"


def need_container(mock, name):
    if name not in mock.containers:
        raise Refusal(404, "ContainerNotFound")
    return mock.containers[name]


def need_blob(mock, container, name):
    found = need_container(mock, container).get(name)
    if not found or found["body"] is None:
        raise Refusal(404, "BlobNotFound")
    return found


@route("blob", "POST", "/", restype="service", comp="userdelegationkey")
def delegation_key(_mock, request):
    if not request.headers.get("authorization", "").startswith("Bearer "):
        raise Refusal(403, "AuthenticationFailed", "Keys are lent to tokens alone.")
    info = xml.etree.ElementTree.fromstring(request.body)
    return Answer(200, f"<?xml version='1.0'?><UserDelegationKey><SignedOid>o-1</SignedOid>"
                       f"<SignedTid>tenant-1</SignedTid><SignedStart>{info.findtext('Start')}"
                       f"</SignedStart><SignedExpiry>{info.findtext('Expiry')}</SignedExpiry>"
                       "<SignedService>b</SignedService><SignedVersion>2021-12-02</SignedVersion>"
                       f"<Value>{DELEGATION_KEY}</Value></UserDelegationKey>")


@route("blob", "PUT", CONTAINER, restype="container")
def container_create(mock, _request, container):
    if container in mock.containers:
        raise Refusal(409, "ContainerAlreadyExists")
    mock.containers[container] = {}
    return Answer(201)


@route("blob", "DELETE", CONTAINER, restype="container")
def container_delete(mock, _request, container):
    need_container(mock, container)
    del mock.containers[container]
    return Answer(202)


@route("blob", "GET", CONTAINER, restype="container", comp="list")
def blob_list(mock, request, container):
    names = sorted(name for name, blob in need_container(mock, container).items()
                   if name.startswith(request.get("prefix")) and blob["body"] is not None)
    names = [name for name in names if name >= request.get("marker")]
    size = min(mock.page_size, int(request.get("maxresults", "5000")))
    blobs = "".join(
        f"<Blob><Name>{escape(n)}</Name><Properties><Content-Length>"
        f"{len(mock.containers[container][n]['body'])}</Content-Length></Properties></Blob>"
        for n in names[:size])
    rest = escape(names[size]) if len(names) > size else ""
    return Answer(200, f"<?xml version='1.0'?><EnumerationResults><Blobs>{blobs}</Blobs>"
                       f"<NextMarker>{rest}</NextMarker></EnumerationResults>")


def written(mock, request, container, blob, kind="BlockBlob"):
    """The blob that a request may write to: made if there is none, its lease and conditions held."""
    found = need_container(mock, container).setdefault(
        blob, {"body": None, "blocks": {}, "kind": kind, "appends": 0, "version": 0})
    lease, given = found.get("lease"), request.headers.get("x-ms-lease-id")
    held = lease and lease["until"] > mock.now()
    if held and not given:
        raise Refusal(412, "LeaseIdMissing")
    if given and (not held or given != lease["id"]):
        raise Refusal(412, "LeaseIdMismatchWithBlobOperation" if held else "LeaseLost")
    if request.headers.get("if-none-match") == "*" and found["body"] is not None:
        raise Refusal(409, "BlobAlreadyExists")
    digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
    if request.headers.get("content-md5", digest) != digest:
        raise Refusal(400, "Md5Mismatch")
    found["version"] = found.get("version", 0) + 1
    return found


def described(found):
    return {"etag": f'"v{found.get("version", 0)}"',
            "x_ms_blob_type": found.get("kind", "BlockBlob"),
            "x_ms_blob_committed_block_count": found.get("appends", 0)}


@route("blob", "PUT", BLOB, comp="lease")
def blob_lease(mock, request, container, blob):
    found, now = need_blob(mock, container, blob), mock.now()
    lease = found.get("lease") or {"id": "", "until": 0, "seconds": 0}
    action = request.headers.get("x-ms-lease-action")
    if action == "acquire":
        wanted = request.headers["x-ms-proposed-lease-id"]
        seconds = int(request.headers["x-ms-lease-duration"])
        if not (15 <= seconds <= 60 or seconds == -1):
            raise Refusal(400, "InvalidHeaderValue")
        if lease["until"] > now and lease["id"] != wanted:
            raise Refusal(409, "LeaseAlreadyPresent")
        ends = float("inf") if seconds < 0 else now + seconds
        found["lease"] = {"id": wanted, "until": ends, "seconds": seconds}
        return Answer(201, x_ms_lease_id=wanted)
    if request.headers.get("x-ms-lease-id") != lease["id"]:
        raise Refusal(409, "LeaseIdMismatchWithLeaseOperation")
    lease["until"] = 0 if action == "release" else now + lease["seconds"]
    return Answer(200)


@route("blob", "PUT", BLOB, comp="appendblock")
def block_append(mock, request, container, blob):
    found = need_blob(mock, container, blob)
    if found["kind"] != "AppendBlob":
        raise Refusal(409, "InvalidBlobType")
    if int(request.headers.get("x-ms-blob-condition-appendpos", len(found["body"]))) != \
       len(found["body"]):
        written(mock, request, container, blob)  # a lease is looked at first
        raise Refusal(412, "AppendPositionConditionNotMet")
    if found["appends"] >= mock.appends_max:
        raise Refusal(409, "BlockCountExceedsLimit")
    written(mock, request, container, blob)
    found["body"] += request.body
    found["appends"] += 1
    return Answer(201, **described(found))


@route("blob", "GET", BLOB, comp="blocklist")
def block_list_get(mock, _request, container, blob):
    found = need_container(mock, container).get(blob)
    if not found:
        raise Refusal(404, "BlobNotFound")
    blocks = "".join(f"<Block><Name>{name}</Name><Size>{len(bytes_)}</Size></Block>"
                     for name, bytes_ in found["blocks"].items())
    return Answer(200, "<?xml version='1.0'?><BlockList><UncommittedBlocks>"
                       f"{blocks}</UncommittedBlocks></BlockList>")


@route("blob", "PUT", BLOB, comp="block")
def block_put(mock, request, container, blob):
    found = written(mock, request, container, blob)
    found["blocks"][request.get("blockid")] = request.body
    return Answer(201)


@route("blob", "PUT", BLOB, comp="blocklist")
def block_list_put(mock, request, container, blob):
    found = written(mock, request, container, blob)
    wanted = [item.text for item in xml.etree.ElementTree.fromstring(request.body)]
    if any(name not in found["blocks"] for name in wanted):
        raise Refusal(400, "InvalidBlockList")
    found["body"] = b"".join(found["blocks"][name] for name in wanted)
    return Answer(201)


@route("blob", "PUT", BLOB)
def blob_put(mock, request, container, blob):
    kind = request.headers.get("x-ms-blob-type")
    if kind not in ("BlockBlob", "AppendBlob"):
        raise Refusal(400, "MissingRequiredHeader", HeaderName="x-ms-blob-type")
    found = written(mock, request, container, blob, kind)
    found.update(body=request.body, blocks={}, kind=kind, appends=0)
    return Answer(201, **described(found))


@route("blob", "GET", BLOB)
def blob_get(mock, request, container, blob):
    found = need_blob(mock, container, blob)
    body, told = found["body"], described(found)
    if request.headers.get("if-match", told["etag"]) != told["etag"]:
        raise Refusal(412, "ConditionNotMet")
    wanted = request.range("x-ms-range") or request.range("range")
    if not wanted:
        return Answer(200, bytes(body), content_type="application/octet-stream", **told)
    if wanted[0] >= len(body):
        raise Refusal(416, "InvalidRange")
    last = min(wanted[1], len(body) - 1)
    return Answer(206, bytes(body[wanted[0]:last + 1]), content_type="application/octet-stream",
                  content_range=f"bytes {wanted[0]}-{last}/{len(body)}", **told)


@route("blob", "HEAD", BLOB)
def blob_head(mock, _request, container, blob):
    found = need_blob(mock, container, blob)
    return Answer(200, content_length=len(found["body"]), **described(found))


@route("blob", "DELETE", BLOB)
def blob_delete(mock, _request, container, blob):
    need_blob(mock, container, blob)
    del mock.containers[container][blob]
    return Answer(202)
