"""phusa, the command line: what it prints, where, and with which exit code."""
import json
import os
import re
import subprocess
import time

import cbor2
import pytest

from line import PHUSA, RULES, STATIONS, phusa, report, until


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Parameters, stations and rules are enough for what works on the past."""
    from phusarun import CONFIG
    folder = tmp_path_factory.mktemp("config")
    (folder / "stations.cfg").write_text(STATIONS)
    (folder / "rules.cfg").write_text(RULES)
    file = folder / "phusa.cfg"
    file.write_text(f'phusa : {{ parameters = "{CONFIG / "parameters.cfg"}"; stations = "stations.cfg"; '
                    'rules = "rules.cfg"; };\n')
    return file


# --- usage -----------------------------------------------------------------------------------

COMMANDS = ["decode", "tap", "ledger", "quarantine", "resend", "journal", "qc", "replay", "rules", "alarms",
            "station", "subscribers", "messages", "calc"]


@pytest.mark.parametrize("words", [[]] + [[command] for command in COMMANDS], ids=" ".join)
def test_help(words):
    for option in ("--help", "-h"):
        code, out, err = phusa(*words, option)
        assert code == 0 and out.startswith("usage: phusa") and not err
        assert all(word in out for word in words or COMMANDS)


def test_version():
    assert phusa("--version", check=0)[1].startswith("phusa ")


@pytest.mark.parametrize("words", [
    [], ["dance"], ["--dance"], ["decode"], ["decode", "--site", "a"], ["decode", "--site", "a", "--station", "b", "c"],
    ["decode", "--site", "a", "--station", "b", "--at", "noon"], ["decode", "--dance"], ["tap"], ["tap", "--for", "x"],
    ["journal"], ["journal", "stat"], ["journal", "dance", "."], ["journal", "dump", "--from", "x", "."],
    ["journal", "stat", ".", "."], ["journal", "stat", "--topic", "x", "."], ["replay"], ["replay", "-c", "x"],
    ["replay", "-c", "x", "--csv", "a", "--journal", "b"]], ids=" ".join)
def test_usage_errors(words):
    code, out, err = phusa(*words)
    assert code == 2 and not out
    mistake, hint, *more = err.splitlines()
    if words:
        known = words[0] in COMMANDS
        assert mistake.startswith(f"phusa {words[0]}: " if known else "phusa: ") and not more
        assert hint.startswith(f"`phusa {words[0]} --help`" if known else "`phusa --help`")


def test_getopt_speaks_as_the_command():
    assert phusa("ledger", "--dance")[2].startswith("phusa ledger: unrecognized option '--dance'\n")
    assert phusa("journal", "dump", "--from")[2].startswith("phusa journal: option '--from' requires an argument\n")
    assert phusa("quarantine", "list", "--reason", "gold")[2].startswith(
        'phusa quarantine: no reason "gold"; there are topic station site ')


@pytest.mark.parametrize("words", [["--version"], ["--help"]] + [[command, "--help"] for command in COMMANDS],
                         ids=" ".join)
def test_output_that_cannot_be_written(words):
    with open("/dev/full", "w") as full:
        result = subprocess.run([str(PHUSA), *words], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert result.returncode == 1 and b"could not be written: No space left" in result.stderr


def test_a_long_output_that_cannot_be_written(config, tmp_path):
    past = tmp_path / "past.csv"
    past.write_text(HEADER + "".join(f"{1362096000 + i * 900},apacp,salinity,{5 * (i % 2)},\n" for i in range(2000)))
    with open("/dev/full", "w") as full:
        result = subprocess.run([str(PHUSA), "replay", "-c", str(config), "--csv", str(past)], stdout=full,
                                stderr=subprocess.PIPE, timeout=60, check=False)
    assert result.returncode == 1 and b"could not be written" in result.stderr


# --- decode ------------------------------------------------------------------------------------

AT = 1_700_000_600
PACK = [{"bn": "apacp:", "bt": 1_700_000_000, "n": "salinity", "u": "/1000", "v": 4.25},
        {"n": "temp", "u": "K", "v": 300.15}, {"n": "ph", "v": 7.5, "t": -60}, {"n": "turb", "v": 5000}]
LINES = ("water,site=apalachicola,station=apacp ph=7.5,ph_qc=1i 1699999940000000000\n"
         "water,site=apalachicola,station=apacp salinity=4.25,salinity_qc=1i,temp=27,temp_qc=1i,turb=5000,turb_qc=4i"
         " 1700000000000000000\n")
KEYS = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "t": 6}


def decode(payload, *words, site="apalachicola", station="apacp"):
    return phusa("decode", "--site", site, "--station", station, "--at", str(AT), *words, stdin=payload)


def test_decode_json_and_cbor_alike(config):
    packed = cbor2.dumps([{KEYS[key]: value for key, value in record.items()} for record in PACK])
    assert decode(json.dumps(PACK), "-c", config) == (0, LINES, "")
    assert decode(packed, "-c", config) == (0, LINES, "")


def test_decode_takes_missing_times_from_the_receive_time(config):
    assert decode('[{"n":"salinity","v":1}]', "-c", config)[1].endswith(f" {AT}000000000\n")
    assert decode('[{"n":"salinity","v":1,"t":-0.5}]', "-c", config)[1].endswith(f" {AT - 1}500000000\n")


@pytest.mark.parametrize("report", [{"t": 3600}, {"t": 946_684_800}, {"t": 4_102_444_800}, {"boot": 3, "up": 9.5}])
def test_decode_puts_wrong_clocks_at_the_receive_time(config, report):
    line = f"water,site=apalachicola,station=apacp ph=7,ph_qc=3i,time_reconstructed=1i {AT}000000000\n"
    assert decode(json.dumps([{"n": "ph", "v": 7, **report}]), "-c", config) == (0, line, "")


def test_decode_sets_aside_on_stderr(config):
    code, out, err = decode(json.dumps(PACK + [{"n": "gold", "v": 1}, {"n": "ph", "u": "Cel", "v": 1}]), "-c", config)
    assert code == 1 and out == LINES
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["parameter", "unit"]
    assert "gold" in err


def test_decode_leaves_the_terminal_alone(config):
    err = decode('[{"n":"\\u001b[31mred\\n","v":1}]', "-c", config)[2]
    assert "\\x1b[31mred\\x0a" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("payload, site, station, reason", [
    (b'[{"n":"ph","v":7', "apalachicola", "apacp", "truncated"), (b"hello", "apalachicola", "apacp", "syntax"),
    (b'[{"n":"ph","v":7}]', "my-tho", "apacp", "site"), (b'[{"n":"ph","v":7}]', "apalachicola", "nobody", "station"),
    (b'[{"n":"ph","v":7}]' + b" " * 70000, "apalachicola", "apacp", "oversized")])
def test_decode_refuses(config, payload, site, station, reason):
    code, out, err = decode(payload, "-c", config, site=site, station=station)
    assert (code, out) == (1, "") and err.startswith(f"quarantined: {reason}:"), err


JUDGED = """stations : (
  { id = "apacp"; site = "apalachicola"; kind = "water"; name = "Cát Point"; every = "15m"; stuck_bus = "1h";
    parameters = ["temp", "ec", "do", "ph"]; derive = ( { parameter = "salinity"; } );
    qc = ( { parameter = "do"; qc : { gross = { fail = [0.0, 12.0]; suspect = [0.0, 8.0]; }; rate = { fail = 1e-9; };
             flat_line = { tolerance = 0.1; suspect_s = 900; fail_s = 1800; }; }; },
           { parameter = "temp"; qc : { gross = { suspect = [0.0, 35.0]; }; }; },
           { parameter = "ph"; qc : { spike = { fail = 0.1; }; }; } ); }
);
"""


def judging(config, folder):
    """A configuration like that one, with JUDGED's station."""
    (folder / "phusa.cfg").write_text(config.read_text())
    (folder / "stations.cfg").write_text(JUDGED)
    (folder / "rules.cfg").write_text(RULES)
    return folder / "phusa.cfg"


@pytest.mark.parametrize("measured, flags", [
    ({"do": 8}, {"do": 1}), ({"do": 8.5}, {"do": 3}), ({"do": 12.5}, {"do": 4}),
    ({"ph": 9.5}, {"ph": 1}),  # a spike is one beside others
    ({"temp": 36, "ec": 1}, {"temp": 3, "ec": 1, "salinity": 3})], ids=str)
def test_decode_flags_by_the_stations_gross_limits(config, tmp_path, measured, flags):
    """As the pipeline judges a reading by itself, so does decode, and so is what is derived from it."""
    pack = [{"n": name, "v": value} for name, value in measured.items()]
    code, out, err = decode(json.dumps(pack), "-c", judging(config, tmp_path))
    assert (code, err) == (0, "")
    assert {name: int(flag) for name, flag in re.findall(r"(\w+)_qc=(\d)i", out)} == flags


def test_decode_looks_at_no_reading_beside_another(config, tmp_path):
    """A backlog of readings that are all alike is neither a flat line nor a stuck bus."""
    pack = [{"n": "do", "v": 7, "t": AT - 900 * i} for i in range(20)]
    code, out, err = decode(json.dumps(pack), "-c", judging(config, tmp_path))
    assert (code, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines()] == ["do=7,do_qc=1i"] * 20


def test_decode_without_configuration():
    """The shipped catalogue serves; a station that it does not know is taken as it is named."""
    code, out, err = decode('[{"n":"salinity","v":4.5}]', site="here", station="mine")
    assert (code, out, err) == (0, f"station,site=here,station=mine salinity=4.5,salinity_qc=1i {AT}000000000\n", "")


def test_decode_without_at_uses_the_clock(config):
    before = time.time_ns()
    out = phusa("decode", "-s", "apalachicola", "-i", "apacp", "-c", config, stdin='[{"n":"ph","v":7}]', check=0)[1]
    assert before <= int(out.split()[-1]) <= time.time_ns()


def test_decode_says_what_is_wrong_with_a_configuration(tmp_path):
    assert decode("[]", "-c", tmp_path / "none.cfg")[0] == 1


# --- journal -----------------------------------------------------------------------------------


@pytest.fixture
def journal(stage):
    """A journal of 20 reports, its collector stopped."""
    stage.line()
    sender = stage.client()
    second = int(time.time()) - 600
    for i in range(20):
        sender.send(report(second + i, i / 2, n="salinity"))
    sender.send(b"\xff\x00not text")
    until(lambda: stage.collector.metric("phusa_messages_total") == 21, "all came")
    assert stage.collector.stop() == 0
    return stage.journal


def test_journal(journal):
    stat = json.loads(phusa("journal", "stat", "--json", journal, check=0)[1])
    dump = [json.loads(line) for line in phusa("journal", "dump", "--json", journal, check=0)[1].splitlines()]
    assert stat["records"] == len(dump) and stat["damaged_bytes"] == stat["without_record"] == 0
    assert stat["kinds"]["message"] == 21 and sum(stat["kinds"].values()) == len(dump)
    assert [stat["first"], stat["last"]] == [dump[0]["position"], dump[-1]["position"]]
    positions = [record["position"] for record in dump]
    assert positions == list(range(positions[0], positions[0] + len(dump)))
    messages = [record for record in dump if record["kind"] == "message"]
    assert {record["topic"] for record in messages} == {"phusa/1/apalachicola/apacp/obs"}
    assert [json.loads(record["payload"])[0]["v"] for record in messages[:20]] == [i / 2 for i in range(20)]
    assert bytes.fromhex(messages[20]["payload"]["hex"]) == b"\xff\x00not text"
    assert all(abs(record["time"] - time.time()) < 300 for record in dump)

    some = phusa("journal", "dump", "--json", "--from", "5", "--limit", "3", journal, check=0)[1].splitlines()
    assert [json.loads(line)["position"] for line in some] == [5, 6, 7]
    matched = phusa("journal", "dump", "--json", "--topic", "*/apacp/o?s", "--limit", "2", journal, check=0)[1].splitlines()
    assert [json.loads(line) for line in matched] == messages[:2]
    assert not phusa("journal", "dump", "--topic", "*/apadb/*", journal, check=0)[1]
    text = phusa("journal", "dump", journal, check=0)[1]
    assert len(text.splitlines()) == len(dump) and "\\xff\\x00" in text
    assert "records        " + str(len(dump)) in phusa("journal", "stat", journal, check=0)[1]
    assert phusa("journal", "verify", journal, check=0)[0] == 0


def test_journal_damaged(journal):
    segment, = journal.glob("*.seg")
    whole = json.loads(phusa("journal", "verify", "--json", journal, check=0)[1])
    data = bytearray(segment.read_bytes())
    at = data.index(b'"v": 5.0')
    data[at + 1] ^= 0x20
    segment.write_bytes(data)
    code, out, _ = phusa("journal", "verify", "--json", journal)
    verdict = json.loads(out)
    assert code == 1 and verdict["damaged_bytes"] > 0
    assert verdict["records"] == whole["records"] - 1, "what stands behind the damage is still read"
    assert verdict["without_record"] == 1
    assert ", 1 without a record\n" in phusa("journal", "stat", journal)[1]
    assert phusa("journal", "verify", journal)[0] == 1
    assert phusa("journal", "stat", journal)[0] == 0


def test_journal_that_is_none(tmp_path):
    code, out, err = phusa("journal", "stat", tmp_path / "nothing")
    assert code == 1 and "nothing" in err and not out


# --- replay ------------------------------------------------------------------------------------

HEADER = "time,station,parameter,value,status\n"


def replay(config, tmp_path, text):
    past = tmp_path / "past.csv"
    past.write_text(text)
    code, out, err = phusa("replay", "-c", config, "--csv", past)
    return code, [json.loads(line) for line in out.splitlines()], err


def test_replay_of_a_csv(config, tmp_path):
    rows = HEADER + ("2013-03-01T07:00:00+07:00,apacp,salinity,4.5,0\n"  # epoch 1362096000
                     "2013-03-01T00:10:00Z,apacp,salinity,3.5,0\n"
                     "1362097500.5,apacp,salinity,3.25,0\n"
                     "1362098000,apacp,salinity,9.5,1\n"  # calibrating: not judged
                     "1362096300,apadb,salinity,60,0\n"  # outside the range: not accepted
                     "1362096600,apadb,salinity,4,\n")
    code, changes, err = replay(config, tmp_path, rows)
    assert code == 0 and not err
    assert changes == [
        {"time": 1362096000, "rule": "intrusion", "station": "apacp", "parameter": "salinity", "from": "normal",
         "to": "severe", "value": 4.5},
        {"time": 1362096600, "rule": "intrusion", "station": "apadb", "parameter": "salinity", "from": "normal",
         "to": "severe", "value": 4},
        {"time": 1362097500.5, "rule": "intrusion", "station": "apacp", "parameter": "salinity", "from": "severe",
         "to": "normal", "value": 3.25}]


def test_replay_passes_over_missing_values(config, tmp_path):
    rows = "1362096000,apacp,salinity,,0\n\n1362096000,apacp,salinity,\n"
    nans = "".join(f"1362096000,apacp,salinity,{nan},0\n" for nan in ("NaN", "nan", "-nan", '"NAN"', " nan "))
    assert replay(config, tmp_path, HEADER + rows + nans) == (0, [], "")


@pytest.mark.parametrize("columns", [HEADER, '"time","station","parameter","value"\n'], ids=["plain", "quoted"])
def test_replay_passes_over_the_mark_of_a_spreadsheet(config, tmp_path, columns):
    code, changes, err = replay(config, tmp_path, "\ufeff" + columns + "1362096000,apacp,salinity,5,\n")
    assert (code, err) == (0, "") and [change["to"] for change in changes] == ["severe"]


def test_replay_takes_rows_in_the_order_of_time(config, tmp_path):
    rows = "1362096900,apacp,salinity,1\n1362096000,apacp,salinity,5\n"
    changes = replay(config, tmp_path, "time,station,parameter,value\n" + rows)[1]
    assert [(change["time"], change["to"]) for change in changes] == [(1362096000, "severe"), (1362096900, "normal")]


def test_replay_from_stdin(config):
    past = HEADER + "1362096000,apacp,salinity,5,\n"
    out = phusa("replay", "-c", config, "--csv", "-", stdin=past, check=0)[1]
    assert json.loads(out)["to"] == "severe"


@pytest.mark.parametrize("bad, why", [
    ("yesterday,apacp,salinity,1", "time"), ("1362096100,nobody,salinity,1", "station"),
    ("1362096100,apacp,gold,1", "parameter"), ("1362096100,apacp,salinity,much", "value"),
    ("1362096100,apacp,salinity,inf", "value"), ("1362096100,apacp,salinity,nano", "value"),
    ("1362096100,apacp", "value"), ("2013-03-01T00:00:00,apacp,salinity,1", "offset"),
    ("1362096100,apacp,salinity,1,9", "status")])
def test_replay_names_bad_lines_and_goes_on(config, tmp_path, bad, why):
    rows = f"1362096000,apacp,salinity,5,0\n{bad}\n1362096900,apacp,salinity,1,0\n"
    code, changes, err = replay(config, tmp_path, HEADER + rows)
    assert code == 1 and "past.csv:3:" in err and why in err, err
    assert [change["to"] for change in changes] == ["severe", "normal"]


def test_replay_needs_a_header(config, tmp_path):
    code, changes, err = replay(config, tmp_path, "1362096000,apacp,salinity,5\n")
    assert code == 1 and not changes and "past.csv:1:" in err


def test_replay_of_what_is_not_there(config, tmp_path):
    assert phusa("replay", "-c", config, "--csv", tmp_path / "none.csv")[0] == 1
    assert phusa("replay", "-c", config, "--journal", tmp_path / "none")[0] == 1


# --- tap -----------------------------------------------------------------------------------------


HOSTILE = 'x"\x1b[31m'


def listen_in(stage, sender, *words):
    """What `phusa tap` prints while readings come; one report a moment, since it says nowhere that it is
    connected."""
    process = subprocess.Popen([str(PHUSA), "tap", "--for", "4", "-c", str(stage.collector.config), *words],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy())
    second = int(time.time()) - 600
    begin = time.monotonic()
    while process.poll() is None and time.monotonic() - begin < 30:
        second += 1
        sender.send([{"bn": "apacp:", "bt": second, "n": "salinity", "u": "/1000", "v": 9.5}, {"n": "ph", "v": 7},
                     {"n": HOSTILE, "v": 1}])
        sender.send([{"bn": "apadb:do", "bt": second, "v": 8}], "phusa/1/apalachicola/apadb/obs")
        time.sleep(0.1)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and not err, err
    return out.decode().splitlines()


def test_tap_json(stage):
    stage.line()
    sender = stage.client()
    heard = [json.loads(line) for line in listen_in(stage, sender, "--json")]
    series = {entry["series"]: entry["value"] for entry in heard if "series" in entry}
    assert series == {"apalachicola/apacp/salinity": 9.5, "apalachicola/apacp/ph": 7,
                      "apalachicola/apacp/" + HOSTILE: 1, "apalachicola/apadb/do": 8}
    alarms = [entry for entry in heard if "rule" in entry]
    assert alarms and alarms[0]["to"] == "severe", "the alarm that stands is heard"
    assert len(heard) > 10


def test_tap_with_a_filter(stage):
    stage.line()
    lines = listen_in(stage, stage.client(), "acp/ph")
    readings = [line for line in lines if not line.startswith("***")]
    assert readings and all("apalachicola/apacp/ph" in line and " 7 " in line for line in readings), lines[:5]


def test_tap_leaves_the_terminal_alone(stage):
    stage.line()
    lines = listen_in(stage, stage.client())
    assert not any("\x1b" in line for line in lines)
    assert any('x"\\x1b[31m' in line for line in lines)


def test_tap_without_a_broker_says_so(stage):
    stage.line(start=False)
    stage.broker.stop()
    code, out, err = phusa("tap", "--for", "1", "-c", stage.collector.config)
    assert code == 0 and not out and "broker" in err
