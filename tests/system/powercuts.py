"""A board whose power fails: it is killed at random moments, again and again, and then it is counted whether
anything is lost. tests/system/qemu_power_test.py and tools/powercuts run it."""
import random
import re
import time

import board
import phusarun
from board import STATION, Receiver, options
from line import until
from station_test import dump

SPEED = 100  # of the board's clock: a hundred reports a second
PAUSES = (0.15, 0.9)  # s between a start and a kill: from before the first connection to well into sending
LOOK_S = 0.02
RECEIPT = "receipt: the first"  # of a start
DELIVERY_S = 120.0  # longest wait for what the log still holds at the end


def make_board(stage, *words):
    """A board, not started, that reports each second of a clock a hundred times as fast, with who gives it receipts."""
    stage.broker = stage.add(phusarun.Broker(stage.folder / "broker", [STATION]))
    simulation = phusarun.Clock(start=time.time() - 30 * 86400, speed=SPEED)
    stage.clock = stage.add(board.TimeServer(simulation.now))
    station = board.Board(stage.folder / "board")
    provision(stage, station, *words)
    return station, Receiver(stage.client())


def provision(stage, station, *words):
    station.provision(STATION, f"{board.NAME}:{stage.broker.port}", *options(stage.broker, stage.clock, SPEED), *words)


def cut_power(station, receiver, kills, dice):
    for _ in range(kills):
        station.start()
        end = time.monotonic() + dice.uniform(*PAUSES)
        while time.monotonic() < end:
            receiver.work()
            time.sleep(LOOK_S)
        station.kill()


def count(stage, station, receiver):
    """The board, without power, is started a last time and delivers: what its log held arrived, as it was
    measured, each report once, and no number is missing. Returns how many the log held."""
    held, _ = dump(station.log_area(stage.folder / "killed.log"))
    assert held, "the log is empty"
    wanted, receipts = {seq for _, seq, _, _ in held}, station.says().count(RECEIPT)
    stage.add(station)
    until(lambda: receiver.work() or (receiver.reports.keys() >= wanted and station.says().count(RECEIPT) > receipts),
          "all reports to arrive and a receipt to come back", DELIVERY_S)
    station.hold_memory()
    station.kill()
    everything, _ = dump(station.log_area(stage.folder / "whole.log"))
    assert [seq for _, seq, _, _ in everything] == list(range(1, len(everything) + 1))
    logged = {seq: (log, values) for log, seq, _, values in everything}
    assert all(logged[seq] == report for seq, report in receiver.reports.items())
    boots = [int(n) for n in re.findall(r"boot (\d+),", station.says())]
    assert boots == sorted(set(boots)), "a count of boots was given twice"
    return len(held)


def campaign(stage, kills, seed):
    """Kills a board so often, and counts. Returns a sentence."""
    station, receiver = make_board(stage)
    cut_power(station, receiver, kills, random.Random(seed))
    held = count(stage, station, receiver)
    return f"{kills} kills, {held} reports, {station.says().count('connected from')} connections"
