"""What people are told by the shipped rules, as `phusa messages list` prints it: for
docs/messages.md and its check."""
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import rulesfile

ROOT = rulesfile.ROOT
PAGE = ROOT / "docs" / "messages.md"
SECONDS_MAX = 60  # that a program may take

HEAD = """\
# What people are told

Written by `tools/messages-page` from what `phusa messages list` prints: change
[config/messages](../config/messages), then run it.

Every message of the [shipped rules](rules.md), also of those that are switched off, and of the
collector's own alarms, in both languages: *text* goes out by mail and the other channels with
room, *SMS* without diacritics with its length in septets (one SMS has 160), *marked* the same with
them with its length in characters (one SMS has 70, Zalo any), *line* on boards and in digests. The value is the limit, or the first that clears it; the station is the one with the longest
name that the rule concerns, "Trạm" where the shipped configuration has none. When a state goes
down a step, people are told the text of the lower one. Source and how to stop are those of
[channels-example.cfg](../config/channels-example.cfg). That each short message fits into one SMS
with the widest value there can be is checked with every configuration that sends SMS, and here.
"""
OWN = "The collector's own alarms"
FORMS = (("text", "text"), ("sms", "SMS"), ("brief", "marked"), ("line", "line"))
LENGTHS = {"sms": "septets", "brief": "units"}


class MessagesError(Exception):
    pass


def _program(name):
    path = (ROOT / os.environ.get("PHUSA_BUILD", "build")).resolve() / name
    if not path.exists():
        raise MessagesError(f"{path} is not built")
    return path


def _everything_on(folder):
    """A copy of the shipped configuration with all rules on, and a channel that sends SMS."""
    config = Path(shutil.copytree(ROOT / "config", Path(folder) / "config"))
    for path in (config / "rules").glob("*.cfg"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\n *enabled *= false;", "", text), encoding="utf-8")
    path = config / "channels-example.cfg"
    text = path.read_text(encoding="utf-8").replace('"rules-example.cfg"', '"rules"')
    path.write_text(re.sub(r"\n *subscribers *= \"[^\n]*", "", text), encoding="utf-8")
    return path


def _run(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False,
                          timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise MessagesError((done.stderr + done.stdout).strip())
    return done.stdout


def messages():
    """{rule: {state: {language: message}}} in the order of `phusa messages list`. MessagesError if one
    does not fit at its widest."""
    with tempfile.TemporaryDirectory() as folder:
        config = _everything_on(folder)
        try:
            _run(_program("phusad"), "-n", "-c", config)
            printed = _run(_program("phusa"), "messages", "list", "--json", "-c", config)
        except MessagesError as error:
            raise MessagesError(str(error).replace(str(config.parent), "config")) from error
    found = {}
    for line in printed.splitlines():
        message = json.loads(line)
        found.setdefault(message["rule"], {}).setdefault(message["to"], {})[message["language"]] = message
    return found


def _cell(message, form):
    text = message[form].replace("|", "\\|")
    return f"{text} ({message[LENGTHS[form]]})" if form in LENGTHS else text


def _table(rule, states):
    text = f"\n### {rule}\n\n| | Tiếng Việt | English |\n|---|---|---|\n"
    for state, said in states.items():
        for form, name in FORMS:
            text += f"| {state}: {name} | {_cell(said['vi'], form)} | {_cell(said['en'], form)} |\n"
    return text


def page(found):
    """docs/messages.md as it should be."""
    left = dict(found)
    text = HEAD
    for _, title, rules in rulesfile.packs():
        said = [(rule["id"], left.pop(rule["id"])) for rule in rules if rule["id"] in left]
        if said:
            text += f"\n## {title}\n" + "".join(_table(*one) for one in said)
    return text + f"\n## {OWN}\n" + "".join(_table(*one) for one in left.items())


def problems(found):
    """What is wrong with the messages, or with the page."""
    wrong = [f"config/rules: {rule['id']} says nothing" for _, _, rules in rulesfile.packs() for rule in rules
             if rule["id"] not in found]
    wrong += [f"{rule}, {state}, {language}: {form} is empty or holds an unfilled field" for rule in found
              for state in found[rule] for language, message in found[rule][state].items()
              for form, _ in FORMS if not message[form] or "{" in message[form]]
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(found):
        wrong.append("docs/messages.md is not what the rules say; run tools/messages-page")
    return wrong
