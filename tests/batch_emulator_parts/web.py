"""The HTTP server: reads requests, has them checked and answered, strikes faults, records."""
import email.utils
import http.server
import re
import socket
import ssl
import sys
import threading
import time
import traceback
import urllib.parse

from . import admin, faults, identity, routes
from .wire import Answer, Refusal, Request, new_id

BODY_MOST = 8 << 20
LOG_MOST = 100000


def respond(service, request):
    """The answer to a request, with the headers that all answers have."""
    request_id = new_id()
    try:
        found = _respond(service, request)
    except Refusal as refusal:
        found = _refuse(service, request, refusal, request_id)
    except Exception:  # a mistake of ours, told as the service tells its own
        traceback.print_exc()
        found = _refuse(service, request, Refusal(500, "InternalError", "Server encountered an "
                                                  "internal error."), request_id)
    return _finish(service, request, found, request_id)


def _refuse(service, request, refusal, request_id):
    found = refusal.answer(service.base(request), request_id, service.now_text())
    if request.method == "HEAD" or refusal.status == 304:
        found.body = b""
    return found


def _finish(service, request, found, request_id):
    found.headers["request-id"] = request_id
    found.headers["date"] = email.utils.formatdate(service.now(), usegmt=True)
    found.headers.setdefault("server", "batch_emulator")
    found.headers.setdefault("dataserviceversion", "3.0")
    asked = request.header("client-request-id")
    if asked and request.header("return-client-request-id").lower() == "true":
        found.headers["client-request-id"] = asked
    return found


def _check(service, request):
    version = request.get("api-version")
    if version is None:
        raise Refusal(400, "MissingRequiredQueryParameter", "A query parameter that's mandatory "
                      "for this request is not specified.", QueryParameterName="api-version")
    if version not in service.options.versions:
        raise Refusal(400, "UnsupportedRequestVersion" if re.fullmatch(r"[\d.-]+", version) else
                      "InvalidQueryParameterValue", "The specified REST API version is not "
                      "supported.", QueryParameterName="api-version",
                      QueryParameterValue=version)
    if request.method in ("POST", "PUT", "PATCH") and "content-length" not in request.headers:
        raise Refusal(411, "MissingContentLengthHeader", "Content-Length is missing.")
    request.integer("timeout", 30, 1, 86400)
    identity.check(service, request, service.now())


def _respond(service, request):
    with service.lock:
        _check(service, request)
    function, names = routes.find(request)
    if function.__module__.endswith("api_files"):  # may read much: not under the lock
        return function(service, request, **names)
    with service.lock:
        return function(service, request, **names)


def token_answer(service, request):
    """Entra's part: a token for a service principal that the command line names."""
    form = dict(urllib.parse.parse_qsl(request.body.decode(errors="replace")))
    tenant = request.path.split("/")[1]
    wanted = service.options.principals.get((tenant, form.get("client_id", "")))
    if wanted is None:
        return Answer(400, {"error": "unauthorized_client", "error_description": "AADSTS700016: "
                            "Application was not found in the directory."})
    if form.get("client_secret") != wanted and "client_assertion" not in form:
        return Answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215: "
                            "Invalid client secret provided."})
    audience = form.get("scope", "").removesuffix("/.default")
    token = identity.token_issue(service.options.key, audience, form["client_id"], service.now())
    return Answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": token})


TOKEN_PATH = re.compile(r"/[^/]+/oauth2/v2\.0/token")


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self):
        service, request = self.server.service, self._read()
        if request is None:
            return self._hang_up()
        if request.path.startswith("/emulator"):
            return self._send(admin.answer(service, request))
        if TOKEN_PATH.fullmatch(request.path) and request.method == "POST":
            return self._send(token_answer(service, request))
        fault = service.faults.of_request(request)
        kind = fault.get("fault")
        if kind == "slow":
            time.sleep(fault.get("seconds", 1))
        if kind == "drop":
            self._note(request, 0)
            return self._hang_up()
        answer = self._answer(service, request, fault)
        self._note(request, answer.status)
        service.record.write(request, answer)
        if kind == "lost":
            return self._hang_up()
        return self._send(answer, fault.get("bytes", 0) if kind == "cut" else None)

    @staticmethod
    def _answer(service, request, fault):
        if fault.get("fault") == "status":
            refusal = faults.refusal_of(fault)
            found = refusal.answer(service.base(request), new_id(), service.now_text())
            return _finish(service, request, found, new_id())
        return respond(service, request)

    def _note(self, request, status):
        with self.server.service.lock:
            log = self.server.service.log
            log.append({"method": request.method, "url": request.target, "status": status,
                        "id": request.header("client-request-id"), "at": time.time()})
            del log[:-LOG_MOST]

    def _read(self):
        length = self.headers.get("content-length", "0")
        if self.headers.get("transfer-encoding") or not length.isdigit():
            return Request(self.command, self.path, [
                (k, v) for k, v in self.headers.items() if k.lower() != "content-length"], b"")
        body = self.rfile.read(min(int(length), BODY_MOST))
        if len(body) < int(length) and int(length) <= BODY_MOST:
            return None
        if int(length) > BODY_MOST:
            self.close_connection = True
        return Request(self.command, self.path, self.headers.items(), body)

    def _send(self, answer, cut=None):
        self.send_response_only(answer.status)
        length = answer.headers.pop("content-length", len(answer.body))
        if answer.status not in (204, 304):
            self.send_header("content-length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if cut is not None:
            self.wfile.write(answer.body[:cut])
            return self._hang_up()
        self.wfile.write(answer.body)
        return None

    def _hang_up(self):
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves until told to stop."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service, host, port, certificate=None):
        super().__init__((host, port), Handler)
        self.service = service
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that hangs up is no event; a mistake of ours is."""
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            traceback.print_exc()
