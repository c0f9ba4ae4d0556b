"""Boards at a real broker: what is retained on their topics, when it is published, and when it is not."""
import pytest

import phusarun
from carriers import Carrier, letter
from line import Client, until

TOPICS = "phusa/1/my-tho/board/+"
BOARDS = [
    {"id": "cong", "site": "my-tho", "width": 24, "lines": 3, "calm": "Bình thường"},
    {"id": "led", "site": "my-tho", "width": 16, "lines": 2, "ascii": True, "calm": "Bình thường", "stations": ["s1"]},
]


def active(*names):
    """Alarms, the gravest first, at stations of these names."""
    return [letter(station=name.split()[0], line=[f"{name}: mặn {9 - place},25 g/L", f"{name}: {9 - place}.25 g/L"])
            for place, name in enumerate(names)]


@pytest.fixture
def broker(tmp_path):
    made = phusarun.Broker(tmp_path / "broker", []).start()
    yield made
    made.stop()


def channel(broker, **more):
    return {"kind": "board", "boards": BOARDS,
            "broker": {"uri": broker.uri, "user": phusarun.COLLECTOR_USER, "password": broker.password}, **more}


class Watcher(Client):
    """Somebody who watches the boards; everything that was published, in order."""

    def published(self):
        return [(topic.rsplit("/", 1)[1], payload.decode()) for topic, payload, _ in self.heard]

    def begin(self):
        self.start()
        self.listen(TOPICS)
        return self


def retained(broker, name="late"):
    """What one sees who comes later."""
    watcher = Watcher(broker, name).begin()
    try:
        until(lambda: len(watcher.heard) >= len(BOARDS), "the retained texts come")
        assert all(kept for _, _, kept in watcher.heard)
        return dict(watcher.published())
    finally:
        watcher.stop()


def test_boards_show_what_is_active(tmp_path, broker):
    watcher = Watcher(broker, "watcher").begin()
    with Carrier(tmp_path, **channel(broker)) as carrier:
        assert carrier.try_to({"refresh": True}) == ("done", "")  # as at every start
        assert retained(broker) == {"cong": "Bình thường", "led": "Binh thuong"}
        carrier.try_to({"active": active("s1 Cống Xuân Hòa", "s2 Vàm Kênh")})
        assert carrier.deliver() == ("done", "")
        assert retained(broker) == {"cong": "s1 Cống Xuân Hòa: mặn\n9,25 g/L\ns2 Vàm Kênh: mặn 8,25…",
                                    "led": "s1 Cong Xuan\nHoa: man 9,25."}
        carrier.try_to({"active": active("s1 A", "s1 B", "s1 C", "s2 D", "s2 E")})
        assert carrier.deliver() == ("done", "")
        assert retained(broker) == {"cong": "s1 A: mặn 9,25 g/L\ns1 B: mặn 8,25 g/L\n+3", "led": "s1 A: man 9,25.\n+2"}
        carrier.try_to({"active": []})
        assert carrier.deliver() == ("done", "")
        assert retained(broker) == {"cong": "Bình thường", "led": "Binh thuong"}
    until(lambda: len(watcher.heard) == 8, "all has come")
    watcher.stop()


def test_the_same_text_is_published_once(tmp_path, broker):
    watcher = Watcher(broker, "watcher").begin()
    with Carrier(tmp_path, **channel(broker, language="en")) as carrier:
        carrier.try_to({"active": active("s2 A")})
        for _ in range(3):
            assert carrier.deliver() == ("done", "")
        carrier.try_to({"active": active("s2 B")})
        assert carrier.deliver() == ("done", "")
        assert carrier.try_to({"refresh": True}) == ("done", "")
    until(lambda: len(watcher.heard) >= 5, "all has come")
    assert watcher.published() == [("cong", "s2 A: 9.25 g/L"), ("led", "Binh thuong"), ("cong", "s2 B: 9.25 g/L"),
                                   ("cong", "s2 B: 9.25 g/L"), ("led", "Binh thuong")]
    watcher.stop()


def test_a_broker_that_is_away(tmp_path, broker):
    with Carrier(tmp_path, **channel(broker)) as carrier:
        carrier.try_to({"active": active("s1 A")})
        assert carrier.deliver() == ("done", "")
        broker.kill()
        carrier.try_to({"active": active("s1 B")})
        assert carrier.deliver() == ("unreachable", "the broker does not have it yet")
        broker.start()
        until(lambda: carrier.deliver() == ("done", ""), "it gets through")
        assert retained(broker) == {"cong": "s1 B: mặn 9,25 g/L", "led": "s1 B: man 9,25\ng/L"}


def test_a_board_without_a_topic(tmp_path, broker):
    bad = [{**BOARDS[0], "id": "a/b"}]
    carrier = Carrier(tmp_path, **channel(broker, boards=bad))
    assert carrier.process.wait(30) == 2
    assert "the board a/b of my-tho can have no topic" in carrier.log.read_text()
    carrier.process.stdin.close()
    carrier.process.stdout.close()
