"""What can go wrong, each with the code of the wire and with whether anything was done."""

from __future__ import annotations

from enum import Enum
from typing import Optional, Union

from ._types import Code


class Outcome(Enum):
    """What is known about an operation that failed."""

    #: It was not carried out: sending it again cannot do it twice.
    REFUSED = "refused"
    #: It may or may not have been carried out.
    UNKNOWN = "unknown"


class Error(Exception):
    """Whatever the bus or this client says no with."""

    #: The wire's code that says the same.
    code: Code = Code.OTHER
    #: Whether it is certain that nothing was done.
    outcome: Outcome = Outcome.REFUSED


class SettingError(Error, ValueError):
    """A setting is out of its range; the text names it and what it may be."""

    code = Code.DATA


class MalformedError(Error, ValueError):
    """A name, mask, topic, filter or address is none; nothing was sent."""

    code = Code.DATA


class TooLargeError(Error, ValueError):
    """A frame is over `frame_limit`; nothing was sent."""

    code = Code.DATA


class RefusedError(Error):
    """The broker refused the operation, or could not carry it out; `code` says why."""

    def __init__(self, code: Code, what: str = "the broker answered") -> None:
        super().__init__(f"{what}: {code.text} ({code:#x})")
        self.code = code


class ConnectError(Error, ConnectionError):
    """There is no connection: nothing listens, the greeting failed, or the name was refused (`code` says why)."""

    code = Code.IO

    def __init__(self, text: str, code: Code = Code.IO, may_pass: bool = True) -> None:
        super().__init__(text)
        self.code = code
        #: Whether it may go better the next time.
        self.may_pass = may_pass


class NotConnectedError(Error, ConnectionError):
    """There is no connection to the broker now; nothing was sent."""

    code = Code.IO


class ClosedError(NotConnectedError):
    """The client is closed."""


class ConnectionLostError(Error, ConnectionError):
    """The connection was lost before the broker answered: done or not, nobody knows."""

    code = Code.IO
    outcome = Outcome.UNKNOWN


class TimedOutError(Error, TimeoutError):
    """No answer in time: done or not, nobody knows."""

    code = Code.TIMEOUT
    outcome = Outcome.UNKNOWN


class InboxFullError(Error):
    """Unread frames take more than `inbox_hard_limit`, so that the answer behind them was not read."""

    code = Code.IO
    outcome = Outcome.UNKNOWN


class OutboxFullError(Error):
    """A callback on the reader's thread sent more than the outbox takes; nothing was sent.

    That thread cannot wait for room, because it is the one that keeps the connection going.
    """

    code = Code.BUSY


class WaitInCallbackError(Error, RuntimeError):
    """A callback on the reader's thread asked to wait for an answer, which that thread alone could read.

    Give `wait=False`, or do it in a thread of your own. Nothing was sent.
    """

    code = Code.BUSY


class TooManyError(Error):
    """More filters or calls than their limit; nothing was sent."""

    code = Code.BUSY


class ProtocolError(Error):
    """What came from the broker cannot be read; the connection was given up."""

    code = Code.IO
    outcome = Outcome.UNKNOWN


class RpcError(Error):
    """A service answered with an error; a handler raises it to answer with one.

    `rpc_code` is the code of RPC, `payload` the reason as it travels: a text by habit.
    """

    #: The params cannot be decoded.
    PARSE = -32700
    #: Not a valid request.
    INVALID_REQUEST = -32600
    #: The service has no such method.
    METHOD_NOT_FOUND = -32601
    #: The method does not take these params.
    INVALID_PARAMS = -32602
    #: The service failed.
    INTERNAL = -32603
    #: What the params name does not exist.
    NOT_FOUND = -32001

    def __init__(self, rpc_code: int, reason: Union[str, bytes] = b"") -> None:
        if not -0x8000 <= rpc_code <= 0x7FFF:
            raise SettingError(f"an RPC error code is from -32768 to 32767, not {rpc_code}")
        self.rpc_code = rpc_code
        self.payload = reason.encode() if isinstance(reason, str) else reason
        super().__init__(f"{self.text or 'error'} (code {rpc_code})")
        bus = self.bus_code
        if bus is not None:
            self.code = bus

    @property
    def text(self) -> str:
        """The reason as a text."""
        return self.payload.decode("utf-8", "replace")

    @property
    def bus_code(self) -> Optional[Code]:
        """The code of the bus that travels in this one (-32118 is busy), if it does."""
        byte = -32000 - self.rpc_code
        return Code(byte) if Code.NOT_REGISTERED <= byte <= Code.ACCESS else None
