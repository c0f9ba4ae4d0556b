"""A pest-light trap's nights for tests that cut its power: how many insects come in each, and what must be told of
them."""
from trap_test import DARK, DAY, NOON, TrapSim

BEGIN = NOON + 60  # of the clock: the first insects come eight hours later
SPECIES = ("bph", "stem_borer")
CHANNELS = (*SPECIES, "strays", "trap_resets", "lamp_minutes", "watched_minutes")
NIGHTS = 60  # in which insects come
WORDS = ("--place", "10.337,106.033", "--lamp", "19:00..5:00", *(word for name in SPECIES for word in ("--species", name)))


def came(night):
    """How many of each kind come in a night; no two are alike."""
    return {"bph": 100 + 7 * night, "stem_borer": 5 + night}


def classifier(folder, clock):
    return TrapSim(folder, clock, {DARK + night * DAY: came(night) for night in range(NIGHTS)})


def first_whole(clock):
    """The first night of which a station that knows the counters by now sees every insect."""
    return next(night for night in range(NIGHTS) if DARK + night * DAY > clock.now())


def end_of(night):
    return NOON + (night + 1) * DAY


def under_way(clock):
    return int((clock.now() - NOON) // DAY)


def is_told(receiver, night):
    return any(SPECIES[0] in receiver.reports[seq][1] for seq, moment in receiver.times.items() if moment == end_of(night))


def hold(everything, first, last):
    """What the log has, [(log, seq, seconds, values)], tells every night once, with the insects that came. Those that
    came while the power was off are in their night, too; only over the end of a night they are strays."""
    told = [(seconds, values) for _, _, seconds, values in everything if SPECIES[0] in values]
    ends = [seconds for seconds, _ in told]
    assert len(ends) == len(set(ends)), f"a night was told twice: {ends}"
    values = dict(told)
    untold = [night for night in range(first, last + 1) if end_of(night) not in values]
    assert not untold, f"of nights {first} to {last} these were never told: {untold}"
    told = [values[end_of(night)] for night in range(first, last + 1)]
    counted = [{name: night[name] for name in SPECIES} for night in told]
    sent = [came(night) for night in range(first, last + 1)]
    strays = sum(night["strays"] for night in told)
    insects = sum(sum(night.values()) for night in sent)
    assert sum(sum(night.values()) for night in counted) + strays == insects, f"{counted}, {strays} strays; came: {sent}"
    assert strays > 0 or counted == sent
    starts = sum(night["trap_resets"] for night in told)
    return (f"{last + 1 - first} nights with {starts:g} starts and {insects} insects told once, "
            f"{strays:g} insects of an unknown night")
