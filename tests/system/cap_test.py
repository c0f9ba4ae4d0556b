"""CAP 1.2 files and their feed: valid by the standard's schema, and read by a reader that knows only the
standards (CAP-v1.2-os, RFC 4287), following references as a warning centre does."""
import datetime
import os
import random
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import phusarun
from carriers import Carrier, letter
from line import shared, until

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
ATOM = "{http://www.w3.org/2005/Atom}"
SENDER = "canhbao@tiengiang.example"
KILL_WITHIN_S = 0.002
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")


def channel(folder, **more):
    return {"kind": "cap", "path": str(folder / "cap"), "sender": SENDER, "sender_name": "Chi cục Thủy lợi Tiền Giang",
            "status": "Exercise", "expires": 86400, **more}


def key(number):
    return f"{number:064x}"


def validate(files):
    schema = shared("10-cap/cap12.xsd")
    program = phusarun.find_program("xmllint", "libxml2-utils brings it")
    done = subprocess.run([program, "--nonet", "--noout", "--schema", schema, *files], capture_output=True,
                          check=False, text=True)
    assert done.returncode == 0, done.stderr


class Message:
    """One CAP message, as a reader takes it."""

    def __init__(self, path):
        self.root = ElementTree.parse(path).getroot()
        assert self.root.tag == f"{CAP}alert"
        self.identifier = self.text("identifier")
        self.name = (self.text("sender"), self.identifier, self.text("sent"))
        self.type = self.text("msgType")
        self.references = [tuple(entry.split(",")) for entry in (self.text("references") or "").split()]
        self.infos = {info.findtext(f"{CAP}language"): info for info in self.root.findall(f"{CAP}info")}

    def text(self, name):
        return self.root.findtext(f"{CAP}{name}")

    def info(self, name, language="vi-VN"):
        return self.infos[language].findtext(f"{CAP}{name}")

    def parameters(self):
        return {entry.findtext(f"{CAP}valueName"): entry.findtext(f"{CAP}value")
                for entry in self.infos["vi-VN"].findall(f"{CAP}parameter")}

    def area(self, name):
        return self.infos["vi-VN"].find(f"{CAP}area").findtext(f"{CAP}{name}")


class Feed:
    def __init__(self, folder):
        self.folder = folder
        self.root = ElementTree.parse(folder / "alerts.atom").getroot()
        assert self.root.tag == f"{ATOM}feed"
        self.entries = self.root.findall(f"{ATOM}entry")
        for node in [self.root, *self.entries]:  # what RFC 4287 asks of a feed and of an entry
            for name in ("id", "title", "updated"):
                assert len(node.findall(f"{ATOM}{name}")) == 1 and node.findtext(f"{ATOM}{name}")
            assert TIME.fullmatch(node.findtext(f"{ATOM}updated"))
        assert self.root.findtext(f"{ATOM}author/{ATOM}name")
        updated = [datetime.datetime.fromisoformat(e.findtext(f"{ATOM}updated")) for e in self.entries]
        assert updated == sorted(updated, reverse=True), "the newest first"
        ids = [entry.findtext(f"{ATOM}id") for entry in self.entries]
        assert len(set(ids)) == len(ids)

    def messages(self):
        """Newest first, fetched by their links."""
        found = []
        for entry in self.entries:
            link = entry.find(f"{ATOM}link[@rel='alternate']")
            assert link.get("type") == "application/cap+xml"
            found.append(Message(self.folder / link.get("href")))
            assert entry.findtext(f"{ATOM}title") == found[-1].info("headline")
            for hint in ("event", "urgency", "severity", "certainty", "expires"):
                assert entry.findtext(f"{CAP}{hint}") == found[-1].info(hint)
        return found


def in_force(messages):
    """The messages that hold, oldest first: what a later one refers to does not, nor does a Cancel."""
    known, gone = set(), set()
    for message in messages:
        for reference in message.references:
            assert reference in known, f"{message.identifier} refers to {reference}, which nobody has seen"
            gone.add(reference)
        assert (message.type == "Alert") == (not message.references)
        known.add(message.name)
    return [message for message in messages if message.name not in gone and message.type != "Cancel"]


def season(stations=("s1", "s2")):
    """Alarms that rise, change and end, some twice; oldest first."""
    states = ["normal", "minor", "severe", "extreme", "severe", "normal", "moderate", "normal", "minor"]
    letters = []
    for step, (before, after) in enumerate(zip(states, states[1:])):
        for place, station in enumerate(stations):
            letters.append(letter(key=key(len(letters) + 1), station=station, time=1762000200 + 600 * step + place,
                                  **{"from": before}, to=after))
    return letters


def test_messages_are_valid_and_refer_to_each_other(tmp_path):
    letters = season()
    for each in letters[:7]:  # a restart in between changes nothing
        with Carrier(tmp_path, **channel(tmp_path)) as carrier:
            assert carrier.deliver(each) == ("done", "")
            assert carrier.deliver(each) == ("done", "")
    with Carrier(tmp_path, **channel(tmp_path)) as carrier:
        assert carrier.deliver(*letters[7:]) == ("done", "")
    folder = tmp_path / "cap"
    assert sorted(file.name for file in folder.iterdir()) == sorted([each["key"] + ".xml" for each in letters] +
                                                                    ["alerts.atom"])
    messages = list(reversed(Feed(folder).messages()))
    assert len(messages) == len(letters)
    assert [(m.info("severity"), m.info("urgency"), m.type) for m in in_force(messages)] == [
        ("Minor", "Expected", "Alert")] * 2
    by_station = [m for m in messages if m.parameters()["station"] == "s1"]
    assert [m.type for m in by_station] == ["Alert", "Update", "Update", "Update", "Cancel", "Alert", "Cancel", "Alert"]
    assert [len(m.references) for m in by_station] == [0, 1, 2, 3, 4, 0, 1, 0]
    assert len({m.text("incidents") for m in by_station}) == 3
    validate(folder.glob("*.xml"))


def test_what_a_message_says(tmp_path):
    with Carrier(tmp_path, **channel(tmp_path, link="https://iot.example/alarms?a=1&b=2")) as carrier:
        assert carrier.deliver(letter(key=key(1), lat=-0.5, lon=106.370001)) == ("done", "")
        bare = letter(key=key(2), station="s2", station_name="A & B <\u0001>", action=["", ""], lat=None, lon=None,
                      value=None, urgency="Immediate", category="Health", utc_offset=0)
        assert carrier.deliver(bare) == ("done", "")
    folder = tmp_path / "cap"
    message, other = Message(folder / f"{key(1)}.xml"), Message(folder / f"{key(2)}.xml")
    assert message.text("status") == "Exercise" and message.text("scope") == "Public"
    assert message.info("event") == "Xâm nhập mặn" and message.info("event", "en-US") == "Salinity intrusion"
    assert message.info("instruction") == "Đóng cống, trữ nước ngọt." and message.info("responseType") == "Execute"
    assert message.info("senderName") == "Chi cục Thủy lợi Tiền Giang"
    assert message.info("web") == "https://iot.example/alarms?a=1&b=2"
    assert message.parameters() == {"salinity": "4.25", "unit": "g/L", "rule": "salinity-fields", "station": "s1",
                                    "state": "severe"}
    assert message.area("areaDesc") == "Cống Xuân Hòa (my-tho)" and message.area("circle") == "-0.50000,106.37000 0.5"
    assert message.info("onset") == "2025-11-01T19:30:00+07:00"
    sent = datetime.datetime.fromisoformat(message.text("sent"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - sent).total_seconds()) < 60
    assert datetime.datetime.fromisoformat(message.info("expires")) - sent == datetime.timedelta(days=1)
    assert other.area("areaDesc") == "A & B < > (my-tho)" and other.area("circle") is None
    assert other.info("instruction") is None and other.info("responseType") == "Monitor"
    assert other.info("onset") == "2025-11-01T12:30:00-00:00"
    Feed(folder).messages()
    validate(folder.glob("*.xml"))


def test_what_stays_active_is_renewed(tmp_path):
    """With an expiry of two seconds: renewed in its second half, over by its Cancel."""
    active = letter(key=key(1))
    with Carrier(tmp_path, **channel(tmp_path, expires=2)) as carrier:
        carrier.try_to({"active": [active, letter(key=key(9), station="s9")]})
        assert carrier.deliver(active) == ("done", "")
        folder = tmp_path / "cap"

        def renewed():
            assert carrier.try_to({"refresh": True}) == ("done", "")
            return len(list(folder.glob("*.xml"))) == 3

        until(renewed, "it is renewed twice")
        carrier.try_to({"active": []})
        assert carrier.deliver(letter(key=key(2), **{"from": "severe"}, to="normal")) == ("done", "")
    messages = list(reversed(Feed(folder).messages()))
    assert [m.type for m in messages] == ["Alert", "Update", "Update", "Cancel"]
    assert in_force(messages) == []
    validate(folder.glob("*.xml"))


def test_a_kill_at_any_moment_loses_and_repeats_nothing(tmp_path):
    """Killed while it writes, again and again; each delivery that was not confirmed is repeated, as the outbox does."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    letters = season([f"s{number}" for number in range(12)])
    done, kills, early = 0, 0, 0
    while done < len(letters):
        carrier = Carrier(tmp_path, **channel(tmp_path))
        for each in letters[done:done + 3]:
            assert carrier.deliver(each) == ("done", "")
            done += 1
        if done < len(letters):
            carrier.tell({"letters": [letters[done]]})
            time.sleep(dice.uniform(0, KILL_WITHIN_S))  # only varies the moment
            os.kill(carrier.process.pid, signal.SIGKILL)
            kills += 1
        carrier.process.stdin.close()
        carrier.process.wait()
        carrier.process.stdout.close()
        early += done < len(letters) and not (tmp_path / "cap" / f"{letters[done]['key']}.xml").exists()
        for file in (tmp_path / "cap").glob("*.xml"):
            Message(file)
        Feed(tmp_path / "cap").messages()
    with Carrier(tmp_path, **channel(tmp_path)):
        pass
    messages = list(reversed(Feed(tmp_path / "cap").messages()))
    print(f"figure: {kills} kills, {early} before the message was there")
    assert kills > 20 and len(messages) == len(letters)
    assert {m.identifier for m in messages} == {each["key"] for each in letters}
    assert len(in_force(messages)) == 12
    assert not list((tmp_path / "cap").glob("*.new"))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "cap").write_text("a file")
    carrier = Carrier(tmp_path, **channel(tmp_path))
    assert carrier.process.wait(30) == 2
    assert str(tmp_path / "cap") in carrier.log.read_text()
    carrier.process.stdin.close()
    carrier.process.stdout.close()
