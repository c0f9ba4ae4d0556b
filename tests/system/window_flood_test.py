"""A tick that closes more windows than a batch of lines holds: none of them is lost."""
import time

import phusarun
from line import until
from windows_test import stored

HOUR = 3600
HOURS = 12  # of readings, sent at once
COUNT = 150
PARAMETERS = ("salinity", "temp", "level", "ph", "do", "ec")
SPEED = 600.0
LATENESS = 2 * HOUR


def station(number):
    return f"lu-{number:03d}"


def report(end):
    """A reading of each parameter in each of the hours before."""
    records = [{"n": name, "v": 5 + hour % 3, "t": end - hour * HOUR - 600} for hour in range(HOURS)
               for name in PARAMETERS]
    return records


def test_a_tick_that_closes_more_than_a_batch(stage):
    names = ", ".join(f'"{name}"' for name in PARAMETERS)
    stage.stations_file.write_text("stations : (\n" + ",\n".join(
        f'  {{ id = "{station(i)}"; site = "my-tho"; kind = "water"; every = "1h"; parameters = [{names}]; }}'
        for i in range(COUNT)) + "\n);\n")
    stage.rules_file.write_text("rules : ();\n")
    now = int(time.time())
    end = now - now % HOUR - 6 * HOUR  # half an hour later all is sent, an hour later the windows close
    clock = phusarun.Clock(end + HOUR // 2, SPEED)
    stage.line(clock=clock, extra={"windows": {"lateness": f"{LATENESS}s"}})
    sender = stage.client()
    for i in range(COUNT):
        sender.send(report(end), topic=f"phusa/1/my-tho/{station(i)}/obs", wait=i + 1 == COUNT)
    until(lambda: clock.now() > end + LATENESS + 10 * 60, "the windows close", 60)
    stage.collector.wait_drained()
    found = stored(stage, "window_count")
    wanted = set(range(end - (HOURS - 1) * HOUR, end + 1, HOUR))
    for i in range(COUNT):
        for name in PARAMETERS:
            for window in ("1h", "8h", "24h"):
                missing = wanted - found.get((station(i), name, window, ""), {}).keys()
                assert not missing, (station(i), name, window, len(missing))
