"""Syslog to a real receiver (rsyslog) by UDP, TCP and TLS, and to servers that close, hang or refuse."""
import json
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from carriers import KEY, Carrier, certificate, letter
from line import until
from phusarun import free_port

RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="8k" defaultNetstreamDriverCAFile="{cert}"
       defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
module(load="mmpstrucdata")
{module}
template(name="all" type="list" option.jsonf="on") {{
  property(outname="facility" name="syslogfacility" format="jsonf")
  property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="procid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="raw_data" name="structured-data" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
  property(outname="data" name="$!all-json" format="jsonf")
}}
action(type="mmpstrucdata")
action(type="omfile" file="{folder}/got" template="all")
"""
MODULES = {
    "udp": 'module(load="imudp") input(type="imudp" address="127.0.0.1" port="{port}")',
    "tcp": 'module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="{port}")',
    "tls": 'module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")'
           ' input(type="imtcp" address="127.0.0.1" port="{port}")',
}
NASTY = 'quote " back \\ bracket ] [x y="z"] Độ mặn'


class Rsyslog:
    """rsyslogd in the foreground, with one input and one file."""

    def __init__(self, folder, transport):
        self.folder, self.transport, self.port, self.process = folder, transport, free_port(), None
        self.cert, key = certificate(folder, "rsyslog")
        module = MODULES[transport].format(port=self.port)
        (folder / "rsyslog.conf").write_text(RSYSLOG.format(folder=folder, cert=self.cert, key=key, module=module))
        self.url = f"{transport}://127.0.0.1:{self.port}"

    def listens(self):
        table, state = ("udp", "07") if self.transport == "udp" else ("tcp", "0A")
        with open(f"/proc/net/{table}", encoding="ascii") as lines:
            return any(re.search(rf":{self.port:04X} \S+ {state} ", line) for line in lines)

    def start(self):
        with open(self.folder / "rsyslog.log", "ab") as log:
            self.process = subprocess.Popen(["rsyslogd", "-n", "-f", "rsyslog.conf", "-i", str(self.folder / "pid")],
                                            cwd=self.folder, stdout=log, stderr=log)
        until(self.listens, "rsyslogd listens")

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def got(self, count):
        file = self.folder / "got"
        until(lambda: file.exists() and file.read_text().count("\n") >= count, f"{count} messages arrive")
        messages = [json.loads(line) for line in file.read_text().splitlines()]
        for message in messages:
            message["data"] = json.loads(message["data"])["rfc5424-sd"]["phusa@32473"]
            assert message["msg"].startswith("\ufeff"), "no byte order mark"
        return messages


@pytest.fixture
def rsyslog(tmp_path, request):
    if shutil.which("rsyslogd") is None:
        pytest.skip("rsyslogd is absent (packages rsyslog and rsyslog-openssl)")
    server = Rsyslog(tmp_path, request.param)
    server.start()
    yield server
    server.stop()


def channel(url, **more):
    return {"kind": "syslog", "url": url, "facility": 18, **more}


every = pytest.mark.parametrize("rsyslog", ["udp", "tcp", "tls"], indirect=True)
streams = pytest.mark.parametrize("rsyslog", ["tcp", "tls"], indirect=True)


@every
def test_what_a_receiver_understands(tmp_path, rsyslog):
    with Carrier(tmp_path, **channel(rsyslog.url, ca=str(rsyslog.cert))) as carrier:
        assert carrier.deliver(letter(since=1762000000.5, unit=NASTY)) == ("done", "")
        cleared = letter(**{"from": "severe", "to": "normal", "historical": True, "time": 1762003800})
        assert carrier.deliver(cleared, language="en") == ("done", "")
        assert carrier.deliver(letter(to="extreme", escalated=True, value=None, text=["dòng\nhai", ""])) == ("done", "")
    raised, normal, told = rsyslog.got(3)
    assert (raised["facility"], raised["severity"], raised["version"]) == ("18", "2", "1")
    assert raised["time"] == "2025-11-01T19:30:00.000+07:00"
    assert (raised["host"], raised["app"], raised["procid"]) == (socket.gethostname(), "phusa", "-")
    assert raised["msg"] == "\ufeff" + letter()["text"][0]
    assert raised["data"] == {
        "rule": "salinity-fields", "site": "my-tho", "station": "s1", "parameter": "salinity", "from": "normal",
        "to": "severe", "since": "2025-11-01T19:26:40.500+07:00", "value": "4.25", "unit": NASTY, "key": KEY}
    assert (normal["msgid"], normal["severity"]) == ("CLEARED", "5")
    assert normal["msg"] == "\ufeff" + letter()["text"][1]
    assert normal["data"]["historical"] == "true"
    assert (told["msgid"], told["severity"], told["msg"]) == ("ESCALATED", "1", "\ufeffdòng#012hai")  # as rsyslog writes it
    assert "value" not in told["data"] and "unit" not in told["data"]


def numbered(i):
    return letter(key=f"{i:064x}", text=[f"số {i}", ""])


@streams
def test_a_receiver_that_was_started_anew(tmp_path, rsyslog):
    """It has closed the connection meanwhile: noticed before the next message is thought sent."""
    with Carrier(tmp_path, **channel(rsyslog.url, ca=str(rsyslog.cert))) as carrier:
        for i in range(6):
            assert carrier.deliver(numbered(i)) == ("done", "")
            if i % 2:
                rsyslog.got(i + 1)  # what it has acknowledged but not read would be lost with it
                rsyslog.stop()
                assert carrier.deliver(numbered(99))[0] == "unreachable"
                rsyslog.start()
    assert [message["msg"] for message in rsyslog.got(6)] == [f"\ufeffsố {i}" for i in range(6)]


# --- receivers that misbehave ------------------------------------------------------------------


class Receiver:
    """Takes connections and does with each what it is told; keeps the bytes of all."""

    def __init__(self, behave, context=None, small=False):
        self.behave, self.context, self.bytes, self.connections = behave, context, [], []
        self.listener = socket.socket()
        if small:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.behave(self, connection)
            except (OSError, ssl.SSLError):
                if self.listener.fileno() < 0:
                    return


def frames(stream):
    """RFC 6587, section 3.4.1, read by hand: MSG-LEN SP SYSLOG-MSG."""
    found = []
    while stream:
        length, stream = stream.split(b" ", 1)
        assert re.fullmatch(rb"[1-9]\d*", length) and len(stream) >= int(length)
        found.append(stream[:int(length)])
        stream = stream[int(length):]
    return found


def read_all(receiver, connection):
    while data := connection.recv(65536):
        receiver.bytes.append(data)


def read_one_and_close(receiver, connection):
    data = connection.recv(65536)
    connection.close()
    receiver.bytes.append(data)


def reset(_, connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def keep_still(*_):
    pass


def test_frames_on_one_connection(tmp_path):
    long = letter(text=["ặ" * 1500, ""])
    with Receiver(read_all) as receiver:
        with Carrier(tmp_path, **channel(f"tcp://127.0.0.1:{receiver.port}", facility=0)) as carrier:
            for one in (letter(), long, numbered(3)):
                assert carrier.deliver(one) == ("done", "")
        until(lambda: len(frames(b"".join(receiver.bytes))) == 3, "three frames")
    first, second, third = frames(b"".join(receiver.bytes))
    assert len(receiver.connections) == 1
    assert first.startswith(b"<2>1 2025-11-01T19:30:00.000+07:00 ") and third.endswith("số 3".encode())
    assert 2045 < len(second) <= 2048 and second.decode().endswith("ặặ")


def test_a_receiver_that_closes_after_each(tmp_path):
    with Receiver(read_one_and_close) as receiver:
        with Carrier(tmp_path, **channel(f"tcp://127.0.0.1:{receiver.port}")) as carrier:
            for i in range(20):
                assert carrier.deliver(numbered(i)) == ("done", "")
                until(lambda: len(receiver.bytes) == i + 1, "it has closed")
    texts = [frame.decode().rpartition("\ufeff")[2] for frame in frames(b"".join(receiver.bytes))]
    assert texts == [f"số {i}" for i in range(20)]


def test_a_receiver_that_does_not_read(tmp_path):
    long = letter(text=["x" * 1500, ""])
    with Receiver(keep_still, small=True) as receiver:
        with Carrier(tmp_path, **channel(f"tcp://127.0.0.1:{receiver.port}", timeout=0.5)) as carrier:
            for _ in range(50):
                delivery, problem = carrier.deliver(long)
                if delivery != "done":
                    break
            assert (delivery, problem) == ("failed", "not all was taken within the time limit")
            assert carrier.seconds < 3
            carrier.try_to({"abort_after": 0.1})


def test_a_receiver_that_lets_nobody_in(tmp_path):
    with Receiver(reset) as receiver:
        with Carrier(tmp_path, **channel(f"tcp://127.0.0.1:{receiver.port}")) as carrier:
            assert {carrier.deliver(numbered(i))[0] for i in range(5)} == {"unreachable"}


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_nobody_there(tmp_path, transport):
    with Carrier(tmp_path, **channel(f"{transport}://127.0.0.1:{free_port()}")) as carrier:
        delivery, problem = carrier.deliver()
        assert delivery == "unreachable" and problem


def test_tls_is_verified(tmp_path):
    file, key = certificate(tmp_path)
    other, other_key = certificate(tmp_path, "other", address="127.0.0.2")
    for cert, cert_key, trusted in ((file, key, ""), (file, key, other), (other, other_key, other)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, cert_key)
        with Receiver(read_all, context) as receiver:
            with Carrier(tmp_path, **channel(f"tls://127.0.0.1:{receiver.port}", ca=str(trusted))) as carrier:
                assert carrier.deliver()[0] == "unreachable"
        assert receiver.bytes == []


def test_the_stop_ends_a_handshake_at_once(tmp_path):
    with Receiver(keep_still) as receiver:
        with Carrier(tmp_path, **channel(f"tls://127.0.0.1:{receiver.port}", timeout=60)) as carrier:
            carrier.try_to({"abort_after": 0.3})
            assert carrier.deliver()[0] == "unreachable"
            assert carrier.seconds < 3
            assert carrier.deliver() == ("unreachable", "the message was aborted")
