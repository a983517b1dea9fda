"""The wire without I/O: every byte layout, encoded and decoded. `docs/protocol.md` of the project describes it.

All integers are little-endian. In Python the cost of a frame is everything, so the decoder takes whole chunks as they
come from a socket and makes lists of frames. Two observations make it fast: consecutive frames of a flood have the
same header, sender and topic, so that comparing these bytes with the last ones replaces taking them apart; and where
even the lengths agree, a whole run is checked with as many comparisons as these bytes are, and cut only when its frames
are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from struct import Struct, iter_unpack
from typing import NamedTuple, Optional, Protocol, Union

from ._errors import ProtocolError
from ._types import Code, Frame, Kind, Op, Payload, Qos

GREETING = b"\xeb\x01\x00"
PING = bytes(9)

# What the way of every frame needs, as plain numbers: before Python 3.12, taking a member out of an enum
# calls a function.
MESSAGE, BROADCAST, PUBLISH, PUBLISH_FOR = (int(op) for op in (Op.MESSAGE, Op.BROADCAST, Op.PUBLISH, Op.PUBLISH_FOR))
PROCESSED, REALTIME_PROCESSED = int(Qos.PROCESSED), int(Qos.REALTIME_PROCESSED)
OK = int(Code.OK)
KIND_MESSAGE = Kind.MESSAGE

#: A whole acknowledgement: `FE`, operation id, result.
Acknowledgement = tuple[int, int]

_REQUEST = Struct("<IBI").pack
_DELIVERY = Struct("<BIB").unpack_from
_HEADER_LEN = 6
_KINDS = {int(kind): kind for kind in Kind}
_ACKNOWLEDGEMENT, _PING, _PUBLICATION = 0xFE, 0x00, 0x01
#: The body of a delivery holds the sender's name and can so be longer than what was sent.
_NAMES_ROOM = 2048

_RPC_ID = Struct("<BI")
_RPC_ERROR = Struct("<BIh")
RPC_NOTIFICATION, RPC_REQUEST, RPC_REPLY, RPC_ERROR = 0x00, 0x01, 0x11, 0x12


def check_greeting(greeting: bytes) -> None:
    """Check the broker's greeting: `EB`, version."""
    if greeting[0] != GREETING[0]:
        raise ProtocolError(f"the greeting starts with {greeting[0]:#04x} instead of 0xeb: not an elbus broker")
    if greeting != GREETING:
        version = int.from_bytes(greeting[1:3], "little")
        raise ProtocolError(f"the broker speaks version {version} of the protocol instead of 1")


def registration(name: bytes) -> bytes:
    """Encode what a client says after the greetings: the length of its name in bytes, and the name."""
    return len(name).to_bytes(2, "little") + name


def request(ident: int, op: int, qos: int, address: bytes, payload: bytes) -> bytes:
    """Encode a request whose body is an address, with its separators behind it, and a payload.

    ```text
    id (u32)  QQoooooo  length (u32)  address 00 payload      Q: QoS, o: operation
    ```
    """
    return _REQUEST(ident, op | qos << 6, len(address) + len(payload)) + address + payload


def filters(ident: int, op: Op, qos: int, texts: list[bytes]) -> bytes:
    """Encode a subscribe, unsubscribe, exclude or unexclude: filters separated by `00`."""
    return request(ident, op, qos, b"", b"\0".join(texts))


def question(ident: int) -> bytes:
    """Encode an operation that does nothing, and that every broker acknowledges: it subscribes to nothing.

    Published brokers take that for a topic without a name, to which nobody publishes.
    """
    return filters(ident, Op.SUBSCRIBE, PROCESSED, [])


def is_acknowledged(encoded: bytes) -> bool:
    """Say whether an encoded request asks for an acknowledgement."""
    return encoded[4] & 0x40 != 0


def as_bytes(payload: Payload) -> bytes:
    """Return a payload as it travels."""
    if isinstance(payload, str):
        return payload.encode()
    return bytes(payload)


#: What consecutive frames have in common: the bytes in front of the payload, the whole length, and what they mean.
_Head = tuple[bytes, int, Kind, str, Optional[str], bool]

#: No frame starts like this.
_NO_HEAD: _Head = (b"\xff", 0, Kind.MESSAGE, "", None, False)


class Frames(Protocol):
    """Received frames: a list, or something that makes them when they are taken."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Frame]: ...


class Run:
    """Frames that differ in nothing but their payloads.

    They stay bytes as they came, and are made one by one when they are taken; so each is as a rule gone before the next
    one is made, and that one takes its place in memory. Thousands that exist together would be slower to make, and keep
    the garbage collector busy.
    """

    __slots__ = ("_data", "_head", "_size")

    def __init__(self, head: _Head, data: memoryview, size: int) -> None:
        self._head = head
        self._data = data
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Frame]:
        prefix, length, kind, sender, topic, realtime = self._head
        form = f"{len(prefix)}x{length - len(prefix)}s"
        # Several at once, as long as there are so many: a call for each would take as long as making the frame.
        border = self._size // _BLOCK * _BLOCK * length
        blocks = iter_unpack(form * _BLOCK, self._data[:border]) if border else ()
        payloads = chain.from_iterable(chain(blocks, iter_unpack(form, self._data[border:])))
        rows = zip(repeat(kind), repeat(sender), repeat(topic), payloads, repeat(realtime))
        return map(Frame, rows)


class Batch:
    """Several lists and runs, one after the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Frames]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Frame]:
        return chain.from_iterable(self.parts)


_BYTES = [bytes((byte,)) for byte in range(256)]

#: Payloads of a run that are cut at once.
_BLOCK = 64
#: Equal heads in a row after which a run is looked for, and the least length of one that is worth it.
_RUN_AFTER, _RUN = 4, 16


class Decoder:
    """Cuts what comes from a broker into frames and acknowledgements, however it was split on its way.

    ```text
    kind  length (u32)  realtime  sender 00 payload           12 message, 13 broadcast
    01    length (u32)  realtime  sender 00 topic 00 payload  publication
    FE    id (u32)      result                                acknowledgement
    00    00 00 00 00   00                                    ping
    ```
    """

    __slots__ = ("_head", "_limit", "_missing", "_names", "_parts")

    #: Names and topics whose text is remembered.
    NAMES = 1024

    def __init__(self, frame_limit: int) -> None:
        self._limit = frame_limit + _NAMES_ROOM
        self._head = _NO_HEAD
        # What came of an unfinished frame, in the pieces in which it came: joined once, however many they are.
        self._parts: list[bytes] = []
        self._missing = 0
        self._names: dict[bytes, str] = {}

    def feed(self, data: bytes) -> tuple[Frames, list[Acknowledgement]]:
        """Take the next bytes; return the frames and the acknowledgements that are complete with them.

        Raises `ProtocolError` for what no broker sends; the connection cannot be trusted any more.
        """
        if self._parts:
            self._parts.append(data)
            if len(data) < self._missing:
                self._missing -= len(data)
                return [], []
            data = b"".join(self._parts)
            self._parts.clear()
        parts: list[Frames] = []
        acknowledgements: list[Acknowledgement] = []
        done = self._cut(data, parts, acknowledgements)
        if done < len(data):
            self._parts.append(data[done:])
        return (parts[0] if len(parts) == 1 else Batch(parts)), acknowledgements

    def _cut(self, data: bytes, parts: list[Frames], acknowledgements: list[Acknowledgement]) -> int:
        """Take apart what is complete and return how far it reaches."""
        frames: list[Frame] = []
        parts.append(frames)
        # All in one function and in locals: a call more a frame is a third more time.
        prefix, length, kind, sender, topic, realtime = self._head
        offset = len(prefix)
        size = len(data)
        names, limit, kinds = self._names, self._limit, _KINDS
        append, starts, find, new = frames.append, data.startswith, data.find, Frame
        pos = alike = 0
        while True:
            if starts(prefix, pos):
                end = pos + length
                if end > size:
                    break
                append(new((kind, sender, topic, data[pos + offset : end], realtime)))
                pos = end
                alike += 1
                if alike == _RUN_AFTER:
                    head = (prefix, length, kind, sender, topic, realtime)
                    pos, run = _run(data, pos, head)
                    if run is not None:
                        frames = []
                        append = frames.append
                        parts += (run, frames)
                        alike = 0
                continue
            body = pos + _HEADER_LEN
            if body > size:
                end = body
                break
            first, number, last = _DELIVERY(data, pos)
            if first == _ACKNOWLEDGEMENT:
                acknowledgements.append((number, last))
                pos = body
                continue
            if first not in kinds:
                if first != _PING:
                    raise ProtocolError(f"frame of unknown kind {first:#04x}")
                pos = body
                continue
            if number > limit:
                raise ProtocolError(f"a frame of {number} bytes is over the limit of {limit}")
            end = body + number
            if end > size:
                break
            border = find(0, body, end)
            raw = data[body:border]
            sender = names[raw] if raw in names else self._name(raw)
            topic = None
            if first == _PUBLICATION and border >= 0:
                start = border + 1
                border = find(0, start, end)
                raw = data[start:border]
                topic = names[raw] if raw in names else self._name(raw)
            if border < 0:
                raise ProtocolError("frame without its separator")
            offset = border + 1 - pos
            prefix, length, kind, realtime = data[pos : border + 1], end - pos, kinds[first], last != 0
            append(new((kind, sender, topic, data[border + 1 : end], realtime)))
            pos = end
            alike = 0
        self._head = (prefix, length, kind, sender, topic, realtime)
        self._missing = end - size
        return pos

    def _name(self, raw: bytes) -> str:
        try:
            return self._names[raw]
        except KeyError:
            if len(self._names) >= self.NAMES:
                self._names.clear()
            text = self._names[raw] = raw.decode("utf-8", "replace")
            return text


def _run(data: bytes, pos: int, head: _Head) -> tuple[int, Optional[Run]]:
    """Cut a run of frames of the same head and length; return where it ends, and the run if there is one."""
    prefix, length = head[0], head[1]
    count = (len(data) - pos) // length
    # Looked at here and there, before the whole chunk is searched.
    while count >= _RUN and not data.startswith(prefix, pos + (count - 1) * length):
        count //= 2
    if count < _RUN:
        return pos, None
    end = pos + count * length
    # Byte by byte of the prefix, each for all frames at once.
    for at, byte in enumerate(prefix, pos):
        if data[at:end:length] != _BYTES[byte] * count:
            return pos, None
    return end, Run(head, memoryview(data)[pos:end], count)


class Notification(NamedTuple):
    """Something to know, without an answer."""

    payload: bytes


class Request(NamedTuple):
    """A call; id 0 wants no reply."""

    ident: int
    method: bytes
    params: bytes


class Reply(NamedTuple):
    """What a call returned."""

    ident: int
    result: bytes


class Failure(NamedTuple):
    """The error a call ended with."""

    ident: int
    code: int
    reason: bytes


def rpc_request(ident: int, method: bytes, params: bytes) -> bytes:
    """Encode a request of RPC: `01`, id (u32), method, `00`, params."""
    return b"%b%b\0%b" % (_RPC_ID.pack(RPC_REQUEST, ident), method, params)


def rpc_call(ident: int, qos: int, address: bytes, method: bytes, params: bytes) -> bytes:
    """Encode a whole request of RPC, as a message; address and method with their separators."""
    size = len(address) + 5 + len(method) + len(params)
    head = _REQUEST(ident, MESSAGE | qos << 6, size)
    return b"".join((head, address, _RPC_ID.pack(RPC_REQUEST, ident), method, params))


def rpc_reply(ident: int, result: bytes) -> bytes:
    """Encode a reply of RPC: `11`, id (u32), result."""
    return _RPC_ID.pack(RPC_REPLY, ident) + result


def rpc_error(ident: int, code: int, reason: bytes) -> bytes:
    """Encode an error reply of RPC: `12`, id (u32), code (i16), reason."""
    return _RPC_ERROR.pack(RPC_ERROR, ident, code) + reason


def rpc_ident(payload: bytes) -> int:
    """Return the id in a request, a reply or an error of at least five bytes."""
    ident: int = _RPC_ID.unpack_from(payload)[1]
    return ident


def rpc_decode(payload: bytes) -> Union[Notification, Request, Reply, Failure, None]:
    """Take the payload of a message apart; `None` if it is none of RPC's."""
    first = payload[0] if payload else -1
    if first == RPC_NOTIFICATION:
        return Notification(payload[1:])
    if first == RPC_REPLY and len(payload) >= 5:
        return Reply(_RPC_ID.unpack_from(payload)[1], payload[5:])
    if first == RPC_REQUEST and len(payload) >= 6:
        end = payload.find(0, 5)
        if end >= 0:
            return Request(_RPC_ID.unpack_from(payload)[1], payload[5:end], payload[end + 1 :])
    if first == RPC_ERROR and len(payload) >= 7:
        _, ident, code = _RPC_ERROR.unpack_from(payload)
        return Failure(ident, code, payload[7:])
    return None


def without_first_byte(frame: Frame) -> Frame:
    """Return what a frame of a notification is without the byte that says so."""
    kind, sender, topic, payload, realtime = frame
    return Frame((kind, sender, topic, payload[1:], realtime))


def rpc_bus_error(code: Code) -> int:
    """Return the code of RPC as which an error of the bus travels."""
    return -32000 - code
