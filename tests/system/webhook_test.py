"""The webhook: what a receiver gets, and endpoints that are slow, lie, redirect, close or are web pages."""
import hashlib
import hmac
import json

import pytest

import phusarun
from carriers import KEY, Answering, Carrier, letter

BODY = json.dumps({"rule": "salinity-fields", "to": "severe"})


def channel(port, **more):
    return {"kind": "webhook", "id": "ioc", "url": f"http://127.0.0.1:{port}/alarms", "timeout": 1, **more}


def test_a_receiver_gets_the_notice_signed_with_its_key(tmp_path):
    with Answering() as server, Carrier(tmp_path, **channel(server.port, secret="s3cret")) as carrier:
        assert carrier.deliver(letter(body=BODY)) == ("done", "")
        assert server.bodies == [BODY.encode()]
        headers = server.headers[0]
        assert headers["Content-Type"] == "application/json" and headers["Idempotency-Key"] == KEY
        wanted = hmac.new(b"s3cret", BODY.encode(), hashlib.sha256).hexdigest()
        assert headers["X-Phusa-Signature"] == "sha256=" + wanted


def test_without_a_secret_nothing_is_signed(tmp_path):
    with Answering(201, {}, b"taken") as server, Carrier(tmp_path, **channel(server.port)) as carrier:
        assert carrier.deliver() == ("done", "")
        assert "X-Phusa-Signature" not in server.headers[0]


@pytest.mark.parametrize("answer, delivery, words", [
    ((400, {}, b"no such station"), "refused", "the endpoint answered 400: no such station"),
    ((404, {}, b""), "refused", "the endpoint answered 404"),
    ((429, {}, b""), "failed", "the endpoint answered 429"),
    ((503, {}, b"later\n"), "failed", "the endpoint answered 503: later"),
    ((302, {"Location": "http://127.0.0.1:9/"}, b""), "failed", "the endpoint answered 302"),
    ((200, {}, b"\n <!DOCTYPE html>\n<HTML><body>Sign in to the hotel</body></HTML>"), "failed",
     "the endpoint answered 200, but not as a receiver of alarms does: <!DOCTYPE html>"),
    ((200, {"Content-Length": "1000"}, b"less"), "failed", ""),
    ((None, {}, b""), "failed", ""),
])
def test_endpoints_that_are_none(tmp_path, answer, delivery, words):
    with Answering(*answer) as server, Carrier(tmp_path, **channel(server.port)) as carrier:
        came, problem = carrier.deliver()
        assert came == delivery and problem.startswith(words) and problem
        assert len(server.bodies) == 1
        server.answer = (204, {}, b"")
        assert carrier.deliver() == ("done", "")
        assert server.headers[0]["Idempotency-Key"] == server.headers[1]["Idempotency-Key"]


def test_a_slow_one_costs_the_timeout_and_no_more(tmp_path):
    with Answering(pause=30) as server, Carrier(tmp_path, **channel(server.port)) as carrier:
        came, problem = carrier.deliver()
        assert came == "failed" and "timed out" in problem.lower()
        assert carrier.seconds < 10


def test_nobody_there(tmp_path):
    with Carrier(tmp_path, **channel(phusarun.free_port())) as carrier:
        assert carrier.deliver()[0] == "unreachable"
