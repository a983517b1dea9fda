"""What both clients have in common: settings, checks of what is sent, ids."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Optional

from . import _address, _names, _wire
from ._errors import ClosedError, Error, MalformedError, NotConnectedError, TooLargeError
from ._filters import Filters
from ._settings import Options, Settings
from ._types import Payload

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Ids on the wire have 32 bits.
ID_MASK = 0xFFFF_FFFF


class State(Enum):
    """Where a client is between its first connection and its end."""

    #: Not connected yet.
    NEW = "new"
    #: On the bus, with everything subscribed and excluded.
    CONNECTED = "connected"
    #: The connection is lost; the client is about to get it back.
    DISCONNECTED = "disconnected"
    #: Closed, or refused for good.
    CLOSED = "closed"


class Base:
    """The part of a client that does no I/O."""

    def __init__(self, name: str, address: Optional[str], **options: Unpack[Options]) -> None:
        self._name = _names.name(name)
        if name.startswith("."):
            raise MalformedError(f"{name!r} cannot be registered: names with a leading dot are the broker's own")
        #: The name on the bus.
        self.name = name
        self._settings = Settings.of(**options)
        self._options = options
        #: Where the broker is.
        self.address = _address.find(address)
        _address.parse(self.address)
        self._filters = Filters(self._settings.filter_limit)
        self._targets = _names.Cache(_names.name)
        self._masks = _names.Cache(_names.mask)
        self._topics = _names.Cache(_names.topic)
        self._frame_limit = self._settings.frame_limit
        # Ids of operations, and numbers of secondaries.
        self._ids = count(1)
        self._numbers = count(1)
        self._state = State.NEW
        # Why there is no connection, when there is none.
        self._why = ""

    @property
    def timeout(self) -> float:
        """How long operations wait for their answer, in seconds."""
        return self._settings.timeout

    @property
    def state(self) -> State:
        """Whether the client is on the bus."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether the client is on the bus now."""
        return self._state is State.CONNECTED

    def __repr__(self) -> str:
        return f"<elbus client {self.name!r} at {self.address}, {self._state.value}>"

    def _encoded(self, address: bytes, payload: Payload) -> bytes:
        data = payload if type(payload) is bytes else _wire.as_bytes(payload)
        if len(address) + len(data) > self._frame_limit:
            size = len(address) + len(data)
            raise TooLargeError(f"a frame of {size} bytes is over the limit of {self._frame_limit}")
        return data

    def _delays(self) -> Iterator[float]:
        """Yield the delays between tries to connect: twice as long each time, shortened by chance."""
        from random import random

        delay, longest = self._settings.backoff
        while True:
            yield delay * (0.5 + random() / 2)
            delay = min(delay * 2, longest)

    def _may_pass(self, error: Error) -> bool:
        return getattr(error, "may_pass", True)

    def _not_connected(self) -> NotConnectedError:
        if self._state is State.CLOSED:
            return ClosedError(f"the client is closed: {self._why}")
        if self._state is State.NEW:
            return NotConnectedError("not connected yet: use the client in a `with` statement, or call connect()")
        return NotConnectedError(f"not connected to the broker: {self._why or self._state.value}")
