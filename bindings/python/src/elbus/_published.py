"""What the published packages `elbus` and `elbus_async` have in common: constants, frames, layouts.

Programs that were written for them find the names, arguments, results and errors that they know. What was a defect is
not kept: lengths are counted in bytes, not characters, and a frame that is too large is never begun.
"""

from __future__ import annotations

from typing import Any, Optional, Union, cast

from . import _types, _wire
from ._errors import ConnectError
from ._settings import Settings
from ._types import Code

GREETINGS = 0xEB
PROTOCOL_VERSION = 1

OP_NOP = 0
OP_PUBLISH = 1
OP_SUBSCRIBE = 2
OP_UNSUBSCRIBE = 3
OP_MESSAGE = 0x12
OP_BROADCAST = 0x13
OP_ACK = 0xFE

RESPONSE_OK = 0x01
ERR_CLIENT_NOT_REGISTERED = 0x71
ERR_DATA = 0x72
ERR_IO = 0x73
ERR_OTHER = 0x74
ERR_NOT_SUPPORTED = 0x75
ERR_BUSY = 0x76
ERR_NOT_DELIVERED = 0x77
ERR_TIMEOUT = 0x78

PING_FRAME = _wire.PING

RPC_NOTIFICATION_HEADER = b"\x00"
RPC_REQUEST_HEADER = b"\x01"
RPC_REPLY_HEADER = b"\x11"
RPC_ERROR_REPLY_HEADER = b"\x12"

RPC_NOTIFICATION = 0x00
RPC_REQUEST = 0x01
RPC_REPLY = 0x11
RPC_ERROR = 0x12

RPC_ERROR_CODE_PARSE = -32700
RPC_ERROR_CODE_INVALID_REQUEST = -32600
RPC_ERROR_CODE_METHOD_NOT_FOUND = -32601
RPC_ERROR_CODE_INVALID_METHOD_PARAMS = -32602
RPC_ERROR_CODE_INTERNAL = -32603

#: The highest id of an operation or a call.
LAST_ID = 0xFFFF_FFFF
#: Largest frame that is sent or received, in bytes.
FRAME_LIMIT = 0xFFFF_FFFF - 4096


class Frame:
    """A frame to be sent, or one that was received.

    A received one has `type`, `sender`, `primary_sender`, `topic` (`None` unless published) and `payload`.
    """

    type: int
    qos: int
    sender: Optional[str]
    primary_sender: Optional[str]
    #: Of a subscribe or unsubscribe also a list.
    topic: Any
    payload: Any
    #: Bytes in front of the payload.
    header: Optional[bytes]

    def __init__(self, payload: Any = None, tp: int = OP_MESSAGE, qos: int = 0) -> None:
        self.payload = payload
        self.header = None
        self.type = tp
        self.qos = qos


def received(frame: _types.Frame) -> Frame:
    """Return a received frame as programs for the published packages know it."""
    known = Frame(frame.payload, int(frame.kind))
    known.sender = frame.sender
    known.primary_sender = frame.primary_sender
    known.topic = frame.topic
    return known


def encode(ident: int, target: Optional[str], frame: Any) -> bytes:
    """Encode a frame, or anything with its members such as a request, to be sent."""
    if frame.type in (OP_SUBSCRIBE, OP_UNSUBSCRIBE):
        topic: Any = frame.topic
        topics = cast("list[str]", topic if isinstance(topic, (list, tuple)) else [topic])
        body = b"\0".join(topic.encode() for topic in topics)
        return _wire.request(ident, frame.type, frame.qos, b"", body)
    payload: Union[str, bytes] = frame.payload
    body = payload.encode() if isinstance(payload, str) else payload
    if frame.header is not None:
        body = frame.header + body
    address = ("" if target is None else target).encode() + b"\0"
    if len(address) + len(body) > FRAME_LIMIT:
        raise ValueError("frame too large")
    return _wire.request(ident, frame.type, frame.qos, address, body)


def settings(timeout: float, ping_interval: float) -> Settings:
    """Return the settings of a connection that behaves like the published ones."""
    return Settings(timeout=timeout, ping_interval=ping_interval, frame_limit=FRAME_LIMIT)


def connect_error(error: ConnectError) -> Exception:
    """Return the error that programs know for a connection that failed."""
    if error.code in (Code.IO, Code.TIMEOUT):
        cause = error.__cause__
        return cause if isinstance(cause, OSError) else error
    if error.code == Code.NOT_SUPPORTED:
        return RuntimeError(f"Unsupported protocol: {error}")
    return RuntimeError(f"Server response: {hex(error.code)}")


class RpcException(Exception):
    """An error of RPC: what a call ended with, or what a handler answers with."""

    def __init__(self, msg: Union[str, bytes] = "", code: int = RPC_ERROR_CODE_INTERNAL) -> None:
        self.rpc_error_code = code
        self.rpc_error_payload = msg
        super().__init__(msg if isinstance(msg, str) else msg.decode("utf-8", "replace"))

    def __str__(self) -> str:
        return f"{super().__str__()} (code: {self.rpc_error_code})"


def format_rpc_e_msg(e: BaseException) -> Union[str, bytes]:
    """Return the reason that travels for an exception of a handler."""
    return e.rpc_error_payload if isinstance(e, RpcException) else str(e)


class Event:
    """A call or a notification that arrived; a call has `call_id` and `method` (bytes)."""

    call_id: int
    method: bytes

    def __init__(self, tp: int, frame: Frame, payload_pos: int) -> None:
        self.tp = tp
        self.frame = frame
        self._payload_pos = payload_pos

    def get_payload(self) -> bytes:
        """Return the params, or what was notified."""
        payload: bytes = self.frame.payload[self._payload_pos :]
        return payload


class Notification:
    """A notification to be sent."""

    def __init__(self, payload: Any = b"") -> None:
        self.payload = payload
        self.type = OP_MESSAGE
        self.qos = 1
        self.header = RPC_NOTIFICATION_HEADER


class Request:
    """A call to be made: the method's name and the params as they travel."""

    def __init__(self, method: Union[str, bytes], params: Any = b"") -> None:
        self.payload = b"" if params is None else params
        self.type = OP_MESSAGE
        self.qos = 1
        self.method = method.encode() if isinstance(method, str) else method
        self.header: Optional[bytes] = None


class Reply:
    """A reply to be sent."""

    def __init__(self, result: Any = b"") -> None:
        self.payload = result
        self.type = OP_MESSAGE
        self.qos = 1
        self.header: Optional[bytes] = None


def call_header(call_id: int, method: bytes) -> bytes:
    """Return what stands in front of the params of a call."""
    return RPC_REQUEST_HEADER + call_id.to_bytes(4, "little") + method + b"\0"


def request_event(frame: Frame) -> Event:
    """Take a call apart. Raises `ValueError` when it ends inside its method."""
    payload: bytes = frame.payload
    end = payload.index(b"\0", 5)
    event = Event(RPC_REQUEST, frame, end + 1)
    event.call_id = int.from_bytes(payload[1:5], "little")
    event.method = payload[5:end]
    return event


def reply_of(event: Event, result: Any) -> Reply:
    """Return the reply to a call with what its handler returned."""
    reply = Reply(b"" if result is None else result)
    reply.header = RPC_REPLY_HEADER + event.call_id.to_bytes(4, "little")
    return reply


def error_reply_of(event: Event, error: BaseException) -> Reply:
    """Return the reply to a call whose handler raised."""
    code: int = getattr(error, "rpc_error_code", RPC_ERROR_CODE_INTERNAL)
    reply = Reply(format_rpc_e_msg(error))
    ident = event.call_id.to_bytes(4, "little")
    reply.header = RPC_ERROR_REPLY_HEADER + ident + code.to_bytes(2, "little", signed=True)
    return reply


def reply_error(payload: bytes) -> Optional[RpcException]:
    """Return the error that a reply is; `None` for a result."""
    if payload[0] != RPC_ERROR:
        return None
    return RpcException(payload[7:], code=int.from_bytes(payload[5:7], "little", signed=True))
