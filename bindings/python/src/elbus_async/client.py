"""The asyncio client as the published package `elbus_async` has it, for programs that were written for that.

`elbus.aio.Client` is the client for new programs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Callable, Optional, Union

from elbus._errors import ConnectError, Error, NotConnectedError, OutboxFullError
from elbus._published import (
    ERR_BUSY,
    ERR_CLIENT_NOT_REGISTERED,
    ERR_DATA,
    ERR_IO,
    ERR_NOT_DELIVERED,
    ERR_NOT_SUPPORTED,
    ERR_OTHER,
    ERR_TIMEOUT,
    GREETINGS,
    LAST_ID,
    OP_ACK,
    OP_BROADCAST,
    OP_MESSAGE,
    OP_NOP,
    OP_PUBLISH,
    OP_SUBSCRIBE,
    OP_UNSUBSCRIBE,
    PING_FRAME,
    PROTOCOL_VERSION,
    RESPONSE_OK,
    Frame,
    connect_error,
    encode,
    received,
    settings,
)
from elbus._wire import Frames
from elbus.aio._link import Link, open_link

logger = logging.getLogger("elbus.client")


async def on_frame_default(frame: Frame) -> None:
    """Do nothing with a frame."""


class Client:
    """A client for asyncio. It does not reconnect by itself; `connect` may be called again.

    Like `elbus.client.Client` it only pings, and does not notice a broker that is silent.
    """

    def __init__(self, path: str, name: str) -> None:
        #: Path of a socket, or `host:port`.
        self.path = path
        #: Name on the bus.
        self.name = name
        #: Kept for programs that set it; buffers have the system's sizes.
        self.buf_size = 8192
        #: Id of the last operation.
        self.frame_id = 0
        #: Seconds between pings; counts from the next connect on.
        self.ping_interval: float = 1
        #: Called with every frame, each in a task of its own.
        self.on_frame: Callable[[Frame], Awaitable[Any]] = on_frame_default
        #: Whether there is a connection.
        self.connected = False
        #: Operations that wait for their acknowledgement, by id.
        self.frames: dict[int, ClientFrame] = {}
        #: Seconds that connecting, and sending to a broker that takes nothing, may take.
        self.timeout: float = 1
        self._link: Optional[Link] = None
        # The loop holds tasks weakly; a handler must not vanish half-way.
        self._tasks: set[asyncio.Future[Any]] = set()

    async def connect(self) -> None:
        """Connect and register. Raises `OSError`, or `RuntimeError` when the broker refuses."""
        try:
            link = await open_link(
                self.path, self.name.encode(), settings(self.timeout, self.ping_interval), self._receive
            )
        except ConnectError as error:
            raise connect_error(error) from error
        self._link = link
        self.connected = True
        link.ended.add_done_callback(lambda ended: self._lost(link, ended.result()))
        link.begin()

    async def disconnect(self) -> None:
        """Leave the bus; what was sent before goes out."""
        self.connected = False
        link = self._link
        if link is not None:
            try:
                await link.drain()
            except Error:
                pass  # the broker takes nothing; it is left all the same
            link.end("disconnected")

    async def send(self, target: Optional[str] = None, frame: Any = None) -> ClientFrame:
        """Send a frame to a target, mask or topic, and return what its acknowledgement can be waited for with.

        Raises `OSError` without a connection, `TimeoutError` when the broker takes nothing.
        """
        link = self._link
        if link is None:
            raise NotConnectedError("not connected to the broker")
        if link.full:
            try:
                await link.room()
            except OutboxFullError as error:
                raise TimeoutError(str(error)) from error
        ident = self.frame_id + 1 if self.frame_id < LAST_ID else 1
        self.frame_id = ident
        sent = ClientFrame(frame.qos)
        link.write(encode(ident, target, frame), frame.qos > 1)
        if frame.qos & 1:
            self.frames[ident] = sent
        elif not ident % 256:
            await asyncio.sleep(0)  # a task that only sends lets others have a turn
        return sent

    async def subscribe(self, topics: Union[str, list[str]]) -> ClientFrame:
        """Subscribe to a topic or a list of topics, unacknowledged."""
        frame = Frame(tp=OP_SUBSCRIBE)
        frame.topic = topics
        return await self.send(None, frame)

    async def unsubscribe(self, topics: Union[str, list[str]]) -> ClientFrame:
        """Take subscriptions back, unacknowledged."""
        frame = Frame(tp=OP_UNSUBSCRIBE)
        frame.topic = topics
        return await self.send(None, frame)

    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self.connected

    def _lost(self, link: Link, why: str) -> None:
        if self._link is link and self.connected:
            logger.info("%s: connection lost: %s", self.name, why)
            self.connected = False

    def _receive(self, frames: Frames, acknowledgements: list[tuple[int, int]], size: int) -> None:
        for ident, result in acknowledgements:
            sent = self.frames.pop(ident, None)
            if sent is None or sent.completed is None:
                logger.warning("orphaned elbus frame ack %d", ident)
            else:
                sent.result = result
                sent.completed.set()
        tasks = self._tasks
        for frame in frames:
            task = asyncio.ensure_future(self.on_frame(received(frame)))
            tasks.add(task)
            task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("on_frame failed", exc_info=task.exception())


class ClientFrame:
    """A frame that was sent; its acknowledgement can be awaited."""

    def __init__(self, qos: int) -> None:
        self.qos = qos
        #: The result byte, 0 while there is none.
        self.result = 0
        self.completed: Optional[asyncio.Event] = asyncio.Event() if qos & 1 else None

    def is_completed(self) -> bool:
        """Whether the acknowledgement is there, or none was asked for."""
        return self.completed.is_set() if self.completed is not None else True

    async def wait_completed(self, timeout: Optional[float] = None) -> int:
        """Wait for the result byte, `RESPONSE_OK` if none was asked for. Raises `asyncio.TimeoutError`."""
        if self.completed is None:
            return RESPONSE_OK
        if timeout:
            await asyncio.wait_for(self.completed.wait(), timeout=timeout)
        else:
            await self.completed.wait()
        return self.result


__all__ = [
    "ERR_BUSY",
    "ERR_CLIENT_NOT_REGISTERED",
    "ERR_DATA",
    "ERR_IO",
    "ERR_NOT_DELIVERED",
    "ERR_NOT_SUPPORTED",
    "ERR_OTHER",
    "ERR_TIMEOUT",
    "GREETINGS",
    "OP_ACK",
    "OP_BROADCAST",
    "OP_MESSAGE",
    "OP_NOP",
    "OP_PUBLISH",
    "OP_SUBSCRIBE",
    "OP_UNSUBSCRIBE",
    "PING_FRAME",
    "PROTOCOL_VERSION",
    "RESPONSE_OK",
    "Client",
    "ClientFrame",
    "Frame",
    "logger",
    "on_frame_default",
]
