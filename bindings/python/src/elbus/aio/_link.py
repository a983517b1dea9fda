"""One connection under asyncio: what is sent is gathered, what comes is cut into frames.

What a task sends is written when it yields to the loop, or when `GATHER` bytes have come together, so that many sends
are one write. When the transport is full, senders wait in `room`.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from typing import Optional, cast

from .. import _address, _wire
from .._base import ID_MASK
from .._errors import ConnectError, Error, NotConnectedError, OutboxFullError, ProtocolError
from .._greeting import refusal
from .._link import QUIET, STEP, Receive
from .._settings import Settings
from .._types import Code

#: Bytes that are written at once.
GATHER = 64 * 1024
#: Most bytes of one read.
CHUNK = 128 * 1024


class Link(asyncio.BufferedProtocol):
    """One registered connection."""

    def __init__(self, settings: Settings, receive: Receive, ids: Optional[Iterator[int]] = None) -> None:
        self._settings = settings
        self._receive = receive
        # Ids of operations; without them a broker that says nothing is never asked.
        self._ids = ids
        self._loop = asyncio.get_running_loop()
        self._feed = _wire.Decoder(settings.frame_limit).feed
        self._buffer = memoryview(bytearray(CHUNK))
        self._out: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self._paused = False
        self._room: list[asyncio.Future[None]] = []
        self._transport: Optional[asyncio.Transport] = None
        self._written = 0.0
        # Bytes of the greeting, and who waits for them.
        self._greeting: Optional[bytearray] = bytearray()
        self._more: Optional[asyncio.Future[None]] = None
        self._why = ""
        self._over = False
        self._pinger: Optional[asyncio.TimerHandle] = None
        # Whether the broker acknowledges what was sent last. If not, how far it has read is not known: it may be
        # holding this client back for a slow receiver, for as long as that takes.
        self._proven = True
        # Since when nothing has come; infinite while nothing is read.
        self._quiet_since = math.inf
        # The same when the broker was asked for a sign of life, and what counts the time since.
        self._asked = 0.0
        self._counter: Optional[asyncio.TimerHandle] = None
        #: Done when the connection has ended, with the reason.
        self.ended: asyncio.Future[str] = self._loop.create_future()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._settings.outbox_limit)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer for the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self._quiet_since = self._loop.time()
        data = bytes(self._buffer[:nbytes])
        if self._greeting is not None:
            self._greeting += data
            self._wake_greeting()
            return
        try:
            frames, acknowledgements = self._feed(data)
        except ProtocolError as error:
            self.end(str(error))
            return
        if frames or acknowledgements:
            self._receive(frames, acknowledgements, nbytes)

    def pause_writing(self) -> None:
        """Make senders wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let senders go on."""
        self._paused = False
        self._wake_senders()

    def eof_received(self) -> bool:
        """Close: the broker says nothing more."""
        self._why = self._why or "the broker ended the connection"
        self._over = True
        return False

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Tell everybody who waits."""
        for timer in (self._pinger, self._counter):
            if timer is not None:
                timer.cancel()
        if exc is not None:
            self._why = self._why or str(exc)
        self._over = True
        if not self.ended.done():
            self.ended.set_result(self._why or "the connection was closed")
        self._wake_senders()
        self._wake_greeting()

    # What the client calls.

    def write(self, data: bytes, urgent: bool) -> None:
        """Send. Never waits: `ready` says when to."""
        if self._over:
            raise NotConnectedError(f"not connected to the broker: {self._why}")
        self._out.append(data)
        self._size += len(data)
        self._proven = _wire.is_acknowledged(data)
        if urgent or self._size >= GATHER:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush_later)

    @property
    def full(self) -> bool:
        """Whether senders should wait in `room`."""
        return self._paused

    async def room(self) -> None:
        """Wait until the transport takes bytes again."""
        while self._paused and not self.ended.done():
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._room.append(waiter)
            try:
                await asyncio.wait_for(waiter, self._settings.timeout)
            except asyncio.TimeoutError:
                limit = self._settings.outbox_limit
                raise OutboxFullError(f"the broker takes nothing: {limit} bytes wait to be written") from None

    def flush(self) -> None:
        """Hand what was gathered to the transport."""
        if self._out and self._transport is not None:
            batch = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._size = 0
            self._written = self._loop.time()
            self._transport.write(batch)

    async def drain(self) -> None:
        """Wait until the system has taken everything."""
        self.flush()
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() == 0:
            return
        transport.set_write_buffer_limits(high=0)
        try:
            self._paused = transport.get_write_buffer_size() > 0
            await self.room()
        finally:
            transport.set_write_buffer_limits(high=self._settings.outbox_limit)

    def pause_reading(self) -> None:
        """Leave what comes to the system."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._quiet_since = math.inf

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._quiet_since = self._loop.time()

    async def hang_up(self) -> None:
        """Write what is queued and tell the broker that nothing follows; it ends the connection then."""
        try:
            await self.drain()
            if self._transport is not None and not self.ended.done():
                self._transport.write_eof()
                if self._pinger is not None:
                    self._pinger.cancel()
        except (OSError, Error) as error:
            self.end(str(error))

    def end(self, why: str) -> None:
        """End the connection at once."""
        self._why = self._why or why
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()

    def _wake_senders(self) -> None:
        for waiter in self._room:
            if not waiter.done():
                waiter.set_result(None)
        self._room.clear()

    # Greeting and pings.

    async def greet(self, address: str, name: bytes) -> None:
        """Greet and register the name."""
        try:
            greeting = await self._read(len(_wire.GREETING), address)
            _wire.check_greeting(greeting)
        except ProtocolError as error:
            raise ConnectError(f"{address}: {error}", Code.NOT_SUPPORTED, may_pass=False) from error
        for said in (_wire.GREETING, _wire.registration(name)):
            if self._transport is not None:
                self._transport.write(said)
            code = Code.of((await self._read(1, address))[0])
            if code is not Code.OK:
                raise refusal(address, name, code)

    def begin(self) -> None:
        """Take what comes from now on for frames, and begin to ping."""
        rest, self._greeting = self._greeting, None
        self._written = self._quiet_since = self._loop.time()
        self._ping()
        if rest:
            frames, acknowledgements = self._feed(bytes(rest))
            self._receive(frames, acknowledgements, len(rest))

    async def _read(self, count: int, address: str) -> bytes:
        while self._greeting is not None and len(self._greeting) < count:
            if self.ended.done():
                raise ConnectError(f"{address} ended the connection during the greeting")
            self._more = self._loop.create_future()
            await self._more
        buffer = self._greeting or bytearray()
        data = bytes(buffer[:count])
        del buffer[:count]
        return data

    def _wake_greeting(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _ping(self) -> None:
        """Ping if nothing was written for long, or ask a question; give up a broker that takes nothing for longer."""
        interval = self._settings.ping_interval
        silent = self._loop.time() - self._written
        if self._transport is not None:
            if self._transport.get_write_buffer_size() == 0:
                said = self._question() or (_wire.PING if silent >= interval else b"")
                if said:
                    self._written = self._loop.time()
                    self._transport.write(said)
            elif silent >= self._settings.timeout:
                self.end(f"the broker took nothing for {self._settings.timeout:g} s")
                return
        self._pinger = self._loop.call_later(interval, self._ping)

    def _question(self) -> bytes:
        """Return what the broker answers, as it does not a ping, when it has said nothing for a while; else nothing."""
        quiet = self._loop.time() - self._quiet_since >= self._settings.timeout * QUIET
        if self._ids is None or not quiet or not self._proven or self._asked == self._quiet_since:
            return b""
        self._asked = self._quiet_since
        if self._counter is not None:
            self._counter.cancel()  # it may not have noticed yet that the last one was answered
        self._count(0.0)
        return _wire.question(next(self._ids) & ID_MASK)

    def _count(self, waited: float) -> None:
        """Give the broker up when it has said nothing for the time-out since it was asked."""
        timeout = self._settings.timeout
        if self._asked != self._quiet_since:
            return
        if waited >= 1:
            self.end(f"the broker said nothing for {timeout:g} s")
        else:
            self._counter = self._loop.call_later(timeout * STEP, self._count, waited + STEP)


async def open_link(
    address: str, name: bytes, settings: Settings, receive: Receive, ids: Optional[Iterator[int]] = None
) -> Link:
    """Connect to the broker and register the name. Raises `ConnectError`."""
    place = _address.parse(address)
    link = Link(settings, receive, ids)
    try:
        await asyncio.wait_for(_open(link, place, address, name), settings.timeout)
    except asyncio.TimeoutError:
        link.end("timed out")
        raise ConnectError(f"{address} did not connect and greet in time", Code.TIMEOUT) from None
    except BaseException:
        link.end("the greeting failed")
        raise
    return link


async def _open(link: Link, place: _address.Place, address: str, name: bytes) -> None:
    loop = asyncio.get_running_loop()
    try:
        if isinstance(place, tuple):
            transport, _ = await loop.create_connection(lambda: link, *place)
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            await loop.create_unix_connection(lambda: link, place)
    except OSError as error:
        raise ConnectError(f"no connection to {address}: {error}") from error
    await link.greet(address, name)
