"""A store that answers wrongly, late or not at all: readings wait and arrive complete, phusad says
so once and once more when it is better, and alarms go out meanwhile."""
import re
import socket
import socketserver
import threading
import time

import pytest

from line import Stage, log_lines, phusa, report, until

ALARM_S = 2.0  # an alarm may take so long whatever the store does
REFUSED = "partial write: field type conflict"


class ScriptedStore(socketserver.ThreadingTCPServer):
    """Speaks as much HTTP as it is told to; keeps the lines of what it answered well."""

    allow_reuse_address = True
    daemon_threads = True
    kind = "victoria"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.fault = None  # name of a method of Connection, None: healthy
        self.asked = 0  # requests that met the fault
        self.poison = None  # a line that holds this word makes the store refuse its whole request
        self.lines = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, body):
        for line in body.decode().splitlines():
            head, fields, stamp = line.rsplit(" ", 2)
            known = self.lines.setdefault((head, stamp), fields)
            assert known == fields, f"{head} {stamp}: {known}, then {fields}"

    def break_down(self, fault):
        self.asked, self.fault = 0, fault

    def close(self):
        self.shutdown()
        self.server_close()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.request_line():
                pass
        except OSError:
            pass

    def request_line(self):
        start = self.rfile.readline().decode()
        if not start:
            return False
        length = 0
        while (header := self.rfile.readline().decode().strip()):
            match = re.fullmatch(r"content-length: (\d+)", header, re.I)
            length = int(match[1]) if match else length
        body = self.rfile.read(length)
        if self.server.fault:
            self.server.asked += 1
            return getattr(self, self.server.fault)()
        return self.healthy(start, body)

    def say(self, status, text=""):
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return True

    def healthy(self, start, body):
        if start.startswith("GET"):
            return self.say("200 OK", "vm_app_start_timestamp 1700000000\n")
        if self.server.poison and self.server.poison in body.decode():
            return self.say("400 Bad Request", REFUSED)
        self.server.take(body)
        return self.say("204 No Content")

    # --- faults: what they are sent is not kept

    def internal_error(self):
        return self.say("500 Internal Server Error", "out of memory")

    def unauthorized(self):
        return self.say("401 Unauthorized", "wrong token")

    def too_many(self):
        return self.say("429 Too Many Requests", "slow down")

    def hang(self):
        while self.server.fault == "hang":
            time.sleep(0.05)
        return False

    def close_silently(self):
        return False

    def reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.request.close()
        return False

    def promise_more(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot a hundred")
        return False

    def stop_in_the_head(self):
        self.wfile.write(b"HTTP/1.1 204 No Content\r\nContent-Le")
        return False

    def babble(self):
        self.wfile.write(b"220 mail.example.org ESMTP\r\n" * 10)
        return False


FAULTS = ("internal_error", "unauthorized", "too_many", "hang", "close_silently", "reset", "promise_more",
          "stop_in_the_head", "babble")


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    store = ScriptedStore()
    with Stage(tmp_path_factory.mktemp("faults")) as stage:
        stage.line(store, extra={"store": {"timeout": "500ms", "batch_age": "20ms", "batch_lines": 50},
                                 "alarms": {"flapping": {"changes": 0}}})
        stage.sender = stage.client()
        stage.second = int(time.time()) - 3600
        stage.sent = {}
        yield stage
        assert stage.collector.running()
        assert stage.collector.stop() == 0
    store.close()


def publish(line, *values):
    for value in values:
        line.second += 1
        line.sent[str(line.second * 10**9)] = f"salinity={value:g},salinity_qc=1i"
        line.sender.send(report(line.second, value))


def arrived(line):
    got = {stamp: fields for (_, stamp), fields in line.store.lines.items()}
    foreign = got.items() - line.sent.items()
    assert not foreign, f"nobody sent this: {sorted(foreign)}"
    return len(got) == len(line.sent)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_alarms_go_out(line, fault):
    publish(line, 1.5, 2.5)
    until(lambda: arrived(line), "the healthy store has all")
    complaints, relief = (len(log_lines(line.collector, words)) for words in ("warning: store:", "again after"))
    line.store.break_down(fault)
    publish(line, *(1 + i / 8 for i in range(20)))
    until(lambda: line.store.asked >= 3, "it is tried again")
    until(lambda: line.collector.metric("phusa_store_up") == 0, "the metric says so")
    alarms = len(line.webhook.alarms())
    publish(line, 7.5)
    until(lambda: len(line.webhook.alarms()) == alarms + 1, "the alarm is told", ALARM_S)
    publish(line, 1.5)
    until(lambda: len(line.webhook.alarms()) == alarms + 2, "its end is told", ALARM_S)
    assert not arrived(line)
    line.store.break_down(None)
    until(lambda: arrived(line), "all arrives once the store is well")
    until(lambda: len(log_lines(line.collector, "again after")) == relief + 1, "the log says that it is better")
    assert len(log_lines(line.collector, "warning: store:")) == complaints + 1, "the log complains once"
    assert line.collector.metric("phusa_store_up") == 1


def refused(line):
    return line.collector.metric("phusa_store_refused_lines_total")


def test_a_line_that_is_refused_takes_no_other_with_it(line):
    line.store.poison = "salinity=3.125,"
    before = refused(line)
    publish(line, 1.5, 2.25, 3.125, 2.5, 2.75)
    del line.sent[str((line.second - 2) * 10**9)]
    until(lambda: arrived(line), "the others arrive")
    until(lambda: refused(line) == before + 1, "it is counted")
    line.store.poison = None
    dumped = phusa("journal", "dump", line.journal / "quarantine", check=0)[1]
    assert "salinity=3.125," in dumped and REFUSED in dumped, "the quarantine has the line and the store's words"
    metric = 'phusa_readings_quarantined_total{site="apalachicola",station="apacp",reason="store"}'
    assert line.collector.metrics()[metric] == refused(line)


def test_a_store_that_refuses_everything_is_complained_of_once(line):
    before, said = refused(line), len(log_lines(line.collector, "refuses"))
    line.store.poison = "salinity"
    publish(line, *(1 + i / 8 for i in range(20)))
    until(lambda: refused(line) == before + 20, "all are set aside")
    assert len(log_lines(line.collector, "refuses")) <= said + 1
    for i in range(20):
        del line.sent[str((line.second - i) * 10**9)]
    line.store.poison = None
    publish(line, 1.5)
    until(lambda: arrived(line), "the next one is stored")
