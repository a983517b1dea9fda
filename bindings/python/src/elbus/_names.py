"""The rules for names, masks, topics and filters: checked once, at the edge, and encoded for the wire.

The broker checks them as well. It tells only those who ask for an acknowledgement, and a NUL in an address would
move the border between address and payload; therefore nothing malformed is sent.
"""

from __future__ import annotations

from typing import Callable

from ._errors import MalformedError

NAME_BYTES, NAME_PARTS = 255, 16
TOPIC_BYTES, TOPIC_LEVELS = 1024, 32


def name(text: str) -> bytes:
    """Check the name of a client."""
    encoded = _checked(text, "client's name", NAME_BYTES, ".", NAME_PARTS)
    if "*" in text or "?" in text:
        raise MalformedError(f"{text!r} is not a client's name: it holds a wildcard")
    _check_secondary(text)
    return encoded


def mask(text: str) -> bytes:
    """Check the mask of a broadcast: `?` is any one part, a final `*` one part or more."""
    encoded = _checked(text, "name mask", NAME_BYTES, ".", NAME_PARTS)
    parts = text.split(".")
    for part in parts[:-1]:
        if "*" in part:
            raise MalformedError(f"{text!r} is not a name mask: * stands only for the whole last part")
    if "*" in parts[-1] and parts[-1] != "*":
        raise MalformedError(f"{text!r} is not a name mask: * stands only for the whole last part")
    if any("?" in part and part != "?" for part in parts):
        raise MalformedError(f"{text!r} is not a name mask: ? stands only for a whole part")
    _check_secondary(text)
    return encoded


def topic(text: str) -> bytes:
    """Check a topic to publish to."""
    encoded = _checked(text, "topic", TOPIC_BYTES, "/", TOPIC_LEVELS)
    if ("+" in text or "#" in text) and any(level in ("+", "#") for level in text.split("/")):
        raise MalformedError(f"{text!r} is not a topic to publish to: it has + or # as a level")
    return encoded


def topic_filter(text: str) -> bytes:
    """Check a filter: `+` is any one level, a final `#` one level or more."""
    encoded = _checked(text, "topic filter", TOPIC_BYTES, "/", TOPIC_LEVELS)
    if "#" in text:
        levels = text.split("/")
        if levels[-1] not in ("#",) or any("#" in level for level in levels[:-1]):
            raise MalformedError(f"{text!r} is not a topic filter: # stands only for the whole last level")
    return encoded


def method(text: str) -> bytes:
    """Check the name of a method."""
    if "\0" in text:
        raise MalformedError(f"{text!r} is not the name of a method: it holds a NUL")
    return text.encode()


def is_secondary(text: str) -> bool:
    """Whether this is the name of a secondary."""
    return "%%" in text


class Cache:
    """Addresses that were checked, encoded with their separator: a program has few and sends to them often."""

    __slots__ = ("_check", "_known")

    LIMIT = 1024

    def __init__(self, check: Callable[[str], bytes]) -> None:
        self._check = check
        self._known: dict[str, bytes] = {}

    def __call__(self, text: str) -> bytes:
        """Return the checked address with the separator behind it."""
        try:
            return self._known[text]
        except KeyError:
            encoded = self._check(text) + b"\0"
            if len(self._known) >= self.LIMIT:
                self._known.clear()
            self._known[text] = encoded
            return encoded


def _checked(text: str, what: str, limit: int, separator: str, deepest: int) -> bytes:
    if not text:
        raise MalformedError(f"the {what} is empty")
    encoded = text.encode()
    if len(encoded) > limit:
        raise MalformedError(f"the {what} is {len(encoded)} bytes long, the limit is {limit}")
    depth = text.count(separator) + 1
    if depth > deepest:
        raise MalformedError(f"the {what} has {depth} parts, the limit is {deepest}")
    for char in text:
        # Unicode's Cc is these two ranges.
        if char < " " or "\x7f" <= char <= "\x9f":
            raise MalformedError(f"{text!r} is not a {what}: it holds {char!r}")
    return encoded


def _check_secondary(text: str) -> None:
    primary, separator, suffix = text.partition("%%")
    if separator and (not primary or not suffix or "%%" in suffix):
        raise MalformedError(f"{text!r}: a secondary is PRIMARY%%SUFFIX, with both sides filled once")
