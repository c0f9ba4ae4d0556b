"""phusa subscribers: the table of those who want to be warned, and that nothing in it gets lost."""
import json
import os
import re
import shutil
import subprocess

import pytest

from line import BUILD, phusa
from phusarun import CONFIG

HEADER = "name,channel,address,site,station,use,language,threshold,quiet_from,quiet_until,active\n"
AN = "Nguyễn Văn An,sms,0901234567,,my-tho-1,durian,vi,0.8,21:00,05:00,yes\n"
BINH = '"Trần Thị Bình, tổ 3",sms,+84 912 345 678,,my-tho-2,durian,vi,,,,yes\n'
HTX = "HTX Tân Phước,mail,htx@example.vn,my-tho,,,vi,,,,yes\n"
JOHN = "John Smith,zalo,0987654321,,my-tho-1,rice,en,,,,no\n"
RELOAD = "phusa subscribers: phusad goes by it after `systemctl reload phusad` (SIGHUP)\n"


class Table:
    def __init__(self, folder):
        self.config = folder / "channels-example.cfg"
        self.path = folder / "subscribers-example.csv"

    def __call__(self, verb, *words, **more):
        return phusa("subscribers", verb, "-c", self.config, *words, **more)

    @property
    def text(self):
        return self.path.read_text()


@pytest.fixture(name="table")
def fixture_table(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    return Table(tmp_path / "config")


def test_the_shipped_table(table):
    assert table.text == HEADER + AN + BINH + HTX + JOHN


def test_list(table):
    code, out, err = table("list")
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows[0] == "ADDRESS CHANNEL PLACE USE LANG LIMIT QUIET ACTIVE NAME".split()
    assert rows[1] == "+8490***4567 sms my-tho-1 durian vi 0.8 21:00-05:00 yes Nguyễn Văn An".split()
    assert rows[3] == "ht***@example.vn mail my-tho any vi - - yes HTX Tân Phước".split()
    assert rows[4] == "+8498***4321 zalo my-tho-1 rice en - - no John Smith".split()
    assert out.splitlines()[-1] == "3 active, 1 opted out, 0 wrong"
    assert "901234567" not in out and "htx@" not in out


def test_list_some(table):
    out = table("list", "--full", "--address", "84 98 765 43 21")[1].splitlines()
    assert out[1].startswith("+84987654321 ") and out[-1] == "0 active, 1 opted out, 0 wrong"
    rows = [json.loads(line) for line in table("list", "--json", "--use", "durian", check=0)[1].splitlines()]
    assert [row["station"] for row in rows] == ["my-tho-1", "my-tho-2"]
    assert rows[0] == {"name": "Nguyễn Văn An", "channel": "sms", "address": "+8490***4567", "site": "",
                       "station": "my-tho-1", "use": "durian", "language": "vi", "threshold": "0.8",
                       "quiet_from": "21:00", "quiet_until": "05:00", "active": "yes"}
    assert table("list", "--site", "nowhere", "--json") == (0, "", "")


def test_opting_out_and_in(table):
    assert table("opt-out", "--address", "0912 345 678") == (0, "1 opted out\n", RELOAD)
    assert table.text == HEADER + AN + BINH.replace(",yes\n", ",no\n") + HTX + JOHN
    assert table("opt-out", "--address", "+84912345678") == (0, "0 opted out; others were so already\n", "")
    assert table("opt-out", "--address", "HTX@example.vn", check=0)[1] == "1 opted out\n"
    assert table("export", check=0)[1] == HEADER + AN
    assert table("opt-in", "--address", "0912345678", check=0)[1] == "1 opted in\n"
    assert table.text == HEADER + AN + BINH + HTX.replace(",yes\n", ",no\n") + JOHN
    assert table("opt-out", "--address", "12") == (
        1, "", 'phusa subscribers: "12" is no mobile number such as "0901234567", no e-mail address, and nobody in the '
               "table has it\n")
    code, out, err = table("opt-out", "--address", "0912345678", "--station", "my-tho-1")
    assert (code, out, err) == (1, "", "phusa subscribers: nobody of that kind stands in the table\n")


def test_add_and_remove(table):
    words = ["--address", "0935 000 111", "--station", "my-tho-1", "--use", "durian", "--threshold", "0,6",
             "--quiet", "22:00-05:30", "--name", 'Lê "Bảy"', "--language", "en"]
    assert table("add", "--channel", "sms", *words) == (0, "1 added\n", RELOAD)
    added = '"Lê ""Bảy""",sms,0935 000 111,,my-tho-1,durian,en,"0,6",22:00,05:30,yes\n'
    assert table.text == HEADER + AN + BINH + HTX + JOHN + added
    assert table("add", "--channel", "sms", *words) == (
        1, "", "phusa subscribers: the same wish stands there already; opt-in, or remove it first\n")
    assert subprocess.run([BUILD / "phusad", "-n", "-c", table.config], check=False, timeout=60).returncode == 0
    assert table("remove", "--address", "+84935000111") == (0, "1 removed\n", RELOAD)
    assert table.text == HEADER + AN + BINH + HTX + JOHN


@pytest.mark.parametrize("words, wrong", [
    (["--channel", "sms", "--address", "0281234567", "--station", "my-tho-1"],
     '"028***" is no mobile number'),
    (["--channel", "mail", "--address", "a@b", "--station", "nowhere"], "nowhere"),
    (["--channel", "sms", "--address", "0935000111", "--station", "my-tho-11", "--use", "durian"],
     'unknown station "my-tho-11"; did you mean "my-tho-1"?'),
    (["--channel", "sms", "--address", "0935000111", "--station", "my-tho-1", "--use", "mango"],
     'no rule has the use "mango"; there are: '),
    (["--channel", "ioc", "--address", "a@b.vn", "--site", "my-tho"], 
     '"ioc" is no channel with subscribers = true; those are: mail, sms, zalo\n'),
    (["--channel", "mail", "--address", "a@b.vn", "--site", "my-tho", "--quiet", "25:00-05:00"], "quiet_from"),
    (["--channel", "mail", "--address", "a@b.vn", "--site", "my-tho", "--threshold", "1"], "has no use"),
    (["--channel", "sms", "--address", "0935000111", "--station", "my-tho-1", "--use", "durian", "--threshold", "-5"],
     "the own limit -5 lies outside the range of salinity, 0 to 50 "),
    (["--channel", "sms", "--address", "0935000111", "--station", "my-tho-1", "--use", "rice"], "nothing would ever be"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_who_cannot_be_added(table, words, wrong):
    code, out, err = table("add", *words)
    assert (code, out) == (1, "") and wrong in err, err
    assert table.text == HEADER + AN + BINH + HTX + JOHN


def test_import(table, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("\ufeffaddress;channel;station;site;use;threshold;note\r\n"
                    "0909123123;sms;my-tho-1;;durian;0,7;a\r\n"   # new
                    "0901234567;sms;my-tho-1;;durian;;b\r\n"      # stands there, with a limit that stays
                    "123;sms;my-tho-1;;durian;;c\r\n"             # no number
                    "0987 654 321;zalo;my-tho-1;;rice;;d\r\n"     # has opted out
                    "0909 123 123;sms;my-tho-1;;durian;;e\r\n"    # twice
                    "x;y\r\n"
                    "b@c.vn;mail;;my-tho;;;f\r\n", newline="")
    taken = ",sms,0909123123,,my-tho-1,durian,,\"0,7\",,,\n,mail,b@c.vn,my-tho,,,,,,,\n"
    errors = (f'{file}:4: "***" is no mobile number; write it such as "0901234567"\n'
              f"{file}:7: the line has not as many fields as the header\n")
    assert table("import", "--dry-run", file) == (1, "2 would be taken, 3 there already, 2 bad\n", errors)
    assert table.text == HEADER + AN + BINH + HTX + JOHN
    assert table("import", file) == (1, "2 taken, 3 there already, 2 bad\n", errors + RELOAD)
    assert table.text == HEADER + AN + BINH + HTX + JOHN + taken
    assert table("import", file)[1] == "0 taken, 5 there already, 2 bad\n"


def test_export_is_what_import_takes(table):
    whole = table("export", "--all", check=0)[1]
    assert whole == HEADER + AN + BINH + HTX + JOHN
    table.path.unlink()
    assert table("list") == (0, "0 active, 0 opted out, 0 wrong\n", "")
    assert table("import", "-", stdin=whole) == (0, "4 taken, 0 there already, 0 bad\n", RELOAD)
    assert table.text == whole
    assert table.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name, written", [
    ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("@SUM(A1)", "'@SUM(A1)"), ("-An", "'-An"), ("+An", "'+An"),
    ("'=quoted already", "''=quoted already"), ("'An'", "'An'"), ("+84 901 234 567", "+84 901 234 567"), ("-", "-"),
])
def test_no_formula_for_spreadsheets(table, name, written):
    table.path.write_text(HEADER)
    assert table("add", "--channel", "sms", "--address", "+84935000111", "--station", "my-tho-1", "--use", "durian",
                 "--name", name) == (0, "1 added\n", RELOAD)
    line = f"{written},sms,+84935000111,,my-tho-1,durian,,,,,yes\n"
    whole = table("export", check=0)[1]
    assert whole == table.text == HEADER + line
    assert json.loads(table("list", "--json", check=0)[1])["name"] == name
    table.path.unlink()
    assert table("import", "-", stdin=whole, check=0)[1] == "1 taken, 0 there already, 0 bad\n"
    assert table.text == whole


def test_a_limit_that_cannot_be_is_a_wrong_line(table):
    table.path.write_text(HEADER + AN.replace(",0.8,", ",900,"))
    code, out, err = table("list")
    assert code == 0 and out.splitlines()[-1] == "0 active, 0 opted out, 1 wrong"
    assert err.startswith(f"{table.path}:2: the own limit 900 lies outside the range of salinity, ")


def test_a_line_that_is_left_out_stays(table):
    gone = "Ba,sms,0903111222,,gone-station,durian,vi,,,,\n"
    table.path.write_text(HEADER + gone + AN)
    complaint = f"{table.path}:2: "
    code, out, err = table("list")
    assert code == 0 and err.startswith(complaint) and "gone-station" in err
    assert out.splitlines()[-1] == "1 active, 0 opted out, 1 wrong"
    assert table("opt-out", "--address", "0901234567", check=0)[1] == "1 opted out\n"
    assert table.text == HEADER + gone + AN.replace(",yes\n", ",no\n")
    assert table("opt-out", "--address", "0903111222", check=0)[1] == "1 opted out\n"
    assert table.text == HEADER + gone.replace(",,\n", ",,no\n") + AN.replace(",yes\n", ",no\n")


def test_what_a_check_says_of_wrong_lines(table):
    def check():
        done = subprocess.run([BUILD / "phusad", "-n", "-c", table.config], check=False, capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout, done.stderr

    code, good, err = check()
    assert (code, err) == (0, "") and good.startswith(f"{table.config}: good (")
    wrong = AN.replace("my-tho-1", "gone")
    table.path.write_text(HEADER + wrong + BINH)
    code, out, err = check()
    assert code == 0 and f"{table.path}:2: unknown station" in err
    assert re.sub(r"\d+ rules", "", out) == re.sub(r"\d+ rules", "", good)[:-1] + (
        ", but 1 line of the subscribers is wrong and left out\n")
    table.path.write_text(HEADER + wrong + wrong + BINH)
    assert check()[1].endswith(", but 2 lines of the subscribers are wrong and left out\n")


@pytest.mark.parametrize("broken", ['"no end,sms,0903111222,,my-tho-1,durian,vi,,,,\n', "a,b\n",
                                    b"\xff,sms,0903111222,,my-tho-1,durian,vi,,,,\n"], ids=["quote", "few", "bytes"])
def test_a_table_that_cannot_be_read_is_not_replaced(table, broken):
    before = HEADER.encode() + AN.encode() + (broken if isinstance(broken, bytes) else broken.encode())
    table.path.write_bytes(before)
    code, out, err = table("opt-out", "--address", "0901234567")
    assert (code, out) == (1, "") and err.startswith(f"{table.path}:3: ")
    assert err.endswith("these lines cannot be taken apart; mend or remove them in the file\n")
    assert table.path.read_bytes() == before and not list(table.path.parent.glob("*.new"))


def test_a_table_of_another_form_is_kept(table):
    other = "station;address;channel;use;note\nmy-tho-1;0901234567;sms;durian;gọi sau 17 h\n"
    table.path.write_text(other)
    old = table.path.with_name(table.path.name + ".old")
    assert table("opt-out", "--address", "0901234567") == (
        0, "1 opted out\n", f"phusa subscribers: the table as it was is kept as {old}\n" + RELOAD)
    assert table.text == HEADER + ",sms,0901234567,,my-tho-1,durian,,,,,no\n"
    assert old.read_text() == other


def test_the_same_own_limit_twice_is_one_rule(table):
    assert table("add", "--channel", "sms", "--address", "0935000111", "--station", "my-tho-1", "--use", "durian",
                 "--threshold", "0.80000000000000004") == (0, "1 added\n", RELOAD)  # the same double as 0.8


def test_two_at_once(table):
    with open(f"{table.path}.lock", "w") as lock:
        import fcntl
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert table("opt-out", "--address", "0901234567") == (
            1, "", f"phusa subscribers: {table.path}.lock: somebody else is changing the table\n")
        assert table("list", check=0)[0] == 0
    assert table("opt-out", "--address", "0901234567", check=0)[1] == "1 opted out\n"


def test_rights_stay(table):
    os.chmod(table.path, 0o644)
    table("opt-out", "--address", "0901234567", check=0)
    assert table.path.stat().st_mode & 0o777 == 0o640  # others never
    os.chmod(table.path, 0o400)
    table("opt-in", "--address", "0901234567", check=0)
    assert table.path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_changes_nothing(table):
    before = table.text
    done = subprocess.run(["bash", "-c", f'ulimit -f 0; exec "{BUILD / "phusa"}" subscribers opt-out -c '
                                         f'"{table.config}" --address 0901234567'],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and table.text == before


def test_no_table_is_named(tmp_path):
    code, out, err = phusa("subscribers", "list", "-c", CONFIG / "phusa.cfg")
    assert (code, out) == (1, "") and 'write subscribers = "subscribers.csv"' in err


@pytest.mark.parametrize("words", [[], ["dance"], ["list", "x"], ["import"], ["import", "a", "b"], ["add"], ["opt-out"],
                                   ["remove", "--station", "my-tho-1"], ["add", "--quiet", "nine"], ["list", "--dance"]],
                         ids=" ".join)
def test_usage(words):
    code, out, err = phusa("subscribers", *words)
    assert (code, out) == (2, "") and err.endswith("`phusa subscribers --help` says more\n")
