"""Autoscale formulas: read and evaluated.

A formula is a list of `$name = expression;` ("Create a formula to automatically scale compute nodes
in a Batch pool" of Azure's documentation). Values are numbers, texts, lists of numbers (doubleVec),
times and intervals; variables of the service have methods that look into their samples. What counts
at the end is $TargetDedicatedNodes, $TargetLowPriorityNodes and $NodeDeallocationOption.
"""
import datetime
import math
import random
import re

MOST_BYTES, MOST_STATEMENTS = 8192, 100
TOKEN = re.compile(r"\s+|//[^\n]*|(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([$A-Za-z_]\w*)|"
                   r"(\"[^\"]*\"|'[^']*')|(==|!=|<=|>=|&&|\|\||[-+*/!<>?:;=(),.\[\]])")
INTERVALS = {"Zero": 0, "100ns": 1e-7, "Microsecond": 1e-6, "Millisecond": 1e-3, "Second": 1,
             "Minute": 60, "Hour": 3600, "Day": 86400, "Week": 7 * 86400, "Year": 365 * 86400}
DEALLOCATION = ("requeue", "terminate", "taskcompletion", "retaineddata")
RESULTS = ("$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$TargetDedicated",
           "$NodeDeallocationOption")


class FormulaError(Exception):
    """A formula's own mistake: `code` is AutoScalingFormulaSyntaxError or ...EvaluationError."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class _Stop(Exception):
    """stop() was called: what was assigned so far holds."""


def _stop():
    raise _Stop()


def _syntax(message):
    return FormulaError("AutoScalingFormulaSyntaxError", message)


def _wrong(message):
    return FormulaError("AutoScalingFormulaEvaluationError", message)


class Interval(float):
    """Seconds between times."""


class Moment:
    """A point in time; its members are those of formulas."""

    def __init__(self, seconds):
        self.seconds = seconds

    def member(self, name):
        when = datetime.datetime.fromtimestamp(self.seconds, datetime.timezone.utc)
        if name == "weekday":
            return float(when.isoweekday() % 7)
        if name == "weekofyear":
            return float(when.isocalendar()[1])
        if name not in ("year", "month", "day", "hour", "minute", "second"):
            raise _wrong(f"A time has no member {name}.")
        return float(getattr(when, name))


class Variable:
    """A variable of the service; `samples` are its (time, value), oldest first."""

    def __init__(self, name, samples, period_s, now):
        self.name, self.samples, self.period_s, self.now = name, samples, period_s, now

    def _between(self, arguments):
        if len(arguments) == 1:
            return self.now - arguments[0], self.now
        ends = [a.seconds if isinstance(a, Moment) else self.now - a for a in arguments[:2]]
        return min(ends), max(ends)

    def _percent(self, start, end):
        wanted = max(1, round((end - start) / self.period_s))
        return min(100.0, 100.0 * sum(start <= t <= end for t, _ in self.samples) / wanted)

    def method(self, name, arguments):
        if name == "GetSample":
            return self._sample(arguments)
        if name == "GetSamplePercent":
            return self._percent(*self._between(arguments))
        if name == "GetSamplePeriod":
            return Interval(self.period_s)
        if name == "Count":
            return float(len(self.samples))
        if name == "HistoryBeginTime":
            return Moment(self.samples[0][0] if self.samples else self.now)
        raise _wrong(f"{self.name} has no method {name}.")

    def _sample(self, arguments):
        if not arguments:
            raise _wrong("GetSample needs a count or an interval.")
        if len(arguments) == 1 and not isinstance(arguments[0], Interval):
            count = int(arguments[0])
            found = [value for _, value in self.samples[-count:]] if count > 0 else []
            wanted = None
        else:
            wanted = arguments[-1] if not isinstance(arguments[-1], (Interval, Moment)) else None
            start, end = self._between(arguments[:-1] if wanted is not None else arguments)
            found = [value for t, value in self.samples if start <= t <= end]
            if wanted is not None and self._percent(start, end) < wanted:
                raise _wrong(f"{self.name} has samples for less than {wanted:g} % of the time.")
        if not found:
            raise _wrong(f"{self.name} has no samples: guard GetSample by GetSamplePercent.")
        return found


def tokens_of(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise _syntax(f"'{text[at]}' is unexpected at character {at + 1}.")
        at = match.end()
        if match.group().strip() and not match.group().startswith("//"):
            found.append(match.group())
    return found


class Parser:
    """Reads a formula into [(name, expression)]; an expression is a function of the scope."""

    LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/"))

    def __init__(self, text):
        if len(text.encode()) > MOST_BYTES:
            raise _syntax(f"A formula has at most {MOST_BYTES} bytes.")
        self.tokens, self.at = tokens_of(text), 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted=None):
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise _syntax(f"'{wanted or 'an expression'}' is missing"
                          f"{f' before {token!r}' if token else ' at the end'}.")
        self.at += 1
        return token

    def statements(self):
        found = []
        while self.peek():
            if self.peek() == ";":
                self.take()
                continue
            name = self.take()
            if not re.fullmatch(r"\$?[A-Za-z_]\w*", name):
                raise _syntax(f"A statement begins with a variable, not with '{name}'.")
            if self.peek() == "(":  # stop();
                found.append((None, self.call(self.known(name), self.arguments())))
            else:
                self.take("=")
                found.append((name, self.choice()))
            if self.peek():
                self.take(";")
        if not found or len(found) > MOST_STATEMENTS:
            raise _syntax(f"A formula has 1 to {MOST_STATEMENTS} statements.")
        return found

    def choice(self):
        condition = self.level(0)
        if self.peek() != "?":
            return condition
        self.take()
        yes = self.choice()
        self.take(":")
        no = self.choice()
        return lambda scope: (yes if truth(condition(scope)) else no)(scope)

    def level(self, number):
        if number == len(self.LEVELS):
            return self.unary()
        left = self.level(number + 1)
        while self.peek() in self.LEVELS[number]:
            left = self.pair(self.take(), left, self.level(number + 1))
        return left

    @staticmethod
    def pair(sign, left, right):
        if sign == "||":
            return lambda scope: float(truth(left(scope)) or truth(right(scope)))
        if sign == "&&":
            return lambda scope: float(truth(left(scope)) and truth(right(scope)))
        return lambda scope: combine(sign, left(scope), right(scope))

    def unary(self):
        if self.peek() == "-":
            self.take()
            inner = self.unary()
            return lambda scope: combine("*", -1.0, inner(scope))
        if self.peek() == "!":
            self.take()
            inner = self.unary()
            return lambda scope: float(not truth(inner(scope)))
        return self.behind(self.primary())

    def behind(self, inner):
        """.member, .method(...) and [index]"""
        while self.peek() in (".", "["):
            if self.take() == "[":
                inner = self.index(inner, self.choice())
                self.take("]")
                continue
            name = self.take()
            inner = self.call_method(inner, name, self.arguments()) if self.peek() == "(" else \
                (lambda what, n: lambda scope: member(what(scope), n))(inner, name)
        return inner

    @staticmethod
    def index(inner, at):
        return lambda scope: FUNCTIONS["val"](inner(scope), at(scope))

    @staticmethod
    def call_method(inner, name, arguments):
        def call(scope):
            what = inner(scope)
            if not isinstance(what, Variable):
                raise _wrong(f"Only variables of the service have the method {name}.")
            return what.method(name, [a(scope) for a in arguments])
        return call

    def arguments(self):
        self.take("(")
        found = []
        while self.peek() != ")":
            if found:
                self.take(",")
            found.append(self.choice())
        self.take(")")
        return found

    def primary(self):
        token = self.take()
        if token == "(":
            inner = self.choice()
            self.take(")")
            return inner
        if token[0] in "\"'":
            return lambda scope: token[1:-1]
        if token[0].isdigit() or token[0] == ".":
            number = float(token)
            return lambda scope: number
        if not re.fullmatch(r"\$?[A-Za-z_]\w*", token):
            raise _syntax(f"'{token}' is unexpected.")
        if self.peek() == "(":
            return self.call(self.known(token), self.arguments())
        return lambda scope: scope.value(token)

    @staticmethod
    def known(name):
        if name not in FUNCTIONS and name != "time":
            raise _syntax(f"There is no function {name}.")
        return name

    @staticmethod
    def call(name, arguments):
        def run(scope):
            values = [a(scope) for a in arguments]
            if name == "time":
                return scope.time(*values)
            try:
                return FUNCTIONS[name](*values)
            except (TypeError, ValueError, IndexError, ZeroDivisionError) as problem:
                raise _wrong(f"{name}: {problem}.") from None
        return run


def truth(value):
    if isinstance(value, list):
        raise _wrong("A list is no condition.")
    return bool(value)


def plain(value):
    """A variable that stands without a method is its latest sample."""
    if isinstance(value, Variable):
        return float(value.samples[-1][1]) if value.samples else 0.0
    return value


def member(value, name):
    if isinstance(value, Moment):
        return value.member(name)
    raise _wrong(f"There is no member {name} here.")


def combine(sign, left, right):
    left, right = plain(left), plain(right)
    if isinstance(left, list) or isinstance(right, list):
        return _combine_lists(sign, left, right)
    if isinstance(left, Moment) or isinstance(right, Moment):
        return _combine_times(sign, left, right)
    kind = Interval if isinstance(left, Interval) or isinstance(right, Interval) else float
    if isinstance(left, str) or isinstance(right, str):
        if sign not in ("==", "!=", "+"):
            raise _wrong(f"Texts know no '{sign}'.")
        return str(left) + str(right) if sign == "+" else float((left == right) == (sign == "=="))
    if sign in ("==", "!=", "<", ">", "<=", ">="):
        return _compare(sign, left, right)
    if sign == "/" and right == 0:
        raise _wrong("Division by zero.")
    return kind({"+": lambda: left + right, "-": lambda: left - right,
                 "*": lambda: float(left) * float(right),
                 "/": lambda: float(left) / float(right)}[sign]())


def _compare(sign, left, right):
    return float({"==": left == right, "!=": left != right, "<": left < right,
                  ">": left > right, "<=": left <= right, ">=": left >= right}[sign])


def _combine_lists(sign, left, right):
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise _wrong("The lists differ in length.")
        return [combine(sign, a, b) for a, b in zip(left, right)]
    if isinstance(left, list):
        return [combine(sign, a, right) for a in left]
    return [combine(sign, left, b) for b in right]


def _combine_times(sign, left, right):
    both = isinstance(left, Moment) and isinstance(right, Moment)
    if both and sign == "-":
        return Interval(left.seconds - right.seconds)
    if both and sign in ("==", "!=", "<", ">", "<=", ">="):
        return _compare(sign, left.seconds, right.seconds)
    if sign in "+-" and isinstance(left, Moment) and isinstance(right, Interval):
        return Moment(left.seconds + (right if sign == "+" else -right))
    raise _wrong(f"Times know no such '{sign}'.")


def _numbers(*values):
    found = []
    for value in map(plain, values):
        found += value if isinstance(value, list) else [value]
    if not found or any(isinstance(v, (str, Moment)) for v in found):
        raise ValueError("numbers are wanted")
    return [float(v) for v in found]


def _average(*values):
    numbers = _numbers(*values)
    return sum(numbers) / len(numbers)


def _deviation(*values):
    numbers = _numbers(*values)
    if len(numbers) < 2:
        return 0.0
    mean = _average(numbers)
    return math.sqrt(sum((n - mean) ** 2 for n in numbers) / (len(numbers) - 1))


def _percentile(numbers, percent):
    ordered = sorted(_numbers(numbers))
    at = percent / 100 * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _each(function):
    def run(value):
        value = plain(value)
        return [function(v) for v in value] if isinstance(value, list) else function(value)
    return run


FUNCTIONS = {
    "avg": _average, "len": lambda v: float(len(_numbers(v))),
    "lg": _each(math.log2), "ln": _each(math.log), "log": _each(math.log10),
    "exp": _each(math.exp), "sqrt": _each(math.sqrt),
    "max": lambda *v: max(_numbers(*v)), "min": lambda *v: min(_numbers(*v)),
    "norm": lambda v: math.sqrt(sum(n * n for n in _numbers(v))),
    "percentile": _percentile, "rand": random.random,
    "range": lambda v: max(_numbers(v)) - min(_numbers(v)),
    "round": _each(lambda v: float(math.floor(v + 0.5))),
    "ceil": _each(lambda v: float(math.ceil(v))), "floor": _each(lambda v: float(math.floor(v))),
    "std": _deviation, "stop": _stop, "sum": lambda *v: sum(_numbers(*v)),
    "val": lambda v, at: _numbers(v)[int(at)],
}


class Scope:
    """The names of one evaluation. `samples` maps "$PendingTasks" to [(time, value)]."""

    def __init__(self, samples, period_s, now):
        self.samples, self.period_s, self.now = samples, period_s, now
        self.mine = {}

    def time(self, text=""):
        if not text:
            return Moment(self.now)
        for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%m/%d/%Y"):
            try:
                when = datetime.datetime.strptime(str(text).rstrip("Z"), form)
            except ValueError:
                continue
            return Moment(when.replace(tzinfo=datetime.timezone.utc).timestamp())
        raise _wrong(f"time: '{text}' is no time.")

    def value(self, name):
        if name in self.mine:
            return self.mine[name]
        if name in self.samples:
            return Variable(name, self.samples[name], self.period_s, self.now)
        if name.startswith("TimeInterval_") and name[13:] in INTERVALS:
            return Interval(INTERVALS[name[13:]])
        if name in DEALLOCATION:
            return name
        raise _wrong(f"There is no variable {name}.")


def parse(text):
    """Read a formula, or raise FormulaError."""
    return Parser(text).statements()


def evaluate(text, samples, period_s, now, targets):
    """{name: value} after the formula: its targets, which begin as `targets` has them, and the
    variables that it made."""
    scope = Scope(samples, period_s, now)
    scope.mine.update(targets)
    try:
        for name, expression in parse(text):
            value = plain(expression(scope))
            if name:
                scope.mine[name] = value
    except _Stop:
        pass
    for name in ("$TargetDedicatedNodes", "$TargetLowPriorityNodes"):
        value = scope.mine.get("$TargetDedicated") if name == "$TargetDedicatedNodes" and \
            "$TargetDedicated" in scope.mine else scope.mine[name]
        if isinstance(value, (str, list, Moment)) or value is None:
            raise _wrong(f"{name} is no number.")
        # Batch takes the part before the point, and nothing below zero.
        scope.mine[name] = max(0, int(value))
    if scope.mine["$NodeDeallocationOption"] not in DEALLOCATION:
        raise _wrong("$NodeDeallocationOption is none of " + ", ".join(DEALLOCATION) + ".")
    return scope.mine


def results_text(values):
    """The `results` of an evaluation, as the service writes them."""
    def show(value):
        if isinstance(value, list):
            return "[" + ",".join(show(v) for v in value) + "]"
        return f"{value:.15g}" if isinstance(value, (int, float)) else str(value)
    first = [n for n in RESULTS if n in values]
    rest = sorted(n for n, v in values.items() if n not in RESULTS and not isinstance(v, Moment))
    return ";".join(f"{name}={show(values[name])}" for name in first + rest)
