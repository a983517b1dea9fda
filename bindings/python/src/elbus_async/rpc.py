"""The asyncio RPC layer as the published package `elbus_async` has it, for programs that were written for that.

`elbus.aio.Rpc` and `elbus.aio.Service` are for new programs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Callable, Optional, Union

from elbus._published import (
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

from .client import Client, ClientFrame, on_frame_default

logger = logging.getLogger("elbus.rpc")


async def on_call_default(event: Event) -> Union[bytes, str, None]:
    """Answer that there is no such method."""
    raise RpcException("RPC Engine not initialized", RPC_ERROR_CODE_METHOD_NOT_FOUND)


async def on_notification_default(event: Event) -> None:
    """Do nothing with a notification."""


class Rpc:
    """Calls and handlers over a client: set `on_call`, `on_notification` and `on_frame` to coroutine functions."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.call_id = 0
        self.calls: dict[int, RpcCallEvent] = {}
        #: Given frames that are not one-to-one.
        self.on_frame: Callable[[Frame], Awaitable[Any]] = on_frame_default
        #: Given calls; what it returns is the result, what it raises the error.
        self.on_call: Callable[[Event], Awaitable[Any]] = on_call_default
        #: Given notifications.
        self.on_notification: Callable[[Event], Awaitable[Any]] = on_notification_default
        client.on_frame = self._handle_frame

    def is_connected(self) -> bool:
        """Whether the client has a connection."""
        return self.client.connected

    async def notify(self, target: str, notification: Notification) -> ClientFrame:
        """Send a notification."""
        return await self.client.send(target, notification)

    async def call0(self, target: str, request: Request) -> ClientFrame:
        """Call without wanting a result."""
        request.header = call_header(0, request.method)
        return await self.client.send(target, request)

    async def call(self, target: str, request: Request) -> RpcCallEvent:
        """Call, and return what the result can be awaited with. Never raises: errors are in the event."""
        call_id = self.call_id + 1
        self.call_id = call_id if call_id < 0xFFFF_FFFF else 0
        event = RpcCallEvent()
        self.calls[call_id] = event
        request.header = call_header(call_id, request.method)
        try:
            sent = await self.client.send(target, request)
            code = await sent.wait_completed(timeout=self.client.timeout)
            if code != RESPONSE_OK:
                self._fail(call_id, RpcException("RPC error", code=-32000 - code))
        except ConnectionError as error:
            self._fail(call_id, RpcException(str(error), code=-32000 - ERR_IO))
        except (TimeoutError, asyncio.TimeoutError):
            self._fail(call_id, RpcException("RPC timeout", code=-32000 - ERR_TIMEOUT))
        except Exception as error:
            self._fail(call_id, RpcException(str(error), code=-32000 - ERR_IO))
        return event

    def _fail(self, call_id: int, error: RpcException) -> None:
        event = self.calls.pop(call_id, None)
        if event is not None:
            event.error = error
            event.completed.set()

    async def _handle_frame(self, frame: Frame) -> None:
        try:
            if frame.type != OP_MESSAGE:
                await self.on_frame(frame)
            elif not frame.payload:
                logger.error("Invalid RPC frame: empty")
            elif frame.payload[0] == RPC_NOTIFICATION:
                await self.on_notification(Event(RPC_NOTIFICATION, frame, 1))
            elif frame.payload[0] == RPC_REQUEST:
                await self._requested(request_event(frame), frame.sender)
            elif frame.payload[0] in (RPC_REPLY, RPC_ERROR):
                self._replied(frame)
            else:
                logger.error("Invalid RPC frame code: %d", frame.payload[0])
        except Exception:
            logger.exception("handling a frame from %s failed", frame.sender)

    def _replied(self, frame: Frame) -> None:
        call_id = int.from_bytes(frame.payload[1:5], "little")
        event = self.calls.pop(call_id, None)
        if event is None:
            logger.warning("orphaned RPC response: %d", call_id)
            return
        event.frame = frame
        event.error = reply_error(frame.payload)
        event.completed.set()

    async def _requested(self, event: Event, sender: Optional[str]) -> None:
        if event.call_id == 0:
            await self.on_call(event)
            return
        try:
            reply = reply_of(event, await self.on_call(event))
        except Exception as error:
            reply = error_reply_of(event, error)
        await self.client.send(sender, reply)


class RpcCallEvent:
    """A call that was made; its result can be awaited."""

    def __init__(self) -> None:
        self.frame: Optional[Frame] = None
        self.error: Optional[RpcException] = None
        self.completed = asyncio.Event()

    def is_completed(self) -> bool:
        """Whether the call has ended."""
        return self.completed.is_set()

    async def wait_completed(self, timeout: Optional[float] = None) -> RpcCallEvent:
        """Wait for the end, and return itself. Raises `RpcException` or `asyncio.TimeoutError`."""
        if timeout:
            await asyncio.wait_for(self.completed.wait(), timeout=timeout)
        else:
            await self.completed.wait()
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
