"""Calls and services over a blocking client."""

from __future__ import annotations

import logging
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional, Union, overload

from . import _names, _wire
from ._acks import failure
from ._base import ID_MASK
from ._client import Client, OnFrame, discard
from ._codecs import BYTES, Codec, decode_result, encode_params, message_pack
from ._errors import (
    Error,
    RpcError,
    SettingError,
    TimedOutError,
    TooLargeError,
    TooManyError,
    WaitInCallbackError,
)
from ._link import Link
from ._service import Context, ServiceBase, busy, failure_of
from ._settings import Options, patience, within
from ._types import Frame, Payload
from ._wire import RPC_ERROR, RPC_NOTIFICATION, RPC_REPLY, RPC_REQUEST

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("elbus")

#: Seconds without a call after which a thread of a service ends.
_IDLE = 10.0


class Call:
    """A call that was begun: its result can be waited for now, later or not at all."""

    __slots__ = ("_codec", "_done", "_end", "_ident", "_rpc", "_target", "_timeout")

    def __init__(self, rpc: Rpc, ident: int, target: str, codec: Codec, timeout: float) -> None:
        self._rpc = rpc
        self._ident = ident
        self._target = target
        self._codec = codec
        self._timeout = timeout
        self._end: Union[bytes, Error, None] = None
        self._done = allocate_lock()
        self._done.acquire()

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._end is not None

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Wait for the result. The call ends with this: in the end there is a result or an error.

        Raises `RpcError` if the service answered with an error, `RefusedError` if the target is not on the bus,
        `ConnectionLostError`, `TimedOutError`.
        """
        if self._end is None:
            limit = patience(timeout, self._timeout)
            self._rpc._wait(self, limit)
        end = self._end
        if isinstance(end, bytes):
            return decode_result(self._codec, end)
        if end is None:
            raise TimedOutError(f"{self._target} did not answer within the time-out")
        raise end

    def _finish(self, end: Union[bytes, Error]) -> None:
        self._end = end
        self._done.release()

    # As an operation of the client: what the broker says to the request.
    def _settle(self, result: int) -> None:
        if result != _wire.OK:
            self._rpc._fail(self, result)


class Rpc:
    """Calls other clients, and serves their calls if a service is given.

    ```python
    rpc = elbus.Rpc(bus)
    rpc.call("plant.pump", "start", {"speed": 3})
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
        #: The client it works over.
        self.client = client
        self._service = service
        if codec is None:
            codec = service.codec if service is not None else message_pack()
        self._codec = codec
        self._timeout = timeout
        self._calls_limit = calls_limit
        self._calls: dict[int, Call] = {}
        self._methods = _names.Cache(_names.method)
        self._pool = _Pool(service, self._handle) if service is not None else None
        client._tap_waits = lambda: bool(self._calls)
        client._tap_lost = self._lost
        client._tap = self._take

    # Calling.

    @overload
    def call(
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
    def call(
        self,
        target: str,
        method: str,
        params: Any = ...,
        *,
        timeout: Optional[float] = ...,
        realtime: bool = ...,
        wait: Literal[False],
    ) -> Call: ...
    def call(
        self,
        target: str,
        method: str,
        params: Any = None,
        *,
        timeout: Optional[float] = None,
        realtime: bool = False,
        wait: bool = True,
    ) -> Any:
        """Call a method and return its result; with `wait=False` return the `Call`, whose result is waited for later.

        Raises `RpcError` if the service answers with an error, `RefusedError` at once if the target is not on the
        bus, `TimedOutError`, and what `Client.send` raises.
        """
        call = self._begin(target, method, params, self._codec, timeout, realtime, wait)
        return call.wait() if wait else call

    def call_bytes(
        self,
        target: str,
        method: str,
        params: Payload = b"",
        *,
        timeout: Optional[float] = None,
        realtime: bool = False,
    ) -> bytes:
        """Call a method with bytes and return bytes, whatever the codec is."""
        result: bytes = self._begin(target, method, params, BYTES, timeout, realtime, True).wait()
        return result

    def call0(self, target: str, method: str, params: Any = None) -> None:
        """Call a method without wanting a result; return when the broker has placed the call."""
        request = _wire.rpc_request(0, self._methods(method)[:-1], encode_params(self._codec, params))
        self.client.send(target, request)

    def notify(self, target: str, payload: Payload = b"") -> None:
        """Send a notification; return when the broker has placed it."""
        self.client.send(target, bytes([RPC_NOTIFICATION]) + _wire.as_bytes(payload))

    def describe(self, target: str) -> list[dict[str, str]]:
        """Return what another service says that it can do: `name` and `description` of each method."""
        methods: list[dict[str, str]] = self.call(target, ".describe")["methods"]
        return methods

    def _begin(
        self,
        target: str,
        method: str,
        params: Any,
        codec: Codec,
        timeout: Optional[float],
        realtime: bool,
        wait: bool,
    ) -> Call:
        client = self.client
        address = client._targets(target)
        limit = patience(timeout, self._timeout)
        encoded = encode_params(codec, params)
        link = client._link or client._wait_for_link()
        if link.in_reader and wait:
            raise WaitInCallbackError("a callback cannot wait for a reply: give wait=False")
        if len(self._calls) >= self._calls_limit:
            raise TooManyError(f"{self._calls_limit} calls wait for their reply")
        ident = next(client._ids) & ID_MASK or next(client._ids) & ID_MASK
        call = Call(self, ident, target, codec, limit)
        request = client._encoded(address, _wire.rpc_request(ident, self._methods(method)[:-1], encoded))
        self._calls[ident] = call
        client._pending[ident] = call
        qos = _wire.REALTIME_PROCESSED if realtime else _wire.PROCESSED
        try:
            link.write(_wire.request(ident, _wire.MESSAGE, qos, address, request), wait or realtime)
        except BaseException:
            client._forget(ident)
            self._calls.pop(ident, None)
            raise
        return call

    def _wait(self, call: Call, limit: float) -> None:
        client = self.client
        client._about_to_wait()
        blocked = self._pool is not None and self._pool.block()
        try:
            if call._done.acquire(timeout=limit):
                call._done.release()
                return
        finally:
            if blocked and self._pool is not None:
                self._pool.unblock()
        client._forget(call._ident)
        if self._calls.pop(call._ident, None) is not None:
            call._finish(TimedOutError(f"{call._target} did not answer within {limit:g} s"))

    def _fail(self, call: Call, result: int) -> None:
        error = failure(result, self.client._why)
        if error is not None and self._calls.pop(call._ident, None) is not None:
            call._finish(error)

    def _lost(self, result: int, why: str) -> None:
        while self._calls:
            try:
                _, call = self._calls.popitem()
            except KeyError:
                return
            call._finish(failure(result, why) or Error(why))

    # What arrives, on the reader's thread.

    def _take(self, frames: _wire.Frames) -> list[Frame]:
        rest: list[Frame] = []
        for frame in frames:
            if frame.kind is not _wire.KIND_MESSAGE or not frame.payload:
                rest.append(frame)
                continue
            first = frame.payload[0]
            if first in (RPC_REPLY, RPC_ERROR):
                self._replied(frame)
            elif first == RPC_REQUEST:
                self._requested(frame)
            elif first == RPC_NOTIFICATION and self._service is not None and self._service._on_notification:
                if self._pool is not None:
                    self._pool.notify(frame)
            else:
                rest.append(frame)
        return rest

    def _replied(self, frame: Frame) -> None:
        reply = _wire.rpc_decode(frame.payload)
        if not isinstance(reply, (_wire.Reply, _wire.Failure)):
            return
        call = self._calls.get(reply.ident)
        # Only who was called may answer.
        if call is None or call._target != frame.sender or self._calls.pop(reply.ident, None) is None:
            return
        if isinstance(reply, _wire.Reply):
            call._finish(reply.result)
        else:
            call._finish(RpcError(reply.code, reply.reason))

    def _requested(self, frame: Frame) -> None:
        request = _wire.rpc_decode(frame.payload)
        if not isinstance(request, _wire.Request):
            return
        if self._pool is None or self._service is None:
            self._answer_error(frame, request.ident, RpcError.METHOD_NOT_FOUND, b"this client serves no calls")
        elif not self._pool.add(frame, request):
            self._answer_error(frame, request.ident, *busy())

    # Handling, on the threads of the pool.

    def _handle(self, frame: Frame, request: _wire.Request, more: Callable[[], bool]) -> None:
        service = self._service
        if service is None:
            return
        try:
            method = service._find(request.method)
            wants = request.ident != 0
            context = Context(frame.sender, method.name, frame.realtime, wants, self)
            args, kwargs = method.arguments(service.codec, request.params, context)
            result = service._encode(method, method.handler(*args, **kwargs))
            self.client._encoded(frame.sender.encode(), result)
        except TooLargeError as error:
            self._answer_error(frame, request.ident, RpcError.INTERNAL, str(error).encode())
        except Exception as error:
            self._answer_error(frame, request.ident, *failure_of(request.method, error))
        else:
            if request.ident:
                self._answer(frame, _wire.rpc_reply(request.ident, result), more)

    def _answer_error(self, frame: Frame, ident: int, code: int, reason: bytes) -> None:
        if ident:
            self._answer(frame, _wire.rpc_error(ident, code, reason))

    def _answer(self, frame: Frame, answer: bytes, more: Callable[[], bool] = lambda: False) -> None:
        link: Optional[Link] = self.client._link
        if link is None:
            return
        qos = _wire.REALTIME_PROCESSED if frame.realtime else _wire.PROCESSED
        address = frame.sender.encode() + b"\0"
        try:
            # Nobody waits for the acknowledgement: the caller has a deadline.
            link.write(_wire.request(0, _wire.MESSAGE, qos, address, answer), not more())
        except Error as error:
            log.warning("%s: a reply to %s is left out: %s", self.client.name, frame.sender, error)


class Service(ServiceBase):
    """A service of functions that block.

    ```python
    service = elbus.Service()

    @service.method
    def start(speed: int) -> dict:
        return {"running": True, "speed": speed}

    service.run("plant.pump")
    ```

    Up to `concurrent` calls are handled at a time, each on a thread; a handler that waits for a call of its own does
    not count. `waiting_requests` more wait; beyond that they are answered *busy* at once.
    """

    def run(
        self,
        name: str,
        address: Optional[str] = None,
        *,
        subscribe: Union[str, Iterable[str]] = (),
        on_frame: OnFrame = discard,
        **options: Unpack[Options],
    ) -> None:
        """Connect as this name and serve until the client is closed for good or the program is interrupted.

        `on_frame` is given what is no call, such as publications of the topics subscribed to.
        """
        client = Client(name, address, on_frame=on_frame, **options)
        # Before the name can be called.
        Rpc(client, self)
        with client:
            if subscribe:
                client.subscribe(subscribe)
            try:
                client.wait_closed()
            except KeyboardInterrupt:
                pass

    def _check_handler(self, handler: Callable[..., Any]) -> None:
        import inspect

        if inspect.iscoroutinefunction(handler):
            raise SettingError(f"{handler.__name__} is a coroutine function: it needs an elbus.aio.Service")


class _Pool:
    """Threads that handle calls, as many as are needed, up to a limit."""

    def __init__(
        self,
        service: ServiceBase,
        handle: Callable[[Frame, _wire.Request, Callable[[], bool]], None],
    ) -> None:
        self._service = service
        self._handle = handle
        self._waiting: deque[tuple[Frame, _wire.Request]] = deque()
        self._notes: SimpleQueue[Frame] = SimpleQueue()
        self._noting = False
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._threads = 0
        self._idle = 0
        self._blocked = 0
        self._own = threading.local()

    def add(self, frame: Frame, request: _wire.Request) -> bool:
        """Have a call handled; false if too many wait."""
        with self._lock:
            if len(self._waiting) >= self._service.waiting_requests + self._idle:
                return False
            self._waiting.append((frame, request))
            self._ready.notify()
            self._grow()
        return True

    def notify(self, frame: Frame) -> None:
        """Have a notification handled: one after the other, in order; too many are left out."""
        if self._notes.qsize() >= 65_536:
            return
        self._notes.put(_wire.without_first_byte(frame))
        with self._lock:
            if not self._noting:
                self._noting = True
                threading.Thread(target=self._note, name="elbus-notifications", daemon=True).start()

    def block(self) -> bool:
        """Say that a handler waits for a call of its own, if it is one that says so; another may run meanwhile."""
        if not getattr(self._own, "handling", False):
            return False
        with self._lock:
            self._blocked += 1
            self._grow()
        return True

    def unblock(self) -> None:
        """Say that it goes on."""
        with self._lock:
            self._blocked -= 1

    def _grow(self) -> None:
        limit = self._service.concurrent + min(self._blocked, self._service.waiting_requests)
        # A call is taken and its thread busy in one step: an idle thread is one that will take some.
        if len(self._waiting) > self._idle and self._threads < limit:
            self._threads += 1
            threading.Thread(target=self._work, name="elbus-handler", daemon=True).start()

    def _work(self) -> None:
        self._own.handling = True
        more = lambda: bool(self._waiting)  # noqa: E731
        while True:
            with self._lock:
                if self._threads > self._service.concurrent + self._blocked:
                    self._threads -= 1
                    return
                self._idle += 1
                found = self._ready.wait_for(more, _IDLE)
                self._idle -= 1
                if not found:
                    self._threads -= 1
                    return
                frame, request = self._waiting.popleft()
            self._handle(frame, request, more)

    def _note(self) -> None:
        while True:
            try:
                frame = self._notes.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if self._notes.empty():
                        self._noting = False
                        return
                continue
            handler = self._service._on_notification
            if handler is not None:
                try:
                    handler(frame)
                except Exception:
                    log.exception("on_notification failed")
