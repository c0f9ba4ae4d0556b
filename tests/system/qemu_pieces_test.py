"""What a board's broker sends comes as TCP happens to cut it, also over TLS: receipts and commands arrive as they were
sent wherever they are cut, and what cannot be taken costs no more than a connection. And the patch that lwIP needs for
it is applied, or nothing is built."""
import contextlib
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from types import SimpleNamespace

import board
import pytest
from board import SITE, STATION
from line import ROOT, Stage, until

TOPIC = f"phusa/1/{SITE}/{STATION}"
APART_S = 0.01  # pieces come apart; should they ever come together, the test finds less, and does not fail
SPEED = 8  # the reports wanted are there in seconds
REPORTS = 40
SINGLE = 60  # so many pieces of one byte; meanwhile nothing is acknowledged, and an answer needs a place in the queue
LOST = list(range(2, 34, 2))  # the numbers that the receipts call missing: as many ranges as a receipt may have
CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PING = 1, 3, 4, 8, 12  # types of MQTT 3.1.1
TOO_LONG = 3000  # bytes; firmware/port/mps2/network.h
SOURCES = ROOT / "tools" / "firmware-sources"
CLIENT = "lwip/src/apps/mqtt/mqtt.c"


def packet(first, body):
    length, rest = b"", len(body)
    while not length or rest:
        length += bytes([rest % 128 | (128 if rest > 127 else 0)])
        rest //= 128
    return bytes([first]) + length + body


def publication(leaf, text, number):
    topic = f"{TOPIC}/{leaf}".encode()
    return packet(0x32, struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + text.encode())


class CuttingBroker(threading.Thread):
    """Takes one station at a time, keeps what it publishes, and sends what it is told in the pieces it is told."""

    def __init__(self, context=None):
        super().__init__(daemon=True)
        self.context = context  # of TLS
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.link, self.joined, self.connections, self.heard = None, 0, 0, []
        self.whole = threading.Lock()  # nothing comes between the pieces of a packet
        self.stopping = False

    def run(self):
        while not self.stopping:
            link, _ = self.door.accept()
            try:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.link, self.joined = (self.context.wrap_socket(link, server_side=True) if self.context else link), 0
                self.connections += 1
                with self.link, self.link.makefile("rb") as stream:
                    while self._answer(*self._next(stream)):
                        pass
            except (OSError, EOFError):
                link.close()

    @staticmethod
    def _next(stream):
        first, length, shift, more = stream.read(1), 0, 0, 128
        while more and first:
            byte = (stream.read(1) or b"\0")[0]
            length, shift, more = length | (byte & 127) << shift, shift + 7, byte & 128
        if not first:
            raise EOFError
        return first[0] >> 4, stream.read(length)

    def _answer(self, kind, body):
        """False at the end."""
        if kind == CONNECT:
            self.send(b"\x20\x02\x00\x00")
        elif kind == SUBSCRIBE:
            self.send(b"\x90\x03" + body[:2] + b"\x01")
            self.joined += 1
        elif kind == PING:
            self.send(b"\xd0\x00")
        elif kind == PUBLISH:
            topic = 2 + struct.unpack(">H", body[:2])[0]
            self.send(b"\x40\x02" + body[topic:topic + 2])
            self.heard.append((body[2:topic].decode().rsplit("/", 1)[1], json.loads(body[topic + 2:])))
        return kind in (CONNECT, SUBSCRIBE, PING, PUBLISH, PUBACK) and not self.stopping

    def send(self, data, cuts=()):
        places = [0, *sorted(cuts), len(data)]
        with self.whole:
            for begin, end in zip(places, places[1:]):
                self.link.sendall(data[begin:end])
                time.sleep(APART_S if end < len(data) else 0)

    def reports(self):
        return [content[0] for leaf, content in list(self.heard) if leaf == "obs"]

    def answer(self, name):
        return next((content for leaf, content in list(self.heard) if leaf == "rsp" and content["id"] == name), None)

    def ask(self, name, cuts=(), **order):
        """Sends a command, cut there, and returns the answer."""
        self.send(publication("cmd", json.dumps({"id": name, **order}), 1), cuts)
        return until(lambda: self.answer(name), f"the answer to {name}, cut at {cuts}")

    def stop(self):
        self.stopping = True
        with contextlib.suppress(OSError, AttributeError):
            self.link.shutdown(socket.SHUT_RDWR)
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.join(timeout=10)
        self.door.close()


@pytest.fixture(name="scene", params=["plain", "tls"])
def make_scene(request, tmp_path):
    """A board at a cutting broker that has published enough reports."""
    board.image(request.param)
    with Stage(tmp_path) as stage:
        context, words = None, []
        if request.param == "tls":
            words = ["--ca", board.trusted(tmp_path)]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(tmp_path / "good.pem", tmp_path / "good.key")
        broker = stage.add(CuttingBroker(context))
        clock = stage.add(board.TimeServer(time.time))
        (tmp_path / "password").write_text("secret\n")
        station = board.Board(tmp_path / "board", request.param)
        station.provision(STATION, f"{board.NAME}:{broker.port}", *words,
                          *board.options(SimpleNamespace(password_file=tmp_path / "password"), clock, SPEED))
        stage.add(station)
        until(lambda: len({report["seq"] for report in broker.reports()}) >= REPORTS, "the reports")
        yield SimpleNamespace(broker=broker, station=station)


def receipt(broker):
    """Longer than lwIP's buffer for what is cut (256 bytes); every second one of the first reports is missing."""
    text = json.dumps({"log": broker.reports()[0]["log"], "upto": REPORTS, "missing": [[seq, seq] for seq in LOST]}, indent=1)
    assert 300 < len(text) < 1000
    return text


def wait_for_a_connection(broker):
    until(lambda: broker.joined == 2, "the connection")


def test_receipts_and_commands_arrive_wherever_they_are_cut(scene):
    broker = scene.broker
    order = {"do": "identify", "seconds": 1}
    short = len(publication("cmd", json.dumps({"id": "c000", **order}), 1))
    for cut in range(1, short):
        assert broker.ask(f"c{cut:03}", [cut], **order)["ok"], cut
    assert broker.ask("bytes", range(1, SINGLE), **order)["ok"]
    padded = {"before": "x" * 300, **order, "behind": "y" * 700}
    wanted = publication("ack", receipt(broker), 2)
    places = [[cut] for cut in (*range(1, 60, 7), *range(60, len(wanted), 41), 255, 256, 257)]
    for count, cuts in enumerate([*places, [100, 200, 300], [3, 256, 258, 259]], 1):
        broker.send(wanted, cuts)
        assert broker.ask(f"l{count}", [2 * cut for cut in cuts], **padded)["ok"], cuts
    counters = broker.ask("count", do="report")["counters"]
    assert (counters["receipts"], counters["receipts_ignored"], counters["covered"]) == (count, 0, REPORTS - len(LOST))
    assert counters["commands_malformed"] == 0 and broker.connections == 1
    until(lambda: again(broker) >= set(LOST), "what is missing to come again")
    assert all(seq in LOST or seq > REPORTS for seq in again(broker))
    scene.station.hold_memory()


def again(broker):
    """The numbers of those that came more than once."""
    seen = [report["seq"] for report in broker.reports()]
    return {seq for place, seq in enumerate(seen) if seq in seen[:place]}


def test_what_cannot_be_taken_is_counted_and_ends_at_most_the_connection(scene):
    broker, station = scene.broker, scene.station
    broker.send(publication("cmd", json.dumps({"id": "long", "padding": "x" * TOO_LONG}), 1))
    station.wait_for("too many or cut, dropped: 1\n")
    assert broker.ask("next", do="identify", seconds=1)["ok"] and broker.answer("long") is None
    broker.joined = 0
    broker.send(b"\x32" + 400 * b"\xff")  # a length that does not end
    station.wait_for("connection lost")
    wait_for_a_connection(broker)
    report = broker.ask("after", do="report")
    assert (report["boots"], report["counters"]["inbox_dropped"]) == (1, 1)
    station.hold_memory()


# --- the patch --------------------------------------------------------------------------------


def fetch_from(tmp_path, source):
    """Runs tools/firmware-sources with a mirror whose lwIP has this MQTT client."""
    (tmp_path / "source.c").write_text(source)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "apt-get").write_text("#!/bin/sh\n")
    (programs / "dpkg-source").write_text(
        f'#!/bin/sh\nfor folder; do :; done\nmkdir -p "$folder/src/apps/mqtt"\n'
        f'sed "s/$/\\r/" {tmp_path}/source.c > "$folder/src/apps/mqtt/mqtt.c"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return subprocess.run([SOURCES, tmp_path / "sources"], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": f"{programs}:/usr/bin:/bin"})


def test_another_source_is_not_patched(tmp_path):
    done = fetch_from(tmp_path, "int mqtt;\n")
    assert done.returncode == 1
    assert "mqtt.patch does not fit this source of lwIP" in done.stderr
    assert not (tmp_path / "sources" / "versions").exists(), "the next run takes it for good"


def test_the_pinned_source_is_patched(tmp_path):
    patched = next((folder / "firmware" / "sources" / CLIENT for folder in (board.BUILD, board.BUILD.parent)
                    if (folder / "firmware" / "sources" / CLIENT).exists()), None)
    if patched is None:
        pytest.skip("the firmware's sources are not here (make firmware)")
    shutil.copy(patched, tmp_path / "mqtt.c")
    patch = ROOT / "firmware" / "port" / "mps2" / "lwip" / "mqtt.patch"
    subprocess.run(["patch", "-R", "--fuzz=0", tmp_path / "mqtt.c", patch], check=True, capture_output=True, timeout=60)
    done = fetch_from(tmp_path, (tmp_path / "mqtt.c").read_text())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sources" / CLIENT).read_text() == patched.read_text()
