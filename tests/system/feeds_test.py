"""phusad with an Alertmanager, boards and CAP: one alarm from a reading to where people see it, and back."""
import json
import time

from alertmanager_test import Alertmanager, Answering
from board_test import Watcher
from cap_test import Feed, in_force, validate
from line import log_lines, report, until

RULES = """rules : (
  { id = "intrusion"; kind = "water"; parameter = "salinity"; direction = "above";
    levels = ( { severity = "minor"; raise = 1.0; clear = 0.8; }, { severity = "severe"; raise = 4.0; clear = 3.5; } );
    max_gap = "1h"; live_within = "1d"; channels = ["manager", "boards", "cap"];
    message = { vi = "Mặn xâm nhập"; en = "Salinity"; }; }
);
"""
BOARD = {"id": "gate", "site": "apalachicola", "width": 40, "lines": 2, "calm": "Bình thường"}


def channels(manager, folder):
    return [{"id": "manager", "kind": "alertmanager", "url": f"http://127.0.0.1:{manager.port}"},
            {"id": "boards", "kind": "board", "boards": [BOARD]},
            {"id": "cap", "kind": "cap", "path": folder / "cap", "sender": "canhbao@tiengiang.example",
             "sender_name": "Chi cục Thủy lợi", "status": "Test"}]


def test_an_alarm_and_its_end(stage):
    with Answering() as centre:
        manager = stage.add(Alertmanager(stage.folder / "alertmanager", centre.port))
        stage.rules_file.write_text(RULES)
        stage.line(extra={"channels": channels(manager, stage.folder)})
        sender, second = stage.client(), int(time.time()) - 60
        watcher = stage.add(Watcher(stage.broker, "watcher"))
        watcher.listen("phusa/1/+/board/+")
        until(lambda: watcher.published() == [("gate", "Bình thường")], "the board is calm")

        sender.send(report(second, 2.0))
        until(lambda: list(manager.alerts()) == [("minor", "apacp")], "Alertmanager has it")
        until(lambda: len(watcher.heard) == 2, "the board shows it")
        assert watcher.published()[1] == ("gate", "Độ mặn 2,00 g/L (nhẹ), Cửa sông Cát\nPoint")
        folder = stage.folder / "cap"
        until(lambda: len(list(folder.glob("*.xml"))) == 1, "CAP tells it")

        stage.collector.kill()
        stage.collector.start()
        until(lambda: len(watcher.heard) == 3, "the board is told again after a start")
        assert not log_lines(stage.collector, "warning: notify boards"), "a start is nothing to warn of"
        sender.send(report(second + 1, 5.0))
        until(lambda: list(manager.alerts()) == [("severe", "apacp")], "Alertmanager has the change")
        sender.send(report(second + 2, 0.5))
        until(lambda: manager.alerts() == {}, "Alertmanager has the end")
        until(lambda: watcher.published()[-1] == ("gate", "Bình thường"), "the board is calm again")
        until(lambda: len(list(folder.glob("*.xml"))) == 3, "CAP tells all")

        messages = list(reversed(Feed(folder).messages()))
        assert [m.type for m in messages] == ["Alert", "Update", "Cancel"] and in_force(messages) == []
        code, text = stage.collector.get("/cap/alerts.atom")
        assert code == 200 and text == (folder / "alerts.atom").read_text()
        name = f"{messages[0].identifier}.xml"
        assert stage.collector.get(f"/cap/{name}") == (200, (folder / name).read_text())
        until(lambda: sum(len(json.loads(body)["alerts"]) for body in centre.bodies) == 4, "the centre heard of all")
        validate(folder.glob("*.xml"))
