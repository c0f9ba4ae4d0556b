"""The shipped rules as data, with what their comments say: for docs/rules.md and its check.

Each rule that a regulation stands behind has three comments before it, which may go on in
further lines that begin with `#   `:

    # Source: which regulation, table and row
    # In force: since when, until when
    # Verified: text (read in the source itself), transcription (in somebody's copy of it), or no
"""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "config" / "rules"
PAGE = ROOT / "docs" / "rules.md"
NOTES = ("Source", "In force", "Verified")
NESTED_MAX = 16  # groups and lists in each other; the rules have four

_TOKEN = re.compile(r'(?P<comment>(?:#|//)[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<mark>[{}()\[\],;:=])'
                    r"|(?P<word>[A-Za-z0-9_.+*-]+)|(?P<space>\s+)")
_NOTE = re.compile(rf"#\s*({'|'.join(NOTES)}):\s*(.*)")


class Group(dict):
    """A group with the comments that stand right before it."""

    notes = ()


class RulesError(Exception):
    pass


def _tokens(text, name):
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            line = text.count("\n", 0, at) + 1
            raise RulesError(f"{name}:{line}: {text[at]!r} is not understood")
        if match.lastgroup != "space":
            yield match.lastgroup, match.group()
        at = match.end()
    yield "end", ""


class _Reader:
    """libconfig as far as the shipped files use it."""

    def __init__(self, text, name):
        self.tokens = list(_tokens(text, name))
        self.name = name
        self.at = 0
        self.comments = []

    def peek(self):
        while self.tokens[self.at][0] == "comment":
            self.comments.append(self.tokens[self.at][1])
            self.at += 1
        return self.tokens[self.at]

    def take(self, wanted=None):
        token = self.peek()
        if wanted is not None and token[1] != wanted:
            raise RulesError(f"{self.name}: {token[1]!r} where {wanted!r} belongs")
        self.at += 1
        return token

    def settings(self, closing, depth):
        group = Group()
        while self.peek()[1] != closing:
            key = self.take()[1]
            if self.take()[1] not in ("=", ":"):
                raise RulesError(f"{self.name}: no value follows {key}")
            group[key] = self.value(depth)
            if self.peek()[1] == ";":
                self.take()
        self.take(closing)
        return group

    def value(self, depth):
        if depth > NESTED_MAX:
            raise RulesError(f"{self.name}: nested too deep")
        notes, self.comments = self.comments, []
        kind, text = self.take()
        if text == "{":
            group = self.settings("}", depth + 1)
            group.notes = notes
            return group
        if text in ("(", "["):
            return self.elements({"(": ")", "[": "]"}[text], depth + 1)
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if text in ("true", "false"):
            return text == "true"
        return float(text)

    def elements(self, closing, depth):
        found = []
        while self.peek()[1] != closing:
            found.append(self.value(depth))
            if self.peek()[1] == ",":
                self.take()
        self.take(closing)
        return found


def parse(path):
    """A configuration file as Groups, lists, strings, numbers and booleans."""
    reader = _Reader(path.read_text(encoding="utf-8"), path.name)
    return reader.settings("", 0)


def notes_of(rule):
    """{"Source": text, ...}: what the comments before a rule say."""
    found = {}
    key = None
    for line in rule.notes:
        match = _NOTE.match(line)
        if match:
            key = match[1]
            found[key] = match[2].strip()
        elif key and line.startswith("#   "):
            found[key] += " " + line[1:].strip()
        else:
            key = None
    return found


def packs():
    """(path, title, rules) of each file, in the order of their names."""
    for path in sorted(RULES.glob("*.cfg")):
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").rstrip(".")
        title = re.split(r"\. |[:;,] (?=circular|warnings|no )", title)[0]
        yield path, title, parse(path)["rules"]


# --- the page --------------------------------------------------------------------------------

HEAD = """\
# The shipped rules

Written by `tools/rules-page` from [config/rules](../config/rules): change those, then run it.

A limit is only as good as its source. *text* means that somebody of us read it in the source
itself, *transcription* in somebody's copy of it, *no* in neither: such rules are switched off
(`enabled = false`) until somebody has looked. Limits that have been superseded by a regulation
that we have not seen say so and stay on: the old number is better than none. None of this
replaces the regulation.

A value at the limit counts as beyond it. Where a window is named, means are judged, else each
reading (VN_AQI: each hour's index). *until* is the last day. Severities are CAP's; they, what clears an alarm and how long it
takes are choices of ours, explained at the top of each file. `tests/data/limits.csv` holds the
limits once more, typed from our notes on the regulations; a test compares them.
"""


def number(value):
    return f"{value:,.10g}"


def limit_of(rule, unit):
    """One line a level: `≥ 350 ug/m3 moderate`."""
    marks = {"above": "≥ {}", "below": "≤ {}", "outside": "≤ {} or ≥ {}"}
    lines = []
    for level in rule["levels"]:
        raised = level["raise"] if isinstance(level["raise"], list) else [level["raise"]]
        text = marks[rule["direction"]].format(*map(number, raised))
        lines.append(f"{text} {unit}".strip() + f", {level['severity']}"
                     + (f" after {level['for']}" if "for" in level else ""))
    return "<br>".join(lines)


def whom_of(rule):
    tags = [f"{key} = {' or '.join(values if isinstance(values, list) else [values])}"
            for key, values in rule.get("tags", {}).items()]
    return "; ".join([rule["kind"], *tags, *rule.get("stations", [])])


def window_of(rule):
    window = rule.get("window")
    return f"{window['statistic']} of {window['length']}" if window else "reading"


def row_of(rule, parameters):
    parameter = parameters[rule["parameter"]]
    notes = notes_of(rule)
    verified = notes.get("Verified", "our own")
    name = f"`{rule['id']}`" if rule.get("enabled", True) else f"`{rule['id']}` (off)"
    return (name, parameter["en"], limit_of(rule, parameter["unit"]), window_of(rule), whom_of(rule),
            notes.get("Source", ""), notes.get("In force", ""), verified)


COLUMNS = ("rule", "what", "limit", "window", "stations", "source", "in force", "verified")


def page():
    """docs/rules.md as it should be."""
    parameters = {p["name"]: p for p in parse(ROOT / "config" / "parameters.cfg")["parameters"]}
    text = HEAD
    for path, title, rules in packs():
        text += f"\n## {title}\n\n[{path.name}](../config/rules/{path.name})\n\n"
        if not rules:
            text += "No rule: we have not seen its limits.\n"
            continue
        text += "| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|\n"
        for rule in rules:
            text += "| " + " | ".join(row_of(rule, parameters)) + " |\n"
    return text
