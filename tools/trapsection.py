"""What tools/provision knows of pest-light traps: its options for them, and the section of the page that makes
a board one. Form and limits: firmware/core/trap_page.h."""
import argparse
import re
import struct

SECTION_BYTES = 704
CLASSES_MOST = 16
DAY_S = 86400
UNITS = {"s": 1, "m": 60, "h": 3600}
MOMENTS = {"clock": 0, "dusk": 1, "dawn": 2}
COUNTERS = {"beam": 0, "classifier": 1}
WIRED = {"rain": 1, "gauge": 2, "door": 4, "button": 8}
COUNTED = ("gauge", "button")  # of these edges are counted, which the board (firmware/port/mps2) cannot do
OFFSET_MOST_S = 14 * 3600  # firmware/core/trap.c
HORIZON = -50 / 60  # degrees: the sun's upper rim (firmware/core/sun.h)
STALE_S = 3600
HOLDS, LAMP_TIMES = "15m,10m,30m", "5s,60s,10m"  # when nobody says others
# What a trap tells beside its species; firmware/core/trap.c.
OF_NIGHT = ("lamp_minutes", "gate_minutes", "wind_minutes", "battery_minutes", "dark_minutes", "unsure_minutes",
            "watched_minutes", "strays", "trap_resets")
OWN = (*OF_NIGHT, "lamp", "rain_gate", "service")
USUAL = ("lamp_minutes", "gate_minutes", "dark_minutes", "watched_minutes")  # reported when nobody says what


def wrong(text, right):
    return argparse.ArgumentTypeError(f"{text!r} is not {right}")


def parameter(text):
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", text):
        raise wrong(text, "a parameter: a-z, 0-9 and _, at most 32")
    return text


def number(text):
    if not re.fullmatch(r"-?[0-9]{1,7}(\.[0-9]{1,9})?", text):
        raise ValueError(text)
    return float(text)


def place(text):
    """(latitude, longitude) in degrees."""
    try:
        latitude, longitude = map(number, text.split(","))
    except ValueError:
        raise wrong(text, "LATITUDE,LONGITUDE in degrees, such as 10.337,106.033") from None
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise wrong(text, "a place on earth: LATITUDE,LONGITUDE in degrees")
    return latitude, longitude


def seconds(text):
    match = re.fullmatch(r"([0-9]{1,5})([smh])", text)
    if not match or int(match[1]) * UNITS[match[2]] > DAY_S:
        raise ValueError(text)
    return int(match[1]) * UNITS[match[2]]


def edge(text):
    """(moment, seconds): 22:00, dusk, dusk+15m, dawn-1h."""
    clock = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text)
    if clock and int(clock[1]) < 24 and int(clock[2]) < 60:
        return MOMENTS["clock"], int(clock[1]) * 3600 + int(clock[2]) * 60
    sun = re.fullmatch(r"(dusk|dawn)(?:([+-])(.+))?", text)
    if not sun:
        raise ValueError(text)
    after = seconds(sun[3]) if sun[3] else 0
    if sun[2] == "-" and after > DAY_S / 2:
        raise ValueError(text)
    return MOMENTS[sun[1]], -after if sun[2] == "-" else after


def hours(text):
    try:
        begin, end = map(edge, text.split(".."))
    except ValueError:
        raise wrong(text, "FROM..UNTIL such as dusk+15m..22:00 or 19:00..dawn-1h") from None
    if begin == end:
        raise wrong(text, "FROM..UNTIL: it ends as it begins, and the lamp would never be lit")
    return begin, end


def spans(text, names, example):
    try:
        values = tuple(map(seconds, text.split(",")))
    except ValueError:
        values = ()
    if len(values) != len(names):
        raise wrong(text, f"{','.join(names)} as three times up to 24h, such as {example}")
    return values


def holds(text):
    return spans(text, ("RAIN", "WIND", "BATTERY"), HOLDS)


def lamp_times(text):
    return spans(text, ("START", "REST", "RETRY"), LAMP_TIMES)


def gate(text, right, rising):
    """(parameter, first limit, second limit)."""
    name, *limits = text.split(":")
    try:
        limits = [number(limit) for limit in limits]
    except ValueError:
        raise wrong(text, right) from None
    if len(limits) not in (0, 2) or (limits and not 0 < min(limits) <= max(limits) < 1000):
        raise wrong(text, right)
    if limits and limits[0] != limits[1] and (limits[0] < limits[1]) != rising:
        raise wrong(text, right)
    return (parameter(name), *limits)


def wind(text):
    return (*gate(text, "PARAMETER or PARAMETER:STOP:GO in m/s, such as wind_speed:8:6", False), 8.0, 6.0)[:3]


def battery(text):
    return (*gate(text, "PARAMETER or PARAMETER:LOW:GOOD in V, such as battery:11.6:12.4", True), 11.6, 12.4)[:3]


def wired(text):
    parts = text.split(",")
    if not set(parts) <= WIRED.keys() or len(set(parts)) < len(parts):
        raise wrong(text, f"some of {','.join(WIRED)}")
    return sum(WIRED[part] for part in parts)


def offset(text):
    """Seconds of local time - UTC."""
    match = re.fullmatch(r"([+-])([0-9]{2}):([0-9]{2})", text)
    if not match or int(match[3]) > 59 or int(match[2]) * 3600 + int(match[3]) * 60 > OFFSET_MOST_S:
        raise wrong(text, "an offset from UTC such as +07:00, from -14:00 to +14:00")
    return (int(match[2]) * 3600 + int(match[3]) * 60) * (-1 if match[1] == "-" else 1)


def dead_time(text):
    match = re.fullmatch(r"([0-9]{1,4})ms", text)
    if not match:
        raise wrong(text, "a time in ms such as 20ms")
    return int(match[1]) * 1000


def add_options(parser):
    trap = parser.add_argument_group("a pest-light trap (docs/trap.md)", "it is one when --species is given")
    trap.add_argument("--species", action="append", type=parameter, metavar="PARAMETER",
                      help="a class of insects that is counted, one for each, in the classifier's order")
    trap.add_argument("--place", type=place, metavar="LAT,LON", help="where dusk and dawn are: 10.337,106.033")
    trap.add_argument("--lamp", type=hours, metavar="FROM..UNTIL", default="dusk+15m..22:00",
                      help="its hours: dusk+15m..22:00 (default), 19:00..dawn-1h")
    trap.add_argument("--wind", type=wind, metavar="PARAMETER[:STOP:GO]",
                      help="dark in wind, by this channel; m/s, default 8:6. Without it the wind does not matter")
    trap.add_argument("--battery", type=battery, metavar="PARAMETER[:LOW:GOOD]",
                      help="dark with a low battery, by this channel; V, default 11.6:12.4")
    trap.add_argument("--hold", type=holds, metavar="RAIN,WIND,BATTERY", default=HOLDS,
                      help=f"good for so long before the lamp goes on again ({HOLDS})")
    trap.add_argument("--wired", type=wired, metavar="WHAT,...", default=0,
                      help=f"of {', '.join(WIRED)}: switch of rain, rain gauge, door, button that says emptied")
    trap.add_argument("--counter", choices=COUNTERS, default="classifier", help="who counts (classifier)")
    trap.add_argument("--dead-time", type=dead_time, metavar="TIME", default="20ms",
                      help="how long an insect keeps the beam (20ms)")
    trap.add_argument("--lamp-times", type=lamp_times, metavar="START,REST,RETRY", default=LAMP_TIMES,
                      help=f"how long it takes to light, is off at least, waits when it did not light ({LAMP_TIMES})")
    trap.add_argument("--utc-offset", type=offset, metavar="+HH:MM", default="+07:00", help="local time (+07:00)")


def own(arguments):
    """The parameters that the trap gives itself, so that no sensor has to."""
    return {*arguments.species, *OWN} if arguments.species else set()


def usual(arguments):
    """What a trap reports when nobody says what."""
    return [*dict.fromkeys(arguments.species), *USUAL] if arguments.species else []


def text_of(word):
    return bytes([len(word)]) + word.encode()


def uncounted(arguments):
    """What of the trap the board has no input for; None: it has all."""
    names = ["--counter beam"] if arguments.counter == "beam" else []
    names += [f"--wired {name}" for name in COUNTED if arguments.wired & WIRED[name]]
    return f"{names[0]}: the board has no input that counts edges" if names else None


def problem(arguments, channels, image):
    """What does not fit together; channels are the names of those reported. None: it does."""
    if not arguments.species:
        given = [name for name in ("place", "wind", "battery") if getattr(arguments, name)]
        return f"--{given[0]}: is of a pest-light trap; add --species" if given else None
    if image == "plain":
        return "--species: only the image with TLS can be a trap; add --ca"
    if not arguments.place:
        return "--species: a trap needs --place LAT,LON, for dusk and dawn"
    if len(arguments.species) > CLASSES_MOST or len(set(arguments.species)) < len(arguments.species):
        return f"--species: each once, at most {CLASSES_MOST}"
    if uncounted(arguments):
        return uncounted(arguments)
    for name in arguments.species:
        if name not in channels:
            return f"--species {name}: is no channel of the station; add --channel {name}"
    for option, chosen in (("wind", arguments.wind), ("battery", arguments.battery)):
        if chosen and (chosen[0] not in channels or chosen[0] in own(arguments)):
            return f"--{option} {chosen[0]}: is no channel of the station that a sensor gives"
    if DAY_S * 10**9 % arguments.every:
        return "--every: a trap's night ends at noon, which must be a moment of its reports: 1d, 12h, 6h, 1h, 15m ..."
    return None


def section(arguments):
    """The trap as the page has it."""
    latitude, longitude = arguments.place
    (begin, begin_s), (end, end_s) = arguments.lamp
    stop, go = (round(1000 * limit) for limit in (arguments.wind or (None, 0, 0))[1:])
    low, good = (round(1000 * limit) for limit in (arguments.battery or (None, 0, 0))[1:])
    angles = [round(angle * 1e7) for angle in (latitude, longitude, HORIZON)]
    fixed = struct.pack("<iiiiBBBBiiIIII3II3II", angles[0], angles[1], arguments.utc_offset, angles[2], begin, end,
                        COUNTERS[arguments.counter], arguments.wired, begin_s, end_s, stop, go, low, good,
                        *arguments.hold, STALE_S, *arguments.lamp_times, arguments.dead_time)
    names = [*arguments.species, *(chosen[0] if chosen else "" for chosen in (arguments.wind, arguments.battery))]
    return fixed + bytes([len(arguments.species)]) + b"".join(map(text_of, names))


def phase(arguments):
    """Nanoseconds after a moment of UTC that is a whole multiple of every: noon of local time is a report's."""
    return (DAY_S // 2 - arguments.utc_offset) * 10**9 % arguments.every


def fields(arguments):
    """[(name, bytes)] of the page."""
    if not arguments.species:
        return []
    made = [("trap", section(arguments))]
    return made + [("phase", struct.pack("<q", phase(arguments)))] if phase(arguments) else made
