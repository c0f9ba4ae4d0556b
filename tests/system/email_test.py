"""E-mail against a real SMTP server (aiosmtpd): what arrives is read with Python's own parser."""
import asyncio
import datetime
import email
import email.policy
import email.utils
import socket
import ssl
import threading

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from carriers import KEY, Carrier, certificate, letter
from phusarun import free_port

ANN = "ann@example.vn"


class Post:
    """What the server does: answers by recipient, and keeps what it took."""

    def __init__(self):
        self.mails, self.answers, self.tried, self.sessions = [], {}, [], set()
        self.end, self.pause_s, self.logins = "250 taken", 0.0, []

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.sessions.add(session.peer)
        self.tried.append(address)
        answers = self.answers.get(address, [])
        answer = answers.pop(0) if answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        if self.end is None:  # closes without an answer
            server.transport.abort()
            return "250 nobody hears it"
        await asyncio.sleep(self.pause_s)
        if self.end.startswith("250"):
            self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, session.ssl))
        return self.end

    def authenticate(self, server, session, envelope, mechanism, data):
        self.logins.append((mechanism, data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def serve(post):
    """Starts a server; returns its port."""
    running = []

    def start(**options):
        controller = Controller(post, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return controller.port

    yield start
    for controller in running:
        controller.stop()


def channel(port, **more):
    return {"kind": "email", "url": f"smtp://127.0.0.1:{port}", "from": "canhbao@phusa.example.vn", **more}


def read(mail):
    return email.message_from_bytes(mail[2], policy=email.policy.default)


def text_of(mail):
    return read(mail).get_content().replace("\r\n", "\n")


def test_a_mail_as_people_get_it(tmp_path, post, serve):
    one = letter(stop=["Để ngừng nhận: mailto:ngung@phusa.example.vn?subject=stop.", ""])
    with Carrier(tmp_path, **channel(serve())) as carrier:
        assert carrier.deliver(one, recipient=ANN) == ("done", "")
    (mail,) = post.mails
    assert mail[:2] == ("canhbao@phusa.example.vn", [ANN])
    parsed = read(mail)
    assert not parsed.defects and not any(header.defects for header in parsed.values())
    assert parsed["subject"] == "Xâm nhập mặn – Cống Xuân Hòa: nghiêm trọng"
    assert text_of(mail).rstrip("\n") == one["text"][0]
    assert [parsed[name].addresses[0].addr_spec for name in ("from", "to")] == ["canhbao@phusa.example.vn", ANN]
    assert parsed["message-id"] == f"<{KEY}@phusa.example.vn>"
    assert parsed["auto-submitted"] == "auto-generated"
    assert parsed["list-unsubscribe"] == "<mailto:ngung@phusa.example.vn?subject=stop>"
    assert parsed.get_content_type() == "text/plain" and parsed.get_content_charset() == "utf-8"
    assert parsed["content-language"] == "vi"
    sent = email.utils.parsedate_to_datetime(parsed["date"])
    assert sent.utcoffset() == datetime.timedelta(hours=7)
    assert abs((datetime.datetime.now(datetime.timezone.utc) - sent).total_seconds()) < 60
    lines = mail[2].split(b"\r\n")
    assert max(map(len, lines)) <= 100 and all(b"\n" not in line and max(line, default=0) < 128 for line in lines)


def test_english_and_a_digest(tmp_path, post, serve):
    thirty = [letter(key=f"{i:064x}", line=[f"Trạm {i}: mặn {i},5 g/L", f"Station {i}"]) for i in range(30)]
    with Carrier(tmp_path, **channel(serve())) as carrier:
        assert carrier.deliver(recipient=ANN, language="en")[0] == "done"
        assert carrier.deliver(*thirty, recipient=ANN, key="d" * 64)[0] == "done"
    assert read(post.mails[0])["content-language"] == "en"
    assert text_of(post.mails[0]).startswith("Salinity intrusion")
    assert read(post.mails[1])["message-id"] == f"<{'d' * 64}@phusa.example.vn>"
    assert all(f"Trạm {i}: mặn {i},5 g/L\n" in text_of(post.mails[1]) for i in range(30))


@pytest.mark.parametrize("hazard", ["", "Mặn " * 60, "plain", "=?utf-8?q?hidden?=", "ắ" * 200, "\U0001f30a" * 50,
                                    "a\r\nBcc: eve@example.org\r\n\r\nbody", " edges ", "x" * 300])
def test_any_subject_is_one_subject(tmp_path, post, serve, hazard):
    with Carrier(tmp_path, **channel(serve())) as carrier:
        assert carrier.deliver(letter(hazard=hazard), recipient=ANN)[0] == "done"
    (mail,) = post.mails
    parsed = read(mail)
    assert parsed.keys() == ["Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version",
                             "Content-Type", "Content-Language", "Content-Transfer-Encoding"]
    head = mail[2].split(b"\r\n\r\n")[0].replace(b"\r\n ", b"\r\n\t").split(b"\r\n")
    assert all(len(line) <= 76 for line in head if line.startswith((b"Subject:", b"\t")))
    whole = "".join(part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in
                    email.header.decode_header(email.message_from_bytes(mail[2])["subject"]))
    wanted = f"{hazard} – Cống Xuân Hòa: nghiêm trọng".replace("\r", " ").replace("\n", " ")
    assert whole == wanted


@pytest.mark.parametrize("address", ["", "ann@example.vn\r\nRCPT TO:<eve@example.org>", "a b@example.vn", "<ann@x>",
                                     "ann@example.vn>", "ấn@example.vn", "a" * 300 + "@x.vn"])
def test_no_command_hides_in_an_address(tmp_path, post, serve, address):
    with Carrier(tmp_path, **channel(serve())) as carrier:
        assert carrier.deliver(recipient=address)[0] == "refused"
    assert post.tried == []


def test_answers(tmp_path, post, serve):
    """Greylisted first, then taken; a recipient that does not exist; a mail that is not wanted."""
    post.answers = {ANN: ["451 4.7.1 <ann@example.vn> greylisted, try later"],
                    "bob@example.vn": ["550 5.1.1 <bob@example.vn> no such user"],
                    "full@example.vn": ["452 4.2.2 mailbox full"]}
    with Carrier(tmp_path, **channel(serve())) as carrier:
        assert carrier.deliver(recipient=ANN) == ("failed", "the server answered 451 4.7.1 to the recipient")
        assert carrier.deliver(recipient=ANN) == ("done", "")
        assert carrier.deliver(recipient="bob@example.vn") == (
            "refused", "the server answered 550 5.1.1 to the recipient")
        assert carrier.deliver(recipient="full@example.vn")[0] == "failed"
        post.end = "554 5.7.1 spam"
        assert carrier.deliver(recipient=ANN) == ("refused", "the server answered 554 5.7.1 to the message")
        post.end = "421 4.3.2 going down"
        assert carrier.deliver(recipient=ANN)[0] == "failed"
        post.end = "250 taken"
        assert carrier.deliver(recipient=ANN) == ("done", "")
    assert len(post.mails) == 2
    assert read(post.mails[0])["message-id"] == read(post.mails[1])["message-id"]


def test_one_connection_for_many(tmp_path, post, serve):
    with Carrier(tmp_path, **channel(serve())) as carrier:
        for i in range(5):
            assert carrier.deliver(recipient=f"user{i}@example.vn")[0] == "done"
    assert len(post.mails) == 5 and len(post.sessions) == 1


def test_a_connection_that_was_closed_meanwhile(tmp_path, post, serve):
    port = serve(timeout=0.3)
    with Carrier(tmp_path, **channel(port)) as carrier:
        assert carrier.deliver(recipient=ANN)[0] == "done"
        threading.Event().wait(0.8)  # the server's own limit passes
        assert carrier.deliver(recipient=ANN) == ("done", "")
    assert len(post.mails) == 2 and len(post.sessions) == 2


def test_slow_and_closing_servers(tmp_path, post, serve):
    with Carrier(tmp_path, **channel(serve(), timeout=0.5)) as carrier:
        post.pause_s = 5
        assert carrier.deliver(recipient=ANN)[0] == "failed"
        assert carrier.seconds < 3
        post.pause_s, post.end = 0, None
        assert carrier.deliver(recipient=ANN)[0] == "failed"
        post.end = "250 taken"
        assert carrier.deliver(recipient=ANN)[0] == "done"


def test_the_stop_ends_a_mail_at_once(tmp_path, post, serve):
    post.pause_s = 20
    with Carrier(tmp_path, **channel(serve(), timeout=60)) as carrier:
        carrier.try_to({"abort_after": 0.3})
        assert carrier.deliver(recipient=ANN) == ("failed", "the message was aborted")
        assert carrier.seconds < 3


def silent_server(answer):
    """Listens, says `answer` to whoever comes, and nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def run():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.sendall(answer)
            kept.append(connection)

    threading.Thread(target=run, daemon=True).start()
    return listener


@pytest.mark.parametrize("greeting", [b"", b"554 5.3.2 no service here\r\n", b"421 4.3.2 too busy\r\n",
                                      b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_nobody_who_takes_mail(tmp_path, greeting):
    with silent_server(greeting) as listener:
        with Carrier(tmp_path, **channel(listener.getsockname()[1], timeout=0.5)) as carrier:
            delivery, problem = carrier.deliver(recipient=ANN)
            assert delivery == "unreachable" and problem
    with Carrier(tmp_path, **channel(free_port())) as carrier:
        assert carrier.deliver(recipient=ANN)[0] == "unreachable"


def tls(folder):
    file, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def test_starttls_and_login(tmp_path, post, serve):
    file, context = tls(tmp_path)
    port = serve(tls_context=context, require_starttls=True, auth_required=True, auth_require_tls=True,
                 authenticator=post.authenticate)
    secure = channel(port, starttls=True, user="phusa", password="secret", ca=str(file))
    with Carrier(tmp_path, **secure) as carrier:
        assert carrier.deliver(recipient=ANN) == ("done", "")
    assert post.mails[0][3] is not None and post.logins[0][1:] == (b"phusa", b"secret")
    with Carrier(tmp_path, **{**secure, "password": "wrong"}) as carrier:
        delivery, problem = carrier.deliver(recipient=ANN)
        assert (delivery, problem) == ("unreachable", "the server answered 535 5.7.8 to the login")
    with Carrier(tmp_path, **{**secure, "ca": ""}) as carrier:  # a stranger's certificate
        assert carrier.deliver(recipient=ANN)[0] == "unreachable"
    with Carrier(tmp_path, **{**secure, "starttls": False, "user": ""}) as carrier:
        delivery, problem = carrier.deliver(recipient=ANN)
        assert delivery == "unreachable" and problem == "the server answered 530 to the sender", problem
    assert len(post.mails) == 1


def test_no_mail_without_the_tls_that_was_asked_for(tmp_path, post, serve):
    with Carrier(tmp_path, **channel(serve(), starttls=True)) as carrier:
        assert carrier.deliver(recipient=ANN)[0] == "unreachable"
    assert post.tried == []


def test_smtps(tmp_path, post, serve):
    file, context = tls(tmp_path)
    port = serve(ssl_context=context)
    with Carrier(tmp_path, **{**channel(port, ca=str(file)), "url": f"smtps://127.0.0.1:{port}"}) as carrier:
        assert carrier.deliver(recipient=ANN) == ("done", "")
        assert carrier.deliver(recipient=ANN) == ("done", "")
    assert len(post.mails) == 2 and len(post.sessions) == 1
