"""$filter, $select and pages, as far as real clients use them.

$filter: comparisons (eq ne lt le gt ge) of a property, also of a nested one (a/b), with a string,
number, boolean or time; startswith(a,'b'); and, or, not, parentheses.
"""
import re
import urllib.parse

from . import wire
from .wire import Answer, Refusal

TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(datetime'[^']*')|([(),])|([^\s(),']+))")


class Filter:
    """A $filter read into a function of an object."""

    def __init__(self, text):
        self.tokens, self.at = self._split(text), 0
        self.accepts = self._either()
        if self.at != len(self.tokens):
            raise self._wrong(f"'{self.tokens[self.at]}' is unexpected")

    @staticmethod
    def _wrong(why):
        return Refusal(400, "InvalidQueryParameterValue", QueryParameterName="$filter",
                       Reason=f"The filter cannot be read: {why}.")

    def _split(self, text):
        found, at = [], 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if not match:
                raise self._wrong(f"'{text[at:]}'")
            found.append(match.group().strip())
            at = match.end()
        return found

    def _next(self, wanted=None):
        if self.at == len(self.tokens):
            raise self._wrong("it ends too early")
        token = self.tokens[self.at]
        if wanted and token != wanted:
            raise self._wrong(f"'{wanted}' is missing before '{token}'")
        self.at += 1
        return token

    def _peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _either(self):
        left = self._both()
        while self._peek() == "or":
            self._next()
            left = (lambda a, b: lambda item: a(item) or b(item))(left, self._both())
        return left

    def _both(self):
        left = self._one()
        while self._peek() == "and":
            self._next()
            left = (lambda a, b: lambda item: a(item) and b(item))(left, self._one())
        return left

    def _one(self):
        token = self._next()
        if token == "not":
            inner = self._one()
            return lambda item: not inner(item)
        if token == "(":
            inner = self._either()
            self._next(")")
            return inner
        if token == "startswith":
            self._next("(")
            name = self._next()
            self._next(",")
            prefix = self._literal(self._next())
            self._next(")")
            return lambda item: str(member(item, name) or "").lower().startswith(
                str(prefix).lower())
        return self._comparison(token)

    def _comparison(self, name):
        verb, value = self._next(), self._literal(self._next())
        checks = {"eq": lambda a: a == value, "ne": lambda a: a != value,
                  "lt": lambda a: a < value, "le": lambda a: a <= value,
                  "gt": lambda a: a > value, "ge": lambda a: a >= value}
        if verb not in checks:
            raise self._wrong(f"'{verb}' is no comparison")

        def accepts(item):
            found = self._comparable(member(item, name), value)
            if found is None and verb not in ("eq", "ne"):
                return False
            return checks[verb](found)
        return accepts

    @staticmethod
    def _comparable(found, value):
        if isinstance(value, float) and isinstance(found, str):
            try:
                return wire.time_read(found)
            except ValueError:
                return None
        return found.lower() if isinstance(found, str) else found

    def _literal(self, token):
        if token.startswith("'"):
            return token[1:-1].replace("''", "'").lower()
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        try:
            return wire.time_read(token.removeprefix("datetime").strip("'"))
        except ValueError:
            raise self._wrong(f"'{token}' is no value") from None


def member(item, path):
    for name in path.split("/"):
        item = item.get(name) if isinstance(item, dict) else None
    return item


def select(request, item):
    """The item with only the members that $select wants."""
    wanted = request.get("$select")
    if not wanted:
        return item
    names = {name.strip().split("/")[0].lower() for name in wanted.split(",")}
    return {k: v for k, v in item.items() if k.lower() in names}


def element(service, request, kind, item, headers=None):
    """One object of a list of that kind."""
    return Answer(200, {"odata.metadata": f"{service.base(request)}/$metadata#{kind}/@Element",
                        **select(request, item)}, headers)


def check_expand(request):
    """$expand=stats may be asked for; Batch has none of resources that are young, as ours are."""
    wanted = request.get("$expand", "stats")
    if wanted.strip().lower() != "stats":
        raise Refusal(400, "InvalidQueryParameterValue", QueryParameterName="$expand",
                      QueryParameterValue=wanted)


def page(service, request, items, describe=lambda item: item, most=1000, kind=""):
    """One page of a list, with the absolute odata.nextLink of the next. `items` may be objects of
    ours, described only where they are needed."""
    check_expand(request)
    size = min(request.integer("maxresults", most, 1, most), service.settings["page_size"])
    accepts = Filter(request.get("$filter")).accepts if request.get("$filter") else None
    start = _start(request)
    found = [describe(item) for item in (items if accepts else items[start:start + size + 1])]
    if accepts:
        found = [item for item in found if accepts(item)][start:start + size + 1]
    body = {"odata.metadata": f"{service.base(request)}/$metadata#{kind}",
            "value": [select(request, item) for item in found[:size]]}
    if len(found) > size:
        body["odata.nextLink"] = _link(service, request, start + size)
    return Answer(200, body)


def _start(request):
    token = request.get("$skiptoken")
    if token is None:
        return 0
    match = re.fullmatch(r"WATV2:(\d{1,9})", token)
    if not match:
        raise Refusal(400, "InvalidQueryParameterValue", QueryParameterName="$skiptoken",
                      QueryParameterValue=token)
    return int(match[1])


def _link(service, request, start):
    quote = urllib.parse.quote
    kept = "".join(f"&{name}={quote(value, safe='')}" for name, values in request.query.items()
                   for value in values if name in ("$filter", "$select", "maxresults", "timeout"))
    return (f"{service.base(request)}{request.path}?$skiptoken=WATV2%3A{start}" +
            f"&api-version={quote(request.get('api-version'), safe='')}{kept}")
