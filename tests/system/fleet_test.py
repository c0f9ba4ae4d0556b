"""tools/fleet: many stations with the core of the boards, in one process, through the real broker and
phusad, and a broker that goes away under them; each report comes back with a receipt, and the books of both
sides agree."""
import json
import os
import re
import resource
import subprocess

from line import BUILD, ROOT

STATIONS = 500
REPORTS = 5  # of each station
EVERY_S = 2


def fleet(*words, **options):
    return subprocess.run([ROOT / "tools" / "fleet", *map(str, words)], capture_output=True, text=True, timeout=300,
                          check=False, env={**os.environ, "PHUSA_BUILD": str(BUILD)}, **options)


def test_all_of_them_deliver(tmp_path):
    done = fleet("--stations", STATIONS, "--for", EVERY_S * REPORTS, "--every", f"{EVERY_S}s", "--seed", 7, "--data",
                 tmp_path, "--json", "--restart-broker")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    counts = result["counts"]
    assert result["ok"] and counts["stations"] == STATIONS and 0 < result["born_s"] < 60
    assert "the broker was ended and started anew" in done.stderr
    # A simulated sensor may fail at a moment: a report without a value is none.
    assert 0.98 * STATIONS * REPORTS <= counts["reports"] == counts["covered"] <= STATIONS * REPORTS
    assert counts["stored"] == counts["readings"] > counts["reports"]
    assert counts["gaps"] == counts["never came"] == counts["renumbered"] == counts["quarantined"] == 0
    assert set(result["costs"]) == {"mosquitto", "victoria-metrics", "phusad", "phusa-station"}
    rows = re.findall(r'kind = "(\w+)"', (tmp_path / "stations.cfg").read_text())
    assert len(rows) == STATIONS and {"water", "air", "trap", "effluent", "lamp"} & set(rows) and len(set(rows)) > 5


def test_prepared_for_a_broker_elsewhere(tmp_path):
    """The files it writes, and that it wants them."""
    done = fleet("--stations", 3, "--data", tmp_path, "--prepare")
    assert done.returncode == 0
    password = (tmp_path / "password").read_text().rstrip("\n")
    entries = (tmp_path / "passwords").read_text()
    assert [line.split("$")[:2] for line in entries.splitlines()] == [[f"fleet-0000{n}:", "7"] for n in (1, 2, 3)]
    assert password not in entries
    for words, said in ((["--stations", 4], f"fleet: {tmp_path}/stations.cfg has 3 stations, not 4\n"),
                        (["--stations", 3, "--data", tmp_path / "other"],
                         f"fleet: {tmp_path}/other/stations.cfg is not there: --prepare makes it\n")):
        done = fleet("--data", tmp_path, "--broker", "tcp://127.0.0.1:1", *words)
        assert (done.returncode, done.stdout) == (1, said)


def test_usage():
    for words, said in ((["--stations", 10001], "--stations is from 1 to 10000"), (["--prepare"], "need --data"),
                        (["--every", "10"], "is no time such as 10s"), (["--for", 5], "at least one --every"),
                        (["--restart-broker", "--broker", "tcp://127.0.0.1:1", "--data", "x"], "a broker of its own")):
        done = fleet(*words)
        assert done.returncode == 2 and said in done.stderr
    assert "--stations N" in fleet("--help").stdout


def test_more_stations_than_files(tmp_path):
    """64 files beside those of the stations; one of each with its log in memory, else two."""
    assert fleet("--stations", 3, "--data", tmp_path, "--prepare").returncode == 0
    config = tmp_path / "phusa.cfg"
    config.write_text(f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "{tmp_path}/stations.cfg"; }};\n')
    for words, wanted, more in (([], 70, "; with --memory a station needs one less"), (["--memory"], 67, "")):
        done = subprocess.run(
            [BUILD / "phusa-station", "-c", config, "--all", "--broker", "tcp://127.0.0.1:1", "--data", tmp_path / "data",
             *words], capture_output=True, text=True, timeout=60, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (66, 66)))
        assert done.returncode == 1
        assert done.stderr.endswith(f"3 stations need {wanted} open files, and 66 are allowed: `ulimit -Hn`, of a "
                                    f"service LimitNOFILE, tells how many{more}\n"), done.stderr
