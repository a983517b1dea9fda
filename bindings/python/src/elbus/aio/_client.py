"""The asyncio client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional, Union, overload

from .. import _filters, _wire
from .._acks import INBOX_FULL, LOST, failure
from .._base import ID_MASK, Base, State
from .._errors import ClosedError, ConnectError, Error, RefusedError, TimedOutError
from .._settings import Options, patience
from .._types import Frame, Op, Payload, Qos
from ._acks import TIMED_OUT, Ack, Pending
from ._inbox import Inbox
from ._link import Link, open_link

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

log = logging.getLogger("elbus")

OnFrame = Callable[[Frame], object]
OnState = Callable[[State, str], object]
Tap = Callable[[_wire.Frames], list[Frame]]

#: How often a task that waits for others' answers looks again, in seconds.
_LOOK = 0.001
#: Unacknowledged sends after which a task lets the loop do something else.
_TURN = 512


class Client(Base):
    """A client of the bus for asyncio: the methods of `elbus.Client`, awaited.

    ```python
    async with elbus.aio.Client("plant.panel") as bus:
        await bus.subscribe("pump/#")
        await bus.send("plant.pump", "start")
        async for frame in bus:
            print(frame.topic, frame.sender, frame.text)
    ```

    It belongs to the loop it connected in. Frames are taken by iterating, with `recv` or `recv_many`; or they are
    given to `on_frame`, a plain function, as they come. For settings see `Options`; `buf_ttl` has no meaning here,
    because what is sent is gathered until the task yields.
    """

    def __init__(
        self,
        name: str,
        address: Optional[str] = None,
        *,
        on_frame: Optional[OnFrame] = None,
        on_state: Optional[OnState] = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(name, address, **options)
        #: Given every frame; `None`: frames wait to be taken.
        self.on_frame = on_frame
        #: Told of every change of `state`, with the reason.
        self.on_state = on_state
        self._inbox = Inbox(self._taken)
        self._held = False
        self._watchers: list[asyncio.Future[None]] = []
        self._link: Optional[Link] = None
        self._raw_link: Optional[Link] = None
        self._pending = Pending(self.timeout)
        self._sent = 0
        self._tap: Optional[Tap] = None
        self._tap_waits: Callable[[], bool] = lambda: False
        self._tap_lost: Callable[[int, str], None] = lambda result, why: None
        self._tap_refused: Callable[[int, int], None] = lambda ident, code: None
        self._closing: Optional[asyncio.Event] = None
        self._task: Optional[asyncio.Task[None]] = None
        # What tries to get the connection back.
        self._attempt: Optional[asyncio.Task[Link]] = None
        self._secondaries: list[Client] = []

    # Life.

    async def connect(self) -> Self:
        """Connect and register; raises `ConnectError`. Afterwards the client reconnects by itself."""
        if self._state is not State.NEW:
            raise ClosedError("a client connects once; it reconnects by itself")
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        end = self._loop.time() + self._settings.retry_first_connect
        delays = self._delays()
        while True:
            try:
                link = await self._open()
                break
            except ConnectError as error:
                delay = next(delays)
                if not error.may_pass or self._loop.time() + delay > end:
                    raise
                await asyncio.sleep(delay)
        self._raw_link = self._link = link
        self._state = State.CONNECTED
        link.begin()
        self._task = asyncio.ensure_future(self._run(link))
        return self

    async def close(self) -> None:
        """Leave the bus: what was sent is written and answered, then the name is free.

        Frames that were received can still be taken. Raises nothing; closing twice does nothing.
        """
        for secondary in self._secondaries:
            await secondary.close()
        if self._closing is None or self._task is None:
            self._closed("closed")
            return
        self._closing.set()
        if self._attempt is not None:
            self._attempt.cancel()
        link = self._raw_link
        if link is not None:
            self._look_around()
            await link.hang_up()
            link.resume_reading()
        done, _ = await asyncio.wait([self._task], timeout=self.timeout)
        if not done and self._raw_link is not None:
            self._raw_link.end("the broker did not end the connection in time")
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return await self.connect() if self._state is State.NEW else self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def wait_connected(self, timeout: Optional[float] = None) -> None:
        """Wait until the client is on the bus (again). Raises `NotConnectedError` when it is not in time."""
        await self._wait_for_state(patience(timeout, self.timeout))
        if self._state is not State.CONNECTED:
            raise self._not_connected()

    async def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Wait until the client is closed or was refused for good; false if it is not within the time-out."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout)
        return self._state is State.CLOSED

    async def secondary(self, *, on_frame: Optional[OnFrame] = None) -> Client:
        """Return another connection of this client, `NAME%%1` and so on, for traffic that should not stand behind.

        It has the same settings, subscribes for itself, and ends with its primary.
        """
        name = f"{self.name}%%{next(self._numbers)}"
        secondary = await Client(name, self.address, on_frame=on_frame, **self._options).connect()
        self._secondaries.append(secondary)
        return secondary

    # Sending.

    @overload
    async def send(self, target: str, payload: Payload = ..., *, qos: Qos = ..., wait: Literal[True] = ...) -> None: ...
    @overload
    async def send(self, target: str, payload: Payload = ..., *, qos: Qos = ..., wait: bool) -> Optional[Ack]: ...
    async def send(
        self, target: str, payload: Payload = b"", *, qos: Qos = Qos.PROCESSED, wait: bool = True
    ) -> Optional[Ack]:
        """Send a message to one client, and wait until the broker has placed it there.

        With `wait=False` the answer is returned as an `Ack`, to be awaited later or not at all. With `Qos.NO` there
        is no answer. Raises `RefusedError` if the target is not on the bus, `MalformedError`, `TooLargeError`,
        `NotConnectedError`, `ConnectionLostError`, `TimedOutError`.
        """
        return await self._operate(_wire.MESSAGE, self._targets(target), payload, qos, wait)

    @overload
    async def broadcast(
        self, mask: str, payload: Payload = ..., *, qos: Qos = ..., wait: Literal[True] = ...
    ) -> None: ...
    @overload
    async def broadcast(self, mask: str, payload: Payload = ..., *, qos: Qos = ..., wait: bool) -> Optional[Ack]: ...
    async def broadcast(
        self, mask: str, payload: Payload = b"", *, qos: Qos = Qos.PROCESSED, wait: bool = True
    ) -> Optional[Ack]:
        """Send to every client whose name matches the mask, itself included; nobody need be there.

        In a mask `?` is any one part of a name, and a final `*` is one part or more. For the rest see `send`.
        """
        return await self._operate(_wire.BROADCAST, self._masks(mask), payload, qos, wait)

    @overload
    async def publish(
        self,
        topic: str,
        payload: Payload = ...,
        *,
        qos: Qos = ...,
        only_for: Optional[str] = ...,
        wait: Literal[True] = ...,
    ) -> None: ...
    @overload
    async def publish(
        self, topic: str, payload: Payload = ..., *, qos: Qos = ..., only_for: Optional[str] = ..., wait: bool
    ) -> Optional[Ack]: ...
    async def publish(
        self,
        topic: str,
        payload: Payload = b"",
        *,
        qos: Qos = Qos.PROCESSED,
        only_for: Optional[str] = None,
        wait: bool = True,
    ) -> Optional[Ack]:
        """Publish to everyone who subscribed to the topic, or of them only for one client and its secondaries.

        For the rest see `send`.
        """
        address = self._topics(topic)
        if only_for is None:
            return await self._operate(_wire.PUBLISH, address, payload, qos, wait)
        return await self._operate(_wire.PUBLISH_FOR, address + self._targets(only_for), payload, qos, wait)

    async def flush(self) -> None:
        """Wait until the system has taken everything that was sent, also what is not acknowledged."""
        link = self._link
        if link is None:
            raise self._not_connected()
        await link.drain()

    # Subscriptions.

    async def subscribe(self, *filters: Union[str, Iterable[str]]) -> None:
        """Subscribe to topics: `+` is any one level, a final `#` one level or more.

        What was subscribed and excluded is asked for again after a reconnect.
        """
        await self._change(Op.SUBSCRIBE, filters)

    async def unsubscribe(self, *filters: Union[str, Iterable[str]]) -> None:
        """Take subscriptions back, each by the text it was made with."""
        await self._change(Op.UNSUBSCRIBE, filters)

    async def exclude(self, *filters: Union[str, Iterable[str]]) -> None:
        """Keep publications that match away, whatever is subscribed."""
        await self._change(Op.EXCLUDE, filters)

    async def unexclude(self, *filters: Union[str, Iterable[str]]) -> None:
        """Take exclusions back."""
        await self._change(Op.UNEXCLUDE, filters)

    # Receiving.

    async def recv(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """Wait for the next frame; `None` when none came in time, or the client is closed and all are taken."""
        return await self._inbox.take_one(timeout)

    async def recv_many(self, timeout: Optional[float] = None) -> list[Frame]:
        """Wait for frames and take all that came together; empty when none came in time or come any more."""
        return await self._inbox.take(timeout)

    def __aiter__(self) -> AsyncIterator[Frame]:
        """Yield frames as they come, until the client is closed. A loop that is left early loses none."""
        return self._inbox.frames()

    # The way out.

    async def _operate(self, op: int, address: bytes, payload: Payload, qos: Qos, wait: bool) -> Optional[Ack]:
        data = payload if type(payload) is bytes else _wire.as_bytes(payload)
        if len(address) + len(data) > self._frame_limit:
            self._encoded(address, data)
        link = self._link or await self._wait_for_link()
        if link.full:
            await link.room()
        if not qos & 1:
            link.write(_wire.request(0, op, qos, address, data), qos > 1)
            self._sent += 1
            if not self._sent % _TURN:
                await asyncio.sleep(0)
            if wait:
                return None
            done = self._loop.create_future()
            done.set_result(_wire.OK)
            return Ack(self, done)
        while len(self._pending) >= self._settings.in_flight_limit:
            await asyncio.sleep(_LOOK)
        ident, result = self._begin()
        try:
            link.write(_wire.request(ident, op, qos, address, data), qos > 1)
        except BaseException:
            self._pending.forget(ident)
            raise
        if not wait:
            return Ack(self, result)
        code = await result
        if code != _wire.OK:
            self._check(code)
        return None

    def _begin(self) -> tuple[int, asyncio.Future[int]]:
        ident = next(self._ids) & ID_MASK
        result = self._pending.begin(self._loop, ident)
        if self._held:
            self._look_around()
        return ident, result

    def _check(self, result: int) -> None:
        if result == TIMED_OUT:
            raise TimedOutError(f"the broker did not answer within {self.timeout:g} s")
        error = failure(result, self._why)
        if error is not None:
            raise error

    async def _change(self, op: Op, given: tuple[Union[str, Iterable[str]], ...]) -> None:
        texts = _filters.encode(given)
        link = self._link or await self._wait_for_link()
        self._filters.note(op, texts)
        ident, result = self._begin()
        try:
            link.write(_wire.filters(ident, op, Qos.PROCESSED, texts), False)
        except BaseException:
            self._pending.forget(ident)
            raise
        try:
            self._check(await result)
        except RefusedError:
            self._filters.refused(op, texts)
            raise

    async def _wait_for_link(self) -> Link:
        limit = self._settings.wait_while_disconnected
        if limit and self._state is State.DISCONNECTED:
            await self._wait_for_state(limit)
        link = self._link
        if link is None:
            raise self._not_connected()
        return link

    async def _wait_for_state(self, limit: float) -> None:
        end = self._loop.time() + limit
        while self._state is State.DISCONNECTED:
            watcher: asyncio.Future[None] = self._loop.create_future()
            self._watchers.append(watcher)
            try:
                await asyncio.wait_for(watcher, max(end - self._loop.time(), 0))
            except asyncio.TimeoutError:
                return

    # What comes.

    async def _open(self) -> Link:
        return await open_link(self.address, self._name, self._settings, self._receive, self._ids)

    async def _run(self, link: Optional[Link]) -> None:
        why = ""
        try:
            while link is not None:
                why = await asyncio.shield(link.ended)
                self._lost(why)
                link = await self._reconnect()
        finally:
            if link is not None:
                link.end("the loop ends")
            self._closed(self._why or why)

    def _receive(self, frames: _wire.Frames, acknowledgements: list[tuple[int, int]], size: int) -> None:
        settle = self._pending.settle
        for ident, code in acknowledgements:
            if not settle(ident, code) and code != _wire.OK:
                self._tap_refused(ident, code)
        if self._tap is not None and frames:
            frames = self._tap(frames)
        if not frames:
            return
        if self.on_frame is not None:
            self._call_back(frames)
            return
        self._inbox.put(frames, size)
        if self._inbox.bytes >= self._settings.inbox_limit:
            self._look_around()

    def _taken(self) -> None:
        if self._held:
            self._look_around()

    def _call_back(self, frames: _wire.Frames) -> None:
        rest = iter(frames)
        while self.on_frame is not None:
            on_frame = self.on_frame
            try:
                for frame in rest:
                    on_frame(frame)
                return
            except Exception:
                log.exception("%s: on_frame failed", self.name)

    def _look_around(self) -> None:
        """Stop reading while too much is unread, except for the sake of answers that stand behind it."""
        link = self._raw_link
        if link is None:
            return
        settings = self._settings
        closing = self._closing is not None and self._closing.is_set()
        hold = self._inbox.bytes >= settings.inbox_limit and not closing
        if hold and (self._pending or self._tap_waits()):
            if self._inbox.bytes < settings.inbox_hard_limit:
                hold = False
            else:
                self._fail_pending(INBOX_FULL, "")
        if hold and not self._held:
            link.pause_reading()
        elif self._held and not hold:
            link.resume_reading()
        self._held = hold

    def _fail_pending(self, result: int, why: str) -> None:
        self._pending.settle_all(result)
        self._tap_lost(result, why)

    # Reconnecting.

    def _lost(self, why: str) -> None:
        self._link = None
        self._held = False
        self._why = why
        if self._closing is not None and not self._closing.is_set():
            self._enter(State.DISCONNECTED, why)
        self._fail_pending(LOST, why)

    async def _reconnect(self) -> Optional[Link]:
        """Get the connection back; `None` when there will be none."""
        delays = self._delays()
        closing = self._closing
        while self._settings.reconnect and closing is not None:
            try:
                await asyncio.wait_for(closing.wait(), next(delays))
                break
            except asyncio.TimeoutError:
                pass
            self._attempt = asyncio.ensure_future(self._open())
            try:
                link = await self._attempt
            except asyncio.CancelledError:
                if closing.is_set():
                    break
                raise
            except ConnectError as error:
                if not error.may_pass:
                    self._why = str(error)
                    break
                continue
            finally:
                self._attempt = None
            self._raw_link = link
            link.begin()
            self._look_around()
            if await self._restore(link):
                return link
        return None

    async def _restore(self, link: Link) -> bool:
        """Ask for everything that was subscribed and excluded; operations go through when it is answered."""
        asked: list[asyncio.Future[int]] = []
        try:
            for op, texts in self._filters.restore():
                ident, result = self._begin()
                link.write(_wire.filters(ident, op, Qos.PROCESSED, texts), False)
                asked.append(result)
        except Error:
            self._fail_pending(LOST, self._why)
            return False
        for result in asked:
            ends: list[asyncio.Future[Any]] = [result, link.ended]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if link.ended.done():
                self._fail_pending(LOST, self._why)
                return False
            if result.result() != _wire.OK:
                log.warning("%s: subscribing again: %s", self.name, failure(result.result()))
        self._link = link
        self._enter(State.CONNECTED, "")
        if self._closing is not None and self._closing.is_set():
            await link.hang_up()
        return True

    def _closed(self, why: str) -> None:
        self._link = None
        self._why = self._why or why
        if self._state is not State.CLOSED:
            self._enter(State.CLOSED, self._why)
        self._fail_pending(LOST, self._why)
        self._inbox.close()

    def _enter(self, state: State, why: str) -> None:
        self._state = state
        self._wake(self._watchers)
        log.info("%s: %s %s", self.name, state.value, why)
        if self.on_state is not None:
            try:
                self.on_state(state, why)
            except Exception:
                log.exception("%s: on_state failed", self.name)

    @staticmethod
    def _wake(waiting: list[asyncio.Future[None]]) -> None:
        for future in waiting:
            if not future.done():
                future.set_result(None)
        waiting.clear()
