"""phusa-station over TLS: the broker's certificate must come from the authority that it was given, and be for
the name or address that it was told."""
import subprocess
import time

import phusarun
import pytest
from line import BUILD, ROOT

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
STATION = "light-my-tho-01"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def sign(folder, name, subject, *extensions):
    openssl(folder, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", *extensions)


def make_certificates(folder):
    """ours.pem signed broker.pem, for localhost and no address, and old.pem, which says so in its subject only;
    theirs.pem has to do with nobody."""
    for name in ("ours", "theirs"):
        openssl(folder, "req", "-x509", *KEY, "-keyout", f"{name}.key", "-out",
                f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    sign(folder, "broker", "broker", "-extfile", "names")
    sign(folder, "old", "localhost")


@pytest.fixture(name="broker", params=["broker"])
def tls_broker(request, tmp_path):
    make_certificates(tmp_path)
    broker = phusarun.Broker(tmp_path / "broker", [STATION])
    conf = tmp_path / "broker" / "mosquitto.conf"
    head, listener, rest = conf.read_text().partition(f"listener {broker.port} 127.0.0.1\n")
    assert listener, "config/mosquitto.conf has changed"
    conf.write_text(f"{head}{listener}cafile {tmp_path}/ours.pem\ncertfile {tmp_path}/{request.param}.pem\n"
                    f"keyfile {tmp_path}/{request.param}.key\n{rest}")
    broker.start()
    yield broker
    broker.stop()


def hear(broker, folder, count):
    """The station's reports, by mosquitto's own client."""
    done = subprocess.run(["mosquitto_sub", "-h", "localhost", "-p", str(broker.port), "--cafile", folder / "ours.pem",
                           "-u", phusarun.COLLECTOR_USER, "-P", broker.password, "-t", f"phusa/1/+/{STATION}/obs", "-C",
                           str(count), "-W", "60"], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class Station:
    """phusa-station with a report each second."""

    def __init__(self, folder, broker, host, authority):
        folder.mkdir()
        self.log = folder / "stderr"
        command = [BUILD / "phusa-station", "-c", ROOT / "config" / "phusa.cfg", "--station", STATION, "--broker",
                   f"ssl://{host}:{broker.port}", "--password-file", broker.password_file, "--every", "1s", "--data",
                   folder / "stations"]
        command += ["--ca", authority] if authority else []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stderr=log)

    def wait_for(self, text):
        end = time.monotonic() + 60
        while text not in self.log.read_text():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def stop(self):
        """What it has said."""
        self.process.terminate()
        assert self.process.wait(30) == 0
        return self.log.read_text()


def test_reports_come_over_tls(broker, tmp_path):
    station = Station(tmp_path / "station", broker, "localhost", tmp_path / "ours.pem")
    try:
        assert all('"log"' in report for report in hear(broker, tmp_path, 3))
    finally:
        said = station.stop()
    assert "1 stations, 1 connected" in said


def test_another_broker_gets_no_word(broker, tmp_path):
    cases = [("localhost", tmp_path / "theirs.pem", "the server's certificate: "),
             ("127.0.0.1", tmp_path / "ours.pem", "the server's certificate: IP address mismatch"),
             ("localhost", None, "the server's certificate: ")]
    stations = [Station(tmp_path / f"station{number}", broker, host, authority)
                for number, (host, authority, _) in enumerate(cases)]
    try:
        for station, (_, _, why) in zip(stations, cases):
            station.wait_for(why)
    finally:
        said = [station.stop() for station in stations]
    assert all("1 stations, 0 connected" in text for text in said)
    assert "New client connected" not in broker.log.read_text()


@pytest.mark.parametrize("broker", ["old"], indirect=True)
def test_a_name_in_the_subject_does_not_count(broker, tmp_path):
    station = Station(tmp_path / "station", broker, "localhost", tmp_path / "ours.pem")
    try:
        station.wait_for("the server's certificate: hostname mismatch")
    finally:
        said = station.stop()
    assert "1 stations, 0 connected" in said
    assert "New client connected" not in broker.log.read_text()
