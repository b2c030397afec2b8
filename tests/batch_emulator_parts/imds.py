"""The metadata service of a node: scheduled events (evictions), what machine it is, tokens."""
import email.utils
import http.server
import json
import socket
import threading
import urllib.parse

from . import identity
from .wire import new_id

EVENT_VERSIONS = ("2017-11-01", "2019-01-01", "2019-08-01", "2020-07-01")


class Metadata:
    """Serves one node until closed."""

    def __init__(self, node, listener):
        self.node, self.listener = node, listener
        self.server = _Server(self, listener)
        self.incarnation, self.events = 1, []

    def announce(self, at, returns_s):
        """An eviction to come at that time; `returns_s`: when the node is to come back."""
        event = {"EventId": new_id().upper(), "EventStatus": "Scheduled", "EventType": "Preempt",
                 "ResourceType": "VirtualMachine", "Resources": [self.node.host],
                 "NotBefore": email.utils.formatdate(at, usegmt=True), "Description": "", "EventSource": "Platform",
                 "DurationInSeconds": -1}
        self.events.append({"at": at, "returns_s": returns_s, **event})
        self.incarnation += 1

    def answer(self, method, target, headers, body):
        """(status, object or text)"""
        path, _, query = target.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if headers.get("metadata", "").lower() != "true":
            return 400, {"error": "Bad request. 'Metadata: true' is missing."}
        if path == "/metadata/scheduledevents":
            if query.get("api-version") not in EVENT_VERSIONS:
                return 400, {"error": "Bad request. api-version is invalid or was not specified.",
                             "newest-versions": list(EVENT_VERSIONS[::-1])}
            return self._scheduled(method, body)
        if path.startswith("/metadata/instance") and method == "GET":
            return self._instance(path.strip("/").split("/")[2:], query)
        if path == "/metadata/identity/oauth2/token" and method == "GET":
            return self._token(query)
        return 404, {"error": "Not found"}

    def _instance(self, names, query):
        """.../instance/compute/name?format=text is a text; without format=text only objects are."""
        found = {"compute": {"name": self.node.host, "osType": "Linux", "vmId": self.node.id,
                             "vmSize": self.node.pool.body["vmSize"], "location": "emulator",
                             "priority": "" if self.node.dedicated else "Spot"}}
        if "api-version" not in query:
            return 400, {"error": "Bad request. api-version was not specified."}
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            return 404, {"error": "Not found"}
        if isinstance(found, dict) == (query.get("format") == "text"):
            return 400, {"error": "Bad request. format=text is for single values, and for them alone."}
        return 200, found

    def _scheduled(self, method, body):
        if method == "POST":
            try:
                wanted = {r["EventId"] for r in json.loads(body)["StartRequests"]}
            except (ValueError, KeyError, TypeError):
                return 400, {"error": "Bad request. StartRequests cannot be read."}
            for event in self.events:
                if event["EventId"] in wanted:
                    event["EventStatus"] = "Started"
                    self.node.service.wake()
            return 200, {}
        return 200, {"DocumentIncarnation": self.incarnation, "Events": [
            {k: v for k, v in event.items() if k not in ("at", "returns_s")}
            for event in self.events]}

    def _token(self, query):
        service = self.node.service
        if not service.options.identity or "resource" not in query:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        if query.get("client_id", service.options.identity) != service.options.identity:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        token = identity.token_issue(service.options.key, query["resource"],
                                     service.options.identity, service.now())
        return 200, {"access_token": token, "expires_in": "3600", "token_type": "Bearer",
                     "expires_on": str(int(service.now()) + 3600), "resource": query["resource"]}

    def close(self):
        self.server.end()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, metadata, listener):
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.metadata = listener, metadata
        self.server_name, self.server_port = "metadata", 80
        threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that hangs up is no event."""

    def end(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        status, found = self.server.metadata.answer(self.command, self.path, headers, body)
        kind = "text/plain" if isinstance(found, str) else "application/json"
        data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass
