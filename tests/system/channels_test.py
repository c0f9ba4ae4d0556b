"""A finished collector that tells people: one reading, and the mail, the short message and the line of
syslog that it makes."""
import socket
import threading
import time
import urllib.parse

from aiosmtpd.controller import Controller

from email_test import Post, read
from line import RULES, report, until
from phusarun import free_port
from sms_test import Gateway

PHONE, ANN = "+84901234567", "ann@example.vn"


def test_one_reading_reaches_all(stage):
    post, gateway, lines = Post(), Gateway(), []
    mail = Controller(post, hostname="127.0.0.1", port=free_port())
    mail.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(60)
        threading.Thread(target=lambda: lines.append(log.recv(4096)), daemon=True).start()
        stage.rules_file.write_text(RULES.replace('["ioc"]', '["mail", "text", "log"]'))
        stage.line(extra={"channels": [
            {"id": "mail", "kind": "email", "url": f"smtp://127.0.0.1:{mail.port}", "from": "canhbao@phusa.example.vn",
             "to": [ANN]},
            {"id": "text", "kind": "sms", "url": f"{gateway.url}/sms?to={{to}}&text={{text}}&coding={{coding}}",
             "to": [PHONE]},
            {"id": "log", "kind": "syslog", "url": f"udp://127.0.0.1:{log.getsockname()[1]}"}]})
        try:
            stage.client().send(report(int(time.time()), 5.25))
            until(lambda: post.mails and gateway.asked and lines, "all three have it")
        finally:
            mail.stop()
            gateway.stop()
    key = read(post.mails[0])["message-id"][1:65]
    assert post.mails[0][1] == [ANN] and "Cửa sông Cát Point" in read(post.mails[0])["subject"]
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(gateway.asked[0][1]).query)
    assert asked["to"] == [PHONE] and asked["coding"] == ["0"] and "Cua song Cat Point" in asked["text"][0]
    assert b'station="apacp"' in lines[0] and f'key="{key}"'.encode() in lines[0]
    assert len(post.mails) == len(gateway.asked) == 1
