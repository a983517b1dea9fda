"""Operations that wait for their acknowledgement in a blocking client."""

from __future__ import annotations

import logging
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Optional, Protocol

from ._errors import ConnectionLostError, Error, InboxFullError, RefusedError, TimedOutError
from ._settings import patience
from ._types import Code
from ._wire import OK

if TYPE_CHECKING:
    from ._client import Client
    from ._link import Link

log = logging.getLogger("elbus")

#: Results that are no byte of the wire.
WAITING, LOST, INBOX_FULL = 0, -1, -2


def failure(result: int, why: str = "") -> Optional[Error]:
    """Return the error a result stands for; `None` for success."""
    if result == OK:
        return None
    if result == LOST:
        return ConnectionLostError(f"the connection was lost before the broker answered: {why}")
    if result == INBOX_FULL:
        return InboxFullError("the answer was not read, because unread frames take more than inbox_hard_limit")
    return RefusedError(Code.of(result))


class Pending(Protocol):
    """What waits for an acknowledgement."""

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Wait for the end."""
        ...

    def _settle(self, result: int) -> None: ...


class Ack:
    """The answer of the broker to one operation, to be waited for now, later or not at all."""

    __slots__ = ("_client", "_done", "_ident", "_result")

    def __init__(self, client: Client, ident: int) -> None:
        self._client = client
        self._ident = ident
        self._result = WAITING
        self._done = allocate_lock()
        self._done.acquire()

    @property
    def done(self) -> bool:
        """Whether the answer is there, or never comes."""
        return self._result != WAITING

    def wait(self, timeout: Optional[float] = None) -> None:
        """Wait until the broker has carried the operation out.

        Raises `RefusedError` when it has not, `ConnectionLostError` or `TimedOutError` when nobody knows. The
        time-out in seconds is that of the client, if none is given.
        """
        if self._result == WAITING:
            limit = patience(timeout, self._client.timeout)
            self._client._about_to_wait()
            if not self._done.acquire(timeout=limit):
                self._client._forget(self._ident)
                raise TimedOutError(f"the broker did not answer within {limit:g} s")
            # For others who wait for the same.
            self._done.release()
        if self._result != OK:
            raise failure(self._result, self._client._why) or RefusedError(Code.OTHER)

    def _settle(self, result: int) -> None:
        self._result = result
        self._done.release()


class Done(Ack):
    """The answer to an operation that asked for none."""

    __slots__ = ()

    def __init__(self) -> None:
        self._result = OK


class Restored(Ack):
    """The answer to a subscription that is asked for again: the last one lets operations through."""

    __slots__ = ("_last", "_link")

    def __init__(self, client: Client, ident: int, link: Link, last: bool) -> None:
        super().__init__(client, ident)
        self._link = link
        self._last = last

    def _settle(self, result: int) -> None:
        super()._settle(result)
        error = failure(result)
        if error is not None and result != LOST:
            log.warning("%s: subscribing again: %s", self._client.name, error)
        if self._last and result not in (LOST, INBOX_FULL):
            self._client._back(self._link)
