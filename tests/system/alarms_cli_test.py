"""phusa alarms against a running phusad: what operators see and do, over kills, and nothing told twice."""
import json
import os
import pwd
import re
import signal
import time

import pytest

from line import phusa, report, until

RULES = """rules : (
  { id = "intrusion"; kind = "water"; parameter = "salinity"; direction = "above"; max_gap = "1h";
    levels = ( { severity = "minor"; raise = 1.0; clear = 0.8; }, { severity = "severe"; raise = 4.0; clear = 3.5; } );
    live_within = "1d"; channels = ["ioc"]; message = { vi = "Mặn xâm nhập"; en = "Salinity"; }; },
  { id = "warm"; kind = "water"; parameter = "temp"; direction = "above"; max_gap = "1h";
    levels = ( { severity = "minor"; raise = 30.0; } ); inhibited_by = ["intrusion"];
    live_within = "1d"; channels = ["ioc"]; message = "Warm"; }
);
"""
REASON = "hiệu chuẩn đầu đo"
AT = ("intrusion", "apacp")


class Watch:
    """An operator at a running line. Each reading is a minute after the one before."""

    def __init__(self, stage, folder, extra=None):
        stage.rules_file.write_text(RULES)
        token = folder / "http.token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o600)
        self.stage = stage
        # Silence is not what this is about.
        self.collector = stage.line(extra={"http": {"token_file": token},
                                           "maintenance": {"off": ["quiet", "never-seen"]}, **(extra or {})})
        self.client = stage.client()
        self.seconds = int(time.time()) - 3600
        self.sent = 0

    def __call__(self, *words, **more):
        return phusa("alarms", *words, "-c", self.collector.config, **more)

    def read(self, value, parameter="salinity"):
        """A reading that the rules have judged when this returns."""
        self.seconds += 60
        self.sent += 1
        self.client.send(report(self.seconds, value, parameter))
        until(lambda: self.collector.metric("phusa_readings_received_total") >= self.sent
              and self.collector.metric("phusa_pipeline_behind_records") == 0, "the reading is judged")

    def list(self):
        alarms = json.loads(self("list", "--json", check=0)[1])["alarms"]
        return {(alarm["rule"], alarm["station"]): alarm for alarm in alarms}

    def state(self, at=AT):
        return self.list().get(at, {"state": "NORM"})["state"]

    def events(self, *words):
        return json.loads(self("history", "--json", "--from", "0", *words, check=0)[1])["events"]

    def do(self, verb, *words, at=AT, by="An"):
        """The verb counts when this returns."""
        before = len(self.events())
        assert self(verb, *at, "--by", by, *words) == (0, "", "")
        until(lambda: len(self.events()) > before, f"{verb} is in the history")

    def told(self):
        return [(body["rule"], body["to"]) for body in self.stage.webhook.alarms()]

    def until_told(self, *expected):
        until(lambda: self.told() == list(expected), f"told: {expected}, not {self.told()}")

    def kill(self):
        """Killed and started again: the same alarms, the same history."""
        alarms, events = self.list(), self.events()
        os.kill(self.collector.process.pid, signal.SIGKILL)
        self.collector.process.wait()
        self.collector.start()
        assert self.list() == alarms
        assert self.events() == events


@pytest.fixture(name="watch")
def fixture_watch(stage, tmp_path):
    return Watch(stage, tmp_path)


def test_a_life(watch):
    assert watch("list") == (0, "no alarms\n", "")
    watch.read(9.0)
    watch.until_told(("intrusion", "severe"))
    assert watch.state() == "UNACK"
    watch.kill()

    watch.do("ack", "--text", "cống đã đóng")
    assert watch.state() == "ACKED"
    watch.kill()

    watch.do("shelve", "--for", "2h", "--text", REASON, by="Bình")
    alarm = watch.list()[AT]
    assert alarm["state"] == "SHLVD" and abs(alarm["shelved_until"] - time.time() - 7200) < 600
    watch.kill()
    watch.read(0.5)
    watch.read(2.0)
    assert watch.list()[AT]["state"] == "SHLVD" and watch.list()[AT]["severity"] == "minor"
    watch.kill()
    watch.do("unshelve")
    watch.read(2.1)
    watch.until_told(("intrusion", "severe"), ("intrusion", "minor"))
    assert watch.state() == "ACKED"  # minor is less than what somebody has acknowledged

    watch.do("out-of-service", "--text", "tháo về sửa")
    watch.read(9.5)
    assert watch.state() == "OOSRV"
    watch.kill()
    watch.do("comment", "--text", "đã gọi trạm trưởng")
    watch.do("in-service")
    watch.read(9.6)
    watch.until_told(("intrusion", "severe"), ("intrusion", "minor"), ("intrusion", "severe"))
    assert watch.state() == "UNACK"

    watch.read(0.2)
    until(lambda: watch.state() == "RTNUN", "normal again, not acknowledged")
    watch.kill()
    watch.do("ack")
    assert watch.state() == "NORM" and watch("list")[1] == "no alarms\n"
    watch.kill()
    assert watch.told() == [("intrusion", severity) for severity in ("severe", "minor", "severe", "normal")]

    assert [(e["event"], e.get("who", ""), e.get("text", "")) for e in watch.events() if e["event"] != "state"] == [
        ("ack", "An", "cống đã đóng"), ("shelve", "Bình", REASON), ("unshelve", "An", ""),
        ("out-of-service", "An", "tháo về sửa"), ("comment", "An", "đã gọi trạm trưởng"), ("in-service", "An", ""),
        ("ack", "An", "")]
    # What was found while it was held back stands there, not told.
    assert [(e["from"], e["to"]) for e in watch.events() if e["event"] == "state" and not e["told"]] == [
        ("severe", "normal"), ("normal", "minor"), ("minor", "severe")]


def test_what_people_read(watch):
    watch.read(9.0)
    watch.until_told(("intrusion", "severe"))
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    lines = watch("list", check=0)[1].splitlines()
    assert lines[0].split() == "STATE SEVERITY RULE STATION SINCE VALUE".split()
    assert re.fullmatch(rf"UNACK  severe    intrusion  apacp    {stamp} {{9}}9 g/L", lines[1]) and len(lines) == 2
    assert watch("list", "--station", "apacp", "--rule", "intrusion", check=0)[1].splitlines() == lines
    assert watch("list", "--station", "apadb") == watch("list", "--rule", "warm") == (0, "no alarms\n", "")
    assert watch("list", "--station", "apalachicola") == watch("list", "--rule", "link-down") == (0, "no alarms\n", "")
    watch.do("shelve", "--until", str(int(time.time()) + 3000), "--text", REASON)
    assert re.search(rf"^SHLVD .* until {stamp}$", watch("list", check=0)[1], re.M)
    history = watch("show", *AT, check=0)[1].splitlines()
    assert re.fullmatch(rf"{stamp}  intrusion  apacp    normal -> severe  9", history[0])
    assert re.fullmatch(rf"{stamp}  intrusion  apacp    shelve until {stamp} by An: {REASON}", history[1])
    watch.do("shelve", "--for", "2h", "--text", REASON, at=("link-down", "phusa"))
    assert re.search(r"^SHLVD  normal    link-down  phusa    -  +-  until ", watch("list", check=0)[1], re.M)
    assert watch("show", "intrusion", "apadb", check=0)[1] == "nothing happened\n"
    assert watch("history", "--station", "apadb", "--from", "0", check=0)[1] == "nothing happened\n"
    assert len(watch.events("--limit", "1")) == 1
    assert watch("history", "--from", "0", "--limit", "1", check=0)[2].startswith("phusa alarms: there is more: ")


def test_who_does_it(watch, monkeypatch):
    watch.read(9.0)
    watch.until_told(("intrusion", "severe"))
    for name, who in (("chị Ba", "chị Ba"), (None, pwd.getpwuid(os.geteuid()).pw_name)):
        monkeypatch.delenv("USER") if name is None else monkeypatch.setenv("USER", name)
        assert watch("comment", *AT, "--text", "x") == (0, "", "")
        until(lambda expected=who: watch.events()[-1].get("who") == expected, f"{who} stands in the history")


def test_what_another_alarm_explains(watch):
    watch.read(9.0)
    watch.read(35.0, "temp")
    assert watch.state(("warm", "apacp")) == "DSUPR"
    watch.kill()
    watch.read(0.1)
    watch.read(35.1, "temp")
    watch.until_told(("intrusion", "severe"), ("intrusion", "normal"), ("warm", "minor"))
    assert watch.state(("warm", "apacp")) == "UNACK"
    # A change has the time of its reading, here an hour ago; the others when they happened.
    events = [(e["event"], e["told"]) for e in watch.events("--rule", "warm")]
    assert events == [("state", False), ("state", True), ("suppressed", False), ("released", False)]


def test_load_and_messages(watch):
    for value in (9.0, 0.1, 2.0, 0.1):
        watch.read(value)
    watch.until_told(*[("intrusion", severity) for severity in ("severe", "normal", "minor", "normal")])
    until(lambda: watch.collector.metric("phusa_notifications_waiting") == 0, "all is sent")
    report_of = json.loads(watch("load", "--json", "--operators", "2", check=0)[1])
    assert (report_of["alarms"], report_of["operators"], report_of["others"]) == (2, 2, 0)
    assert report_of["shares"] == {"low": 0.5, "medium": 0.0, "high": 0.5}
    assert [(s["rule"], s["station"], s["raises"], s["longest_s"], s["active"]) for s in report_of["most_frequent"]] == [
        ("intrusion", "apacp", 2, 60.0, False)]
    text = watch("load", check=0)[1]
    assert re.search(r"^alarms +2$", text, re.M) and "high / medium / low priority      50 / 0 / 50 %" in text
    assert "intrusion  apacp         2 alarms, active 0.0 h at the longest" in text

    messages = json.loads(watch("messages", "--json", "--channel", "ioc", check=0)[1])["messages"]
    assert [(m["to"], m["state"], m["tries"]) for m in messages] == [
        ("normal", "sent", 1), ("minor", "sent", 1), ("normal", "sent", 1), ("severe", "sent", 1)]  # newest first
    assert watch("messages", "--waiting") == (0, "no messages\n", "")
    assert len(watch("messages", "--limit", "3", check=0)[1].splitlines()) == 3


def test_messages_that_wait(watch):
    watch.stage.webhook.stop()
    watch.read(9.0)
    until(lambda: "no messages" not in watch("messages", "--waiting")[1], "a message waits")
    watch.kill()
    def waiting():
        messages = json.loads(watch("messages", "--json", "--waiting", check=0)[1])["messages"]
        return [(m["channel"], m["rule"], m["state"]) for m in messages]
    # What the alarm topic is owed goes as soon as the broker is there.
    until(lambda: waiting() == [("ioc", "intrusion", "waiting")], "that of the channel waits, and no other")


@pytest.mark.parametrize("words, wrong", [
    (["shelve", *AT, "--text", "x", "--until", "1000000000"], "a shelving needs an end in the future"),
    (["shelve", *AT, "--text", "x", "--for", "8d"], "shelved for longer than alarms.shelve_most (168 h)"),
    (["shelve", *AT, "--text", "x", "--for", "ever"], "write a time such as 90m or 2h, at most phusad's alarms.shelve_most"),
    (["shelve", *AT, "--text", "x", "--for", "365000d"], '--for "365000d": write a time such as'),
    (["shelve", *AT, "--text", "x", "--until", "never"], "alarms: --until never: write seconds since 1970"),
    (["shelve", *AT, "--for", "2h"], '"text" is empty: say why'),
    (["shelve", *AT, "--for", "2h", "--text", "  "], '"text" is empty: say why'),
    (["out-of-service", *AT], '"text" is empty: say why'),
    (["comment", *AT], '"text" is empty: say why'),
    (["ack", "intrusion", "apadb-"], 'there is no alarm of rule "intrusion" at "apadb-"'),
    (["ack", "dance", "apacp"], 'there is no alarm of rule "dance" at "apacp"'),
    (["history", "--from", "yesterday"], "from and to are epoch seconds"),
    (["load", "--from", "0"], "a load report spans 92 days at most"),
    (["load", "--operators", "0"], "operators is 1 to 1000"),
    (["messages", "--limit", "0"], "limit 1 to 1000"),
    (["list", "--rule", "intrusio"], 'there is no rule "intrusio"; did you mean "intrusion"?'),
    (["list", "--station", "nowhere"], 'there is no station "nowhere"'),
    (["show", "intrusion", "apacpp"], 'there is no station "apacpp"; did you mean "apacp"?'),
    (["history", "--rule", "dance"], 'there is no rule "dance"'),
    (["load", "--station", "nowhere"], 'there is no station "nowhere"'),
    (["messages", "--channel", "iocc"], 'there is no channel "iocc"; did you mean "ioc"?'),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_refused(refusing, words, wrong):
    code, out, err = refusing(*words, *([] if words[0] in ("list", "show", "history", "load", "messages") else ["--by", "An"]))
    assert (code, out) == (1, "") and err.startswith("phusa alarms: ") and wrong in err, err
    assert refusing.events() == refusing.begin


@pytest.fixture(name="refusing", scope="module")
def fixture_refusing(tmp_path_factory):
    """One line for all that is refused: nothing of it changes anything."""
    from line import Stage

    folder = tmp_path_factory.mktemp("refusing")
    with Stage(folder) as stage:
        watch = Watch(stage, folder)
        watch.read(9.0)
        watch.until_told(("intrusion", "severe"))
        watch.begin = watch.events()
        yield watch


def test_another_token(refusing, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("f" * 32 + "\n")
    wrong.chmod(0o600)
    code, out, err = refusing("ack", *AT, "--by", "An", "--token-file", wrong)
    assert (code, out) == (1, "") and err == (
        f"phusa alarms: phusad at {refusing.collector.url} wants another token: name the file that its "
        "http.token_file names with --token-file\n")
    code, _, err = refusing("ack", *AT, "--by", "An", "--token-file", tmp_path / "gone")
    assert code == 1 and "gone" in err
    assert refusing.events() == refusing.begin


def test_no_token(refusing, tmp_path):
    bare = tmp_path / "phusa.cfg"
    bare.write_text(re.sub(r"token_file = [^;]*;", "", refusing.collector.config.read_text()))
    code, out, err = phusa("alarms", "ack", *AT, "--by", "An", "-c", bare)
    assert (code, out) == (1, "") and err == (
        f"phusa alarms: phusad at {refusing.collector.url} wants a token: name the file that its "
        "http.token_file names with --token-file\n")
    assert refusing.events() == refusing.begin


def test_asked_by_url_alone(refusing):
    code, out, _ = phusa("alarms", "list", "--url", refusing.collector.url)
    assert code == 0 and "intrusion" in out
    code, out, err = phusa("alarms", "list", "--url", "http://127.0.0.1:1")
    assert (code, out) == (1, "") and err.startswith("phusa alarms: ")


@pytest.mark.parametrize("words, wrong", [
    ([], "what is to be done?"), (["dance"], 'no verb "dance"'), (["list", "x"], '"x" is too much'),
    (["ack"], "takes a rule and a station"), (["ack", "intrusion"], "takes a rule and a station"),
    (["show", "a"], "takes a rule and a station"), (["list", "--dance"], "--dance"),
    (["shelve", *AT, "--text", "x"], "until when? --for 2h or --until TIME"),
    (["shelve", *AT, "--text", "x", "--for", "2h", "--until", "1000000000"], "either --for or --until, not both"),
    (["ack", *AT, "--for", "2h"], "--for and --until are of shelve"),
    (["ack", *AT, "--by", ""], "who does it? --by NAME"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_usage(words, wrong):
    code, out, err = phusa("alarms", *words)
    assert (code, out) == (2, "") and wrong in err and err.endswith("`phusa alarms --help` says more\n")
