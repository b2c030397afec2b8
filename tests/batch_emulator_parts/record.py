"""Exchanges written down for validators: one JSON object a line, without secrets.

    {"request": {"method", "url", "headers", "body"},
     "response": {"statusCode", "headers", "body"}}

`url` is path and query as sent, names of headers are in lower case, bodies are JSON and left out
where they are empty or contents of files.
"""
import json
import os
import re
import threading

SECRET_HEADERS = {"authorization", "cookie", "set-cookie", "proxy-authorization"}
SPEAKS_OF_SECRETS = re.compile("secret|key|token|password|connection", re.I)
PLAIN_NAMES = {"key", "sshPublicKey"}  # an error's {"key", "value"}
SIGNATURE = re.compile(r"(?i)([?&;]sig=)[^&\s\"']+|(SharedKey [\w-]+:)[\w+/=]+|"
                       r"(The MAC signature found in the HTTP request ')[^']+")


def clean_text(text):
    return SIGNATURE.sub(lambda match: next(g for g in match.groups() if g) + "...", text)


def clean(item, named=None, name=""):
    """A copy of a JSON value without secrets; `named`: the object's "name" member."""
    if isinstance(item, dict):
        return {k: clean(v, item.get("name"), k) for k, v in item.items()}
    if isinstance(item, list):
        return [clean(v) for v in item]
    if not isinstance(item, str):
        return item
    hidden = SPEAKS_OF_SECRETS.search(str(named)) if name == "value" and named else \
        name not in PLAIN_NAMES and name != "odata.nextLink" and SPEAKS_OF_SECRETS.search(name)
    return "..." if hidden else clean_text(item)


def _side(headers, body, kind):
    found = {"headers": {name.lower(): clean_text(str(value)) for name, value in headers.items()
                         if name.lower() not in SECRET_HEADERS}}
    if body and kind.startswith("application/json"):
        try:
            found["body"] = clean(json.loads(body))
        except ValueError:
            pass
    return found


class Record:
    """The file; None as path writes nothing."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = None
        if path:
            self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, request, answer):
        if self.file is None:
            return
        line = {"request": {"method": request.method, "url": clean_text(request.target),
                            **_side(request.headers, request.body,
                                    request.header("content-type"))},
                "response": {"statusCode": answer.status,
                             **_side(answer.headers, answer.body,
                                     answer.headers.get("content-type", ""))}}
        with self.lock:
            os.write(self.file, (json.dumps(line, ensure_ascii=False) + "\n").encode())
