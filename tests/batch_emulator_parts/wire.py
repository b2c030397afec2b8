"""What goes over the wire: requests, answers, refusals, times and durations as Batch writes them."""
import datetime
import json
import re
import urllib.parse
import uuid

JSON_TYPE = "application/json; odata=minimalmetadata"
FOREVER = "P10675199DT2H48M5.4775807S"  # how Batch writes "no limit"
SUBSTANTIVES = {
    400: "One of the request inputs is not valid.",
    403: "Server failed to authenticate the request. Make sure the value of Authorization header "
         "is formed correctly including the signature.",
    404: "The specified resource does not exist.",
    409: "The specified operation is not valid for the current state of the resource.",
    412: "The condition specified using HTTP conditional header(s) is not met.",
    413: "The request body is too large and exceeds the maximum permissible limit.",
    429: "The server is currently unable to receive requests. Please retry your request.",
    503: "The server is currently unable to receive requests. Please retry your request.",
}


class Answer:
    """Status, body and headers; a dict as body is sent as JSON."""

    def __init__(self, status, body=b"", headers=None):
        self.status, self.body = status, body
        self.headers = {k: str(v) for k, v in (headers or {}).items()}
        if isinstance(body, dict):
            self.body = json.dumps(body, ensure_ascii=False).encode()
            self.headers.setdefault("content-type", JSON_TYPE)


class Refusal(Exception):
    """An error, raised by whoever finds it. `values` are key=value pairs of the error's details."""

    def __init__(self, status, code, message=None, **values):
        super().__init__(code)
        self.status, self.code, self.values = status, code, values
        self.message = message or SUBSTANTIVES.get(status, "The request was refused.")
        self.headers = {}

    def body(self, base, request_id, time_text):
        return {"odata.metadata": f"{base}/$metadata#Microsoft.Azure.Batch.Protocol.Entities."
                                  "Container.errors/@Element",
                "code": self.code,
                "message": {"lang": "en-US", "value": f"{self.message}\nRequestId:{request_id}\n"
                                                      f"Time:{time_text}"},
                **({"values": [{"key": k, "value": str(v)} for k, v in self.values.items()]}
                   if self.values else {})}

    def answer(self, base, request_id, time_text):
        return Answer(self.status, self.body(base, request_id, time_text), self.headers)


class Request:
    """A request as it came; `path` is percent-encoded, the values of `query` are not."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.body = method, target, body
        self.headers = {}
        for name, value in headers:
            name = name.lower()
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value
        self.path, _, raw = target.partition("?")
        self.query = {}
        for part in filter(None, raw.split("&")):
            name, _, value = part.partition("=")
            name = urllib.parse.unquote_plus(name).lower()
            self.query.setdefault(name, []).append(urllib.parse.unquote_plus(value))

    def get(self, name, default=None):
        return self.query.get(name, [default])[0]

    def header(self, name, default=""):
        return self.headers.get(name, default)

    def integer(self, name, default, least, most):
        """A number in the query, which must be in range."""
        text = self.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?\d{1,9}", text) or not least <= int(text) <= most:
            raise Refusal(400, "OutOfRangeQueryParameterValue", QueryParameterName=name,
                          QueryParameterValue=text, MinimumAllowed=least, MaximumAllowed=most)
        return int(text)

    def json(self):
        """The body, an object; its content type must be Batch's."""
        if not self.body:
            raise Refusal(400, "InvalidRequestBody",
                          Reason="The body is empty.")
        kind = self.header("content-type").replace(" ", "").lower()
        if kind.split(";charset=")[0] != JSON_TYPE.replace(" ", ""):
            raise Refusal(415, "UnsupportedMediaType", "The content type is not supported.",
                          HeaderName="Content-Type", HeaderValue=self.header("content-type"),
                          Expected=JSON_TYPE)
        try:
            found = json.loads(self.body.decode())
        except ValueError as problem:
            raise Refusal(400, "InvalidRequestBody", Reason=str(problem)) from None
        if not isinstance(found, dict):
            raise Refusal(400, "InvalidRequestBody", Reason="The body is no JSON object.")
        return found

    def range(self):
        """(first, last or None) of "ocp-range: bytes=a-b" or "range", or None."""
        text = self.header("ocp-range") or self.header("range")
        if not text:
            return None
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", text.strip())
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise Refusal(416, "InvalidRange", HeaderName="ocp-range", HeaderValue=text)
        return int(match[1]), int(match[2]) if match[2] else None


def time_text(seconds):
    """Seconds since 1970 as Batch writes times."""
    whole = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{int(seconds % 1 * 1e7):07d}Z"


def time_read(text):
    """Seconds since 1970, or ValueError."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        raise ValueError(f"{text!r} is no time")
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.datetime.fromisoformat(match[1] + zone).timestamp() + float(match[2] or 0)


DURATION = re.compile(r"(-?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
                      r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def duration_read(text):
    """An ISO 8601 duration in seconds, or ValueError."""
    match = DURATION.fullmatch(text)
    if not match or not any(match.groups()[1:]):
        raise ValueError(f"{text!r} is no duration")
    years, months, weeks, days, hours, minutes, seconds = (float(g or 0) for g in
                                                           match.groups()[1:])
    days += 365 * years + 30 * months + 7 * weeks
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return -total if match[1] else total


def new_id():
    return str(uuid.uuid4())
