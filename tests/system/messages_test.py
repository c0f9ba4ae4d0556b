"""phusa messages list: what people are told, in both languages. (tools/lint/messages looks at all of the
shipped ones.)"""
import json

import pytest

from line import phusa
from phusarun import CONFIG

EXAMPLE = CONFIG / "channels-example.cfg"
STATES = ("moderate", "severe", "normal", "severe", "normal")  # the last two at a station with levels of its own
TWICE = "^{}\\[~]|"  # characters of GSM-7 that take two septets
DURIAN = """\
salinity-durian  moderate  vi
  text  Chi cục Thủy lợi: Xâm nhập mặn – Sông Tiền, Mỹ Tho 1: 0,50 g/L (≥ 0,5 g/L) lúc 05:30 12/03. Mức: trung bình. \
Không tưới sầu riêng, dùng nước trữ. Ngừng tin: 02731234567
  sms   Chi cuc Thuy loi: Xam nhap man, Song Tien, My Tho 1 0,50 g/L luc 05:30 12/03. Khong tuoi sau rieng, dung nuoc \
tru. Ngung tin: 02731234567  (137)
  brief Chi cục Thủy lợi: Xâm nhập mặn, Sông Tiền, Mỹ Tho 1 0,50 g/L lúc 05:30 12/03. Không tưới sầu riêng, dùng nước \
trữ. Ngừng tin: 02731234567  (137)
  line  Độ mặn 0,50 g/L (trung bình), Sông Tiền, Mỹ Tho 1
"""


def rows(*words):
    return [json.loads(line) for line in phusa("messages", "list", "--json", "-c", EXAMPLE, *words, check=0)[1].splitlines()]


def test_one_rule():
    code, out, err = phusa("messages", "list", "-c", EXAMPLE, "--rule", "salinity-durian")
    assert (code, err) == (0, "") and out.startswith(DURIAN)
    heads = [line for line in out.splitlines() if not line.startswith(" ")]
    assert heads == [f"salinity-durian  {state}  {language}" for state in STATES for language in ("vi", "en")]


def test_json():
    said = rows("--rule", "salinity-durian")
    assert [(row["station"], row["to"]) for row in said[::2]] == [
        ("my-tho-1" if i < 3 else "my-tho-2", state) for i, state in enumerate(STATES)]
    assert said[5] == {
        "rule": "salinity-durian", "template": "salinity-durian", "station": "my-tho-1", "from": "severe", "to": "normal",
        "language": "en", "septets": 138, "units": 138, "line": "Salinity 0.39 g/L (normal), Sông Tiền, Mỹ Tho 1",
        "text": "Chi cục Thủy lợi: All clear – Salt intrusion, Sông Tiền, Mỹ Tho 1: 0.39 g/L at 05:30 12/03. Water can be "
                "taken for durian. Stop: 02731234567",
        "sms": "Chi cuc Thuy loi: All clear, Salt intrusion, Song Tien, My Tho 1 0.39 g/L at 05:30 12/03. Water can be "
               "taken for durian. Stop: 02731234567",
        "brief": "Chi cục Thủy lợi: All clear, Salt intrusion, Sông Tiền, Mỹ Tho 1 0.39 g/L at 05:30 12/03. Water can be "
                 "taken for durian. Stop: 02731234567"}


def test_all_of_a_configuration():
    said = rows()
    assert {row["rule"] for row in said} >= {"salinity-durian", "quiet", "link-down", "disk-full"}
    assert all(row["sms"].isascii() and row["septets"] <= 160 for row in said)
    assert all(row["septets"] == len(row["sms"]) + sum(row["sms"].count(mark) for mark in TWICE) for row in said)
    assert all(row["units"] == len(row["brief"]) for row in said)
    assert not [row for row in said for key in ("text", "sms", "brief", "line") if "{" in row[key] or "  " in row[key]]


def test_a_rule_that_there_is_not():
    assert phusa("messages", "list", "-c", EXAMPLE, "--rule", "dance") == (1, "", 'phusa messages: no rule "dance"\n')


@pytest.mark.parametrize("words", [[], ["dance"], ["list", "x"], ["list", "--dance"]], ids=" ".join)
def test_usage(words):
    code, out, err = phusa("messages", *words)
    assert (code, out) == (2, "") and err.endswith("`phusa messages --help` says more\n")
