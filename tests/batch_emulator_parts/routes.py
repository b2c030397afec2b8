"""Operations by method and path. An operation is one function under @route; it gets the service, the
request and the names in its pattern, and returns an Answer or raises a Refusal."""
import re
import urllib.parse

from .wire import Refusal

_ROUTES = []


def route(method, pattern):
    """Serve paths like "/pools/{pool}/nodes"; {name} is one segment, decoded; {name*} may hold
    slashes."""
    text = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", pattern)
    text = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text)

    def mark(function):
        _ROUTES.append((method, re.compile(text), function))
        return function
    return mark


def find(request):
    """(function, {name: value})"""
    other = False
    for method, pattern, function in _ROUTES:
        match = pattern.fullmatch(request.path)
        if match and method == request.method:
            return function, {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()}
        other = other or bool(match)
    if other:
        raise Refusal(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http "
                      "Verb.", HttpVerb=request.method)
    raise Refusal(400, "InvalidUri", "The requested URI does not represent any resource on the "
                  "server.", Uri=request.path)
