"""phusad -n on each broken configuration of tests/data/broken: exactly the messages that the
file expects at its top ("# expect: LINE: text", or "# expect: FILE:LINE: text" for a file that it
names), on stderr, and exit 1. On each of tests/data/warned the same with exit 0, and phusa says so,
too. And on the shipped configuration: nothing, and exit 0."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BROKEN = ROOT / "tests" / "data" / "broken"
PHUSAD = (ROOT / os.environ.get("PHUSA_BUILD", "build")).resolve() / "phusad"
WARNED = ROOT / "tests" / "data" / "warned"
PHUSA = PHUSAD.with_name("phusa")
CASES = sorted(BROKEN.glob("*.cfg"))
WARNINGS = sorted(WARNED.glob("*.cfg"))

pytestmark = pytest.mark.skipif(not PHUSAD.exists(), reason=f"{PHUSAD} is not built")


def check(path, folder):
    return subprocess.run([PHUSAD, "-n", "-c", path], cwd=folder, capture_output=True, text=True,
                          timeout=30, check=False)


def expected(path):
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# expect: "):
            break
        text = line.removeprefix("# expect: ")
        lines.append(f"{path.name}:{text}" if text[0].isdigit() else text)
    return lines


def said(result):
    return [line for line in result.stderr.splitlines() if re.match(r"[^ ]+\.cfg:\d+: ", line)]


def test_there_are_enough():
    assert len(CASES) >= 30 and len(WARNINGS) >= 3


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_broken(path):
    assert expected(path), "a broken configuration says what it expects"
    result = check(path.name, BROKEN)
    assert said(result) == expected(path)
    assert (result.returncode, result.stdout) == (1, f"{path.name}: not good, phusad does not start with it\n")


@pytest.mark.parametrize("path", WARNINGS, ids=lambda path: path.stem)
def test_warned(path):
    """What can hardly be meant is said, and stops nothing."""
    assert expected(path), "a configuration with warnings says which it expects"
    result = check(path.name, WARNED)
    assert said(result) == expected(path)
    assert (result.returncode, result.stdout.startswith(f"{path.name}: good (")) == (0, True)


@pytest.mark.parametrize("path", WARNINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("more", [[], ["--diff", "rule-never.cfg"]], ids=["alone", "diff"])
def test_replay_goes_on_after_warnings(path, more, tmp_path):
    past = tmp_path / "past.csv"
    past.write_text("time,station,parameter,value\n1770000000,s1,salinity,0.4\n")
    result = subprocess.run([PHUSA, "replay", "-c", path.name, "--csv", past, *more], cwd=WARNED,
                            capture_output=True, text=True, timeout=30, check=False)
    others = expected(WARNED / more[1]) if more else []
    assert said(result) == expected(path) + others
    assert result.returncode == 0, result.stderr


def test_shipped():
    result = check("config/phusa.cfg", ROOT)
    assert (result.returncode, said(result)) == (0, [])
