"""What a client subscribed to and excluded, remembered to be asked for again after a reconnect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Union

from . import _names
from ._errors import TooManyError
from ._types import Op

#: Filters asked for together.
_CHUNK = 256

_ADDS = {Op.SUBSCRIBE, Op.EXCLUDE}


class Filters:
    """Filters by text, in the order in which they were asked for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._subscribed: dict[bytes, None] = {}
        self._excluded: dict[bytes, None] = {}

    def note(self, op: Op, filters: list[bytes]) -> None:
        """Remember or forget filters that are asked for or taken back now."""
        own = self._own(op)
        if op not in _ADDS:
            for text in filters:
                own.pop(text, None)
            return
        new = [text for text in filters if text not in own]
        if len(self._subscribed) + len(self._excluded) + len(new) > self._limit:
            raise TooManyError(f"more than {self._limit} filters subscribed and excluded")
        own.update(dict.fromkeys(new))

    def refused(self, op: Op, filters: list[bytes]) -> None:
        """Forget a filter that the broker refused; of a list nobody knows which one it was."""
        if op in _ADDS and len(filters) == 1:
            self._own(op).pop(filters[0], None)

    def restore(self) -> Iterator[tuple[Op, list[bytes]]]:
        """Yield what to ask for on a new connection: exclusions first, so that nothing excluded slips in between."""
        for op in (Op.EXCLUDE, Op.SUBSCRIBE):
            texts = list(self._own(op))
            for start in range(0, len(texts), _CHUNK):
                yield op, texts[start : start + _CHUNK]

    def _own(self, op: Op) -> dict[bytes, None]:
        return self._subscribed if op in (Op.SUBSCRIBE, Op.UNSUBSCRIBE) else self._excluded


def encode(filters: tuple[Union[str, Iterable[str]], ...]) -> list[bytes]:
    """Check filters, given one by one or as lists."""
    texts: list[str] = []
    for given in filters:
        texts.extend([given] if isinstance(given, str) else given)
    return [_names.topic_filter(text) for text in texts]
