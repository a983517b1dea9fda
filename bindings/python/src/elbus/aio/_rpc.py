"""Calls and services over an asyncio client."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional, Union, overload

from .. import _names, _wire
from .._acks import failure
from .._base import ID_MASK
from .._client import discard
from .._codecs import BYTES, Codec, decode_result, encode_params, message_pack
from .._errors import Error, RefusedError, RpcError, SettingError, TimedOutError, TooLargeError, TooManyError
from .._service import Context, ServiceBase, busy, failure_of
from .._settings import Options, patience, within
from .._types import Code, Frame, Payload
from .._wire import RPC_ERROR, RPC_NOTIFICATION, RPC_REPLY, RPC_REQUEST
from ._client import Client, OnFrame
from ._link import Link

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("elbus")

#: Deadlines are looked after in steps of this many seconds: a call ends by so much later at most.
_STEP = 0.01
#: Notifications that wait, beyond which they are left out.
_NOTES = 65_536
#: Answers longer than this are left out while the transport is full and nobody can wait.
_SHORT = 1024
#: Bytes in front of a request's method and a reply's result.
_HEADER = 5


class Call:
    """A call that was begun: its result can be awaited now, later or not at all."""

    __slots__ = ("_codec", "_end", "_ident", "_target")

    def __init__(self, end: asyncio.Future[Union[bytes, Error]], ident: int, target: str, codec: Codec) -> None:
        self._end = end
        self._ident = ident
        self._target = target
        self._codec = codec

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._end.done()

    async def wait(self) -> Any:
        """Wait for the result.

        Raises `RpcError` if the service answered with an error, `RefusedError` if the target is not on the bus,
        `ConnectionLostError`, `TimedOutError`.
        """
        # Shielded, because others may wait for the same call.
        return self._result(await asyncio.shield(self._end))

    def __await__(self) -> Generator[Any, None, Any]:
        return self.wait().__await__()

    def _result(self, end: Union[bytes, Error]) -> Any:
        if isinstance(end, bytes):
            return decode_result(self._codec, end)
        raise end


class Rpc:
    """Calls other clients, and serves their calls if a service is given: the methods of `elbus.Rpc`, awaited.

    ```python
    rpc = elbus.aio.Rpc(bus)
    await rpc.call("plant.pump", "start", {"speed": 3})
    ```

    Frames that are no part of it stay with the client. Params and results are MessagePack unless another `codec` is
    given; `timeout` bounds calls, in seconds.
    """

    def __init__(
        self,
        client: Client,
        service: Optional[Service] = None,
        *,
        codec: Optional[Codec] = None,
        timeout: float = 5.0,
        calls_limit: int = 65_536,
    ) -> None:
        within("timeout", timeout, 0.001, 86_400)
        within("calls_limit", calls_limit, 1, 1_048_576)
        if client._tap is not None:
            raise SettingError("this client has an RPC layer already")
        self._loop = asyncio.get_running_loop()
        #: The client it works over.
        self.client = client
        self._service = service
        if codec is None:
            codec = service.codec if service is not None else message_pack()
        self._codec = codec
        self._timeout = timeout
        self._calls_limit = calls_limit
        self._calls: dict[int, Call] = {}
        # Calls by the step of the clock at which they end. Most have ended long before; they stay listed until then,
        # which is cheaper than a timer for each.
        self._deadlines: dict[int, list[int]] = {}
        self._methods = _names.Cache(_names.method)
        # What handles calls: their tasks, those that wait, and what cannot be lost to the garbage collector.
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._waiting: deque[tuple[Frame, _wire.Request]] = deque()
        self._notes: deque[Frame] = deque()
        self._noting = False
        self._noter: Optional[asyncio.Task[None]] = None
        client._tap_waits = lambda: bool(self._calls)
        client._tap_lost = self._lost
        client._tap_refused = self._refused
        client._tap = self._take

    # Calling.

    @overload
    async def call(
        self,
        target: str,
        method: str,
        params: Any = ...,
        *,
        timeout: Optional[float] = ...,
        realtime: bool = ...,
        wait: Literal[True] = ...,
    ) -> Any: ...
    @overload
    async def call(
        self,
        target: str,
        method: str,
        params: Any = ...,
        *,
        timeout: Optional[float] = ...,
        realtime: bool = ...,
        wait: Literal[False],
    ) -> Call: ...
    async def call(
        self,
        target: str,
        method: str,
        params: Any = None,
        *,
        timeout: Optional[float] = None,
        realtime: bool = False,
        wait: bool = True,
    ) -> Any:
        """Call a method and return its result; with `wait=False` return the `Call`, whose result is awaited later.

        Raises `RpcError` if the service answers with an error, `RefusedError` at once if the target is not on the
        bus, `TimedOutError`, and what `Client.send` raises.
        """
        encoded = encode_params(self._codec, params)
        link = self.client._link
        if link is None or link.full:
            link = await self._ready()
        call = self._begin(link, target, method, encoded, self._codec, timeout, realtime)
        if not wait:
            return call
        try:
            end = await call._end
        except BaseException:
            self._calls.pop(call._ident, None)  # cancelled: a late reply finds nobody
            raise
        return call._result(end)

    async def call_bytes(
        self,
        target: str,
        method: str,
        params: Payload = b"",
        *,
        timeout: Optional[float] = None,
        realtime: bool = False,
    ) -> bytes:
        """Call a method with bytes and return bytes, whatever the codec is."""
        data = params if type(params) is bytes else _wire.as_bytes(params)
        link = self.client._link
        if link is None or link.full:
            link = await self._ready()
        call = self._begin(link, target, method, data, BYTES, timeout, realtime)
        try:
            end = await call._end
        except BaseException:
            self._calls.pop(call._ident, None)
            raise
        result: bytes = call._result(end)
        return result

    async def call0(self, target: str, method: str, params: Any = None) -> None:
        """Call a method without wanting a result; return when the broker has placed the call."""
        request = _wire.rpc_request(0, self._methods(method)[:-1], encode_params(self._codec, params))
        await self.client.send(target, request)

    async def notify(self, target: str, payload: Payload = b"") -> None:
        """Send a notification; return when the broker has placed it."""
        await self.client.send(target, bytes([RPC_NOTIFICATION]) + _wire.as_bytes(payload))

    async def describe(self, target: str) -> list[dict[str, str]]:
        """Return what another service says that it can do: `name` and `description` of each method."""
        described: dict[str, list[dict[str, str]]] = await self.call(target, ".describe")
        return described["methods"]

    async def _ready(self) -> Link:
        """Wait for a connection, if the client does so, and for room on it."""
        link = self.client._link or await self.client._wait_for_link()
        if link.full:
            await link.room()
        return link

    def _begin(
        self,
        link: Link,
        target: str,
        method: str,
        params: bytes,
        codec: Codec,
        timeout: Optional[float],
        realtime: bool,
    ) -> Call:
        # The way of every call: what could be a function more is not.
        client, calls = self.client, self._calls
        address, name = client._targets(target), self._methods(method)
        limit = self._timeout if timeout is None else patience(timeout, timeout)
        if len(calls) >= self._calls_limit:
            raise TooManyError(f"{self._calls_limit} calls wait for their reply")
        ident = next(client._ids) & ID_MASK or next(client._ids) & ID_MASK
        call = Call(self._loop.create_future(), ident, target, codec)
        qos = _wire.REALTIME_PROCESSED if realtime else _wire.PROCESSED
        if len(params) > client._frame_limit - len(address) - len(name) - _HEADER:
            client._encoded(address + bytes(_HEADER) + name, params)
        link.write(_wire.rpc_call(ident, qos, address, name, params), realtime)
        # The acknowledgement says nothing unless it is a refusal, which the client hands over by the id.
        calls[ident] = call
        if client._held:
            client._look_around()
        step = int((self._loop.time() + limit) / _STEP) + 1
        due = self._deadlines.get(step)
        if due is None:
            due = self._deadlines[step] = []
            self._loop.call_at(step * _STEP, self._expire, step)
        due.append(ident)
        return call

    def _expire(self, step: int) -> None:
        for ident in self._deadlines.pop(step):
            call = self._calls.get(ident)
            if call is not None:
                self._end(call, TimedOutError(f"{call._target} did not answer within the time-out"))

    def _end(self, call: Call, end: Union[bytes, Error]) -> None:
        if self._calls.pop(call._ident, None) is not None and not call._end.done():
            call._end.set_result(end)

    def _refused(self, ident: int, code: int) -> None:
        call = self._calls.get(ident)
        if call is not None:
            self._end(call, failure(code) or RefusedError(Code.OTHER))

    def _lost(self, result: int, why: str) -> None:
        for call in list(self._calls.values()):
            self._end(call, failure(result, why) or Error(why))

    # What arrives.

    def _take(self, frames: _wire.Frames) -> list[Frame]:
        rest: list[Frame] = []
        calls, message = self._calls, _wire.KIND_MESSAGE
        for frame in frames:
            kind, sender, _, payload, _ = frame
            if kind is not message or not payload:
                rest.append(frame)
                continue
            first = payload[0]
            if first == RPC_REPLY and len(payload) >= _HEADER:
                call = calls.get(_wire.rpc_ident(payload))
                # Only who was called may answer.
                if call is not None and call._target == sender:
                    del calls[call._ident]
                    if not call._end.done():
                        call._end.set_result(payload[_HEADER:])
            elif first == RPC_ERROR:
                self._failed(frame)
            elif first == RPC_REQUEST:
                self._requested(frame)
            elif first == RPC_NOTIFICATION and self._service is not None and self._service._on_notification:
                self._notified(_wire.without_first_byte(frame))
            else:
                rest.append(frame)
        return rest

    def _failed(self, frame: Frame) -> None:
        reply = _wire.rpc_decode(frame.payload)
        if isinstance(reply, _wire.Failure):
            call = self._calls.get(reply.ident)
            if call is not None and call._target == frame.sender:
                self._end(call, RpcError(reply.code, reply.reason))

    def _requested(self, frame: Frame) -> None:
        request = _wire.rpc_decode(frame.payload)
        if not isinstance(request, _wire.Request):
            return
        service = self._service
        if service is None:
            self._answer_error(frame, request.ident, RpcError.METHOD_NOT_FOUND, b"this client serves no calls")
        elif self._running < service.concurrent:
            self._running += 1
            self._start(self._serve(frame, request))
        elif len(self._waiting) < service.waiting_requests:
            self._waiting.append((frame, request))
        else:
            self._answer_error(frame, request.ident, *busy())

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, frame: Frame, request: _wire.Request) -> None:
        """Handle a call, and then those that wait."""
        try:
            while True:
                await self._handle(frame, request)
                if not self._waiting:
                    return
                frame, request = self._waiting.popleft()
        finally:
            # Here and not when the task is done, which is later: a call that comes in between would wait for nobody.
            self._running -= 1

    async def _handle(self, frame: Frame, request: _wire.Request) -> None:
        service = self._service
        if service is None:
            return
        try:
            method = service._find(request.method)
            context = Context(frame.sender, method.name, frame.realtime, request.ident != 0, self)
            args, kwargs = method.arguments(service.codec, request.params, context)
            value = method.handler(*args, **kwargs)
            if method.is_async:
                value = await value
            result = service._encode(method, value)
            self.client._encoded(frame.sender.encode(), result)
        except TooLargeError as error:
            self._answer_error(frame, request.ident, RpcError.INTERNAL, str(error).encode())
        except Exception as error:
            self._answer_error(frame, request.ident, *failure_of(request.method, error))
        except asyncio.CancelledError:
            self._answer_error(frame, request.ident, RpcError.INTERNAL, b"the handler was cancelled")
            raise
        else:
            if request.ident:
                await self._answer_when_possible(frame, _wire.rpc_reply(request.ident, result))

    def _answer_error(self, frame: Frame, ident: int, code: int, reason: bytes) -> None:
        if ident:
            self._answer(frame, _wire.rpc_error(ident, code, reason))

    async def _answer_when_possible(self, frame: Frame, answer: bytes) -> None:
        link = self.client._link
        if link is not None and link.full:
            try:
                await link.room()
            except Error as error:
                log.warning("%s: a reply to %s is left out: %s", self.client.name, frame.sender, error)
                return
        self._answer(frame, answer)

    def _answer(self, frame: Frame, answer: bytes) -> None:
        link = self.client._link
        if link is None or (link.full and len(answer) > _SHORT):
            return
        qos = _wire.REALTIME_PROCESSED if frame.realtime else _wire.PROCESSED
        address = frame.sender.encode() + b"\0"
        try:
            # Nobody waits for the acknowledgement: the caller has a deadline.
            link.write(_wire.request(0, _wire.MESSAGE, qos, address, answer), frame.realtime)
        except Error as error:
            log.warning("%s: a reply to %s is left out: %s", self.client.name, frame.sender, error)

    def _notified(self, frame: Frame) -> None:
        """Have a notification handled: one after the other, in order; too many are left out."""
        if len(self._notes) < _NOTES:
            self._notes.append(frame)
        if not self._noting:
            self._noting = True
            self._noter = self._loop.create_task(self._note())

    async def _note(self) -> None:
        try:
            while self._notes:
                frame = self._notes.popleft()
                handler = self._service._on_notification if self._service is not None else None
                if handler is not None:
                    try:
                        value = handler(frame)
                        if asyncio.iscoroutine(value):
                            await value
                    except Exception:
                        log.exception("on_notification failed")
        finally:
            self._noting = False


class Service(ServiceBase):
    """A service of coroutine functions; plain functions are taken too, and must not block.

    ```python
    service = elbus.aio.Service()

    @service.method
    async def start(speed: int) -> dict:
        return {"running": True, "speed": speed}

    asyncio.run(service.run("plant.pump"))
    ```

    Up to `concurrent` calls are handled at a time, each in a task. `waiting_requests` more wait; beyond that they are
    answered *busy* at once.
    """

    def __init__(self, *, codec: Optional[Codec] = None, concurrent: int = 64, waiting_requests: int = 1024) -> None:
        super().__init__(codec=codec, concurrent=concurrent, waiting_requests=waiting_requests)

    async def run(
        self,
        name: str,
        address: Optional[str] = None,
        *,
        subscribe: Union[str, Iterable[str]] = (),
        on_frame: OnFrame = discard,
        **options: Unpack[Options],
    ) -> None:
        """Connect as this name and serve until the client is closed for good or the task is cancelled.

        `on_frame` is given what is no call, such as publications of the topics subscribed to.
        """
        client = Client(name, address, on_frame=on_frame, **options)
        # Before the name can be called.
        Rpc(client, self)
        async with client:
            if subscribe:
                await client.subscribe(subscribe)
            await client.wait_closed()

    def _check_handler(self, handler: Callable[..., Any]) -> None:
        """Both kinds of functions will do."""
