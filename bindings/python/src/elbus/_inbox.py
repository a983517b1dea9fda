"""Received frames that wait to be taken: in batches as they were read, counted in bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Optional

from ._types import Frame
from ._wire import Frames

#: What a waiting frame takes beside its payload, about.
FRAME_COST = 96


class Inbox:
    """A queue of batches between the reader and whoever takes frames."""

    def __init__(self) -> None:
        self._batches: deque[tuple[Frames, int]] = deque()
        # Of a batch that was taken, what was not wanted yet.
        self._rest: deque[Frame] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._closed = False
        #: Whether the reader waits for room.
        self.held = False
        #: Bytes unread.
        self.bytes = 0

    def put(self, frames: Frames, size: int) -> None:
        """Add a batch that came in so many bytes."""
        size += FRAME_COST * len(frames)
        with self._changed:
            self._batches.append((frames, size))
            self.bytes += size
            self._changed.notify_all()

    def take(self, timeout: Optional[float] = None) -> Optional[Frames]:
        """Take everything that was read together; `None` when nothing came in time or comes any more."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            if not self._wait(end):
                return None
            if self._rest:
                frames = list(self._rest)
                self._rest.clear()
                return frames
            return self._next_batch()

    def take_one(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """Take one frame; `None` when nothing came in time or comes any more."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            if not self._wait(end):
                return None
            if not self._rest:
                self._rest.extend(self._next_batch())
            return self._rest.popleft()

    def put_back(self, frames: list[Frame]) -> None:
        """Give back what was taken and not used."""
        with self._changed:
            self._rest.extendleft(reversed(frames))
            self._changed.notify_all()

    def wait_for_change(self, limit: float) -> None:
        """Let the reader wait until frames were taken, or something else happened."""
        with self._changed:
            if self.held and not self._closed:
                self._changed.wait(limit)

    def stir(self) -> None:
        """Make a held reader look around."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let those who wait for frames go, once everything is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def _wait(self, end: Optional[float]) -> bool:
        while not self._rest and not self._batches:
            left = None if end is None else end - time.monotonic()
            if self._closed or (left is not None and left <= 0):
                return False
            self._changed.wait(left)
        return True

    def _next_batch(self) -> Frames:
        frames, size = self._batches.popleft()
        self.bytes -= size
        if self.held:
            self._changed.notify_all()
        return frames
