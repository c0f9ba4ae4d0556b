"""The contract's chapter Rules once more, as plainly as can be: from the whole past of one series to
the transitions of one rule. Nothing here is shared with the product; slow and simple on purpose.

A series is a list of Reading, by time, of one station and parameter. A rule is a dict with the keys of
the configuration: times in seconds, `raise` and `clear` two numbers for "outside".
"""
import bisect
import math
from collections import defaultdict, namedtuple
from fractions import Fraction

HOUR = 3600
DAY = 24 * HOUR
SEVERITIES = ("normal", "minor", "moderate", "severe", "extreme")
GOOD, NOT_EVALUATED, SUSPECT, FAIL = 1, 2, 3, 4

Reading = namedtuple("Reading", "time value flag")
Transition = namedtuple("Transition", "time before after value")


def transitions(rule, series, every, end, utc_offset=7 * HOUR, coverage=0.75):
    """[Transition] of the rule on a series that was recorded until `end`, of a station that reports each
    `every` seconds; `coverage` is that of an hour in the means of longer windows."""
    if "window" in rule:
        numbers = windows(rule["window"], series, every, end, utc_offset, coverage)
    else:
        numbers = [(r.time, r.value) for r in series if r.flag in rule.get("accept", (GOOD, NOT_EVALUATED))]
    if "missing" in rule:
        return silences(rule, [time for time, _ in numbers], every, end)
    if "rate" in rule:
        numbers = rates(rule, numbers)
    numbers = [(time, value) for time, value in numbers
               if rule.get("from", -math.inf) <= time < rule.get("until", math.inf)]
    return ended(rule, states(rule, numbers), end)


def ended(rule, found, end):
    """What is active when the rule's time is over ends with it."""
    until = rule.get("until", math.inf)
    if found and found[-1].after != "normal" and until <= end:
        found.append(Transition(until, found[-1].after, "normal", found[-1].value))
    return found


# --- levels ----------------------------------------------------------------------------------------


def beyond(rule, level, value):
    limit = level["raise"]
    if rule["direction"] == "above":
        return value >= limit
    if rule["direction"] == "below":
        return value <= limit
    return value <= limit[0] or value >= limit[1]


def good(rule, level, value):
    limit = level.get("clear", level["raise"])
    if rule["direction"] == "above":
        return value < limit
    if rule["direction"] == "below":
        return value > limit
    return limit[0] < value < limit[1]


def lasts(numbers, first, last, holds, max_gap, needed):
    """Whether a run of numbers for which something holds ends at `last` and has lasted long enough; it
    began at `first` at the earliest."""
    if not holds(numbers[last][1]):
        return False
    begin = last
    while begin > first and holds(numbers[begin - 1][1]) and numbers[begin][0] - numbers[begin - 1][0] <= max_gap:
        begin -= 1
    return numbers[last][0] - numbers[begin][0] >= needed


def activity(rule, level, numbers):
    """For each number whether the level is active at it. Runs begin after the last change."""
    active, changed, result = False, 0, []
    for i in range(len(numbers)):
        side, needed = (good, level.get("clear_for", 0)) if active else (beyond, level.get("for", 0))
        if lasts(numbers, changed, i, lambda value: side(rule, level, value), rule["max_gap"], needed):
            active, changed = not active, i + 1
        result.append(active)
    return result


def states(rule, numbers):
    """The state is the highest active level; each change of it is a transition."""
    levels = [(SEVERITIES.index(level["severity"]), activity(rule, level, numbers)) for level in rule["levels"]]
    found, state = [], 0
    for i, (time, value) in enumerate(numbers):
        now = max((severity for severity, active in levels if active[i]), default=0)
        if now != state:
            found.append(Transition(time, SEVERITIES[state], SEVERITIES[now], value))
            state = now
    return found


# --- change per hour ---------------------------------------------------------------------------------


def rates(rule, numbers):
    """[(time, change per hour)]: since the newest number that is `over` or more old; none where there is
    no such number, or a gap since."""
    times, found = [time for time, _ in numbers], []
    for i, (time, value) in enumerate(numbers):
        base = bisect.bisect_right(times, time - rule["rate"]) - 1
        if base >= 0 and all(times[k] - times[k - 1] <= rule["max_gap"] for k in range(base + 1, i + 1)):
            found.append((time, (value - numbers[base][1]) / ((time - times[base]) / HOUR)))
    return found


# --- silence -----------------------------------------------------------------------------------------


def silences(rule, times, every, end):
    """After each reading, up to the next one or the end of the recording, a level is reached when
    nothing has come for so long; a milder one than the state never, and of several at once the
    gravest. The next reading ends it. The value is the length of the silence in seconds."""
    after = rule["missing"] * every if rule.get("multiple") else rule["missing"]
    found = []
    for begin, following in zip(times, times[1:] + [None]):
        state = 0
        reached = defaultdict(int)
        for level in rule["levels"]:
            moment = begin + after + level.get("for", 0)
            reached[moment] = max(reached[moment], SEVERITIES.index(level["severity"]))
        for moment, severity in sorted(reached.items()):
            if (moment < following if following is not None else moment <= end) and severity > state:
                found.append(Transition(moment, SEVERITIES[state], SEVERITIES[severity], moment - begin))
                state = severity
        if state > 0 and following is not None:
            found.append(Transition(following, SEVERITIES[state], "normal", following - begin))
    return found


# --- windows -----------------------------------------------------------------------------------------


def windows(window, series, every, end, utc_offset, hour_coverage):
    """[(end of the window, its number)] of windows that have one. A reading at the full hour belongs to
    the hour that ends there; hours and what moves by the hour are those of the recording, days are
    told whole."""
    hours = defaultdict(list)
    for reading in series:
        if reading.flag in (GOOD, NOT_EVALUATED):
            hours[-(-reading.time // HOUR) * HOUR].append(Fraction(reading.value))
    if not hours:
        return []
    count = {"1h": 1, "8h": 8, "24h": 24, "day": 24}[window["length"]]
    step = DAY if window["length"] == "day" else HOUR
    first = min(hours) - (min(hours) + utc_offset) % step  # ends at a local midnight, or at any hour
    last = max(hours) + DAY if window["length"] == "day" else min(max(hours) + DAY, -(-end // HOUR) * HOUR)
    means = {hour: mean(values) for hour, values in hours.items() if len(values) * every >= hour_coverage * HOUR}
    found = []
    for stamp in range(first, last + 1, step):
        ends = [stamp - i * HOUR for i in range(count)]
        values = [value for hour in ends for value in hours.get(hour, ())]
        if values and len(values) * every >= window["coverage"] * count * HOUR:
            number = statistic(window["statistic"], values, [means[hour] for hour in ends if hour in means])
            if number is not None:
                found.append((stamp, float(number)))
    return found


def mean(values):
    return sum(values, Fraction(0)) / len(values)


def statistic(name, values, hourly):
    """The mean of several hours is that of the hourly means; the others are over all readings."""
    if name == "mean":
        return mean(hourly) if hourly else None
    return {"max": max, "min": min, "sum": sum, "count": len}[name](values)
