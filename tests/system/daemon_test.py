"""phusad as a daemon: start without a broker, stop, kill, reload, refusals, TLS, its pages, receipts."""
import json
import signal
import subprocess
import time
from xml.etree import ElementTree

import pytest

import phusarun
from line import BUILD, STATIONS, ledger, log_lines, phusa, report, until

PHUSAD = BUILD / "phusad"
STOP_S = 5.0
LOAD = 4000  # messages without a number; phusad tells the last 4096 of a series apart


def test_broker_absent_at_start_comes_later(stage):
    stage.line(start=False)
    stage.broker.stop()
    stage.collector.start(wait=False)
    until(lambda: log_lines(stage.collector, "warning: broker"), "it says that there is no broker")
    until(lambda: stage.collector.get("/healthz")[0] == 200, "it lives")
    code, why = stage.collector.get("/readyz")
    assert code == 503 and "broker" in why
    stage.broker.start()
    stage.collector.wait_ready()
    sender = stage.client()
    sender.send(report(int(time.time()) - 60, 1.5))
    until(lambda: stage.collector.metric("phusa_readings_received_total") == 1, "a report comes through")
    assert len(log_lines(stage.collector, "warning: broker")) == 1
    assert len(log_lines(stage.collector, "broker", "connected again")) == 1


# --- ends -----------------------------------------------------------------------------------


def salinities(stage):
    return {key: value for key, value in stage.store.export().items() if key[0] == "water_salinity"}


def publish_many(sender, begin, count):
    """Readings a second apart, not waited for; returns what is to be waited for at the end."""
    return [sender.send(report(second, second % 40 / 10), wait=False) for second in range(begin, begin + count)]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_end_under_load_loses_nothing(stage, end):
    """The broker keeps for phusad what it has not acknowledged; the journal has the rest."""
    stage.stations_file.write_text(STATIONS.replace('"15m"', '"1s"'))  # how much is remembered follows from it
    stage.line()
    sender = stage.client()
    begin = int(time.time()) - 86400
    sent = []
    for _ in range(3):
        sent += publish_many(sender, begin + len(sent), LOAD // 4)
        until(lambda: stage.collector.metric("phusa_messages_total") > 10, "it is at work")
        sent += publish_many(sender, begin + len(sent), LOAD // 12)
        before = time.monotonic()
        code = getattr(stage.collector, end)()
        if end == "stop":
            assert code == 0 and time.monotonic() - before < STOP_S
        stage.collector.start()
    for message in sent:
        message.wait_for_publish(30)
    until(lambda: ledger(stage.collector, "received") - ledger(stage.collector, "duplicate") == len(sent),
          "all are in the journal")
    until(lambda: len(salinities(stage)) == len(sent), "all are in the store")
    assert salinities(stage) == {("water_salinity", "apacp", second * 10**9): second % 40 / 10
                                 for second in range(begin, begin + len(sent))}
    verdict = phusa("journal", "verify", "--json", stage.journal)
    assert verdict[0] == 0 and json.loads(verdict[1])["damaged_bytes"] == 0, verdict


def test_stop_with_everything_else_gone(stage):
    """Neither broker nor store nor webhook answers: the end comes in time all the same, and nothing is lost."""
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    stage.store.stop()
    stage.webhook.stop()
    for i in range(100):
        sender.send(report(second + i, 9.0 if i % 2 else 1.0), wait=i == 99)
    until(lambda: stage.collector.metric("phusa_messages_total") == 100, "all came")
    stage.broker.stop()
    before = time.monotonic()
    assert stage.collector.stop() == 0
    assert time.monotonic() - before < STOP_S
    stage.broker.start()
    stage.store.start()
    stage.collector.start()
    until(lambda: len(salinities(stage)) == 100, "all is stored")


# --- reload ----------------------------------------------------------------------------------

OTHER_RULE = """rules : (
  { id = "warm"; kind = "water"; parameter = "temp"; direction = "above";
    levels = ( { severity = "minor"; raise = 30.0; } ); max_gap = "1h"; channels = ["ioc"];
    message = { vi = "Nước nóng"; en = "Warm water"; }; } );
"""


def test_reload(stage):
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    sender.send(report(second, 31.0, "temp"))
    until(lambda: stage.collector.metric("phusa_messages_total") == 1, "it came")
    good_rules = stage.rules_file.read_text()

    stage.rules_file.write_text(OTHER_RULE.replace("} );", '}, { severity = "severe"; raise = 300.0; } );', 1))
    stage.collector.sighup()
    until(lambda: stage.collector.metric("phusa_configuration_loads_total") == 1, "the rules are loaded again")
    told = log_lines(stage.collector, "rules.cfg:3: warning: ", "can never be met")
    assert len(told) == 1, stage.collector.tail()
    sender.send(report(second + 1, 32.0, "temp"))
    assert [(a["rule"], a["to"]) for a in stage.webhook.wait_alarms(1)] == [("warm", "minor")]

    stage.rules_file.write_text(OTHER_RULE.replace("max_gap", "max_gab"))
    stage.collector.sighup()
    until(lambda: stage.collector.metric("phusa_configuration_refused_total") == 1, "the broken rules are refused")
    assert log_lines(stage.collector, "rules.cfg:", "max_gab"), stage.collector.tail()
    page = stage.collector.get("/")[1]
    assert "rules.cfg:2: missing key &quot;max_gap&quot;" in page, page[page.index("<main"):]
    sender.send(report(second + 2, 20.0, "temp"))
    assert [(a["rule"], a["to"]) for a in stage.webhook.wait_alarms(2)][1:] == [("warm", "normal")]

    stage.rules_file.write_text(good_rules)
    stage.collector.sighup()
    until(lambda: stage.collector.metric("phusa_configuration_loads_total") == 2, "it takes what is right again")
    until(lambda: "rules.cfg" not in stage.collector.get("/")[1], "the page forgets the refusal")


def test_reload_with_a_new_station(stage):
    stage.line()
    sender = stage.client()
    payload = report(int(time.time()) - 60, 1.5, station="fresh")
    sender.send(payload, "phusa/1/apalachicola/fresh/obs")
    until(lambda: stage.collector.metric("phusa_readings_quarantined_total") == 1, "nobody knows it yet")
    stage.stations_file.write_text(STATIONS.replace('"apadb"', '"fresh"'))
    stage.collector.sighup()
    until(lambda: stage.collector.metric("phusa_configuration_loads_total") == 1, "the stations are loaded again")
    sender.send(payload, "phusa/1/apalachicola/fresh/obs")
    received = 'phusa_readings_received_total{site="apalachicola",station="fresh"}'
    until(lambda: stage.collector.metrics().get(received) == 1, "now it is known")


def test_configuration_errors_end_the_start(stage):
    stage.line(start=False)
    stage.rules_file.write_text(OTHER_RULE.replace("max_gap", "max_gab").replace('"temp"', '"tmep"'))
    stage.stations_file.write_text(STATIONS.replace('"apadb"', '"apacp"'))
    done = subprocess.run([str(PHUSAD), "-c", str(stage.collector.config)], capture_output=True, timeout=20, text=True,
                          check=False)
    assert done.returncode == 1
    for wanted in ("max_gab", "tmep", "apacp"):
        lines = [line for line in done.stderr.splitlines() if wanted in line]
        assert lines and ".cfg:" in lines[0], f"{wanted}: {done.stderr}"


# --- TLS ---------------------------------------------------------------------------------------


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", f"/CN={name}")


def make_certificate(folder, authority):
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "broker.key", "-out", "broker.csr", "-subj",
            "/CN=broker")
    openssl(folder, "x509", "-req", "-in", "broker.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-out", "broker.pem", "-days", "2", "-extfile", "names")


def test_tls(stage):
    folder = stage.folder
    make_authority(folder, "ours")
    make_authority(folder, "theirs")
    make_certificate(folder, "ours")
    stage.line(start=False)
    stage.broker.stop()
    conf = folder / "broker" / "mosquitto.conf"
    head, listener, rest = conf.read_text().partition(f"listener {stage.broker.port} 127.0.0.1\n")
    assert listener, "config/mosquitto.conf has changed"
    conf.write_text(f"{head}{listener}cafile {folder}/ours.pem\ncertfile {folder}/broker.pem\n"
                    f"keyfile {folder}/broker.key\n{rest}")
    stage.broker.start()

    config = stage.collector.config.read_text().replace(
        stage.broker.uri, f"ssl://127.0.0.1:{stage.broker.port}").replace(
        'client_id = "phusa";', f'client_id = "phusa"; ca = "{folder}/theirs.pem";')
    stage.collector.config.write_text(config)
    stage.collector.start(wait=False)
    until(lambda: log_lines(stage.collector, "warning: broker"), "a broker of another authority is refused")
    first = stage.collector.get("/readyz")
    assert first[0] == 503
    refusals = len(log_lines(stage.broker, "error"))
    until(lambda: len(log_lines(stage.broker, "error")) >= refusals + 2, "it keeps trying")
    assert stage.collector.get("/readyz")[0] == 503
    assert stage.collector.stop() == 0

    stage.collector.config.write_text(config.replace("theirs.pem", "ours.pem"))
    stage.collector.start()

    stage.collector.stop()
    password = stage.broker.password_file.read_text()
    stage.broker.password_file.write_text("wrong\n")
    warned = len(log_lines(stage.collector, "warning: broker"))
    stage.collector.start(wait=False)
    until(lambda: len(log_lines(stage.collector, "warning: broker")) > warned, "a wrong password is refused")
    assert stage.collector.get("/readyz")[0] == 503
    assert "wrong" not in stage.collector.log.read_text(), "a secret has no place in a log"
    stage.broker.password_file.write_text(password)
    assert stage.collector.stop() == 0


# --- what it says ----------------------------------------------------------------------------


def test_pages(stage):
    stage.line()
    sender = stage.client()
    sender.send(report(int(time.time()) - 60, 31.25))
    stage.webhook.wait_alarms(1)
    code, body = phusarun.http_get(stage.collector.port, "/")
    page = body.decode("utf-8")  # strictly
    assert code == 200
    for wanted in ("Cửa sông Cát Point", "Trạm Dry Bar", "31,25", "Độ mặn", "Salinity"):
        assert wanted in page, wanted
    assert "<script" not in page
    for line in stage.collector.get("/metrics")[1].splitlines():
        if not line.startswith("# "):
            name, _, value = line.rpartition(" ")
            float(value)
            assert name.startswith(("phusa_", "process_")) and name.count("{") == name.count("}") <= 1, line
    assert stage.collector.metric("phusa_alarms_active") == 1
    assert stage.collector.status()["stations"], "the same as JSON"
    assert stage.collector.get("/healthz")[0] == 200
    assert stage.collector.get("/readyz")[0] == 200
    assert stage.collector.get("/nothing")[0] == 404
    code, feed = stage.collector.get("/cap/alerts.atom")  # there is no channel of kind cap
    atom = "{http://www.w3.org/2005/Atom}"
    assert code == 200 and {"id", "title", "updated", "author"} <= {
        child.tag.removeprefix(atom) for child in ElementTree.fromstring(feed)} and "<entry" not in feed
    assert phusarun.http_request(stage.collector.port, "POST", "/", b"x=1")[0] == 405


def test_an_alarm_is_retained_until_it_is_over(stage):
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    topic = "phusa/1/apalachicola/apacp/alarm/intrusion"
    sender.send(report(second, 9.0))
    stage.webhook.wait_alarms(1)

    def retained(name):
        listener = stage.client(name)
        listener.listen(topic)
        mark = "phusa/1/apalachicola/apacp/rsp"
        listener.listen(mark)
        sender.send(b"{}", mark)
        until(lambda: [t for t, *_ in listener.heard if t == mark], "the mark behind what was retained")
        return [json.loads(payload) for heard, payload, kept in listener.heard if heard == topic and kept]

    until(lambda: stage.collector.metric("phusa_notifications_waiting") == 0, "it is published")
    assert [(a["to"], a["value"], a["time"]) for a in retained("early")] == [("severe", 9, second)]
    sender.send(report(second + 60, 1.0))
    stage.webhook.wait_alarms(2)
    until(lambda: stage.collector.metric("phusa_notifications_waiting") == 0, "its end is published")
    assert retained("late") == []


def test_a_receipt_comes_only_for_what_is_on_disk(stage):
    stage.line()
    sender = stage.client()
    receipts = stage.client("receipts")
    receipts.listen("phusa/1/apalachicola/apacp/ack")
    log, second = "5f3a09c1", int(time.time()) - 3600
    status = "phusa/1/apalachicola/apacp/status"
    sender.send({"state": "online", "log": log, "first": 1, "next": 1}, status, retain=True)
    for seq in (1, 2, 3, 7, 8):
        sender.send(report(second + seq, 1.0, log=log, seq=seq))
    seen, given_up = [], set()

    def said(upto, missing):
        """Looks at the journal after each new receipt: what it covers must be there."""
        for _, payload, _ in receipts.heard[len(seen):]:
            receipt = json.loads(payload)
            seen.append(receipt)
            assert receipt["log"] == log
            dump = [json.loads(line) for line in phusa("journal", "dump", "--json", stage.journal)[1].splitlines()]
            kept = {json.loads(r["payload"])[0]["seq"] for r in dump if r["topic"].endswith("/obs")}
            gaps = {seq for first, last in receipt["missing"] for seq in range(first, last + 1)}
            assert set(range(1, receipt["upto"] + 1)) - gaps - given_up <= kept, receipt
        return seen and seen[-1]["upto"] == upto and seen[-1]["missing"] == missing

    until(lambda: said(8, [[4, 6]]), "the gap is named")
    sender.send(report(second + 5, 1.0, log=log, seq=5))
    until(lambda: said(8, [[4, 4], [6, 6]]), "one of it came")
    given_up.update((4, 6))
    sender.send({"state": "online", "log": log, "first": 7, "next": 9}, status, retain=True)
    until(lambda: said(8, []), "what the station no longer holds is given up")
    stage.collector.signal(signal.SIGKILL)
    stage.collector.wait(10)
    stage.collector.start()
    sender.send(report(second + 9, 1.0, log=log, seq=9))
    until(lambda: said(9, []), "a new start remembers")


# --- what people were told, over changes of the rules ---------------------------------------


def told(stage, count):
    return [(alarm["rule"], alarm["to"]) for alarm in stage.webhook.wait_alarms(count)]


def test_a_rule_that_goes_in_a_reload_ends_its_alarm_where_it_was_told(stage):
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    sender.send(report(second, 5.0))
    assert told(stage, 1) == [("intrusion", "severe")]
    stage.rules_file.write_text(OTHER_RULE.replace('["ioc"]', "[]"))
    stage.collector.sighup()
    assert told(stage, 2) == [("intrusion", "severe"), ("intrusion", "normal")]
    sender.send(report(second + 1, 5.0))
    until(lambda: stage.collector.metric("phusa_messages_total") == 2, "the broker's link still stands")
    until(lambda: stage.collector.metric("phusa_notifications_waiting") == 0, "nothing is left to be told")
    assert not log_lines(stage.collector, "warning: broker")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_rule_changed_over_a_restart_tells_what_is_so_now(stage, end):
    """A stricter rule tells at the next live reading; a laxer one ends the alarm there; nothing is told twice."""
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    strict = stage.rules_file.read_text()
    lax = strict.replace("raise = 4.0", "raise = 40.0")
    expected = []
    for rules, value, new in ((lax, 5.0, []), (strict, 6.0, ["severe"]), (strict, 7.0, []), (lax, 8.0, ["normal"])):
        getattr(stage.collector, end)()
        stage.rules_file.write_text(rules)
        stage.collector.start()
        second += 1
        before = stage.collector.metric("phusa_messages_total")
        sender.send(report(second, value))
        until(lambda: stage.collector.metric("phusa_messages_total") == before + 1, "it came")
        expected += [("intrusion", state) for state in new]
        until(lambda: stage.collector.metric("phusa_notifications_waiting") == 0, "nothing is left to be told")
        assert told(stage, len(expected)) == expected
