"""The clients of `elbus` for asyncio: the same names and the same meaning, awaited."""

from .._base import State
from .._client import discard
from .._codecs import BYTES, JSON, Codec
from .._service import Context
from ._acks import Ack
from ._client import Client
from ._rpc import Call, Rpc, Service

__all__ = [
    "BYTES",
    "JSON",
    "Ack",
    "Call",
    "Client",
    "Codec",
    "Context",
    "Rpc",
    "Service",
    "State",
    "discard",
]
