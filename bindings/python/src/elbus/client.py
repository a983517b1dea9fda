"""The blocking client as the published package `elbus` has it, for programs that were written for that.

`elbus.Client` is the client for new programs. The members are described where they stood first: in the package's own
documentation on PyPI.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any, Callable, Optional, Union

from . import _greeting
from ._errors import ConnectError, ConnectionLostError, NotConnectedError, OutboxFullError
from ._link import Link
from ._published import (
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
from ._wire import Frames

logger = logging.getLogger("elbus.client")


def on_frame_default(frame: Frame) -> None:
    """Do nothing with a frame."""


class Client:
    """A client that blocks. It does not reconnect by itself; `connect` may be called again.

    Like the published one it only pings, and keeps a connection whose broker is silent: a program that relies on
    `connected`, and does not connect again, would lose what the published package keeps.
    """

    def __init__(self, path: str, name: str) -> None:
        #: Path of a socket, or `host:port`.
        self.path = path
        #: Name on the bus.
        self.name = name
        #: The connection's socket, `None` before the first.
        self.socket: Optional[socket.socket] = None
        #: Kept for programs that set it; buffers have the system's sizes.
        self.buf_size = 8192
        #: Id of the last operation.
        self.frame_id = 0
        #: Seconds between pings; counts from the next connect on.
        self.ping_interval: float = 1
        #: Called with every frame, on the reader's thread.
        self.on_frame: Callable[[Frame], Any] = on_frame_default
        self.socket_lock = threading.Lock()
        self.mgmt_lock = threading.Lock()
        #: Whether there is a connection.
        self.connected = False
        #: Operations that wait for their acknowledgement, by id.
        self.frames: dict[int, ClientFrame] = {}
        #: Seconds that connecting, and sending to a broker that takes nothing, may take.
        self.timeout: float = 1
        self._link: Optional[Link] = None

    def connect(self) -> None:
        """Connect and register. Raises `OSError`, or `RuntimeError` when the broker refuses."""
        with self.mgmt_lock:
            try:
                sock = _greeting.open_socket(self.path, self.name.encode(), self.timeout)
            except ConnectError as error:
                raise connect_error(error) from error
            link = Link(sock, settings(self.timeout, self.ping_interval), self._receive)
            self.socket = sock
            self._link = link
            self.connected = True
            link.start()
            threading.Thread(target=self._run, args=(link,), name="elbus-reader", daemon=True).start()

    def disconnect(self) -> None:
        """Leave the bus; what was sent before goes out."""
        with self.mgmt_lock:
            self.connected = False
            link = self._link
            if link is not None:
                try:
                    link.drain(self.timeout)
                except (OutboxFullError, ConnectionLostError):
                    pass
                link.end("disconnected")

    def send(self, target: Optional[str] = None, frame: Any = None) -> ClientFrame:
        """Send a frame to a target, mask or topic, and return what its acknowledgement can be waited for with.

        Raises `OSError` without a connection, `TimeoutError` when the broker takes nothing.
        """
        link = self._link
        if link is None:
            raise NotConnectedError("not connected to the broker")
        with self.socket_lock:
            ident = self.frame_id + 1 if self.frame_id < LAST_ID else 1
            self.frame_id = ident
        sent = ClientFrame(frame.qos)
        acknowledged = frame.qos & 1
        data = encode(ident, target, frame)
        if acknowledged:
            self.frames[ident] = sent
            sent._link = link
        try:
            link.write(data, frame.qos > 1)
        except OutboxFullError as error:
            self.frames.pop(ident, None)
            raise TimeoutError(str(error)) from error
        except BaseException:
            self.frames.pop(ident, None)
            raise
        return sent

    def subscribe(self, topics: Union[str, list[str]]) -> ClientFrame:
        """Subscribe to a topic or a list of topics, unacknowledged."""
        frame = Frame(tp=OP_SUBSCRIBE)
        frame.topic = topics
        return self.send(None, frame)

    def unsubscribe(self, topics: Union[str, list[str]]) -> ClientFrame:
        """Take subscriptions back, unacknowledged."""
        frame = Frame(tp=OP_UNSUBSCRIBE)
        frame.topic = topics
        return self.send(None, frame)

    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self.connected

    def _run(self, link: Link) -> None:
        why = link.read()
        with self.mgmt_lock:
            if self._link is link:
                if self.connected:
                    logger.info("%s: connection lost: %s", self.name, why)
                self.connected = False
        link.close()

    def _receive(self, frames: Frames, acknowledgements: list[tuple[int, int]], size: int) -> None:
        for ident, result in acknowledgements:
            sent = self.frames.pop(ident, None)
            if sent is None:
                logger.warning("orphaned elbus frame ack %d", ident)
            else:
                sent.result = result
                sent.completed.set()
        for frame in frames:
            try:
                self.on_frame(received(frame))
            except Exception:
                logger.exception("on_frame failed")


class ClientFrame:
    """A frame that was sent; its acknowledgement can be waited for."""

    completed: threading.Event

    def __init__(self, qos: int) -> None:
        self.qos = qos
        #: The result byte, 0 while there is none.
        self.result = 0
        self._link: Optional[Link] = None
        if qos & 1:
            self.completed = threading.Event()

    def is_completed(self) -> bool:
        """Whether the acknowledgement is there, or none was asked for."""
        return self.completed.is_set() if self.qos & 1 else True

    def wait_completed(self, timeout: Optional[float] = None) -> int:
        """Wait for the result byte, `RESPONSE_OK` if none was asked for. Raises `TimeoutError`."""
        if not self.qos & 1:
            return RESPONSE_OK
        if self._link is not None and not self.completed.is_set():
            self._link.flush()
        if not self.completed.wait(timeout):
            raise TimeoutError
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
