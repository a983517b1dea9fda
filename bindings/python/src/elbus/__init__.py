"""Clients of the elbus message bus.

`elbus.Client` blocks, `elbus.aio.Client` is for asyncio; both have the same methods. `elbus.Rpc` calls other clients,
`elbus.Service` serves calls. `elbus.client` and `elbus.rpc`, and the package `elbus_async`, are for programs that were
written for the published packages of these names.
"""

from . import aio, client, rpc
from ._acks import Ack
from ._base import State
from ._client import Client, discard
from ._codecs import BYTES, JSON, Codec
from ._errors import (
    ClosedError,
    ConnectError,
    ConnectionLostError,
    Error,
    InboxFullError,
    MalformedError,
    NotConnectedError,
    OutboxFullError,
    Outcome,
    ProtocolError,
    RefusedError,
    RpcError,
    SettingError,
    TimedOutError,
    TooLargeError,
    TooManyError,
    WaitInCallbackError,
)
from ._rpc import Call, Rpc, Service
from ._service import Context
from ._settings import Options
from ._types import Code, Frame, Kind, Op, Payload, Qos

__version__ = "0.1.0"

__all__ = [
    "BYTES",
    "JSON",
    "Ack",
    "Call",
    "Client",
    "ClosedError",
    "Code",
    "Codec",
    "ConnectError",
    "ConnectionLostError",
    "Context",
    "Error",
    "Frame",
    "InboxFullError",
    "Kind",
    "MalformedError",
    "NotConnectedError",
    "Op",
    "Options",
    "OutboxFullError",
    "Outcome",
    "Payload",
    "ProtocolError",
    "Qos",
    "RefusedError",
    "Rpc",
    "RpcError",
    "Service",
    "SettingError",
    "State",
    "TimedOutError",
    "TooLargeError",
    "TooManyError",
    "WaitInCallbackError",
    "aio",
    "client",
    "discard",
    "rpc",
]
