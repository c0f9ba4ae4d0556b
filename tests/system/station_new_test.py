"""phusa station new: with what it makes a station reports through the real broker and phusad, and
nobody else does; what it refuses leaves nothing behind."""
import base64
import json
import os
import shutil
import signal
import ssl
import stat
import subprocess
import types

import paho.mqtt.client
import phusarun
import pytest
from line import BUILD, PATIENCE_S, STATIONS, phusa, until
from phusarun import CONFIG

RELOAD = ("phusa station: phusad goes by it after `systemctl reload phusad` (SIGHUP), mosquitto after `systemctl "
          "reload mosquitto`\n")
ELSEWHERE = ("phusa station: the broker 127.0.0.1:1883 is this machine for itself alone; --broker HOST:PORT names it "
             "for stations elsewhere\n")
REFUSED = 5  # of a CONNACK: not authorised (MQTT 3.1.1, 3.2.2.3)


class Place:
    """A copy of the shipped configuration, and a folder for what is made."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "config" / "phusa.cfg"
        self.registry = folder / "config" / "stations"
        self.out = folder / "x1.provision"
        self.passwords = folder / "passwords"
        self.secret = folder / "x1.secret"

    def new(self, *words, station="x1", check=None):
        """As an operator would for a station at My Tho."""
        return phusa("station", "new", "-c", self.config, "--id", station, "--site", "my-tho", "--kind", "water",
                     *words, check=check)

    def files(self):
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture(name="place")
def fixture_place(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    return Place(tmp_path)


def provisioned(text):
    """A provisioning file as [(key, value)]."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [tuple(line.split(" = ", 1)) for line in lines]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def certificate(folder, name="ca"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2",
                    "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
                   check=True, capture_output=True, timeout=60)
    return folder / f"{name}.pem"


# --- what is made ------------------------------------------------------------------------


def test_what_is_made(place):
    code, out, err = place.new("--out", place.out, "--broker-passwords", place.passwords, "--password-file",
                               place.secret, "--name", 'Trạm "mới"', "--lat", "10.3", "--lon", "106.25", "--every",
                               "10m", "--parameters", "level,level_max,temp")
    made = place.registry / "x1.cfg"
    assert (code, out) == (0, "")
    assert err == "".join(f"phusa station: made {path}\n" for path in (place.out, place.secret, made)) + \
        ELSEWHERE + RELOAD
    fields = provisioned(place.out.read_text())
    password = place.secret.read_text().rstrip("\n")
    assert fields == [("station", "x1"), ("site", "my-tho"), ("broker", "127.0.0.1:1883"), ("user", "x1"),
                      ("password", password), ("every", "10m"), ("channel", "level:m"), ("channel", "level_max"),
                      ("channel", "temp:Cel")]
    assert len(password) == 40 and password not in err
    assert [mode(path) for path in (place.out, place.secret, place.passwords, made)] == [0o600, 0o600, 0o600, 0o644]
    assert place.passwords.read_text().startswith("x1:$7$101$") and password not in place.passwords.read_text()
    row = json.loads([line for line in phusa("station", "list", "--json", "-c", place.config, check=0)[1].splitlines()
                      if '"x1"' in line][0])
    assert row == {"id": "x1", "site": "my-tho", "kind": "water", "name": 'Trạm "mới"', "lat": 10.3, "lon": 106.25,
                   "every": 600.0, "parameters": ["level", "level_max", "temp"]}
    assert not list(place.folder.rglob("*.new"))


def test_what_is_printed(place):
    """Without a folder and a password file the entries are printed; nothing of them is secret."""
    one = place.folder / "config" / "all.cfg"
    one.write_text(STATIONS.replace("apalachicola", "my-tho"))
    place.config.write_text(place.config.read_text().replace('= "stations";', '= "all.cfg";'))
    place.config.write_text(place.config.read_text().replace('= "rules";', '= "none.cfg";'))
    (place.folder / "config" / "none.cfg").write_text("rules : ( );\n")
    code, out, err = place.new("--out", place.out, "--every", "5m", "--parameters", "temp")
    lines = out.splitlines()
    assert code == 0 and lines[:4] == [f"# for the list `stations` in {one}",
                                       '  { id = "x1"; site = "my-tho"; kind = "water";',
                                       '    every = "5m";', '    parameters = ["temp"]; }']
    assert lines[4] == "# for mosquitto's password file" and lines[5].startswith("x1:$7$101$") and len(lines) == 6
    assert dict(provisioned(place.out.read_text()))["password"] not in out + err
    again = place.new("--out", "-", "--broker-passwords", place.passwords)
    assert again == (1, "", "phusa station: --out -: the registry's entry is printed; name a file\n")
    assert not place.passwords.exists()


def test_a_trap_is_one(place):
    """With the counts of its neighbours, and what makes its board a trap."""
    assert place.new("--site", "tien-giang", "--kind", "trap", "--lat", "10.3", "--lon", "106.25", "--out", place.out,
                     "--broker-passwords", place.passwords)[0] == 0
    species = ["bph", "wbph", "stem_borer", "leaf_folder", "glh", "gall_midge", "zigzag", "other_insects"]
    made = (place.registry / "x1.cfg").read_text()
    assert f"trap : {{ species = {json.dumps(species)}; hold = \"2h\"; lamp_minutes = \"lamp_minutes\"; }};" in made
    fields = provisioned(place.out.read_text())
    assert fields[-9:] == [("place", "10.300000,106.250000"), *(("species", name) for name in species)]


@pytest.mark.parametrize("where, told", [
    (["--lat", "10.3", "--lon", "106.25"], "10.300000,106.250000"),
    ([], "LAT,LON"),
])
def test_the_first_trap_is_told_what_it_lacks(place, where, told):
    for path in place.registry.iterdir():
        if 'kind = "trap"' in path.read_text():
            path.unlink()
    code, _, err = place.new("--site", "cai-be", "--new-site", "--kind", "trap", "--new-kind", "--every", "1d",
                             "--parameters", "bph,lamp_minutes", *where, "--out", place.out)
    assert code == 0
    assert err.splitlines()[0] == (
        'phusa station: no trap to take its group `trap` from: write trap : { species = ["bph"]; }; or whatever it '
        f"counts into its entry, and give tools/provision --species PARAMETER for each and --place {told}")
    assert "species" not in place.out.read_text() + (place.registry / "x1.cfg").read_text()


def test_to_stdout(place):
    assert place.new("--out", "-") == (1, "", "phusa station: --out -: the broker's entry would be printed too; add "
                                              "--broker-passwords FILE\n")
    code, out, err = place.new("--out", "-", "--broker-passwords", place.passwords, "--broker", "mqtt.example.vn:8883")
    fields = dict(provisioned(out))
    assert code == 0 and fields["broker"] == "mqtt.example.vn:8883"
    assert err == (f"phusa station: what was not said is as at my-tho-1\nphusa station: made {place.registry / 'x1.cfg'}"
                   f"\n{RELOAD}")
    holders = [path for path, data in place.files().items() if fields["password"].encode() in data]
    assert not holders


def test_authority(place):
    ca = certificate(place.folder)
    code, out, _ = place.new("--out", "-", "--broker-passwords", place.passwords, "--ca", ca)
    assert code == 0
    assert base64.b64decode(dict(provisioned(out))["ca"]) == ssl.PEM_cert_to_DER_cert(ca.read_text())
    two = place.folder / "two.pem"
    two.write_text(ca.read_text() + certificate(place.folder, "other").read_text())
    for path, why in ((two, "holds not exactly one certificate in PEM"),
                      (place.folder / "ca.key", "holds not exactly one certificate in PEM"),
                      (place.folder / "gone.pem", "No such file or directory")):
        assert place.new("--ca", path, station="x2") == (1, "", f"phusa station: {path}: {why}\n")


# --- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize("words, said", [
    (["--id", "my-tho-1"], "--id my-tho-1: is taken, at {registry}/tien-river.cfg:{line}; choose another"),
    (["--id", "X1"], "--id X1: write 1 to 32 of a-z, 0-9 and '-', not beginning with '-'"),
    (["--site", "my-toh"],
     '--site my-toh: no station is there; add --new-site if this is the first; did you mean "my-tho"?'),
    (["--kind", "watr"], '--kind watr: no station is of it; add --new-kind if this is the first; did you mean "water"?'),
    (["--parameters", "salinty"], '--parameters: unknown parameter "salinty"; did you mean "salinity"?'),
    (["--every", "5"], "--every 5: write whole seconds up to 366d, such as 30s, 5m or 1h"),
    (["--lat", "10"], "--lat and --lon belong together; write both or none"),
    (["--out", "{folder}/there"], "{folder}/there: is there already; nothing is overwritten"),
    (["--password-file", "{folder}/there"], "{folder}/there: is there already; nothing is overwritten"),
    (["--password-file", "{folder}/x1.provision"], "{folder}/x1.provision: is there already; nothing is overwritten"),
    (["--password-file", "{folder}/no/where"], "{folder}/no/where: No such file or directory"),
    (["--broker-passwords", "{folder}/no/where"], "{folder}/no/where.lock: No such file or directory"),
])
def test_refused(place, words, said):
    """With the reason, and nothing is left behind."""
    (place.folder / "there").write_text("precious\n")
    (place.folder / "passwords").write_text("")
    line = next(number for number, text in enumerate((place.registry / "tien-river.cfg").read_text().splitlines(), 1)
                if '"my-tho-1"' in text)
    names = {"folder": place.folder, "registry": place.registry, "line": line}
    before = place.files()
    words = [word.format(**names) for word in words]
    words = words if "--out" in words else ["--out", place.out, *words]
    assert place.new(*words) == (1, "", f"phusa station: {said.format(**names)}\n")
    assert place.files() == before


def test_refused_by_the_loader(place):
    """What only the whole configuration shows: there is no such statistic."""
    before = place.files()
    made = place.registry / "x1.cfg"
    assert place.new("--out", place.out, "--parameters", "level,level_foo") == \
        (1, "", f'{made}:5: unknown parameter "level_foo"; did you mean "level_raw"?\n'
                "phusa station: the configuration would be wrong with it; nothing is left of it\n")
    assert place.files() == before


def test_refused_by_the_password_file(place):
    place.passwords.write_text("phusad:$7$1\nx1:$7$2")
    before = place.files()
    assert place.new("--out", place.out, "--broker-passwords", place.passwords) == \
        (1, "", f'phusa station: {place.passwords}: has a user "x1" already; choose another id\n')
    assert {path: data for path, data in place.files().items() if not path.name.endswith(".lock")} == before


def test_usage(place):
    help_line = "`phusa station --help` says more\n"
    for words, said in (([], "what is to be done? new, list or ask"), (["old"], 'no verb "old"'),
                        (["new"], "which one? new --id ID --site SITE --kind KIND"),
                        (["list", "all"], '"all" is too much')):
        assert phusa("station", *words, "-c", place.config) == (2, "", f"phusa station: {said}\n{help_line}")


def test_list(place):
    code, out, err = phusa("station", "list", "-c", place.config)
    lines = out.splitlines()
    assert (code, err) == (0, "") and lines[0].split() == ["STATION", "SITE", "KIND", "EVERY", "N", "NAME"]
    row = next(line for line in lines if line.startswith("my-tho-1 "))
    assert row.split()[:5] == ["my-tho-1", "my-tho", "water", "5m", "8"]
    assert lines[-1] == f"{len(lines) - 2} stations"


# --- with the real broker and phusad -----------------------------------------------------


def answer_of(broker, user, password):
    """The broker's answer to a connection, and the client, which is to be disconnected."""
    answers = []
    client = paho.mqtt.client.Client(client_id=f"try-{user}", protocol=paho.mqtt.client.MQTTv311)
    client.username_pw_set(user, password)
    client.on_connect = lambda _, __, ___, code: answers.append(code)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    until(lambda: answers, "the broker answers", PATIENCE_S)
    return answers[0], client


def leave(client):
    client.disconnect()
    client.loop_stop()


def make_at_the_line(stage):
    """A station made at a line whose collector does not run yet; returns where its password is."""
    registry = stage.folder / "stations"
    registry.mkdir()
    (registry / "all.cfg").write_text(STATIONS)
    stage.stations_file = registry
    collector = stage.line(start=False)
    secret = stage.folder / "x1.secret"
    phusa("station", "new", "-c", collector.config, "--id", "x1", "--site", "apalachicola", "--kind", "water",
          "--every", "1s", "--parameters", "temp,salinity", "--out", stage.folder / "x1.provision", "--password-file",
          secret, "--broker-passwords", stage.broker.folder / "passwords", check=0)
    stage.broker.signal(signal.SIGHUP)
    return secret


def test_a_station_reports_with_it(stage):
    secret = make_at_the_line(stage)
    stage.collector.start()
    begin = int(stage.collector.status()["totals"]["now"]) + 1
    own = types.SimpleNamespace(uri=stage.broker.uri, password_file=secret)
    station = stage.add(phusarun.StationProcess(stage.folder, BUILD, stage.collector.config, own, "x1", every="1s",
                                                from_=begin, until=begin + 4, exit_when_delivered=True))
    assert station.wait(60) == 0, station.tail()
    stage.collector.wait_drained()
    row = next(row for row in stage.collector.ledger()["stations"] if row["id"] == "x1")
    assert row["received"] == row["stored"] == 10 and "reports 5, covered 5," in station.tail()


def test_the_broker_holds_others_off(stage):
    """A wrong password is refused; the right one opens the station's own topics and no other."""
    secret = make_at_the_line(stage).read_text().rstrip("\n")
    listener = stage.client()
    listener.listen("phusa/1/#")
    for user, wrong in (("x1", secret[:-1]), ("x1", secret + "0"), ("x1", ""), ("x2", secret), ("apacp", secret)):
        code, client = answer_of(stage.broker, user, wrong)
        leave(client)
        assert code == REFUSED
    code, client = answer_of(stage.broker, "x1", secret)
    assert code == 0
    for topic in ("apalachicola/apacp/obs", "apalachicola/x1/ack", "apalachicola/x1/cmd", "apalachicola/x1/obs"):
        client.publish(f"phusa/1/{topic}", topic, qos=1).wait_for_publish(PATIENCE_S)
    until(lambda: listener.heard, "its report arrives", PATIENCE_S)
    leave(client)
    assert [(topic, payload) for topic, payload, _ in listener.heard] == \
        [("phusa/1/apalachicola/x1/obs", b"apalachicola/x1/obs")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_brokers_file_keeps_its_owner(place):
    place.passwords.write_text("")
    os.chown(place.passwords, 65534, 65534)
    os.chmod(place.passwords, 0o640)
    assert place.new("--out", place.out, "--broker-passwords", place.passwords)[0] == 0
    found = place.passwords.stat()
    assert (found.st_uid, found.st_gid, mode(place.passwords)) == (65534, 65534, 0o640)
