"""Short messages: through Kannel to its fake message centre, and to gateways that misbehave."""
import hmac
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from carriers import KEY, Carrier, letter
from line import until
from phusarun import free_port

FAKESMSC = Path("/usr/lib/kannel/test/fakesmsc")
PHONE = "+84901234567"
KANNEL_URL = ("http://127.0.0.1:{port}/cgi-bin/sendsms?username={{user}}&password={{password}}&from={{from}}&to={{to}}"
              "&text={{text}}&coding={{coding}}&charset=UTF-8")
KANNEL = """
group = core
admin-port = {admin}
admin-password = none
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1

group = smsc
smsc = fake
smsc-id = FAKE
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = phusa
password = secret
concatenation = true
max-messages = 4

group = sms-service
keyword = default
text = none
"""


class Kannel:
    """bearerbox, smsbox and the fake message centre, each a process of our own on free ports."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in ("admin", "box", "smsc", "sendsms")}
        (folder / "kannel.conf").write_text(KANNEL.format(**self.ports))
        self.running = []

    def start(self, name, *words):
        with open(self.folder / f"{Path(name).name}.log", "wb") as log:
            process = subprocess.Popen([shutil.which(name) or name, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.running.append(process)
        return process

    def start_all(self):
        self.start("bearerbox", "-v", "1", "kannel.conf")
        until(lambda: listens(self.ports["smsc"]) and listens(self.ports["box"]), "bearerbox runs")
        self.start("smsbox", "-v", "1", "kannel.conf")
        until(lambda: listens(self.ports["sendsms"]), "smsbox runs")
        return self

    def start_centre(self):
        self.start(str(FAKESMSC), "-H", "127.0.0.1", "-r", str(self.ports["smsc"]), "-i", "1", "-m", "0", "1 2 text x")
        until(lambda: "online" in self.status(), "the message centre is there")

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}/status.txt?password=none") as answer:
            return "".join(re.findall(r"FAKE.*", answer.read().decode()))

    def stop(self):
        for process in reversed(self.running):
            process.kill()
            process.wait()

    def heard(self, count):
        """The messages that reached the centre, as (sender, recipient, kind, text), once there are so many."""
        log = self.folder / "fakesmsc.log"
        until(lambda: log.exists() and len(GOT.findall(log.read_text())) >= count, f"{count} messages arrive")
        return GOT.findall(log.read_text())


GOT = re.compile(r"Got message \d+: <(\S+) (\S+) (text|udh|ucs-2) (.*)>")


def listens(port):
    return any(re.search(rf":{port:04X} \S+ 0A ", line) for line in Path("/proc/net/tcp").read_text().splitlines())


@pytest.fixture
def kannel(tmp_path):
    if shutil.which("bearerbox") is None or not FAKESMSC.exists():
        pytest.skip("Kannel is absent (packages kannel and kannel-extras)")
    box = Kannel(tmp_path)
    try:
        yield box.start_all()
    finally:
        box.stop()


def by_kannel(kannel, **more):
    return {"kind": "sms", "url": KANNEL_URL.format(port=kannel.ports["sendsms"]), "user": "phusa",
            "password": "secret", "from": "PhuSa", "accepted": "delivery", **more}


def test_a_message_through_kannel(tmp_path, kannel):
    kannel.start_centre()
    with Carrier(tmp_path, **by_kannel(kannel)) as carrier:
        assert carrier.deliver(recipient=PHONE) == ("done", "")
        signs = letter(brief=["NGUY HIỂM {a} [b] ~c\\d|e^f & g=h+i%20 #j \"k\" 5 µg/m³", ""])
        assert carrier.deliver(signs, recipient=PHONE) == ("done", "")
    assert kannel.heard(2) == [
        ("PhuSa", PHONE, "text", "Man 4,25 g/L (>= 4) tai Cong Xuan Hoa luc 19:30 01/11. Dong cong, tru nuoc ngot."),
        ("PhuSa", PHONE, "text", "NGUY HIEM {a} [b] ~c\\d|e^f & g=h+i%20 #j \"k\" 5 ug/m3")]


def ucs2(data):
    return urllib.parse.unquote_to_bytes(data.replace("+", " ")).decode("utf-16-be")


def test_diacritics_through_kannel(tmp_path, kannel):
    kannel.start_centre()
    short = "Mặn 4,25 g/L tại Cống Xuân Hòa. Đóng cống."
    with Carrier(tmp_path, **by_kannel(kannel, diacritics=True)) as carrier:
        assert carrier.deliver(letter(brief=[short, "Plain words"]), recipient=PHONE) == ("done", "")
        assert carrier.deliver(letter(brief=[short, "Plain words"]), recipient=PHONE, language="en") == ("done", "")
        assert carrier.deliver(letter(brief=["ộ" * 30 + " " + "ộ" * 60, ""]), recipient=PHONE) == ("done", "")
    first, second, third = kannel.heard(3)
    assert first[2] == "ucs-2" and ucs2(first[3]) == short
    assert second[2:] == ("text", "Plain words")
    assert ucs2(third[3]) == "ộ" * 30 + " " + "ộ" * 39
    assert "a text was cut to a short message of 1 part, 1 so far" in (tmp_path / "carrier.log").read_text()


def test_parts(tmp_path, gateway):
    """As many as the channel has; 0 is for what is no SMS."""
    long = letter(brief=["ộ" * 30 + " " + "ộ" * 200, ""])
    for parts, length in ((1, 70), (2, 134), (3, 201), (0, 231)):
        with Carrier(tmp_path, **by_form(gateway, diacritics=True, parts=parts)) as carrier:
            assert carrier.deliver(long, recipient=PHONE) == ("done", "")
        assert len(urllib.parse.parse_qs(gateway.asked[-1][3].decode())["text"][0]) == length


def together(parts):
    """The text of parts, put together by their headers as a phone does it."""
    pieces = {}
    for _, _, kind, text in parts:
        header, data = re.fullmatch(r"%05%00%03%([0-9a-fA-F]{2}%[0-9a-fA-F]{2}%[0-9a-fA-F]{2}) data (.*)", text).groups()
        pieces[int(header.split("%")[2], 16)] = urllib.parse.unquote(data.replace("+", " "))
        assert kind == "udh" and len(pieces[int(header.split("%")[2], 16)]) <= 153
    return "".join(pieces[i + 1] for i in range(len(parts)))


def test_a_digest_is_four_parts_at_most(tmp_path, kannel):
    kannel.start_centre()
    lines = [f"Trạm số {i:02}: độ mặn {i},5 g/L, mức nghiêm trọng" for i in range(60)]
    letters = [letter(key=f"{i:064x}", line=[line, ""]) for i, line in enumerate(lines)]
    with Carrier(tmp_path, **by_kannel(kannel)) as carrier:
        assert carrier.deliver(*letters, recipient=PHONE, key="d" * 64) == ("done", "")
    text = together(kannel.heard(4))
    shown = text.count("Tram so")
    assert len(text) <= 612 and shown >= 9
    assert text.splitlines()[1] == "Tram so 00: do man 0,5 g/L, muc nghiem trong"
    assert text.splitlines()[-1] == f"... va {60 - shown} tin khac"


def test_a_subscriber_reads_how_to_stop(tmp_path, gateway):
    """And one whose digest has only one letter shown, but more that are counted."""
    one = letter(brief_stop=["Mặn 4,25. Ngừng: soạn HUY", ""], stop=["Ngừng: soạn HUY", ""])
    with Carrier(tmp_path, **by_form(gateway)) as carrier:
        assert carrier.deliver(one, recipient=PHONE, subscriber=True)[0] == "done"
        assert carrier.deliver(one, recipient=PHONE, subscriber=True, more=30)[0] == "done"
    single, digest = [urllib.parse.parse_qs(body.decode())["text"][0] for _, _, _, body in gateway.asked]
    assert single == "Man 4,25. Ngung: soan HUY"
    assert digest.splitlines() == ["31 canh bao:", "Cong Xuan Hoa: man 4,25 g/L", "... va 30 tin khac",
                                   "Ngung: soan HUY"]


def test_one_part_is_one_part(tmp_path, kannel):
    """160 septets pass whole; 161 lose their last word."""
    kannel.start_centre()
    words = "Mặn{} " * 20  # 7 septets each, with the braces' two
    full = (words + "x" * 20)[:-1]
    with Carrier(tmp_path, **by_kannel(kannel)) as carrier:
        assert carrier.deliver(letter(brief=["a" * 160, ""]), recipient=PHONE) == ("done", "")
        assert carrier.deliver(letter(brief=["a" * 150 + " " + "b" * 10, ""]), recipient=PHONE) == ("done", "")
        assert carrier.deliver(letter(brief=[full, ""]), recipient=PHONE) == ("done", "")
    texts = [text for _, _, _, text in kannel.heard(3)]
    assert texts == ["a" * 160, "a" * 150, ("Man{} " * 20)[:-1]]


def test_kannel_refuses_and_queues(tmp_path, kannel):
    with Carrier(tmp_path, **by_kannel(kannel, password="wrong")) as carrier:
        assert carrier.deliver(recipient=PHONE) == (
            "unreachable", "the gateway answered 403: Authorization failed for sendsms")
    with Carrier(tmp_path, **by_kannel(kannel)) as carrier:  # no message centre is there yet
        assert carrier.deliver(recipient=PHONE) == ("done", "")
        kannel.start_centre()
        assert len(kannel.heard(1)) == 1
    kannel.stop()
    with Carrier(tmp_path, **by_kannel(kannel)) as carrier:
        assert carrier.deliver(recipient=PHONE)[0] == "unreachable"


# --- other gateways -------------------------------------------------------------------------


class Gateway(http.server.ThreadingHTTPServer):
    """Answers as it is told and keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked, self.answer, self.stopping = [], (200, "OK"), threading.Event()
        self.before = lambda: None  # called with each request, before the answer
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        pass

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.answer
        self.server.before()
        if answer == "hang":
            self.server.stopping.wait(30)
            return
        if answer == "close":
            self.connection.close()
            return
        code, text = answer
        self.send_response(code)
        if code in (301, 302, 307):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = serve

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.stop()


def by_form(gateway, **more):
    return {"kind": "sms", "url": gateway.url + "/send", "method": "POST", "body": "to={to}&text={text}&id={key}", "user": "u",
            "password": "s&cr{to}et", "from": "Phù Sa", **more}


HTML = "<!DOCTYPE html>\n<html><body>Xin đăng nhập</body></html>"


@pytest.mark.parametrize("answer,delivery", [
    ((200, "OK"), "done"), ((202, "0: Accepted for delivery"), "done"), ((201, ""), "done"),
    ((200, HTML), "failed"), ((200, " \n" + HTML.upper()), "failed"), ((302, ""), "failed"), ((301, HTML), "failed"),
    ((400, "bad number"), "refused"), ((401, "who"), "unreachable"), ((403, "no"), "unreachable"),
    ((404, HTML), "unreachable"), ((429, "slowly"), "failed"), ((500, "oops"), "failed"), ((503, "later"), "failed"),
    ("close", "failed"), ("hang", "failed")])
def test_what_an_answer_means(tmp_path, gateway, answer, delivery):
    gateway.answer = answer
    with Carrier(tmp_path, **by_form(gateway, timeout=0.5)) as carrier:
        came, problem = carrier.deliver(recipient=PHONE)
        assert came == delivery and bool(problem) == (delivery != "done")
        gateway.answer = (200, "OK")
        assert carrier.deliver(recipient=PHONE) == ("done", "")
    assert {path for _, path, _, _ in gateway.asked} == {"/send"}


def test_only_what_it_should_say_is_acceptance(tmp_path, gateway):
    with Carrier(tmp_path, **by_form(gateway, accepted='"CodeResult":"100"')) as carrier:
        gateway.answer = (200, '{"CodeResult":"100","SMSID":"1"}')
        assert carrier.deliver(recipient=PHONE) == ("done", "")
        gateway.answer = (200, '{"CodeResult":"103","Error":"no money for +84901234567"}\nmore')
        assert carrier.deliver(recipient=PHONE) == (
            "failed", 'the gateway answered 200, but not that it took the message: '
                      '{"CodeResult":"103","Error":"no money for +*"}')
        gateway.answer = (500, "trouble with u and s&cr{to}et")
        assert carrier.deliver(recipient=PHONE) == ("failed", "the gateway answered 500")


NASTY = 'Mặn "4,25" \\ <g/L> & 100% {to} a=b'
PLAIN = 'Man "4,25" \\ <g/L> & 100% {to} a=b'


def test_the_request_is_what_the_template_says(tmp_path, gateway):
    nasty = letter(brief=[NASTY, ""])
    with Carrier(tmp_path, **by_form(gateway, headers=["Authorization: Basic {user}:{password}", "X-Id: {key}"])) as form:
        assert form.deliver(nasty, recipient=PHONE)[0] == "done"
    with Carrier(tmp_path, **by_form(gateway, content_type="application/json",
                                     body='{"to":"{to}","text":"{text}","from":"{from}","more":{}}')) as as_json:
        assert as_json.deliver(nasty, recipient=PHONE)[0] == "done"
    with Carrier(tmp_path, kind="sms", url=gateway.url + "/q?t={text}&p={password}", password="a b&c") as query:
        assert query.deliver(nasty, recipient=PHONE)[0] == "done"
    form, as_json, query = gateway.asked
    assert form[0] == "POST" and form[2]["Content-Type"] == "application/x-www-form-urlencoded"
    assert urllib.parse.parse_qs(form[3].decode(), strict_parsing=True) == {"to": [PHONE], "text": [PLAIN], "id": [KEY]}
    assert (form[2]["Authorization"], form[2]["X-Id"]) == ("Basic u:s&cr{to}et", KEY)
    assert json.loads(as_json[3]) == {"to": PHONE, "text": PLAIN, "from": "Phù Sa", "more": {}}
    assert query[0] == "GET"
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(query[1]).query) == {"t": [PLAIN], "p": ["a b&c"]}


def test_the_address_for_reports_is_escaped_as_its_place_demands(tmp_path, gateway):
    """And proven by the channel's secret, or by that of the outbox (carrier_try has 32 letters k)."""
    reports = {"id": "try", "report_base": "http://[::1]:8080/", "headers": ["X-Report: {report}"]}
    with Carrier(tmp_path, **by_form(gateway, **reports) | {"body": "to={to}&text={text}&r={report}%26state%3D%25d"}) as form:
        assert form.deliver(recipient=PHONE, report="00000000000000ff") == ("done", "")
    with Carrier(tmp_path, **by_form(gateway, **reports, secret="our own", content_type="application/json") |
                 {"body": '{"to":"{to}","text":"{text}","r":"{report}"}'}) as as_json:
        assert as_json.deliver(recipient=PHONE, report="00000000000000ff") == ("done", "")
    form, as_json = gateway.asked
    for secret, asked, heard in (b"k" * 32, form, urllib.parse.parse_qs(form[3].decode())["r"][0]), (
            b"our own", as_json, json.loads(as_json[3])["r"] + "&state=%d"):
        proof = hmac.new(secret, b"try\n00000000000000ff", "sha256").hexdigest()
        address = f"http://[::1]:8080/api/v1/delivery?channel=try&key=00000000000000ff&proof={proof}"
        assert (asked[2]["X-Report"], heard) == (address, address + "&state=%d")


@pytest.mark.parametrize("number", ["", "+", "ann@example.vn", "+84 90", "0901\r\nX: 1", "+849012345678901234"])
def test_only_numbers_are_recipients(tmp_path, gateway, number):
    with Carrier(tmp_path, **by_form(gateway)) as carrier:
        assert carrier.deliver(recipient=number)[0] == "refused"
    assert gateway.asked == []


def test_the_stop_ends_a_request_at_once(tmp_path, gateway):
    gateway.answer = "hang"
    with Carrier(tmp_path, **by_form(gateway, timeout=60)) as carrier:
        carrier.try_to({"abort_after": 0.3})
        assert carrier.deliver(recipient=PHONE)[0] == "failed"
        assert carrier.seconds < 3
