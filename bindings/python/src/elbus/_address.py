"""Where a broker listens.

`/path`, `./path`, `name.sock` (also `.socket`, `.ipc`), `unix:/path`, `unix:///path`, `host:port`, `tcp://host:port`.
Without an address: `$ELBUS_ADDRESS`, else `$XDG_RUNTIME_DIR/elbus/elbus.sock`, else `/tmp/elbus-UID/elbus.sock`.
"""

from __future__ import annotations

import os
import stat
from typing import Optional, Union

from ._errors import MalformedError

#: The path of a UNIX socket, or host and port.
Place = Union[str, tuple[str, int]]


def parse(text: str) -> Place:
    """Read an address."""
    if not text:
        raise MalformedError("the address is empty: give a path like /run/bus.sock, or localhost:7777")
    if text.startswith("unix:"):
        rest = text[len("unix:") :]
        path = rest[2:] if rest.startswith("//") else rest
        if not path:
            raise MalformedError(f"{text!r} has no path")
        return path
    if text.startswith("tcp://"):
        return _tcp(text, text[len("tcp://") :])
    if "://" in text or text.startswith("fifo:"):
        raise MalformedError(f"{text!r} has an unknown scheme: use unix: or tcp://")
    if text.startswith(("/", ".")) or text.endswith((".sock", ".socket", ".ipc")):
        return text
    return _tcp(text, text)


def find(address: Optional[str]) -> str:
    """Return the address, or the default one."""
    if address is not None:
        return address
    configured = os.environ.get("ELBUS_ADDRESS")
    if configured is not None:
        return configured
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    directory = os.path.join(runtime, "elbus") if runtime else f"/tmp/elbus-{os.getuid()}"
    _check_private(directory)
    return os.path.join(directory, "elbus.sock")


def _tcp(text: str, rest: str) -> Place:
    host, separator, port = rest.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise MalformedError(f"{text!r} is neither the path of a socket nor host:port")
    return host.strip("[]"), int(port)


def _check_private(directory: str) -> None:
    """Anyone may create names in /tmp: a directory is trusted only if it is this user's alone."""
    try:
        found = os.lstat(directory)
    except FileNotFoundError:
        return  # then connecting says that nothing is there
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise MalformedError(f"{directory} is not a directory that belongs to this user alone (mode 0700)")
