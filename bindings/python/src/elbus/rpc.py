"""The blocking RPC layer as the published package `elbus` has it, for programs that were written for that.

`elbus.Rpc` and `elbus.Service` are for new programs.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Optional, Union

from ._published import (
    ERR_IO,
    ERR_TIMEOUT,
    OP_MESSAGE,
    RESPONSE_OK,
    RPC_ERROR,
    RPC_ERROR_CODE_INTERNAL,
    RPC_ERROR_CODE_INVALID_METHOD_PARAMS,
    RPC_ERROR_CODE_INVALID_REQUEST,
    RPC_ERROR_CODE_METHOD_NOT_FOUND,
    RPC_ERROR_CODE_PARSE,
    RPC_ERROR_REPLY_HEADER,
    RPC_NOTIFICATION,
    RPC_NOTIFICATION_HEADER,
    RPC_REPLY,
    RPC_REPLY_HEADER,
    RPC_REQUEST,
    RPC_REQUEST_HEADER,
    Event,
    Frame,
    Notification,
    Reply,
    Request,
    RpcException,
    call_header,
    error_reply_of,
    format_rpc_e_msg,
    reply_error,
    reply_of,
    request_event,
)
from ._spawn import Spawner
from .client import Client, ClientFrame, on_frame_default

logger = logging.getLogger("elbus.rpc")


def on_call_default(event: Event) -> Union[bytes, str, None]:
    """Answer that there is no such method."""
    raise RpcException("RPC Engine not initialized", RPC_ERROR_CODE_METHOD_NOT_FOUND)


def on_notification_default(event: Event) -> None:
    """Do nothing with a notification."""


class Rpc:
    """Calls and handlers over a client: set `on_call`, `on_notification` and `on_frame`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.call_id = 0
        self.call_lock = threading.Lock()
        self.calls: dict[int, RpcCallEvent] = {}
        #: Given frames that are not one-to-one.
        self.on_frame: Callable[[Frame], Any] = on_frame_default
        #: Given calls; what it returns is the result, what it raises the error.
        self.on_call: Callable[[Event], Any] = on_call_default
        #: Given notifications.
        self.on_notification: Callable[[Event], Any] = on_notification_default
        self._spawner = Spawner()
        client.on_frame = self._handle_frame

    def is_connected(self) -> bool:
        """Whether the client has a connection."""
        return self.client.connected

    def notify(self, target: str, notification: Notification) -> ClientFrame:
        """Send a notification."""
        return self.client.send(target, notification)

    def call0(self, target: str, request: Request) -> ClientFrame:
        """Call without wanting a result."""
        request.header = call_header(0, request.method)
        return self.client.send(target, request)

    def call(self, target: str, request: Request) -> RpcCallEvent:
        """Call, and return what the result can be waited for with. Never raises: errors are in the event."""
        with self.call_lock:
            call_id = self.call_id + 1
            self.call_id = call_id if call_id < 0xFFFF_FFFF else 0
        event = RpcCallEvent()
        self.calls[call_id] = event
        request.header = call_header(call_id, request.method)
        try:
            code = self.client.send(target, request).wait_completed(timeout=self.client.timeout)
            if code != RESPONSE_OK:
                self._fail(call_id, RpcException("RPC error", code=-32000 - code))
        except ConnectionError as error:
            self._fail(call_id, RpcException(str(error), code=-32000 - ERR_IO))
        except TimeoutError:
            self._fail(call_id, RpcException("RPC timeout", code=-32000 - ERR_TIMEOUT))
        except Exception as error:
            self._fail(call_id, RpcException(str(error), code=-32000 - ERR_IO))
        return event

    def spawn(self, f: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Run a handler on a thread; may be replaced."""
        self._spawner.run(f, *args, **kwargs)

    def _fail(self, call_id: int, error: RpcException) -> None:
        event = self.calls.pop(call_id, None)
        if event is not None:
            event.error = error
            event.completed.set()

    def _handle_frame(self, frame: Frame) -> None:
        # Replies need no thread: they only wake who waits.
        if frame.type == OP_MESSAGE and frame.payload and frame.payload[0] in (RPC_REPLY, RPC_ERROR):
            self._replied(frame)
        else:
            self.spawn(self._t_handler, frame)

    def _replied(self, frame: Frame) -> None:
        call_id = int.from_bytes(frame.payload[1:5], "little")
        event = self.calls.pop(call_id, None)
        if event is None:
            logger.warning("orphaned RPC response: %d", call_id)
            return
        event.frame = frame
        event.error = reply_error(frame.payload)
        event.completed.set()

    def _t_handler(self, frame: Frame) -> None:
        try:
            if frame.type != OP_MESSAGE:
                self.on_frame(frame)
            elif not frame.payload:
                logger.error("Invalid RPC frame: empty")
            elif frame.payload[0] == RPC_NOTIFICATION:
                self.on_notification(Event(RPC_NOTIFICATION, frame, 1))
            elif frame.payload[0] == RPC_REQUEST:
                self._requested(request_event(frame), frame.sender)
            else:
                logger.error("Invalid RPC frame code: %d", frame.payload[0])
        except Exception:
            logger.exception("handling a frame from %s failed", frame.sender)

    def _requested(self, event: Event, sender: Optional[str]) -> None:
        if event.call_id == 0:
            self.on_call(event)
            return
        try:
            reply = reply_of(event, self.on_call(event))
        except Exception as error:
            reply = error_reply_of(event, error)
        sent = self.client.send(sender, reply)
        if sent._link is not None:
            sent._link.flush()


class RpcCallEvent:
    """A call that was made; its result can be waited for."""

    def __init__(self) -> None:
        self.frame: Optional[Frame] = None
        self.error: Optional[RpcException] = None
        self.completed = threading.Event()

    def is_completed(self) -> bool:
        """Whether the call has ended."""
        return self.completed.is_set()

    def wait_completed(self, timeout: Optional[float] = None) -> RpcCallEvent:
        """Wait for the end, and return itself. Raises `RpcException` or `TimeoutError`."""
        if not self.completed.wait(timeout):
            raise TimeoutError
        if self.error is not None:
            raise self.error
        return self

    def get_payload(self) -> bytes:
        """Return the result."""
        payload: bytes = self.frame.payload[5:] if self.frame is not None else b""
        return payload

    def is_empty(self) -> bool:
        """Whether the result has no bytes."""
        return not self.get_payload()


__all__ = [
    "ERR_IO",
    "ERR_TIMEOUT",
    "OP_MESSAGE",
    "RESPONSE_OK",
    "RPC_ERROR",
    "RPC_ERROR_CODE_INTERNAL",
    "RPC_ERROR_CODE_INVALID_METHOD_PARAMS",
    "RPC_ERROR_CODE_INVALID_REQUEST",
    "RPC_ERROR_CODE_METHOD_NOT_FOUND",
    "RPC_ERROR_CODE_PARSE",
    "RPC_ERROR_REPLY_HEADER",
    "RPC_NOTIFICATION",
    "RPC_NOTIFICATION_HEADER",
    "RPC_REPLY",
    "RPC_REPLY_HEADER",
    "RPC_REQUEST",
    "RPC_REQUEST_HEADER",
    "Event",
    "Notification",
    "Reply",
    "Request",
    "Rpc",
    "RpcCallEvent",
    "RpcException",
    "format_rpc_e_msg",
    "on_call_default",
    "on_frame_default",
    "on_notification_default",
]
