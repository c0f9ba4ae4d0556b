"""The schedule of tools/chaos: what fails when and for how long, a function of the seed alone.

Each track is something that can fail by itself; on one track one trouble follows another with a
quiet time between, the tracks know nothing of each other. So a store may hang while the broker
restarts and the disk is full.
"""
import dataclasses
import random


@dataclasses.dataclass(frozen=True)
class Event:
    at: float  # seconds since the begin
    track: str
    action: str
    lasts: float  # seconds until it is mended; 0: a single blow
    target: int = 0  # the station, or a seed of what is done

    def __str__(self):
        what = f"{self.track} {self.target + 1}" if self.track == "station" else self.track
        lasts = f"{self.lasts:5.1f} s" if self.lasts else ""
        return f"  {self.at:8.1f} s  {what:<16} {self.action:<16} {lasts}".rstrip()


@dataclasses.dataclass(frozen=True)
class Track:
    name: str
    quiet: tuple  # shortest, longest time between two troubles
    troubles: tuple  # (weight, action, shortest, longest)
    first: float = 2.0  # nothing earlier than this
    side_by_side: bool = False  # the next trouble does not wait for the end of the last


DAY = "a day ahead", "a day back"
TRACKS = (
    Track("station", (0.6, 2.0), ((1, "kill", 0.2, 4.0),), side_by_side=True),
    Track("collector", (3.0, 8.0), ((4, "kill", 0.2, 2.0), (4, "kill, damage", 0.2, 2.0), (1, "stop", 0.2, 2.0))),
    Track("broker", (6.0, 14.0), ((2, "kill", 0.2, 3.0), (1, "stop", 0.2, 3.0))),
    Track("store", (3.0, 8.0), ((4, "kill after 2xx", 0.3, 3.0), (1, "kill", 0.3, 3.0), (2, "400", 0.3, 1.0),
                                (1, "401", 1.0, 4.0), (1, "429", 1.0, 4.0), (1, "500", 1.0, 4.0),
                                (1, "503", 1.0, 4.0), (1, "hang", 1.0, 5.0), (1, "refuse", 1.0, 4.0),
                                (1, "stall", 1.0, 4.0), (1, "lost answers", 0.5, 3.0),
                                (1, "reset", 0.0, 0.0))),
    Track("webhook", (5.0, 12.0), ((3, "kill", 0.5, 3.0), (1, "503", 0.5, 3.0), (1, "hang", 0.5, 3.0),
                                   (2, "lost answers", 0.5, 3.0), (1, "reset", 0.0, 0.0))),
    Track("stations' link", (5.0, 12.0), ((2, "reset", 0.0, 0.0), (2, "stall", 0.5, 5.0), (1, "refuse", 0.5, 4.0))),
    Track("collector's link", (5.0, 12.0), ((2, "reset", 0.0, 0.0), (2, "stall", 0.5, 5.0), (1, "refuse", 0.5, 4.0))),
    Track("disk", (20.0, 45.0), ((1, "full", 3.0, 7.0),), first=10.0),
    Track("station's clock", (0.5, 3.0), ((3, "step", 3.0, 12.0), (1, "drift", 5.0, 15.0)), side_by_side=True),
    Track("clock", (8.0, 20.0), ((1, DAY[0], 2.0, 10.0), (1, DAY[1], 2.0, 10.0)), first=6.0),
)


def chance_of(seed, track):
    """Each track draws from its own numbers: one more trouble here changes nothing there."""
    return random.Random(f"{seed} {track}")


def choose_station(chance, stations, down, at):
    """One that runs at this time; the first drawn if none was found."""
    drawn = [chance.randrange(stations) for _ in range(8)]
    return next((station for station in drawn if down.get(station, 0.0) <= at), drawn[0])


def follow(track, seed, seconds, stations):
    """The events of one track until `seconds`; each is over by then."""
    chance, at, down = chance_of(seed, track.name), track.first, {}
    weights = [trouble[0] for trouble in track.troubles]
    while True:
        at += chance.uniform(*track.quiet) if at > track.first else chance.uniform(0, track.quiet[1])
        _, action, shortest, longest = chance.choices(track.troubles, weights)[0]
        lasts = round(chance.uniform(shortest, longest), 1)
        target = choose_station(chance, stations, down, at) if track.name == "station" else chance.randrange(2**32)
        if at + lasts > seconds:
            return
        yield Event(round(at, 1), track.name, action, lasts, target)
        down[target] = at + lasts + 1.0
        at += 0.0 if track.side_by_side else lasts


def make_plan(seed, seconds, stations):
    """All events, by time. Twice the same station is not killed while it is down."""
    events = [event for track in TRACKS for event in follow(track, seed, seconds, stations)]
    return sorted(events, key=lambda event: (event.at, event.track))


def kills(plan):
    return sum(event.action.startswith("kill") for event in plan)
