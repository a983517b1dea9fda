"""How params and results become bytes. By habit of the bus they are MessagePack."""

from __future__ import annotations

import json
from typing import Any, Protocol, cast

from ._errors import RpcError, SettingError
from ._types import Payload
from ._wire import as_bytes


class Codec(Protocol):
    """Turns params and results into bytes and back. Raises `ValueError` or `TypeError` when that cannot be done."""

    def encode(self, value: Any) -> bytes:
        """Return a value as it travels."""
        ...

    def decode(self, data: bytes) -> Any:
        """Return the value of bytes."""
        ...


class _MessagePack:
    """MessagePack, through the package `msgpack` (`pip install elbus[msgpack]`)."""

    def __init__(self) -> None:
        try:
            import msgpack  # type: ignore[import-untyped, unused-ignore] # pyright: ignore
        except ImportError:
            raise SettingError(
                "params and results are MessagePack by default, and the package msgpack is not installed: "
                "pip install elbus[msgpack], or give codec=elbus.JSON or codec=elbus.BYTES"
            ) from None
        self._pack: Any = msgpack.packb  # pyright: ignore
        self._unpack: Any = msgpack.unpackb  # pyright: ignore

    def encode(self, value: Any) -> bytes:
        packed: bytes = self._pack(value)
        return packed

    def decode(self, data: bytes) -> Any:
        try:
            return self._unpack(data, strict_map_key=False)
        except ValueError:
            raise
        except Exception as error:  # of msgpack, whose errors are not all ValueErrors
            raise ValueError(str(error)) from error


class _Json:
    """JSON; every program has it."""

    def encode(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def decode(self, data: bytes) -> Any:
        return json.loads(data)


class _Bytes:
    """Bytes as they are; a text as UTF-8, nothing as no bytes."""

    def encode(self, value: Any) -> bytes:
        if value is None:
            return b""
        if isinstance(value, (bytes, bytearray, memoryview, str)):
            return as_bytes(cast(Payload, value))
        raise TypeError(f"bytes or a text are wanted, not {type(value).__name__}")

    def decode(self, data: bytes) -> Any:
        return data


JSON: Codec = _Json()
"""Params and results as JSON."""
BYTES: Codec = _Bytes()
"""Params and results as bytes, or a text that is encoded as UTF-8."""


def message_pack() -> Codec:
    """Return the codec for MessagePack. Raises `SettingError` when the package `msgpack` is not installed."""
    return _MessagePack()


def encode_params(codec: Codec, params: Any) -> bytes:
    """Encode params; none are an empty map, which services of every library take."""
    return codec.encode({} if params is None and codec is not BYTES else params)


def decode_result(codec: Codec, data: bytes) -> Any:
    """Decode a result; a method that returns nothing may answer no bytes."""
    if not data and codec is not BYTES:
        return None
    try:
        return codec.decode(data)
    except (ValueError, TypeError) as error:
        raise RpcError(RpcError.PARSE, f"the result cannot be decoded: {error}") from error
