"""Opening a blocking connection: socket, greeting, name."""

from __future__ import annotations

import socket
import time
from typing import Callable

from . import _address, _wire
from ._errors import ConnectError, ProtocolError
from ._types import Code


def open_socket(
    address: str, name: bytes, timeout: float, connected: Callable[[socket.socket], None] = lambda _: None
) -> socket.socket:
    """Connect to the broker and register the name; the socket is returned blocking. Raises `ConnectError`.

    `connected` is called with the socket before the greeting, which ends when it is shut down.
    """
    end = time.monotonic() + timeout
    place = _address.parse(address)
    try:
        sock = _connect(place, timeout)
    except OSError as error:
        raise ConnectError(f"no connection to {address}: {error}") from error
    try:
        connected(sock)
        _greet(sock, address, name, end)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock


def refusal(address: str, name: bytes, code: Code) -> ConnectError:
    """Return the error that a broker's answer to a registration stands for."""
    may_pass = code in (Code.BUSY, Code.NOT_REGISTERED)
    text = f"{address} does not register {name.decode()!r}: {code.text} ({code:#x})"
    return ConnectError(text, code, may_pass)


def _connect(place: _address.Place, timeout: float) -> socket.socket:
    if isinstance(place, tuple):
        sock = socket.create_connection(place, timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def _greet(sock: socket.socket, address: str, name: bytes, end: float) -> None:
    def read(count: int) -> bytes:
        data = b""
        while len(data) < count:
            sock.settimeout(max(end - time.monotonic(), 0.001))
            piece = sock.recv(count - len(data))
            if not piece:
                raise ConnectError(f"{address} ended the connection during the greeting")
            data += piece
        return data

    def answer() -> None:
        code = Code.of(read(1)[0])
        if code is not Code.OK:
            raise refusal(address, name, code)

    try:
        _wire.check_greeting(read(len(_wire.GREETING)))
        sock.sendall(_wire.GREETING)
        answer()
        sock.sendall(_wire.registration(name))
        answer()
    except ProtocolError as error:
        raise ConnectError(f"{address}: {error}", Code.NOT_SUPPORTED, may_pass=False) from error
    except socket.timeout as error:  # before Python 3.10 not a TimeoutError
        raise ConnectError(f"{address} did not greet in time", Code.TIMEOUT) from error
    except ConnectError:
        raise
    except OSError as error:
        raise ConnectError(f"{address} ended the connection during the greeting: {error}") from error
