"""Received frames that wait to be taken, for asyncio: in batches as they were read, counted in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Callable, Optional

from .._inbox import FRAME_COST
from .._types import Frame
from .._wire import Frames


class Inbox:
    """A queue of batches between the connection and whoever takes frames, in one loop."""

    def __init__(self, taken: Callable[[], None]) -> None:
        self._batches: deque[tuple[Frames, int]] = deque()
        # Of the batch that is being taken, what is left. It is no generator and so not closed by who leaves a loop
        # over it: whoever comes next goes on where that one stopped.
        self._rest: Iterator[Frame] = iter(())
        self._takers: list[asyncio.Future[None]] = []
        self._taken = taken
        self._closed = False
        #: Bytes unread.
        self.bytes = 0

    def put(self, frames: Frames, size: int) -> None:
        """Add a batch that came in so many bytes."""
        size += FRAME_COST * len(frames)
        self._batches.append((frames, size))
        self.bytes += size
        self._wake()

    def close(self) -> None:
        """Let those who wait for frames go, once everything is taken."""
        self._closed = True
        self._wake()

    async def take_one(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """Take one frame; `None` when nothing came in time or comes any more."""
        end = _end(timeout)
        while True:
            for frame in self._rest:
                return frame
            if not self._next_batch() and not await self._wait(end):
                return None

    async def take(self, timeout: Optional[float] = None) -> list[Frame]:
        """Take everything that was read together; empty when nothing came in time or comes any more."""
        end = _end(timeout)
        while True:
            frames = list(self._rest)
            if frames:
                return frames
            if not self._next_batch() and not await self._wait(end):
                return []

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames as they come, until nothing comes any more."""
        while True:
            for frame in self._rest:
                yield frame
            if not self._next_batch() and not await self._wait(None):
                return

    def _next_batch(self) -> bool:
        """Begin with the next batch, if there is one; called when the last one is used up."""
        if not self._batches:
            return False
        frames, size = self._batches.popleft()
        self._rest = iter(frames)
        self.bytes -= size
        self._taken()
        return True

    async def _wait(self, end: Optional[float]) -> bool:
        """Wait for something to happen; false when nothing does."""
        if self._closed:
            return False
        loop = asyncio.get_running_loop()
        taker: asyncio.Future[None] = loop.create_future()
        self._takers.append(taker)
        try:
            await asyncio.wait_for(taker, None if end is None else end - loop.time())
        except asyncio.TimeoutError:
            return False
        finally:
            if taker in self._takers:
                self._takers.remove(taker)
        return True

    def _wake(self) -> None:
        for taker in self._takers:
            if not taker.done():
                taker.set_result(None)
        self._takers.clear()


def _end(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else asyncio.get_running_loop().time() + timeout
