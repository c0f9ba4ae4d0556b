"""What tools/chaos holds a run against, made without the product's own code wherever that can be:

Flash      what a station's log file holds, by the format at the top of firmware/core/log.c
Journal    what the collector wrote down, from `phusa journal dump`
judge      the alarms' state machine of the contract, over readings in a given order
Verdict    collects the checks, each with its numbers

All readings are {(station, parameter, nanoseconds): value}.
"""
import collections
import hashlib
import json
import re
import sqlite3
import struct
import subprocess

from chaosclock import Astray, Seen

SECOND_NS = 10**9
MILLI_NS = 10**6
MINUTE_NS = 60 * SECOND_NS
MOVED = "time_reconstructed"  # the field of a line whose time is not its stamp
AHEAD_NS = 5 * MINUTE_NS  # default of the setting `ahead`
KIND = "water"  # of all stations of a run


class Verdict:
    """The checks of a run: each is printed with its numbers when it is made."""

    def __init__(self, say):
        self.say = say
        self.failed = []

    def check(self, good, name, numbers, examples=()):
        self.say(f"  {'ok  ' if good else 'FAIL'} {name}: {numbers}")
        if good:
            return
        self.failed.append(name)
        for example in list(examples)[:8]:
            self.say(f"         {example}")


# --- a station's flash --------------------------------------------------------------------------

BLOCK = 4096
HEADER = struct.Struct("<IHHIIQQII")
RECORD = struct.Struct("<IHHQqIIII")
MAGIC, VERSION = 0x4c534850, 2


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(seed, data):
    crc = ~seed & 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xff]
    return ~crc & 0xffffffff


class Flash:
    """The reports that a station's log file holds: reports = {seq: (ns, {parameter: value})}. believed: its clock
    is right throughout; one that goes back leaves reports dated since the start of the station."""

    def __init__(self, path, believed=True):
        self.reports = {}
        self.believed = believed
        self.identity = None
        data = path.read_bytes() if path.exists() else b""
        data = bytes(255 - byte for byte in data) + b"\xff" * (-len(data) % BLOCK)
        blocks = [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)]
        headers = [(self._header(block), block) for block in blocks]
        newest = max((header for header, _ in headers if header), key=lambda header: header[4], default=None)
        if newest is None:
            return
        self.identity = newest[3]
        lap = newest[4] - len(blocks)  # a bad block may still hold what is of an earlier one
        for header, block in sorted((pair for pair in headers if pair[0]), key=lambda pair: pair[0][4]):
            if header[3] == self.identity and header[4] > lap:
                self._read(header, block)

    @property
    def first(self):
        return min(self.reports, default=1)

    @property
    def last(self):
        return max(self.reports, default=0)

    @staticmethod
    def _header(block):
        """The header, or its copy at the end of the block; None when both are damaged."""
        for at in (0, BLOCK - HEADER.size):
            fields = HEADER.unpack_from(block, at)
            if fields[0] == MAGIC and fields[1] == VERSION and fields[8] == crc32c(0, block[at:at + HEADER.size - 4]):
                return fields
        return None

    def _read(self, header, block):
        names = self._layout(block[HEADER.size:HEADER.size + header[2]])
        seed = crc32c(self.identity, struct.pack("<I", header[4]))
        at, end = HEADER.size + (header[2] + 7) // 8 * 8, BLOCK - HEADER.size
        while at + RECORD.size <= end:
            at += self._record(seed, block, at, end, names) or 8

    @staticmethod
    def _layout(data):
        """Names of the channels: length, name, length, unit for each."""
        names, at = [], 0
        while at < len(data):
            size = data[at]
            names.append(data[at + 1:at + 1 + size].decode())
            at += 1 + size
            at += 1 + data[at]
        return names

    def _record(self, seed, block, at, end, names):
        """The length of the record there; 0 when there is none."""
        crc, length, _, seq, time_ns, boot, present, _, _ = RECORD.unpack_from(block, at)
        if length != RECORD.size + 8 * bin(present).count("1") or at + length > end:
            return 0
        if crc != crc32c(seed, block[at + 4:at + length]):
            return 0
        assert boot == 0 or not self.believed, "a clock that is right is always set"
        channels = [name for bit, name in enumerate(names) if present >> bit & 1]
        values = struct.unpack_from(f"<{len(channels)}d", block, at + RECORD.size)
        self.reports[seq] = (time_ns, dict(zip(channels, values)))
        return length


def dumped_log(station_program, path):
    """The same reports as the station itself reads them."""
    done = subprocess.run([station_program, "--dump-log", path], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["seq"]: (line["time_ns"], {name: entry["value"] for name, entry in line["values"].items()})
            for line in lines}


# --- the collector's journal ----------------------------------------------------------------------


class Report:
    """One report as it stands in the journal."""

    __slots__ = ("station", "received_ns", "log", "seq", "boot", "up_ns", "readings")

    def __init__(self, line):
        self.station = line["topic"].split("/")[3]
        self.received_ns = round(line["time"] * 1e6) * 1000
        records = json.loads(line["payload"])
        first = records[0]
        self.log, self.seq = int(first["log"], 16), first["seq"]
        self.boot, self.up_ns = first.get("boot"), to_ns(first.get("up", 0))
        base, begin = first.get("bn", ""), first.get("bt", 0)
        self.readings = []  # (parameter, ns, value)
        for record in records:
            name = (base + record.get("n", "")).rpartition(":")[2]
            self.readings.append((name, to_ns(begin + record.get("t", 0)), record["v"]))


def to_ns(seconds):
    """The simulated moments of a run are whole milliseconds."""
    return round(seconds * 1000) * 10**6


def dump(phusa, folder):
    """All records of a journal as Python values, in order."""
    with subprocess.Popen([phusa, "journal", "dump", "--json", folder], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        for line in process.stdout:
            yield json.loads(line)


def verified(phusa, folder):
    """What `phusa journal verify` says of a journal."""
    done = subprocess.run([phusa, "journal", "verify", "--json", folder], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


class Journal:
    """What came in: counts of each station, and its distinct readings in the order of their coming."""

    def __init__(self, phusa, folder, astray):
        """astray: the distance of reports of those stations whose clocks are not believed."""
        self.clocks = {name: Astray(every_ns) for name, every_ns in astray.items()}
        self.seen = collections.defaultdict(Seen)  # of those stations, by series
        self.dated = []  # of those stations: (station, parameter, Dated, value, seq)
        self.received = collections.Counter()  # readings, repeated ones too
        self.reports = collections.Counter()
        self.seqs = collections.defaultdict(set)  # (station, log): numbers
        self.values = {}  # distinct readings
        self.judged = []  # of those: (station, parameter, ns, value), in order
        self.conflicts = 0
        for line in dump(phusa, folder):
            if line["kind"] != "message":
                continue
            station = line["topic"].split("/")[3]
            if line["topic"].endswith("/obs"):
                self._take(Report(line))
            elif line["topic"].endswith("/status") and station in self.clocks:
                self.clocks[station].status(json.loads(line["payload"]))

    def _take(self, report):
        self.reports[report.station] += 1
        self.received[report.station] += len(report.readings)
        before = report.seq in self.seqs[report.station, report.log]
        self.seqs[report.station, report.log].add(report.seq)
        if report.station in self.clocks:
            if not before:
                self._date(report)
            return
        for parameter, ns, value in report.readings:
            key = report.station, parameter, ns
            if key in self.values:
                self.conflicts += self.values[key] != value
                continue
            self.values[key] = value
            if ns - report.received_ns <= AHEAD_NS:
                self.judged.append((report.station, parameter, ns, value))

    def _date(self, report):
        clock = self.clocks[report.station]
        stamps = [ns for _, ns, _ in report.readings]
        places = (clock.take(report.received_ns, stamps) if report.boot is None else
                  clock.take_boot(report.received_ns, report.log, report.boot, report.up_ns, stamps))
        for (parameter, _, value), place in zip(report.readings, places):
            key = place.ns if place.stamp is None else place.stamp
            result = self.seen[report.station, parameter].note(key, value)
            if result == "again" or result == "conflict" and not place.moved:
                self.conflicts += result == "conflict"
                continue
            self.dated.append((report.station, parameter, place, value, report.seq))
            if not place.moved and place.ns - report.received_ns <= AHEAD_NS:
                self.judged.append((report.station, parameter, place.ns, value))

    def distinct(self):
        return (collections.Counter(station for station, _, _ in self.values) +
                collections.Counter(station for station, *_ in self.dated))


class Quarantine:
    """Lines that were set aside, with their reason."""

    def __init__(self, phusa, folder):
        self.values = {}
        self.records = 0
        self.reasons = collections.Counter()
        self.unknown = []
        for line in dump(phusa, folder):
            if line["kind"] != "set-aside":
                continue
            self.records += 1
            entry = json.loads(line["payload"])
            self.reasons[entry["reason"]] += 1
            if "line" in entry:
                self.values.update(line_values(entry["line"]))
            else:
                self.unknown.append(entry)

    def by_station(self):
        return collections.Counter(station for station, _, _ in self.values)


def line_values(line):
    """The readings of a line of line protocol; none of a window."""
    head, fields, stamp = line.strip().rsplit(" ", 2)
    if not head.startswith(KIND + ","):
        return {}
    station = re.search(r",station=([^, ]+)", head)[1]
    pairs = (field.split("=") for field in fields.split(","))
    return {(station, name, int(stamp)): float(value) for name, value in pairs
            if not name.endswith("_qc") and name != MOVED}


def stored_values(points):
    """(readings, flags, {(station, ns)} of lines not at their stamp) of what Store.export returns."""
    values, flags, moved = {}, {}, set()
    for (name, station, ns), value in points.items():
        name = name.removeprefix(KIND + "_")
        if name == MOVED:
            moved.add((station, ns))
            continue
        target = flags if name.endswith("_qc") else values
        target[station, name.removesuffix("_qc"), ns] = value
    return values, flags, moved


def split(values, stations):
    """Those of these stations, taken out of the others."""
    return {key: values.pop(key) for key in [key for key in values if key[0] in stations]}


def find(values, station, parameter, ns, value):
    """The key of this value there, or None. What was put at a receive time is known to a microsecond,
    and a store may keep milliseconds."""
    for near in (0, -1, 1):
        key = station, parameter, ns // MILLI_NS + near
        if key in values and values[key][1] == value:
            return values[key][0]
    return None


def by_millisecond(values):
    """{(station, parameter, ms): (key, value)}"""
    return {(station, parameter, ns // MILLI_NS): ((station, parameter, ns), value)
            for (station, parameter, ns), value in values.items()}


# --- alarms -----------------------------------------------------------------------------------------


class Rule:
    """A rule of direction `above`: written into a configuration, and judged by Machine."""

    def __init__(self, name, parameter, levels, max_gap_m, for_m=0):
        self.name, self.parameter, self.levels = name, parameter, levels  # [(severity, raise, clear)]
        self.max_gap_ns = max_gap_m * MINUTE_NS
        self.for_ns = for_m * MINUTE_NS

    def text(self):
        levels = ", ".join(f'{{ severity = "{severity}"; raise = {high}; clear = {low}; for = '
                           f'"{self.for_ns // MINUTE_NS}m"; }}' for severity, high, low in self.levels)
        return (f'  {{ id = "{self.name}"; kind = "{KIND}"; parameter = "{self.parameter}"; direction = "above";\n'
                f'    levels = ( {levels} );\n    max_gap = "{self.max_gap_ns // MINUTE_NS}m"; channels = ["ioc"];\n'
                f'    message = {{ vi = "Thử {self.name}"; en = "Trial {self.name}"; }}; }}')


class Machine:
    """One rule on one series: the contract's levels, each with its run."""

    def __init__(self, rule):
        self.rule = rule
        self.active = [False] * len(rule.levels)
        self.since = [None] * len(rule.levels)  # begin of the run that would change a level
        self.last = None
        self.state = "normal"

    def copy(self):
        twin = Machine(self.rule)
        twin.active, twin.since = self.active[:], self.since[:]
        twin.last, twin.state = self.last, self.state
        return twin

    def step(self, ns, value):
        """(before, after) when the state changed, else None."""
        gap = self.last is not None and ns - self.last > self.rule.max_gap_ns
        for i, (_, high, low) in enumerate(self.rule.levels):
            holds = value < low if self.active[i] else value >= high
            needed = 0 if self.active[i] else self.rule.for_ns
            if not holds:
                self.since[i] = None
                continue
            if self.since[i] is None or gap:
                self.since[i] = ns
            if ns - self.since[i] >= needed:
                self.active[i], self.since[i] = not self.active[i], None
        self.last = ns
        before = self.state
        self.state = next((level[0] for level, on in zip(reversed(self.rule.levels), reversed(self.active)) if on),
                          "normal")
        return (before, self.state) if before != self.state else None


class Series:
    """A live machine and the single one for what comes late, as the contract has it."""

    def __init__(self, rule, every_ns):
        self.live, self.every_ns = Machine(rule), every_ns
        self.before_gap = self.history = None
        self.gap_end = 0

    def take(self, ns, value):
        if self.live.last is None or ns > self.live.last:
            if self.live.last is not None and ns - self.live.last > self.every_ns + self.every_ns // 2:
                self.before_gap, self.history, self.gap_end = self.live.copy(), None, ns
            return self.live.step(ns, value)
        if self.before_gap is None or ns >= self.gap_end:
            return None
        self.history = self.history or self.before_gap.copy()
        if self.history.last is not None and ns <= self.history.last:
            return None
        return self.history.step(ns, value)


def judge(rules, every_ns, readings):
    """All transitions, sorted: (ns, rule, station, before, after). every_ns: of each station."""
    series, found = {}, []
    for station, parameter, ns, value in readings:
        for rule in rules:
            if rule.parameter != parameter:
                continue
            key = rule.name, station
            if key not in series:
                series[key] = Series(rule, every_ns[station])
            change = series[key].take(ns, value)
            if change:
                found.append((ns, rule.name, station, *change))
    return sorted(found)


def recorded(outbox, rules):
    """(transitions, told): what the outbox holds of these rules; told = [(key, rule, station, parameter,
    ns, to)]."""
    names = {rule.name for rule in rules}
    with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT time_ns, rule, station, before, after, changed, told, key, parameter"
                          " FROM transition").fetchall()
    changed = sorted(row[:5] for row in rows if row[5] and row[1] in names)
    told = [(row[7], row[1], row[2], row[8], row[0], row[4]) for row in rows if row[6]]
    return changed, told


def replayed(phusa, config, journal, rules, *options):
    """What `phusa replay --journal` prints, sorted like judge()."""
    names = {rule.name for rule in rules}
    done = subprocess.run([phusa, "replay", "-c", config, "--journal", journal, *options], capture_output=True,
                          text=True, timeout=600, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted((to_ns(line["time"]), line["rule"], line["station"], line["from"], line["to"]) for line in lines
                  if line["rule"] in names)


def notice_key(rule, station, parameter, seconds, to):
    """The key of a message by the contract; seconds as it is printed."""
    return hashlib.sha256("\n".join((rule, station, parameter, seconds, to)).encode()).hexdigest()


def key_of_body(body):
    """From a webhook's body whose numbers were left as text."""
    return notice_key(body["rule"], body["station"], body["parameter"], body["time"], body["to"])
