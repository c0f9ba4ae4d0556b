"""tools/chaos itself: its schedule, its proxy, and whether its checks find what is wrong. The campaign is a
job of its own (make chaos)."""
import importlib.machinery
import importlib.util
import itertools
import random
import socket
import types

import pytest

import chaoscheck
import chaosclock
import chaosplan
import chaosproxy
from chaosline import RULES, append_damage
from line import ROOT
from phusarun import WebhookReceiver, http_request

MINUTE_NS = chaoscheck.MINUTE_NS


def load_chaos():
    loader = importlib.machinery.SourceFileLoader("chaos", str(ROOT / "tools" / "chaos"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("chaos", loader))
    loader.exec_module(module)
    return module


chaos = load_chaos()


# --- the schedule -----------------------------------------------------------------------------------


def test_the_seed_alone_makes_the_schedule():
    assert chaosplan.make_plan(5, 60, 56) == chaosplan.make_plan(5, 60, 56)
    assert chaosplan.make_plan(5, 60, 56) != chaosplan.make_plan(6, 60, 56)
    whole = [event for event in chaosplan.make_plan(5, 120, 56) if event.at + event.lasts <= 60]
    assert set(chaosplan.make_plan(5, 60, 56)) <= set(whole)


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_minute_has_enough_kills_and_one_trouble_of_a_kind_at_a_time(seed):
    plan = chaosplan.make_plan(seed, 60, 56)
    assert chaosplan.kills(plan) >= chaos.KILLS_LEAST + 10
    assert {event.track for event in plan} == {track.name for track in chaosplan.TRACKS}
    for track in chaosplan.TRACKS:
        events = [event for event in plan if event.track == track.name]
        for before, after in itertools.pairwise(events):
            apart = track.side_by_side and before.target != after.target
            assert apart or before.at + before.lasts <= after.at + 0.05, (before, after)


# --- the proxy --------------------------------------------------------------------------------------


@pytest.fixture
def proxy():
    receiver, proxies = WebhookReceiver().start(), chaosproxy.Proxies()
    made = proxies.proxy(receiver.port)
    made.receiver = receiver
    yield made
    proxies.stop()
    receiver.stop()


def post(port, timeout=5.0):
    return http_request(port, "POST", "/", b"{}", timeout)[0]


def test_the_proxy_fails_as_told_and_recovers(proxy):
    assert post(proxy.port) == 200
    for mode in chaosproxy.ANSWERS:
        proxy.set_mode(mode)
        assert post(proxy.port) == int(mode)
    proxy.set_mode(chaosproxy.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        post(proxy.port)
    for mode in (chaosproxy.HANG, chaosproxy.SWALLOW, chaosproxy.STALL):
        proxy.set_mode(mode)
        with pytest.raises(TimeoutError):
            post(proxy.port, 0.3)
    proxy.set_mode(chaosproxy.PASS)
    assert post(proxy.port) == 200


def test_the_proxy_resets_connections(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as end:
        end.sendall(b"POST / HTTP/1.1\r\n")
        for _ in range(100):  # the proxy has accepted once it knows of both ends
            if len(proxy.connections) == 2:
                break
            end.settimeout(0.05)
            with pytest.raises(TimeoutError):
                end.recv(1)
        end.settimeout(5)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            end.recv(1)


# --- the checks -------------------------------------------------------------------------------------


KEYS = [("chaos-001", "salinity", minute * MINUTE_NS) for minute in range(1, 6)]
VALUES = {key: index / 4 for index, key in enumerate(KEYS)}


class Flash:
    reports = {seq: (key[2], {key[1]: VALUES[key]}) for seq, key in enumerate(KEYS, 1)}


def evidence(stored, aside=None):
    """What a run left of which a flash holds VALUES."""
    return types.SimpleNamespace(
        flashes={"chaos-001": Flash}, measured=VALUES, stored=stored, flags=dict.fromkeys(stored, 1), misread=[],
        expected=lambda: VALUES, journal=types.SimpleNamespace(conflicts=0),
        quarantine=types.SimpleNamespace(values=aside or {}, unknown=[], reasons={}))


def failures(found):
    verdict = chaoscheck.Verdict(lambda *_: None)
    chaos.check_reports(verdict, found)
    return [name.partition(": ")[2] for name in verdict.failed]


def test_reports_that_are_lost_changed_or_invented_are_found():
    without = {key: value for key, value in VALUES.items() if key != KEYS[2]}
    assert failures(evidence(VALUES)) == []
    assert failures(evidence(without)) == ["none is lost"]
    assert failures(evidence(without, {KEYS[2]: VALUES[KEYS[2]]})) == []
    assert failures(evidence(without, {KEYS[2]: 9.0})) == ["the same doubles"]
    assert failures(evidence({**VALUES, KEYS[0]: 9.0})) == ["the same doubles"]
    assert failures(evidence({**VALUES, ("chaos-001", "salinity", 9): 1.0})) == ["nothing that no station measured"]


def test_the_state_machine_on_a_case_worked_by_hand():
    """Salinity: minor from 0.8 (clear below 0.7), moderate from 1.5 (1.3); a report each 10 minutes."""
    values = [0.5, 0.9, 1.6, 1.4, 1.2, 0.75, 0.6]
    readings = [("s", "salinity", i * 10 * MINUTE_NS, value) for i, value in enumerate(values)]
    expected = [(10, "normal", "minor"), (20, "minor", "moderate"), (40, "moderate", "minor"), (60, "minor", "normal")]
    every = {"s": 10 * MINUTE_NS}
    assert chaoscheck.judge(RULES, every, readings) == [
        (minute * MINUTE_NS, "salt", "s", before, after) for minute, before, after in expected]
    # The four between the first and the last come late: history takes those up to where live judging began.
    late = [readings[0], readings[6], *readings[1:6]]
    assert chaoscheck.judge(RULES, every, late) == [
        (minute * MINUTE_NS, "salt", "s", before, after) for minute, before, after in expected[:3]]


def test_a_condition_has_to_last_and_a_gap_ends_it():
    """Temperature: severe from 29.3 for 20 minutes; more than an hour without a reading is a gap."""
    every = {"s": 10 * MINUTE_NS}
    minutes = [0, 10, 20, 30]
    hot = [("s", "temp", minute * MINUTE_NS, 29.5) for minute in minutes]
    assert chaoscheck.judge(RULES, every, hot) == [(20 * MINUTE_NS, "warm", "s", "normal", "severe")]
    gap = [("s", "temp", minute * MINUTE_NS, 29.5) for minute in (0, 10, 80, 90)]
    assert chaoscheck.judge(RULES, every, gap) == []


def test_crc32c():
    assert chaoscheck.crc32c(0, b"123456789") == 0xe3069283


def test_damage_is_made_only_behind_the_end(tmp_path):
    """What chaos does to a journal between a kill and a start: the bytes there were stay."""
    segment = tmp_path / "0000000000000001.seg"
    segment.write_bytes(bytes(range(256)) * 8)
    for seed in range(20):
        before = segment.read_bytes()
        added = append_damage(tmp_path, random.Random(seed))
        assert added > 0 and len(segment.read_bytes()) == len(before) + added
        assert segment.read_bytes().startswith(before)


# --- clocks that cannot be believed -------------------------------------------------------------------


SECOND = chaoscheck.SECOND_NS
NOW = 1_767_225_600 * SECOND


def test_what_is_dated_is_found_within_a_millisecond():
    stored = chaoscheck.by_millisecond({("s", "ph", 5_000_000): 7.0, ("s", "ph", 6_000_000): 8.0})
    assert chaoscheck.find(stored, "s", "ph", 5_999_999, 8.0) == ("s", "ph", 6_000_000)
    assert chaoscheck.find(stored, "s", "ph", 5_999_999, 7.0) == ("s", "ph", 5_000_000)
    assert chaoscheck.find(stored, "s", "ph", 7_000_001, 7.0) is None
    assert chaoscheck.find(stored, "s", "temp", 5_000_000, 7.0) is None


def places(astray, *reports):
    return [[(place.ns - NOW) / SECOND for place in astray.take(NOW + int(at * SECOND), [stamp])][0]
            for at, stamp in reports]


def test_wrong_clocks_are_dated_as_the_contract_has_it():
    astray = chaosclock.Astray(600 * SECOND)
    year = 365 * 86400 * SECOND
    assert places(astray, (0, NOW - SECOND), (1, NOW + year), (1, NOW + year), (9, NOW - 30 * year)) == [-1, 1, 1.001, 9]
    assert astray.kinds == {"good": 1, "future": 2, "unset": 1}
    times = [1000 + 600 * i for i in range(12)]
    behind = 3 * 86400
    late = places(astray, *((at, NOW + (at - behind) * SECOND) for at in times))
    assert late == [at - behind for at in times[:7]] + times[7:]
    day, then = 86400, times[-1] + 600  # the collector's own clock goes back for one report: nothing is learnt
    assert places(astray, (then - day, NOW + (then - behind) * SECOND)) == [then - behind]
    assert places(astray, (then + 600, NOW + (then + 600 - behind) * SECOND)) == [then + 600]
    boot = [astray.take_boot(NOW + at * SECOND, 1, 1, up * SECOND, [0])[0].ns - NOW
            for at, up in ((20_000, 60), (20_001, 90), (20_900, 30))]
    assert boot == [20_000 * SECOND, 20_001 * SECOND, 19_941 * SECOND]


@pytest.mark.parametrize("harm", ["none", "lost", "unmarked", "moved elsewhere", "unknown"])
def test_the_check_of_dated_readings_finds_what_is_wrong(harm):
    key = "s", "ph", NOW
    stored, flags, moved = {key: 7.0}, {key: 3}, {("s", NOW)}
    if harm == "lost":
        stored.clear()
    elif harm == "unmarked":
        moved.clear()
    elif harm == "moved elsewhere":
        stored = {("s", "ph", NOW + SECOND): 7.0}
    elif harm == "unknown":
        stored["s", "temp", NOW] = 1.0
    astray = chaosclock.Astray(600 * SECOND)
    journal = types.SimpleNamespace(dated=[("s", "ph", chaosclock.Dated(0, NOW + 1000, True), 7.0, 1)],
                                    clocks={"s": astray})
    evidence = types.SimpleNamespace(astray_stored=stored, astray_aside={}, flags=flags, moved=moved, journal=journal)
    verdict = chaoscheck.Verdict(lambda _: None)
    chaos.check_dated(verdict, evidence)
    assert bool(verdict.failed) == (harm != "none")
