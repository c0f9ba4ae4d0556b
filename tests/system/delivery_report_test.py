"""Delivery reports: Kannel says what became of a message, and a gateway that takes messages and fails later,
says so twice, or is not the one that was asked."""
import json
import os
import signal
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from line import RULES, phusa, report, until
from sms_test import KANNEL_URL, PHONE, Gateway, kannel  # pylint: disable=unused-import

BASE = "http://report.base"
ASKED = "&dlr-mask=19&dlr-url={report}%26state%3D%25d"
REPORTS = {"report_base": BASE, "report_failed": ["2", "16"], "report_done": ["1"]}


def start(stage, url, **more):
    """A line with one channel for text messages, whose gateway is told where phusad listens."""
    stage.rules_file.write_text(RULES.replace('["ioc"]', '["text"]'))
    collector = stage.line(start=False, extra={"channels": [
        {"id": "text", "kind": "sms", "url": url, "to": [PHONE], **REPORTS, **more}]})
    collector.config.write_text(collector.config.read_text().replace(BASE, collector.url))
    collector.start()
    return collector


def messages(collector):
    """Those to the channel, the newest first."""
    return json.loads(collector.get("/api/v1/messages?channel=text")[1])["messages"]


def becomes(collector, state, place=0):
    until(lambda: len(messages(collector)) > place and messages(collector)[place]["state"] == state, f"it is {state}")
    return messages(collector)[place]


def counted(collector, name):
    return collector.metrics()[f'{name}{{channel="text"}}']


def says(collector, address, state, post=False):
    """A report as a gateway makes it; (code, what is answered)."""
    state = f"state={state}"
    asked = urllib.request.Request(address if post else f"{address}&{state}", state.encode() if post else None)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def addresses(gateway):
    """Where the gateway was told to report to, a request each."""
    return [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["report"][0] for _, path, _, _ in gateway.asked]


# --- Kannel ----------------------------------------------------------------------------------


def test_kannel_says_that_it_was_delivered(stage, kannel):  # pylint: disable=redefined-outer-name
    kannel.start_centre()
    collector = start(stage, KANNEL_URL.format(port=kannel.ports["sendsms"]) + ASKED, user="phusa",
                      password_file=secret(stage, "secret"), **{"from": "PhuSa", "accepted": "delivery"})
    stage.client().send(report(int(time.time()), 5.25))
    message = becomes(collector, "delivered")
    assert message["report"] == "1" and message["tries"] == 1 and "problem" not in message
    assert len(kannel.heard(1)) == 1
    assert counted(collector, "phusa_notifications_delivered_total") == 1
    assert collector.metric("phusa_delivery_reports_refused_total") == 0
    out = phusa("alarms", "messages", "--channel", "text", "-c", collector.config, check=0)[1]
    assert "delivered" in out and 'reported "1"' in out


def secret(stage, text):
    file = stage.folder / "gateway.secret"
    file.write_text(text)
    return file


# --- a gateway that is told what to say ----------------------------------------------------------


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.stop()


def by(gateway):
    return gateway.url + "/sms?to={to}&text={text}&report={report}"


def a_minute_passes(collector):
    """While nobody looks: what waits was written down a minute earlier."""
    os.kill(collector.pid, signal.SIGKILL)
    collector.process.wait()
    with sqlite3.connect(collector.folder / "journal" / "outbox.db") as db:
        db.execute("UPDATE message SET due_ns = due_ns - 61000000000 WHERE state < 2 AND later > 0")
        db.execute("UPDATE recipient SET next_ns = 0 WHERE next_ns IS NOT NULL")
    db.close()
    collector.start()


def test_what_fails_later_is_sent_again(stage, gateway):
    collector = start(stage, by(gateway))
    stage.client().send(report(int(time.time()), 5.25))
    message = becomes(collector, "sent")
    assert message["report"] is None
    assert "no report yet" in phusa("alarms", "messages", "--channel", "text", "-c", collector.config, check=0)[1]
    first = addresses(gateway)[0]
    assert says(collector, first, 8) == (200, {"report": "noted"})
    assert says(collector, first, 2) == (200, {"report": "again"})
    assert says(collector, first, 2) == (200, {"report": "unchanged"})
    message = becomes(collector, "waiting")
    assert message["problem"] == 'reported as failed ("2")' and message["due"] > time.time() + 30
    a_minute_passes(collector)
    until(lambda: len(gateway.asked) == 2, "it is sent again")
    again = addresses(gateway)[1]
    assert again != first and gateway.asked[0][1].split("&report=")[0] == gateway.asked[1][1].split("&report=")[0]
    becomes(collector, "sent")
    assert says(collector, first, 2) == (200, {"report": "unchanged"})  # late
    assert says(collector, again, 1, post=True) == (200, {"report": "delivered"})
    assert becomes(collector, "delivered")["tries"] == 2
    assert len(gateway.asked) == 2
    assert counted(collector, "phusa_notifications_delivered_total") == 1
    assert counted(collector, "phusa_delivery_reports_overdue") == 0


def test_a_report_at_once_is_none_too_early(stage, gateway):
    """It comes before the gateway's answer, and so before phusad knows that the message was taken."""
    came = []
    gateway.before = lambda: came.append(says(None, addresses(gateway)[-1], 16))
    collector = start(stage, by(gateway))
    stage.client().send(report(int(time.time()), 5.25))
    assert becomes(collector, "waiting")["problem"] == 'reported as failed ("16")'
    assert came == [(200, {"report": "noted"})]
    assert counted(collector, "phusa_notifications_failed_later_total") == 1


def test_nothing_stale_is_sent(stage, gateway):
    collector, client = start(stage, by(gateway)), stage.client()
    client.send(report(int(time.time()) - 900, 5.25))
    becomes(collector, "sent")
    client.send(report(int(time.time()), 2.5))
    becomes(collector, "sent", 1)
    until(lambda: len(gateway.asked) == 2, "that it is over is told")
    assert says(collector, addresses(gateway)[0], 2) == (200, {"report": "failed"})
    assert becomes(collector, "failed", 1)["problem"] == 'reported as failed ("2"); a newer message has gone since'
    a_minute_passes(collector)
    assert messages(collector)[1]["state"] == "failed" and len(gateway.asked) == 2


def test_a_forged_report_changes_nothing(stage, gateway):
    collector = start(stage, by(gateway))
    stage.client().send(report(int(time.time()), 5.25))
    becomes(collector, "sent")
    address = addresses(gateway)[0]
    last = "1" if address[-1] == "0" else "0"
    key = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["key"][0]
    forged = [address[:-1] + last, address[:-64], address.split("&proof")[0], address.replace("channel=text", "channel=ioc"),
              address.replace(key, key[::-1]), address.replace("proof=", "proof=0"), collector.url + "/api/v1/delivery?"]
    for other in forged:
        assert says(collector, other, 2)[0] == 403
    assert messages(collector)[0]["state"] == "sent"
    assert collector.metric("phusa_delivery_reports_refused_total") == len(forged)
    assert says(collector, address, "")[0] == 400
    assert says(collector, address, 1) == (200, {"report": "delivered"})
