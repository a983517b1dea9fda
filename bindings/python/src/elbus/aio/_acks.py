"""Operations that wait for their acknowledgement in an asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Optional

from .._errors import TimedOutError
from .._settings import patience

if TYPE_CHECKING:
    from ._client import Client

#: A result that is no byte of the wire, beside those of `elbus._acks`.
TIMED_OUT = -3
#: The time-out is looked after in so many steps: an answer is waited for by so much longer at most.
_STEPS = 8


class Ack:
    """The answer of the broker to one operation, to be awaited now, later or not at all."""

    __slots__ = ("_client", "_result")

    def __init__(self, client: Client, result: asyncio.Future[int]) -> None:
        self._client = client
        self._result = result

    @property
    def done(self) -> bool:
        """Whether the answer is there, or never comes."""
        return self._result.done()

    async def wait(self, timeout: Optional[float] = None) -> None:
        """Wait until the broker has carried the operation out; without a time-out up to that of the client.

        Raises `RefusedError` when it has not, `ConnectionLostError` or `TimedOutError` when nobody knows.
        """
        if timeout is None:
            result = await asyncio.shield(self._result)
        else:
            limit = patience(timeout, timeout)
            try:
                result = await asyncio.wait_for(asyncio.shield(self._result), limit)
            except asyncio.TimeoutError:
                raise TimedOutError(f"the broker did not answer within {limit:g} s") from None
        self._client._check(result)

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait().__await__()


class Pending:
    """What waits for an answer, by id. One timer serves all: they are asked in the order of their time-outs."""

    def __init__(self, timeout: float) -> None:
        self._step = timeout / _STEPS
        # With the turn of the clock at which each was asked.
        self._waiting: dict[int, tuple[asyncio.Future[int], int]] = {}
        self._tick = 0
        self._clock: Optional[asyncio.TimerHandle] = None

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, loop: asyncio.AbstractEventLoop, ident: int) -> asyncio.Future[int]:
        """Return what will hold the result."""
        result: asyncio.Future[int] = loop.create_future()
        self._waiting[ident] = (result, self._tick)
        if self._clock is None:
            self._clock = loop.call_later(self._step, self._pass_time, loop)
        return result

    def forget(self, ident: int) -> None:
        """Leave an operation out that was not sent."""
        self._waiting.pop(ident, None)

    def settle(self, ident: int, result: int) -> bool:
        """Give an operation its result; false if nothing waits under this id."""
        entry = self._waiting.pop(ident, None)
        if entry is None:
            return False
        if not entry[0].done():
            entry[0].set_result(result)
        return True

    def settle_all(self, result: int) -> None:
        """Give all the same result."""
        waiting = list(self._waiting)
        for ident in waiting:
            self.settle(ident, result)
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _pass_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = None
        self._tick += 1
        for ident, (_, asked) in list(self._waiting.items()):
            if self._tick - asked <= _STEPS:
                break
            self.settle(ident, TIMED_OUT)
        if self._waiting:
            self._clock = loop.call_later(self._step, self._pass_time, loop)
