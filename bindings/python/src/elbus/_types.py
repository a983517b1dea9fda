"""The numbers of the wire under their names, and what a received frame is."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

#: What can be sent: bytes as they are, a text as UTF-8.
Payload = Union[bytes, bytearray, memoryview, str]


class Op(IntEnum):
    """What a client asks of the broker: six bits of a request's header."""

    NOP = 0x00
    PUBLISH = 0x01
    SUBSCRIBE = 0x02
    UNSUBSCRIBE = 0x03
    EXCLUDE = 0x04
    UNEXCLUDE = 0x05
    PUBLISH_FOR = 0x06
    MESSAGE = 0x12
    BROADCAST = 0x13


class Qos(IntEnum):
    """Whether the broker acknowledges, and whether every hop writes at once."""

    #: Fire and forget: what goes wrong is not told.
    NO = 0
    #: The broker acknowledges.
    PROCESSED = 1
    #: Every hop writes at once.
    REALTIME = 2
    #: Both.
    REALTIME_PROCESSED = 3


class Kind(IntEnum):
    """How a frame came to its receiver."""

    #: Published to a topic.
    PUBLICATION = 0x01
    #: Sent to this client alone.
    MESSAGE = 0x12
    #: Sent to every client that matches a mask.
    BROADCAST = 0x13


class Code(IntEnum):
    """The result byte of a greeting or an acknowledgement."""

    OK = 0x01
    #: The target, or a secondary's primary, is not on the bus.
    NOT_REGISTERED = 0x71
    #: Malformed, or over a limit of size or depth.
    DATA = 0x72
    IO = 0x73
    OTHER = 0x74
    NOT_SUPPORTED = 0x75
    #: The name is taken, or a quota is used up.
    BUSY = 0x76
    #: The target was there but could not take the frame.
    NOT_DELIVERED = 0x77
    TIMEOUT = 0x78
    ACCESS = 0x79

    @classmethod
    def of(cls, byte: int) -> Code:
        """Return the code of a byte; one that no version of the protocol defines counts as `OTHER`."""
        try:
            return cls(byte)
        except ValueError:
            return cls.OTHER

    @property
    def text(self) -> str:
        """What the code means, in words."""
        return _TEXTS[self]


_TEXTS = {
    Code.OK: "done",
    Code.NOT_REGISTERED: "no such client",
    Code.DATA: "malformed data, or a limit of size or depth exceeded",
    Code.IO: "input/output error",
    Code.OTHER: "other error",
    Code.NOT_SUPPORTED: "not supported",
    Code.BUSY: "name taken, or quota used up",
    Code.NOT_DELIVERED: "not delivered",
    Code.TIMEOUT: "timed out",
    Code.ACCESS: "access denied",
}


class _Fields(NamedTuple):
    kind: Kind
    sender: str
    topic: Optional[str]
    payload: bytes
    realtime: bool


class Frame(tuple[Kind, str, Optional[str], bytes, bool]):
    """A frame that was received: a message, a broadcast or a publication.

    It is a tuple of `kind` (how it came), `sender` (the full name of the client that sent it), `topic` (that of a
    publication, else `None`), `payload` and `realtime` (whether it was sent so), and is made from one.
    """

    # Not a named tuple: the constructor of such a class is a function in Python. This is the tuple's own, which makes
    # a frame in half the time; what the fields are read with is that of named tuples.
    __slots__ = ()
    __match_args__ = ("kind", "sender", "topic", "payload", "realtime")

    if TYPE_CHECKING:

        def __new__(cls, fields: tuple[Kind, str, Optional[str], bytes, bool]) -> Frame: ...
        @property
        def kind(self) -> Kind: ...
        @property
        def sender(self) -> str: ...
        @property
        def topic(self) -> Optional[str]: ...
        @property
        def payload(self) -> bytes: ...
        @property
        def realtime(self) -> bool: ...
    else:
        kind, sender, topic = _Fields.kind, _Fields.sender, _Fields.topic
        payload, realtime = _Fields.payload, _Fields.realtime

    def __repr__(self) -> str:
        return f"Frame{repr(_Fields(*self))[len('_Fields') :]}"

    @property
    def primary_sender(self) -> str:
        """The sender's name without the suffix of a secondary."""
        return self.sender.partition("%%")[0]

    @property
    def text(self) -> str:
        """The payload as a text; raises `UnicodeDecodeError` if it is not UTF-8."""
        return self.payload.decode()
