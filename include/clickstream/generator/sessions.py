"""Sessions as skeletons: who, when, how long, from where. Cheap enough to make for hours of cells."""

import numpy as np
import numpy.typing as npt

from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import (
    MIDPOINTS,
    NORMAL,
    U64,
    cell_generator,
    choices,
    index,
    mix,
    uniform,
)
from clickstream.generator.schedule import MINUTE_MS, intensity
from clickstream.generator.visitors import (
    AGENT_TABLES,
    COVERT_BOT,
    CRAWLER,
    DECLARED_BOT,
    DESKTOP,
    DEVICE_WEIGHTS,
    MOBILE,
    PERSON,
    SOURCE_TABLE,
)

Sessions = npt.NDArray[np.void]

SESSION = np.dtype(
    [
        ("key", "u8"),
        ("user", "i4"),
        ("kind", "u1"),  # PERSON, DECLARED_BOT, COVERT_BOT
        ("device", "u1"),  # DESKTOP, MOBILE, TABLET; CRAWLER for both kinds of bot
        ("agent", "i2"),
        ("source", "u1"),
        ("pages", "i2"),
        ("start", "i8"),  # Unix ms
        ("duration", "i8"),  # ms
        ("offline", "i8"),  # ms after the start from which nothing is sent any more; the duration when never
        ("outage", "i8"),  # ms from the end of the session until the rest is sent; 0 when never offline
    ]
)
MAX_PAGES = 60
MAX_DURATION_MS = 60 * MINUTE_MS
MAX_OUTAGE_MS = 40 * MINUTE_MS
MAX_NETWORK_MS = 15_000
MAX_REPEAT_MS = 300_000
# A session sends nothing later than this after its start.
MAX_REACH_MS = MAX_DURATION_MS + MAX_OUTAGE_MS + MAX_NETWORK_MS + MAX_REPEAT_MS
DECLARED_BOTS = 64
COVERT_BOTS = 48

_STREAM = 1
_BOUNCE = 0.38
_KINDS_CHANNEL, _USER, _START, _PAGES, _PACE, _SOURCE, _OFFLINE, _OUTAGE, _TRAITS = range(9)
_DEVICES = choices(DEVICE_WEIGHTS)


def _page_counts() -> npt.NDArray[np.int16]:
    """Pages of a session by kind and uniform index."""
    beyond = (MIDPOINTS - _BOUNCE) / (1 - _BOUNCE)
    quantile = NORMAL[np.clip(beyond * len(NORMAL), 0, len(NORMAL) - 1).astype(np.int64)]
    person = np.where(beyond < 0, 1, 1 + np.ceil(np.exp(np.log(5) + 0.75 * quantile)))
    declared = np.ceil(np.exp(np.log(6) + 0.8 * NORMAL))
    covert = 30 + np.floor(MIDPOINTS * (MAX_PAGES - 29))
    return np.asarray(np.clip(np.stack([person, declared, covert]), 1, MAX_PAGES), dtype=np.int16)


# Milliseconds a page by kind and uniform index: people log-normal, covert bots a machine's even second.
_PACES = np.stack([np.exp(np.log(22_000) + 0.6 * NORMAL), 2_000 + 18_000 * MIDPOINTS, 800 + 600 * MIDPOINTS])
_PAGE_COUNTS = _page_counts()


def user_keys(seed: int, users: npt.NDArray[np.int32]) -> U64:
    """The hash from which all traits of a user follow."""
    return mix(mix(users.astype(np.uint64), _TRAITS), seed % (1 << 62))


def skeletons(options: GeneratorOptions, minute: int, records_per_session: float) -> Sessions:
    """The sessions that start in a minute (minutes since 1970): a Poisson number around the rate of that minute."""
    draw = cell_generator(options.seed, _STREAM, minute)
    mean = options.rate * 60 / records_per_session * intensity(options, minute)
    keys = draw.integers(0, 2**64, size=int(draw.poisson(mean)), dtype=np.uint64)
    return from_keys(options, keys, minute * MINUTE_MS)


def from_keys(options: GeneratorOptions, keys: U64, minute_ms: int) -> Sessions:
    """Sessions of the given keys, which start in the minute at ``minute_ms``."""
    sessions = np.zeros(len(keys), dtype=SESSION)
    bot = uniform(mix(keys, _KINDS_CHANNEL))
    kind = np.where(bot >= options.bot_share, PERSON, np.where(bot < 0.1 * options.bot_share, COVERT_BOT, DECLARED_BOT))
    sessions["key"], sessions["kind"] = keys, kind
    sessions["start"] = minute_ms + (uniform(mix(keys, _START)) * MINUTE_MS).astype(np.int64)
    sessions["source"] = np.where(kind == PERSON, SOURCE_TABLE[index(mix(keys, _SOURCE))], 0)
    _give_users(options, sessions)
    pages = _PAGE_COUNTS[kind, index(mix(keys, _PAGES))]
    duration = (pages * _PACES[kind, index(mix(keys, _PACE))]).astype(np.int64)
    sessions["pages"] = pages
    sessions["duration"] = np.clip(duration, 1_500, MAX_DURATION_MS)
    _take_offline(options, sessions)
    return sessions


def _give_users(options: GeneratorOptions, sessions: Sessions) -> None:
    """A user, and with it device and browser. Few come often: the draw is skewed towards low numbers."""
    kind, draw = sessions["kind"], uniform(mix(sessions["key"], _USER))
    people = (draw**2.5 * options.users).astype(np.int64)
    declared = options.users + (draw * DECLARED_BOTS).astype(np.int64)
    covert = options.users + DECLARED_BOTS + (draw * COVERT_BOTS).astype(np.int64)
    sessions["user"] = np.where(kind == PERSON, people, np.where(kind == DECLARED_BOT, declared, covert))
    traits = user_keys(options.seed, sessions["user"])
    device = np.where(kind == COVERT_BOT, DESKTOP, _DEVICES[index(traits)])
    table = np.where(kind == DECLARED_BOT, len(AGENT_TABLES) - 1, device)
    sessions["agent"] = AGENT_TABLES[table, index(traits, 1)]
    sessions["device"] = np.where(kind == PERSON, device, CRAWLER)


def _take_offline(options: GeneratorOptions, sessions: Sessions) -> None:
    """Phones that lose their network send the rest of the session 5 to 40 minutes after it."""
    bits = mix(sessions["key"], _OFFLINE)
    of_phones = options.late_share / DEVICE_WEIGHTS[MOBILE]
    late = (sessions["device"] == MOBILE) & (uniform(bits) < of_phones)
    fraction = 0.9 * uniform(bits, 1)
    sessions["offline"] = np.where(late, (fraction * sessions["duration"]).astype(np.int64), sessions["duration"])
    outage = 5 * MINUTE_MS + uniform(mix(sessions["key"], _OUTAGE)) ** 1.5 * (MAX_OUTAGE_MS - 6 * MINUTE_MS)
    sessions["outage"] = np.where(late, outage.astype(np.int64), 0)


def last_sent_ms(sessions: Sessions) -> npt.NDArray[np.int64]:
    """No record of a session is sent after this time (Unix ms)."""
    reach = sessions["start"] + sessions["duration"] + sessions["outage"] + MAX_NETWORK_MS + MAX_REPEAT_MS
    return np.asarray(reach, dtype=np.int64)
