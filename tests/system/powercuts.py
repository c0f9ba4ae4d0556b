"""A board whose power fails: it is killed at random moments, again and again, while it reads its sensors, writes its
log and sends, and then it is counted whether anything is lost. tests/system/qemu_power_test.py and tools/powercuts
run it.

Two kills of five come at any time after the start, or after the first report of it has arrived. The others are
aimed: QEMU's debugger lets the board run on until it has stored so many more bytes or words to its line, to its flash
or to its Ethernet controller, and it is killed right behind that instruction."""
import collections
import json
import math
import random
import re
import time

import board
import nights
import phusarun
from board import STATION, Receiver, options
from line import until
from station_test import dump

SPEED, EVERY = 20, "1s"  # of the board's clock: a report each 50 ms
TRAP_SPEED, TRAP_EVERY = 2500, "5m"  # the same for a trap: a night in 35 s
START_S, LATER_S = 0.6, 0.3  # longest pause before a kill, or before it is aimed: behind the start, a first report
LOOK_S = 0.01
Place = collections.namedtuple("Place", "address bytes stores")
PLACES = {  # what the board stores to, and how many stores there are at most until it is killed
    "measuring": Place(0x40005000, 4, 24),  # UART 1: requests of 8 bytes
    "logging": Place(board.PSRAM + board.KEEP_FIRST * board.BLOCK, board.LOG_END - board.KEEP_FIRST * board.BLOCK, 200),
    "sending": Place(0x40200020, 4, 150),  # the Ethernet controller's words: a report is about a hundred
}
AIMS = ("any", "later", *PLACES)  # a fifth of the kills each
ADDRESS = ("10.0.2.15", "255.255.255.0", "10.0.2.2")  # QEMU's usual one, without asking for it
DEVICES = {"sonde": ("temp", "salinity"), "analyser": ("no2",)}
ANSWER_S = 0.008  # what a device takes: half of the time something is on the line
MAP = """bus modbus baud=115200
  device sonde address=1
    state register=9 calibrating=1 fault=2
    channel temp register=0 type=u32 divide=10
    channel salinity register=2 type=u32 divide=10
  device analyser address=2
    channel no2 function=4 register=0 type=u32 order=cdab divide=10
"""
CONNECTED = "connected from"
RECEIPT = "receipt: the first"  # of a start
START_MOST_S = 60.0  # longest wait for a first report
KEPT_AFTER = 10  # reports with a time: a trap keeps what it knows each minute
DELIVERY_S = 120.0  # longest wait for what the log still holds at the end
OVERLAP = 4  # blocks looked at again: the last ones may have been begun and no more
MARK = "phusa/1/test/mark"  # a topic: what is heard on it came behind all that the broker had


class Outages:
    """A board whose power fails, with all that was ever found in its log, and who gives it receipts."""

    def __init__(self, stage, kind="plain", sensors=True, trap=False, words=()):
        """kind: of the image. Without sensors the board simulates them. words: further options of tools/provision."""
        self.stage = stage
        self.authority = board.trusted(stage.folder) if kind == "tls" else None
        folder = stage.folder / "broker"
        self.broker = stage.broker = stage.add(
            board.TlsBroker(folder, [STATION], stage.folder, "good") if self.authority
            else phusarun.Broker(folder, [STATION]))
        self.clock = (phusarun.Clock(start=nights.BEGIN, speed=TRAP_SPEED) if trap
                      else phusarun.Clock(start=time.time() - 30 * 86400, speed=SPEED))
        self.time_server = stage.add(board.TimeServer(self.clock.now))
        self.sensors = self.start_sensors() if sensors else None
        self.classifier = stage.add(nights.classifier(stage.folder / "classifier", self.clock)) if trap else None
        self.station = board.Board(stage.folder / "board", kind, self.sensors and self.sensors.buses[0],
                                   self.classifier and self.classifier.where)
        self.provision(*words)
        self.receiver = Receiver(stage.client())
        self.receiver.client.listen(MARK)
        self.held = {}  # seq: (log, values) of what the log was found to hold after any kill
        self.block = 0  # of the log, the last in use
        self.marks = self.notes_read = 0
        self.notes = []  # of the sensors
        self.fell = collections.Counter()
        self.first_night, self.caught = 0, ""

    def start_sensors(self):
        device_map = self.stage.folder / "line.map"
        device_map.write_text(MAP)
        return self.stage.add(phusarun.SensorSim(
            self.stage.folder / "sensors", device_map, clock=self.clock, count=True, log=self.stage.folder / "notes",
            fault=[f"{name}:late={ANSWER_S}" for name in DEVICES]))

    def provision(self, *words):
        channels = [name for names in DEVICES.values() for name in names]
        port = self.broker.tls_port if self.authority else self.broker.port
        words += ("--address", *ADDRESS)
        words += ("--ca", self.authority) if self.authority else ()
        words += ("--map", self.sensors.map) if self.sensors else ()
        words += nights.WORDS if self.classifier else ()
        channels += nights.CHANNELS if self.classifier else ()
        every = TRAP_EVERY if self.classifier else EVERY
        self.station.provision(STATION, f"{board.NAME}:{port}",
                               *options(self.broker, self.time_server, int(self.clock.speed), every, channels), *words)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.receiver.work()
            time.sleep(LOOK_S)

    def first_look(self):
        """Until a trap knows where its classifier's counters stand, nobody can say of which night an insect is."""
        self.stage.add(self.station)
        self.sensors_note(gone=False)
        self.classifier.wait_for_client()
        until(lambda: self.receiver.work() or len(self.receiver.times) >= KEPT_AFTER, "some reports with a time")
        self.first_night = nights.first_whole(self.clock)
        self.station.kill()
        self.sensors_note(gone=True)

    # --- a cut ---

    def cut(self, aim, dice):
        """Starts the board and kills it; looks what its log holds then, and what it was doing."""
        before, reports = self.station.says().count(CONNECTED), len(self.receiver.reports)
        self.station.start()
        self.sensors_note(gone=False)
        if aim in ("any", "logging"):  # its start is also written down
            self.run(dice.uniform(0, START_S))
        else:
            until(lambda: self.receiver.work() or len(self.receiver.reports) > reports, "a report", START_MOST_S)
            self.run(dice.uniform(0, LATER_S))
        killed = math.inf
        if aim in PLACES:
            place = PLACES[aim]
            self.station.cut_at_store((place.address, place.bytes), dice.randint(1, place.stores))
        else:
            killed = self.clock.now()
            self.station.kill()
        connected = self.station.says().count(CONNECTED) > before
        self.fell[self.what_it_did(aim, killed, connected)] += 1

    def what_it_did(self, aim, killed, connected):
        """By what the debugger, the sensors, the log and the broker say. The sensors see that the board has gone some
        time after it was killed, and may have answered meanwhile."""
        line = self.sensors_note(gone=True)
        asked = next((note["time"] for note in reversed(self.notes) if "request" in note), -math.inf)
        on_line = line["owed"] + line["half"] > 0 or 0 <= killed - asked < ANSWER_S * self.clock.speed
        unsent = self.find() - self.heard()
        if aim in ("logging", "sending"):
            return aim
        if on_line:
            return "measuring"
        if not connected:
            return "connecting"
        return "sending" if unsent else "waiting"

    def sensors_note(self, gone):
        """What the sensors note next when the board comes, or goes."""
        before = sum(note.get("gone") == gone for note in self.notes)
        until(lambda: sum(note.get("gone") == gone for note in self.read_notes()) > before,
              f"the sensors to see that the board has {'gone' if gone else 'come'}")
        return next(note for note in reversed(self.notes) if note.get("gone") == gone)

    def read_notes(self):
        with open(self.stage.folder / "notes", "rb") as file:
            file.seek(self.notes_read)
            lines = file.read()
        whole = lines[:lines.rfind(b"\n") + 1]
        self.notes_read += len(whole)
        self.notes += map(json.loads, whole.splitlines())
        return self.notes

    def find(self):
        """Takes in what the log holds; the numbers found since the time before. A report never becomes another."""
        area = self.stage.folder / "found.log"
        self.block = self.station.log_area(area, max(self.block - OVERLAP, 0))
        found = {seq: (log, values) for log, seq, _, values in dump(area)[0]}
        for seq, report in found.items():
            assert self.held.setdefault(seq, report) == report, f"report {seq} was {self.held[seq]}, and is {report}"
        return found.keys()

    def heard(self):
        """The numbers of all reports that the broker has had till now."""
        self.marks += 1
        self.receiver.client.send(str(self.marks), MARK)
        mark = str(self.marks).encode()
        until(lambda: any(topic == MARK and payload == mark for topic, payload, _ in self.receiver.client.heard[-100:]),
              "the mark to come back")
        self.receiver.work()
        return self.receiver.reports.keys()

    # --- the end ---

    def count(self):
        """The board, without power, is started a last time and delivers: all that its log ever held arrived, as it was
        measured, each report once, and no number is missing. Returns how many reports the log held."""
        self.find()
        assert self.held, "the log is empty"
        receipts, night = self.station.says().count(RECEIPT), nights.under_way(self.clock)
        self.stage.add(self.station)

        def whole():
            self.receiver.work()
            return (self.receiver.reports.keys() >= self.held.keys() and self.station.says().count(RECEIPT) > receipts
                    and (not self.classifier or nights.is_told(self.receiver, night)))

        until(whole, "all reports to arrive and a receipt to come back", DELIVERY_S)
        self.station.hold_memory()
        self.station.kill()
        area = self.stage.folder / "whole.log"
        self.station.log_area(area)
        everything, _ = dump(area)
        assert [seq for _, seq, _, _ in everything] == list(range(1, len(everything) + 1))
        logged = {seq: (log, values) for log, seq, _, values in everything}
        reports = self.receiver.reports
        assert all(reports[seq] == logged.get(seq) == report for seq, report in self.held.items())
        assert all(logged[seq] == report for seq, report in reports.items())
        self.hold_values(everything)
        if self.classifier:
            self.caught = "; " + nights.hold(everything, self.first_night, night)
        boots = [int(n) for n in re.findall(r"boot (\d+),", self.station.says())]
        assert boots == sorted(set(boots)), "a count of boots was given twice"
        return len(self.held)

    def hold_values(self, everything):
        """What was logged is what the sensors gave: each answer in one report at most, in their order."""
        if self.sensors is None:
            for _, _, seconds, values in everything:
                assert values == {name: board.simulated(place, int(seconds)) for place, name in enumerate(values)}
            return
        self.read_notes()
        for device, names in DEVICES.items():
            answers = [note["values"] for note in self.notes if note.get("device") == device]
            given = [tuple(values.values()) for values in answers if values]
            told = [tuple(values[name] for name in names) for _, _, _, values in everything if names[0] in values]
            unheard_of = set(told) - set(given)
            assert not unheard_of, f"{device} never said {sorted(unheard_of)[:5]}"
            assert told == sorted(set(told)), f"an answer of {device} is in two reports, or in the wrong one"
            assert len(told) > len(everything) / 2, f"{device}: only {len(told)} values in {len(everything)} reports"


def campaign(stage, kills, seed, kind="plain"):
    """Kills a board so often, and counts. Returns a sentence."""
    outages, dice = Outages(stage, kind, trap=kind == "tls"), random.Random(seed)
    if outages.classifier:
        outages.first_look()
    aims = [AIMS[number % len(AIMS)] for number in range(kills)]
    dice.shuffle(aims)
    for aim in aims:
        outages.cut(aim, dice)
    held = outages.count()
    fell = outages.fell
    least = kills // len(AIMS) // 3
    assert all(fell[place] >= least for place in PLACES), f"less than {least} of each: {fell}"
    when = ", ".join(f"{count} {what}" for what, count in sorted(fell.items()))
    arrived = len(outages.receiver.reports)
    return f"{kills} kills of the {kind} image ({when}), {held} reports in its log, {arrived} arrived{outages.caught}"
