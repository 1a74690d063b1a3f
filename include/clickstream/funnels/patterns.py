"""Regular expressions that mean the same to who writes them and to PostgreSQL."""

import re

_MOST_REPEATS = 255  # PostgreSQL's DUPMAX
# Escapes stand for one character here, a class in brackets for another.
_ATOMS = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]", re.DOTALL)


def wrong_regex(pattern: str) -> str | None:
    """What is wrong with a regular expression, None where PostgreSQL takes it as it is usually read."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    escapes = re.findall(r"\\(.)", pattern, re.DOTALL)
    bare = _ATOMS.sub("x", pattern)
    if any(escape in "bBNux" or escape.isdigit() for escape in escapes):
        return "may not use \\b, \\B, \\N, \\u, \\x or \\1: PostgreSQL reads them otherwise, or not at all"
    if re.search(r"\(\?(?!:|<?[=!])", bare):
        return "knows of groups with (? only (?:…), (?=…), (?!…), (?<=…) and (?<!…)"
    if re.search(r"[*+?}]\+", bare) or re.search(r"\{,", bare):
        return "may not use *+, ++, ?+, }+ or {,n}: PostgreSQL knows none"
    repeats = re.findall(r"\{(\d+)(?:,(\d*))?\}", bare)
    if any(int(number) > _MOST_REPEATS for pair in repeats for number in pair if number):
        return f"repeats more than {_MOST_REPEATS} times"
    return None
