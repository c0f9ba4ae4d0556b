"""The order of things in a traced run: no receipt leaves before the fdatasync that covers it has
returned, no PUBACK of anything but a numbered report before it is written down, and with journal.strict none
of any message before it is synced.

trace.c, preloaded into phusad, numbers each write, sync, send and receive. This file reads the bytes
of segments and of MQTT out of them, without the product, and is itself tried on traces in which the
order was reversed.
"""
import collections
import dataclasses
import json
import os
import struct
import subprocess
import time

import pytest

import phusarun
from line import BUILD, ROOT, until

PLAIN = BUILD.parent if BUILD.name == "san" else BUILD  # a sanitizer and a preloaded library do not get along
LOG = "5f3a09c1"
STATUS = "phusa/1/apalachicola/{}/status"
OBS = "phusa/1/apalachicola/{}/obs"
NUMBERED = 1500  # reports of each of two stations: more than a segment of 1 MiB holds
FOREIGN = 200  # messages without a number
PADDING = "x" * 500  # in a label that nobody knows

OPENED, WRITTEN, SENT, RECEIVED, SYNC_BEGUN, SYNC_ENDED, CLOSED = range(1, 8)
ENTRY = struct.Struct("<QIiII")
SEGMENT_HEADER = 64
RECORD_HEADER = struct.Struct("<IIQQQIHBB")
MESSAGE = 1  # kind of a record


@dataclasses.dataclass(frozen=True)
class Entry:
    number: int
    kind: int
    fd: int
    data: bytes


def read_trace(path):
    data, at, entries = path.read_bytes(), 0, []
    while at + ENTRY.size <= len(data):
        number, kind, fd, length, _ = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        entries.append(Entry(number, kind, fd, data[at:at + length]))
        at += length
    return sorted(entries, key=lambda entry: entry.number)


# --- what the bytes mean --------------------------------------------------------------------------


class Stream:
    """Bytes in the order they went, and which entry carried each."""

    def __init__(self):
        self.data = bytearray()
        self.ends = []  # (length after this entry, number of the entry)
        self.read = 0
        self.asked = 0

    def add(self, entry):
        self.data += entry.data
        self.ends.append((len(self.data), entry.number))

    def number_at(self, offset):
        """Of the entry that carried the byte; offsets are asked for in ascending order."""
        while self.ends[self.asked][0] <= offset:
            self.asked += 1
        return self.ends[self.asked][1]


class Segment(Stream):
    """One segment file while it is written."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.syncs = []  # (number of the begin, number of the end)
        self.begun = None

    def records(self):
        """(topic, payload, number of the write that brought its end) of each message."""
        at = SEGMENT_HEADER
        while at + RECORD_HEADER.size <= len(self.data):
            body, _, _, _, _, _, topic, kind, _ = RECORD_HEADER.unpack_from(self.data, at)
            begin = at + RECORD_HEADER.size
            at = begin + body + -(RECORD_HEADER.size + body) % 8
            if kind == MESSAGE:
                yield (bytes(self.data[begin:begin + topic]).decode(), bytes(self.data[begin + topic:begin + body]),
                       self.number_at(at - 1))

    def synced(self, written):
        """When what was written by then had come to the disk; None if never."""
        return next((end for begin, end in self.syncs if begin > written), None)


def packets(stream):
    """(type and flags, body, number of the entry with the first byte, with the last one) of MQTT packets."""
    at = 0
    while at + 2 <= len(stream.data):
        length, shift, begin = 0, 0, at + 1
        while True:
            length |= (stream.data[begin] & 127) << shift
            shift += 7
            begin += 1
            if stream.data[begin - 1] < 128:
                break
        first, last = stream.number_at(at), stream.number_at(min(begin + length, len(stream.data)) - 1)
        yield stream.data[at], bytes(stream.data[begin:begin + length]), first, last
        at = begin + length


def publish_parts(head, body):
    """(topic, packet id, payload) of a PUBLISH."""
    topic_end = 2 + int.from_bytes(body[:2], "big")
    topic, qos = body[2:topic_end].decode(), head >> 1 & 3
    at = topic_end + (2 if qos else 0)
    return topic, int.from_bytes(body[topic_end:at], "big"), body[at:]


class Story:
    """What a trace tells: messages with their moments, receipts, acknowledgements."""

    def __init__(self, entries, journal):
        self.journal = str(journal)
        self.files, self.sockets, self.folders = {}, {}, {}
        self.segments, self.streams = [], []
        self.folder_syncs = []  # (begin, end) of the journal's folder
        for entry in entries:
            getattr(self, f"_on_{entry.kind}")(entry)

    def _on_1(self, entry):
        path = entry.data.decode()
        self._forget(entry.fd)
        if path.endswith(".seg") and os.path.dirname(path) == self.journal:
            self.files[entry.fd] = Segment(path)
            self.files[entry.fd].opened = entry.number
            self.segments.append(self.files[entry.fd])
        elif path.rstrip("/") == self.journal:
            self.folders[entry.fd] = entry.number

    def _forget(self, fd):
        for known in (self.files, self.sockets, self.folders):
            known.pop(fd, None)

    def _on_2(self, entry):
        if entry.fd in self.files:
            self.files[entry.fd].add(entry)

    def _socket(self, fd):
        if fd not in self.sockets:
            self.sockets[fd] = Stream(), Stream()  # out, in
            self.streams.append(self.sockets[fd])
        return self.sockets[fd]

    def _on_3(self, entry):
        self._socket(entry.fd)[0].add(entry)

    def _on_4(self, entry):
        self._socket(entry.fd)[1].add(entry)

    def _on_5(self, entry):
        if entry.fd in self.files:
            self.files[entry.fd].begun = entry.number
        elif entry.fd in self.folders:
            self.folders[entry.fd] = entry.number

    def _on_6(self, entry):
        if entry.fd in self.files:
            self.files[entry.fd].syncs.append((self.files[entry.fd].begun, entry.number))
        elif entry.fd in self.folders:
            self.folder_syncs.append((self.folders[entry.fd], entry.number))

    def _on_7(self, entry):
        self._forget(entry.fd)

    def messages(self):
        """{(topic, payload): (written, synced)}: the numbers at which both were over; synced includes the
        entry of a new segment in its folder."""
        found = {}
        for segment in self.segments:
            if not segment.data:
                continue  # only read
            named = next((end for begin, end in self.folder_syncs if begin > segment.opened), None)
            for topic, payload, written in segment.records():
                synced = segment.synced(written)
                found.setdefault((topic, payload), (written, None if None in (synced, named) else max(synced, named)))
        return found

    def mqtt(self):
        """The streams to the broker: those that begin with CONNECT."""
        return [pair for pair in self.streams if pair[0].data[:1] == b"\x10"]

    def receipts(self):
        """(number of the send, station, receipt)."""
        for out, _ in self.mqtt():
            for head, body, first, _ in packets(out):
                if head >> 4 == 3:
                    topic, _, payload = publish_parts(head, body)
                    if topic.endswith("/ack"):
                        yield first, topic.split("/")[3], json.loads(payload)

    def acknowledged(self):
        """(topic, payload, number of the send of its PUBACK)."""
        for out, came in self.mqtt():
            waiting = collections.defaultdict(collections.deque)
            for head, body, _, _ in packets(came):
                if head >> 4 == 3 and head & 6:
                    topic, number, payload = publish_parts(head, body)
                    waiting[number].append((topic, payload))
            for head, body, first, _ in packets(out):
                if head >> 4 == 4:
                    topic, payload = waiting[int.from_bytes(body[:2], "big")].popleft()
                    yield topic, payload, first


# --- the rules --------------------------------------------------------------------------------------


def covered(receipt):
    gaps = {seq for first, last in receipt["missing"] for seq in range(first, last + 1)}
    return [seq for seq in range(1, receipt["upto"] + 1) if seq not in gaps]


def check_receipts(story):
    """(reports covered, violations)."""
    synced = {}
    for (topic, payload), (_, when) in story.messages().items():
        if topic.endswith("/obs") and b'"seq"' in payload:
            synced[topic.split("/")[3], json.loads(payload)[0]["seq"]] = when
    seen, bad = set(), []
    for sent, station, receipt in story.receipts():
        for seq in covered(receipt):
            when = synced.get((station, seq))
            if when is None or when > sent:
                bad.append(f"receipt {receipt} of {station} sent at {sent}: report {seq} on disk at {when}")
            seen.add((station, seq))
    return len(seen), bad


def check_acknowledgements(story, strict):
    """(messages acknowledged, violations). A numbered report may be written after its PUBACK: its station waits for
    the receipt."""
    messages, count, bad = story.messages(), 0, []
    for topic, payload, sent in story.acknowledged():
        if not topic.endswith(("/obs", "/status")):
            continue  # what phusad itself publishes comes back to it and is not kept
        written, synced = messages.get((topic, payload), (None, None))
        when = synced if strict else written
        in_time = when is not None and (when <= sent or (not strict and b'"seq"' in payload))
        count += 1
        if not in_time:
            bad.append(f"PUBACK of {topic} {payload[:60]} sent at {sent}, "
                       f"{'on disk' if strict else 'written'} at {when}")
    return count, bad


# --- the run -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.so"
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", path,
                    ROOT / "tests/system/trace.c"], check=True)
    return path


class TracedCollector(phusarun.Collector):
    def environment(self):
        return {**super().environment(), "LD_PRELOAD": str(self.shim), "PHUSA_TRACE": str(self.folder / "trace")}


def numbered(station, seq, second):
    return [{"bn": f"{station}:", "bt": second + seq, "log": LOG, "seq": seq, "n": "salinity", "v": seq % 8 / 2,
             "pad": PADDING}]


def publish_all(stage, receipts):
    """Reports with gaps that are filled later, in bursts, and messages without a number between them."""
    sender, second = stage.client(), int(time.time()) - 86400
    stations = ("apacp", "apadb")
    for station in stations:
        status = {"state": "online", "log": LOG, "first": 1, "next": NUMBERED + 1}
        sender.send(status, STATUS.format(station), retain=True)
    late = [seq for seq in range(1, NUMBERED) if seq % 97 == 0]
    order = [seq for seq in range(1, NUMBERED + 1) if seq not in late] + late
    for index, seq in enumerate(order):
        for station in stations:
            sender.send(numbered(station, seq, second), OBS.format(station), wait=False)
        if index % (NUMBERED // FOREIGN) == 0:
            sender.send([{"bn": "apacp:", "bt": second + index, "n": "temp", "v": index % 9}], wait=False)
        if index % 100 == 0:
            time.sleep(0.2)  # so that several receipts fall into the run; nothing depends on it

    def complete():
        latest = {topic: json.loads(payload) for topic, payload, _ in receipts.heard}
        return len(latest) == len(stations) and all(len(covered(receipt)) == NUMBERED for receipt in latest.values())

    until(complete, "receipts for all")


def traced_run(stage, shim, strict):
    if not (PLAIN / "phusad").exists():
        pytest.skip(f"{PLAIN / 'phusad'} is not there: the trace needs a build without sanitizers")
    collector = stage.line(start=False, extra={"journal": {"segment": "1M", "strict": strict}})
    collector.__class__, collector.shim, collector.program = TracedCollector, shim, PLAIN / "phusad"
    collector.start()
    receipts = stage.client("receipts")
    receipts.listen("phusa/1/+/+/ack")
    publish_all(stage, receipts)
    assert collector.stop() == 0
    return read_trace(collector.folder / "trace")


@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
def test_order(stage, shim, strict):
    entries = traced_run(stage, shim, strict)
    story = Story(entries, stage.journal)
    assert sum(1 for segment in story.segments if segment.data) > 1, "the run goes over the end of a segment"
    reports, bad = check_receipts(story)
    assert not bad, f"{len(bad)} violations\n" + "\n".join(bad[:5])
    assert reports == 2 * NUMBERED
    messages, bad = check_acknowledgements(story, strict)
    assert not bad, f"{len(bad)} violations\n" + "\n".join(bad[:5])
    assert messages >= 2 * NUMBERED + FOREIGN
    print(f"figure: {reports} reports covered by {len(list(story.receipts()))} receipts, {messages} messages acknowledged")
    a_reversed_order_is_seen(entries, stage.journal, strict)


# --- the checker itself ----------------------------------------------------------------------------------


def renumber(entries):
    return [dataclasses.replace(entry, number=number) for number, entry in enumerate(entries, 1)]


def delayed(entries, chosen, by):
    """The chosen entries come so many entries later: what they prove is proven too late."""
    keyed = [(index + (by + 0.5 if chosen(entry) else 0), entry) for index, entry in enumerate(entries)]
    return renumber([entry for _, entry in sorted(keyed, key=lambda pair: pair[0])])


def receipt_before_its_sync(entries, journal, chosen):
    """One receipt leaves just before the sync ends that covers its latest report."""
    story = Story(entries, journal)
    sent, station, receipt = [entry for entry in story.receipts() if covered(entry[2])][chosen]
    reports = {json.loads(payload)[0]["seq"]: synced for (topic, payload), (_, synced) in story.messages().items()
               if topic == OBS.format(station) and b'"seq"' in payload}
    end = max(reports[seq] for seq in covered(receipt))
    moved = [dataclasses.replace(entry, number=end - 0.5) if entry.number == sent else entry for entry in entries]
    return renumber(sorted(moved, key=lambda entry: entry.number))


def a_reversed_order_is_seen(entries, journal, strict):
    """Doctored traces: each has to be found out."""
    whole = renumber(entries)
    assert check_receipts(Story(whole, journal))[1] == []
    late_syncs = delayed(whole, lambda entry: entry.kind == SYNC_ENDED, 200)
    no_syncs = renumber([entry for entry in whole if entry.kind != SYNC_ENDED])
    for doctored in (late_syncs, no_syncs):
        assert check_receipts(Story(doctored, journal))[1], "syncs that are over too late are not seen"
    for chosen in (0, -1):
        doctored = receipt_before_its_sync(whole, journal, chosen)
        assert check_receipts(Story(doctored, journal))[1], "a receipt within the sync is not seen"
    late_writes = delayed(whole, lambda entry: entry.kind == WRITTEN, 200)
    assert check_acknowledgements(Story(late_writes, journal), False)[1], "a PUBACK before the write is not seen"
    if strict:
        assert check_acknowledgements(Story(no_syncs, journal), True)[1], "a PUBACK before the sync is not seen"
