"""One blocking connection: what is sent is gathered and written in batches, what comes is cut into frames.

Whoever appends to an empty outbox also writes it, with a call that never blocks. What comes close behind an earlier
write is only appended: it goes out when `GATHER` bytes have come together, when somebody waits for an answer, or when
the writer's thread has slept for `buf_ttl`. That thread also takes over when the socket is full, pings, and notices a
broker that is silent. There is one right to write, `_writing`; it is held by a thread that is about it, or by the
writer's thread while the socket is full.
"""

from __future__ import annotations

import atexit
import math
import os
import select
import socket
import threading
import time
import weakref
from _thread import allocate_lock
from collections.abc import Iterator
from typing import Callable, Optional, Union

from . import _wire
from ._base import ID_MASK
from ._errors import ConnectionLostError, NotConnectedError, OutboxFullError, ProtocolError
from ._settings import Settings

#: Bytes that are written at once, however fresh they are.
GATHER = 64 * 1024
#: Most bytes of one read.
CHUNK = 128 * 1024
#: Naps of the writer without anything to write after which a burst is over.
_IDLE_NAPS = 8

#: The part of the time-out without a word from the broker after which it is asked for one.
QUIET = 1 / 4
#: The parts in which its silence is counted then: a program that was stopped for a while takes its own pause for one.
STEP = 1 / 8

#: What is told of each read: frames, acknowledgements, bytes.
Receive = Callable[[_wire.Frames, list[_wire.Acknowledgement], int], None]

_open: weakref.WeakSet[Link] = weakref.WeakSet()


class Link:
    """One registered connection."""

    def __init__(
        self, sock: socket.socket, settings: Settings, receive: Receive, ids: Optional[Iterator[int]] = None
    ) -> None:
        self.sock = sock
        # Ids of operations; without them a broker that says nothing is never asked.
        self._ids = ids
        self._settings = settings
        self._receive = receive
        self._decoder = _wire.Decoder(settings.frame_limit)
        self._limit = settings.outbox_limit
        self._burst = settings.buf_ttl
        self._lock = threading.Lock()
        self._out: list[Union[bytes, memoryview]] = []
        self._size = 0
        self._writing = False
        self._gathering = False
        self._full = False
        self._last_write = time.monotonic()
        self._waiting: list[threading.Lock] = []
        self._ended: Optional[str] = None
        # Nothing follows: a ping would fail, and end the connection in front of answers that are still to come.
        self._hung_up = False
        # Whether the broker acknowledges what was sent last. If not, how far it has read is not known: it may be
        # holding this client back for a slow receiver, for as long as that takes.
        self._proven = True
        # Since when the reader has waited for the broker; infinite while it deals with what came.
        self._quiet_since = math.inf
        # The same when the broker was asked for a sign of life, and for how long it was waited for since.
        self._asked = 0.0
        self._waited = 0.0
        # A lock as a bell for the writer's thread: released once, it wakes it once.
        self._bell = allocate_lock()
        self._bell.acquire()
        self._rung = False
        self._reader = 0
        self._pid = os.getpid()
        self._writer = threading.Thread(target=self._run_writer, name="elbus-writer", daemon=True)

    def start(self) -> None:
        """Begin to write and to ping."""
        _open.add(self)
        self._writer.start()

    def read(self) -> str:
        """Read until the connection ends, and return why. Run by the thread that is the reader."""
        self._reader = threading.get_ident()
        recv, feed, receive = self.sock.recv, self._decoder.feed, self._receive
        why = "the broker ended the connection"
        try:
            while True:
                self._quiet_since = time.monotonic()
                data = recv(CHUNK)
                self._quiet_since = math.inf
                if not data:
                    break
                frames, acknowledgements = feed(data)
                if frames or acknowledgements:
                    receive(frames, acknowledgements, len(data))
        except (OSError, ProtocolError) as error:
            why = str(error)
        self.end(why)
        return self._ended or why

    @property
    def in_reader(self) -> bool:
        """Whether this is the reader's thread, which must not wait for what only it could read."""
        return threading.get_ident() == self._reader

    def write(self, data: bytes, urgent: bool) -> None:
        """Send; urgent or rare: at once, else gathered. Waits while the outbox is full."""
        with self._lock:
            if self._ended is not None:
                raise NotConnectedError(f"not connected to the broker: {self._ended}")
            if self._size >= self._limit:
                self._wait_for_room()
            self._out.append(data)
            self._size += len(data)
            self._proven = _wire.is_acknowledged(data)
            if self._writing:
                return
            if not urgent and self._size < GATHER:
                if self._gathering:
                    return
                if time.monotonic() - self._last_write < self._burst:
                    self._gathering = True
                    self._ring()
                    return
            self._flush()

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            if self._out and not self._writing and self._ended is None:
                self._flush()

    def drain(self, timeout: float) -> None:
        """Wait until the system has taken everything. Raises `ConnectionLostError` when it never will."""
        end = time.monotonic() + timeout
        self.flush()
        with self._lock:
            while self._size:
                if self._ended is not None:
                    raise ConnectionLostError(f"not everything was sent: {self._ended}")
                if not self._sleep(end - time.monotonic()):
                    raise OutboxFullError(f"the broker did not take everything within {timeout:g} s")

    def hang_up(self, timeout: float) -> None:
        """Write what is queued and tell the broker that nothing follows; the reader sees its end of the connection."""
        try:
            self.drain(timeout)
            with self._lock:
                self._hung_up = True
            self.sock.shutdown(socket.SHUT_WR)
        except (OSError, OutboxFullError) as error:
            self.end(str(error))

    def end(self, why: str) -> None:
        """End the connection at once; everybody who waits is told."""
        with self._lock:
            if self._ended is None:
                self._ended = why
            self._out.clear()
            self._size = 0
            self._wake()
            self._ring()
        _open.discard(self)
        try:
            # Closing alone would not wake the reader.
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Give the socket back, when nobody uses it any more."""
        self.end("closed")
        if threading.current_thread() is not self._writer and self._writer.is_alive():
            self._writer.join()
        self.sock.close()

    # What follows is called with the lock held.

    def _flush(self) -> None:
        """Write until the outbox is empty or the socket full."""
        self._writing = True
        while self._out:
            batch = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._lock.release()
            sent, failure = 0, "the thread that wrote was interrupted"
            try:
                sent = self.sock.send(batch, socket.MSG_DONTWAIT)
                failure = ""
            except BlockingIOError:
                failure = ""
            except OSError as error:
                failure = str(error)
            finally:
                self._lock.acquire()
                self._written(batch, sent, failure)
            if self._full or failure:
                return
        self._writing = False

    def _written(self, batch: Union[bytes, memoryview], sent: int, failure: str) -> None:
        self._last_write = time.monotonic()
        if failure:
            # Nobody knows how much went out: what would follow could be taken for the rest of a frame.
            self._ended = self._ended or failure
            self._out.clear()
            self._size = 0
            self._hang()
        elif self._ended is None:
            self._size -= sent
            if sent < len(batch):
                self._out.insert(0, memoryview(batch)[sent:])
                self._full = True
                self._ring()
        if self._size < self._limit:
            self._wake()

    def _wait_for_room(self) -> None:
        end = time.monotonic() + self._settings.timeout
        while self._size >= self._limit:
            if self.in_reader:
                raise OutboxFullError(f"more than {self._limit} bytes wait to be written")
            if not self._writing:
                self._flush()
            elif not self._sleep(end - time.monotonic()):
                raise OutboxFullError(f"the broker takes nothing: {self._limit} bytes wait to be written")
            if self._ended is not None:
                raise NotConnectedError(f"not connected to the broker: {self._ended}")

    def _sleep(self, limit: float) -> bool:
        """Wait until something was written; false when that lasted too long."""
        if limit <= 0:
            return False
        waiter = allocate_lock()
        waiter.acquire()
        self._waiting.append(waiter)
        self._lock.release()
        try:
            waiter.acquire(timeout=limit)
        finally:
            self._lock.acquire()
        return True

    def _wake(self) -> None:
        for waiter in self._waiting:
            waiter.release()
        self._waiting.clear()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            self._bell.release()

    def _hang(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._wake()
        self._ring()

    # The writer's thread.

    def _run_writer(self) -> None:
        while self._ended is None:
            if self._full:
                self._write_when_possible()
            elif self._gathering:
                self._gather()
            else:
                self._sleep_and_ping()

    def _sleep_and_ping(self) -> None:
        began = time.monotonic()
        nap = self._settings.ping_interval
        if self._is_asked():
            nap = min(nap, self._settings.timeout * STEP)
        # Only who took the bell says so: it may be rung between a time-out and the next line.
        if self._bell.acquire(timeout=nap):
            self._rung = False
        if self._is_asked():
            self._waited += min(time.monotonic() - began, nap)
            if self._waited >= self._settings.timeout:
                self.end(f"the broker said nothing for {self._settings.timeout:g} s")
        self._ping()

    def _ping(self) -> None:
        with self._lock:
            if self._writing or self._hung_up or self._ended is not None:
                return
            idle = time.monotonic() - self._last_write >= self._settings.ping_interval
            said = self._question() or (_wire.PING if idle else b"")
            if said:
                self._out.append(said)
                self._size += len(said)
                self._flush()

    def _question(self) -> bytes:
        """Return what the broker answers, as it does not a ping, when it has said nothing for a while; else nothing."""
        # Once: the reader changes it.
        since = self._quiet_since
        quiet = time.monotonic() - since >= self._settings.timeout * QUIET
        if self._ids is None or not quiet or not self._proven or self._asked == since:
            return b""
        self._asked = since
        self._waited = 0.0
        return _wire.question(next(self._ids) & ID_MASK)

    def _is_asked(self) -> bool:
        """Whether nothing has come since the broker was asked."""
        return self._asked == self._quiet_since

    def _gather(self) -> None:
        """Write at intervals for as long as a burst lasts."""
        naps = 0
        while naps < _IDLE_NAPS and self._ended is None and not self._full:
            time.sleep(self._burst)
            naps += 1
            with self._lock:
                if self._out and not self._writing and self._ended is None:
                    naps = 0
                    self._flush()
        with self._lock:
            self._gathering = False
            if self._out and not self._writing and self._ended is None:
                self._flush()

    def _write_when_possible(self) -> None:
        """Hold the right to write until the socket takes bytes again."""
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        ready = poll.poll(self._settings.timeout * 1000)
        if not ready:
            self.end(f"the broker took nothing for {self._settings.timeout:g} s")
        with self._lock:
            self._full = False
            self._writing = False
            if self._out and self._ended is None:
                self._flush()


def _flush_all() -> None:
    """Write what programs sent right before their end; their daemon threads would not get to it."""
    for link in list(_open):
        if link._pid == os.getpid():
            try:
                link.drain(1.0)
            except (ConnectionLostError, OutboxFullError):
                pass


atexit.register(_flush_all)
