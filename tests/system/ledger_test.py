"""Everything is accounted for, and everyone can check it: gaps in a station's reports, what was set
aside and put back, what the store refused or lost."""
import json
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import phusarun
from line import PHUSA, ledger, phusa, report, until

TOKEN = "d2hvLWdvZXMtdGhlcmU"
LOG = "5f3a09c1"
STATUS_TOPIC = "phusa/1/apalachicola/apacp/status"
OURS = '{site="apalachicola",station="apacp"}'


def status(log=LOG, first=1, next_=1):
    return {"state": "online", "log": log, "first": first, "next": next_, "clock": "synced"}


def line_with_token(stage, **extra):
    """The usual line; what is set aside can be put back."""
    token_file = stage.folder / "http.token"
    token_file.write_text(TOKEN + "\n")
    stage.line(extra={"http": {"token_file": str(token_file)}, **extra.pop("extra", {})}, **extra)
    return stage.client()


def ask_ledger(stage, *words):
    return json.loads(phusa("ledger", "--json", "-c", stage.collector.config, *words, check=0)[1])


def books(stage):
    """The ledger's totals, once nothing is on its way any more; they have to balance."""
    until(lambda: ask_ledger(stage)["totals"]["pending"] == 0, "all is stored for good", 60)
    totals = ask_ledger(stage)["totals"]
    accounted = sum(totals[key] for key in ("duplicates", "stored", "quarantined", "pending"))
    assert totals["received"] == accounted, totals
    return totals


def stored(stage, field="water_salinity"):
    return {ns // 10**9: value for (name, _, ns), value in stage.store.export().items() if name == field}


def quarantine(stage, verb, *words, check=0):
    return phusa("quarantine", verb, "-c", stage.collector.config, *words, check=check)


def aside(stage, *words):
    return [json.loads(line) for line in quarantine(stage, "list", "--json", *words)[1].splitlines()]


# --- gaps --------------------------------------------------------------------------------------


def log_of(stage, log=LOG):
    station = ask_ledger(stage, "--station", "apacp")["stations"][0]
    return next((entry for entry in station["logs"] if entry["log"] == log), None)


def receipts(sender, log=LOG):
    """(upto, missing) of the receipts that came for this log."""
    packs = [json.loads(payload) for topic, payload, _ in sender.heard if topic.endswith("/ack") and payload]
    return [(pack["upto"], pack.get("missing", [])) for pack in packs if pack["log"] == log]


def test_a_gap_is_found_asked_for_filled_and_closed(stage):
    stage.line()
    sender, second = stage.client(), int(time.time()) - 600
    sender.listen("phusa/1/+/+/ack")
    sender.send(status(next_=6), STATUS_TOPIC)
    for seq in (1, 2, 5):
        sender.send(report(second + seq, 1.0, log=LOG, seq=seq))
    until(lambda: (5, [[3, 4]]) in receipts(sender), "the receipt asks for what is missing")
    log = log_of(stage)
    gap, = log["gaps"]
    assert (gap["first"], gap["last"], gap["closed"]) == (3, 4, None)
    assert abs(gap["since"] - time.time()) < 60
    assert (log["received"], log["missing"], log["highest"], log["announced"]) == (3, 2, 5, 5)
    text = phusa("ledger", "-c", stage.collector.config, "--station", "apacp", check=0)[1]
    assert "3-4" in text and "missing since 20" in text and "the books balance" in text
    metrics = stage.collector.metrics()
    assert metrics["phusa_ledger_reports_missing"] == 2
    assert [key for key in metrics if key.startswith("phusa_ledger_oldest_gap_seconds")] == [
        "phusa_ledger_oldest_gap_seconds" + OURS]
    assert "còn thiếu 2 bản tin" in stage.collector.get("/")[1]

    sender.send(report(second + 3, 1.0, log=LOG, seq=3))
    until(lambda: (5, [[4, 4]]) in receipts(sender), "one of them came")
    assert (log_of(stage)["filled"], log_of(stage)["missing"]) == (1, 1)

    sender.send(status(first=5, next_=6), STATUS_TOPIC)
    until(lambda: log_of(stage)["overwritten"] == 1, "the other will never come")
    until(lambda: receipts(sender)[-1] == (5, []), "nothing is asked for any more")
    gap, = log_of(stage)["gaps"]
    assert (gap["first"], gap["last"], gap["closed"]) == (4, 4, "overwritten")
    metrics = stage.collector.metrics()
    assert metrics["phusa_ledger_reports_missing"] == 0
    assert metrics['phusa_ledger_reports_closed_total{reason="overwritten"}'] == 1
    assert not [key for key in metrics if key.startswith("phusa_ledger_oldest_gap_seconds")]
    totals = books(stage)
    assert (totals["received"], totals["stored"], totals["missing_reports"], totals["closed_reports"]) == (4, 4, 0, 1)


def test_an_erased_log_closes_its_gaps(stage):
    stage.line()
    sender, second, other = stage.client(), int(time.time()) - 600, "00c0ffee"
    sender.send(status(next_=4), STATUS_TOPIC)
    for seq in (1, 3):
        sender.send(report(second + seq, 1.0, log=LOG, seq=seq))
    until(lambda: log_of(stage) and log_of(stage)["missing"] == 1, "a gap")
    sender.send(status(log=other), STATUS_TOPIC)
    sender.send(report(second + 10, 1.0, log=other, seq=1))
    until(lambda: log_of(stage, other) and log_of(stage, other)["received"] == 1, "the new log has come")
    assert (log_of(stage)["erased"], log_of(stage)["missing"]) == (1, 0)
    assert log_of(stage, other)["current"] and not log_of(stage)["current"]
    text = phusa("ledger", "-c", stage.collector.config, "--station", "apacp", check=0)[1]
    assert f"log {other} (current)" in text and "log erased 20" in text


# --- the command and the API ---------------------------------------------------------------------


def test_the_table_adds_up(stage):
    stage.line()
    sender, second = stage.client(), int(time.time()) - 600
    sender.send(report(second, 1.0))
    sender.send(report(second, 1.0))
    sender.send(report(second + 1, 1.0, u="furlong"))
    sender.send(report(second + 2, 2.0, station="apadb"), "phusa/1/apalachicola/apadb/obs")
    sender.send(report(second, 1.0), "phusa/1/apalachicola/ghost/obs")
    until(lambda: ledger(stage.collector, "received") == 5, "all came")
    books(stage)
    table = phusa("ledger", "-c", stage.collector.config, check=0)[1].splitlines()
    rows = {row.split()[0]: [int(word) for word in row.split()[-7:]] for row in table[1:-1]}
    assert rows["apalachicola/apacp"] == [3, 1, 1, 1, 0, 0, 0]
    assert rows["apalachicola/apadb"] == [1, 0, 1, 0, 0, 0, 0]
    assert rows["no"] == [1, 0, 0, 1, 0, 0, 0]
    assert rows["total"] == [5, 1, 2, 2, 0, 0, 0]
    assert table[-1].startswith("received 5 = 5") and table[-1].endswith("the books balance")
    assert phusa("ledger", "--url", stage.collector.url + "/", check=0)[1].splitlines() == table

    code, out, err = phusa("ledger", "-c", stage.collector.config, "--station", "nobody")
    assert code == 1 and "nobody" in err and not out
    stage.collector.stop()
    code, out, err = phusa("ledger", "-c", stage.collector.config)
    assert code == 1 and "does not answer" in err and not out


def post(stage, body, token=None):
    """(code, headers, text) of a request to put back."""
    request = urllib.request.Request(stage.collector.url + "/api/v1/quarantine/requeue",
                                     json.dumps(body).encode(), {"Content-Type": "application/json"})
    if token is not None:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_nothing_is_put_back_without_the_token(stage):
    sender = line_with_token(stage)
    sender.send(report(int(time.time()) - 60, 1.0, u="furlong"))
    until(lambda: len(aside(stage)) == 1, "it is set aside")
    position = aside(stage)[0]["position"]
    for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x"):
        code, headers, _ = post(stage, {"positions": [position]}, token)
        assert code == 401 and headers["WWW-Authenticate"] == "Bearer", token
    wrong = stage.folder / "wrong.token"
    wrong.write_text("wrong\n")
    code, out, err = quarantine(stage, "requeue", "--all", "--token-file", wrong, check=1)
    assert "another token" in err and out == "0 of 1 put back\n"
    assert len(aside(stage)) == 1
    code, _, text = post(stage, {"positions": [position, position + 1000]}, TOKEN)
    assert code == 404 and str(position + 1000) in text
    assert len(aside(stage)) == 1, "then none is put back"
    code, _, text = post(stage, {"positions": "all"}, TOKEN)
    assert code == 400 and "positions" in text


def test_says_how_a_token_is_configured(stage):
    stage.line()
    code, _, text = post(stage, {"positions": [1]}, TOKEN)
    assert code == 403 and "token_file" in text
    code, out, err = quarantine(stage, "requeue", "--all", check=1)
    assert "token_file" in err and not out


# --- put back ------------------------------------------------------------------------------------


def test_a_bad_unit_is_put_back_once_it_is_known(stage):
    parameters = stage.folder / "parameters.cfg"
    text = (phusarun.CONFIG / "parameters.cfg").read_text()
    parameters.write_text(text)
    sender, second = line_with_token(stage, extra={"parameters": str(parameters)}), int(time.time()) - 600
    sender.send(report(second, 1.25))
    for at in (1, 2, 3):
        sender.send(report(second + at, at * 1000.0, u="grains"))
    sender.send("this is no report")
    until(lambda: ledger(stage.collector, "quarantined") == 4, "four are set aside")
    assert [item["reason"] for item in aside(stage)] == ["unit"] * 3 + ["syntax"]
    assert {item["station"] for item in aside(stage)} == {"apacp"}
    code, out, err = quarantine(stage, "list", "--reason", "unit", "--limit", "2")
    assert [f"salinity = {value} grains" in line for value, line in zip((2000, 3000), out.splitlines())] == [True] * 2
    assert err.split() == ["unit", "2"]
    position = aside(stage, "--reason", "syntax")[0]["position"]
    shown = quarantine(stage, "show", position)[1]
    time_shown = quarantine(stage, "list", "--reason", "syntax")[1].split()[1]
    assert [item["position"] for item in aside(stage, "--from", time_shown)][-1] == position, "a time can be pasted"
    assert "this is no report" in shown and "phusa/1/apalachicola/apacp/obs" in shown
    assert quarantine(stage, "show", 999999, check=1)[2]
    assert books(stage)["stored"] == 1

    known = re.sub(r'(unit = "/1000"; same = [^;]*;\s*other = \( )', r'\1{ unit = "grains"; divide = 1000.0; }, ', text)
    assert known != text
    parameters.write_text(known)
    stage.collector.sighup()
    until(lambda: stage.collector.metric("phusa_configuration_loads_total") == 1, "the unit is known now")
    first = aside(stage)[0]["position"]
    assert quarantine(stage, "requeue", first)[1] == "1 of 1 put back\n"
    until(lambda: ledger(stage.collector, "quarantined") == 3, "it is no longer set aside")
    assert quarantine(stage, "requeue", "--reason", "unit")[1] == "2 of 2 put back\n"
    until(lambda: stored(stage) == {second: 1.25, second + 1: 1.0, second + 2: 2.0, second + 3: 3.0}, "all are stored")
    assert [item["reason"] for item in aside(stage)] == ["syntax"]
    assert [item["put_back"] for item in aside(stage, "--all")] == [True] * 3 + [False]
    assert quarantine(stage, "requeue", first, check=1)[2], "not twice"
    totals = books(stage)
    assert (totals["received"], totals["stored"], totals["quarantined"]) == (5, 4, 1)

    stage.collector.kill()
    stage.collector.start()
    until(lambda: ledger(stage.collector, "received") >= 5, "the past is read")
    totals = books(stage)
    # Without a snapshot the past is read with the settings of today, and what was put back came twice.
    assert (totals["received"] - totals["duplicates"], totals["stored"], totals["quarantined"]) == (5, 4, 1)


def test_what_still_does_not_fit_is_set_aside_again(stage):
    sender = line_with_token(stage)
    sender.send(report(int(time.time()) - 60, 1.0, u="furlong"))
    until(lambda: len(aside(stage)) == 1, "it is set aside")
    _, out, err = quarantine(stage, "requeue", "--all")
    assert out == "1 of 1 put back\n" and "set aside again" in err
    until(lambda: len(aside(stage, "--all")) == 2, "and once more")
    assert len(aside(stage)) == 1
    totals = books(stage)
    assert (totals["received"], totals["quarantined"]) == (1, 1)


def test_what_is_misspelt_is_not_taken_for_nothing(stage):
    sender = line_with_token(stage)
    sender.send(report(int(time.time()) - 60, 1.0, u="furlong"))
    sender.send(report(int(time.time()) - 60, 1.0, station="stranger"), "phusa/1/apalachicola/stranger/obs")
    until(lambda: len(aside(stage)) == 2, "both are set aside")
    for verb in ("list", "requeue"):
        _, out, err = quarantine(stage, verb, "--station", "apacpp", check=1)
        assert 'no station "apacpp"' in err and "apacp" in err.split(";")[1] and not out
        _, out, err = quarantine(stage, verb, "--reason", "units", check=2)
        assert 'no reason "units"' in err and " unit " in err and not out
    assert [item["reason"] for item in aside(stage, "--station", "stranger")] == ["station"], "it is none of ours"
    assert not aside(stage, "--station", "apadb"), "a known station has nothing"
    _, out, err = quarantine(stage, "requeue", "--reason", "conflict", check=1)
    assert "nothing" in err and not out


def test_a_line_that_the_store_refused_is_put_back(stage):
    """influxd holds the field as a text: a type conflict, until the measurement is dropped."""
    sender, second = line_with_token(stage, store="influxdb"), int(time.time()) - 600
    stage.store.query("CREATE DATABASE phusa", method="POST")
    poison = f'water,site=apalachicola,station=apadb salinity="high" {second * 10**9}'
    assert phusarun.http_request(stage.store.port, "POST", "/write?db=phusa", poison.encode())[0] == 204
    sender.send(report(second, 1.5))
    sender.send(report(second, 21.5, "temp"))
    until(lambda: [item["reason"] for item in aside(stage)] == ["store"], "the store refused one")
    item, = aside(stage)
    assert "field type conflict" in item["detail"] and "salinity=1.5" in item["line"] and item["station"] == "apacp"
    assert "field type conflict" in quarantine(stage, "list")[1]
    assert "field type conflict" in quarantine(stage, "show", item["position"])[1]
    assert books(stage)["quarantined"] == 1
    stage.store.query("DROP MEASUREMENT water", method="POST")
    assert quarantine(stage, "requeue", "--reason", "store", "--station", "apacp")[1] == "1 of 1 put back\n"
    until(lambda: stored(stage) == {second: 1.5}, "now the store has it")
    totals = books(stage)
    assert (totals["received"], totals["stored"], totals["quarantined"]) == (2, 2, 0)


# --- the store lost it -----------------------------------------------------------------------------


def wipe(store):
    store.stop()
    shutil.rmtree(store.folder / "data")
    store.start()


def test_a_wiped_store_is_filled_again(stage):
    stage.line()
    sender, second = stage.client(), int(time.time()) - 86400
    for at in range(300):
        sender.send(report(second + at, at % 40 / 10), wait=at == 299)
        sender.send(report(second + at, at / 10, station="apadb"), "phusa/1/apalachicola/apadb/obs", wait=at == 299)
    until(lambda: ledger(stage.collector, "received") == 600, "all came")
    books(stage)
    before = stage.store.export()
    assert len(before) == 4 * 300  # a value and a flag for each reading
    wipe(stage.store)
    # What phusad had sent within its margin it may send again by itself; nothing was.
    assert stage.store.export() == {}
    ask = ("resend", "-c", stage.collector.config, "--from", second + 100, "--to", second + 200)
    assert phusa(*ask, "--dry-run", check=0)[1] == "would write 200 readings in 200 lines\n"
    assert stage.store.export() == {}
    assert phusa(*ask, "--no-wait", "--station", "apacp", check=0)[1] == "wrote 100 readings in 100 lines\n"
    until(lambda: len(stage.store.export()) == 200, "the range of one station")
    _, out, err = phusa(*ask, check=0)
    assert out == "wrote 200 readings in 200 lines\n" and "waiting for the store's margin of 10 s" in err
    part = {key: value for key, value in before.items() if second + 100 <= key[2] // 10**9 < second + 200}
    until(lambda: stage.store.export() == part, "the range of both")
    whole = ("resend", "-c", stage.collector.config, "--from", "2000-01-01T00:00:00Z", "--to", "2200-01-01T00:00:00Z")
    assert phusa(*whole, "--no-wait", check=0)[1] == "wrote 600 readings in 600 lines\n"
    until(lambda: stage.store.export() == before, "every point is back")


def spool_losses(stage):
    """Readings that went with the oldest part of the spool, as the quarantine tells it."""
    return sum(json.loads(quarantine(stage, "show", item["position"], "--json")[1])["readings"]
               for item in aside(stage, "--reason", "spool"))


def test_a_full_spool_lets_its_oldest_part_go_and_says_so(stage):
    """Counted, told once, written again from the journal on an operator's word."""
    stage.line(extra={"journal": {"segment": "1M"}, "store": {"spool_bytes": "1M"}})
    stage.store.stop()
    sender, second = stage.client(), int(time.time()) - 86400
    packs = [[{"bn": "apacp:", "bt": second + 200 * i, "n": "salinity", "v": i % 40 / 10}]
             + [{"n": "salinity", "t": t, "v": (i + t) % 40 / 10} for t in range(1, 200)] for i in range(300)]
    for pack in packs:
        sender.send(pack, wait=pack is packs[-1])
    until(lambda: ledger(stage.collector, "received") == 60000, "all came", 60)
    until(lambda: stage.collector.metric("phusa_spool_bytes") < 2.5e6, "the spool made room", 60)
    until(lambda: [a["to"] for a in stage.webhook.alarms() if a["rule"] == "spool-full"] == ["severe"], "it is told")
    stage.collector.kill()  # what went is still counted after a restart
    stage.collector.start()
    stage.store.start()
    totals = books(stage)
    assert totals["received"] == 60000 and totals["duplicates"] == 0
    assert totals["quarantined"] == spool_losses(stage) > 1000
    until(lambda: len(stored(stage)) == totals["stored"], "the rest is in the store")
    assert [a["to"] for a in stage.webhook.alarms() if a["rule"] == "spool-full"] == ["severe"], "told once"
    assert phusa("resend", "-c", stage.collector.config, "--from", second, "--to", second + 60000, "--no-wait",
                 check=0)[1].startswith("wrote 60000 readings")
    until(lambda: len(stored(stage)) == 60000, "every point is there")


def test_resend_names_what_the_store_refuses_and_ends_when_asked(stage, tmp_path):
    stage.line(store="influxdb")
    sender, second = stage.client(), int(time.time()) - 600
    sender.send(report(second, 1.5))
    until(lambda: stored(stage) == {second: 1.5}, "it is stored")
    stage.store.query("DROP MEASUREMENT water", method="POST")
    poison = f'water,site=apalachicola,station=apadb salinity="high" {second * 10**9}'
    assert phusarun.http_request(stage.store.port, "POST", "/write?db=phusa", poison.encode())[0] == 204
    ask = ("resend", "-c", stage.collector.config, "--from", second, "--to", second + 1, "--no-wait")
    code, out, err = phusa(*ask)
    assert code == 1 and "field type conflict" in err and "salinity=1.5" in err and out.startswith("wrote 0 readings")

    stage.store.stop()
    folder = tmp_path / "spool"
    folder.mkdir()
    waiting = subprocess.Popen([PHUSA, *map(str, ask)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={"TMPDIR": str(folder), "PATH": "/usr/bin"}, preexec_fn=phusarun.die_with_parent)
    assert "trying again until the store answers" in waiting.stderr.readline()
    assert "still waiting: " in waiting.stderr.readline(), "and it says so again"
    assert list(folder.iterdir()), "the copy is in TMPDIR"
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 1 and "interrupted" in err
    assert not list(folder.iterdir()), "and goes with the command"


@pytest.mark.parametrize("words", [
    ["ledger", "x"], ["ledger", "--dance"], ["quarantine"], ["quarantine", "dance"], ["quarantine", "show"],
    ["quarantine", "show", "x"], ["quarantine", "show", "0"], ["quarantine", "list", "7"], ["quarantine", "requeue"],
    ["quarantine", "requeue", "7", "--all"], ["quarantine", "list", "--from", "noon"],
    ["quarantine", "list", "--limit", "-1"], ["resend"], ["resend", "--from", "1", "--to", "x"],
    ["resend", "--from", "1"], ["resend", "--from", "2", "--to", "1"], ["resend", "--from", "1", "--to", "2", "x"]],
    ids=" ".join)
def test_usage_errors(words):
    code, out, err = phusa(*words)
    mistake, hint = err.splitlines()
    assert code == 2 and mistake.startswith(f"phusa {words[0]}: ") and "--help" in hint and not out
