"""The blocking client."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Literal, Optional, Union, overload

from . import _filters, _greeting, _wire
from ._acks import INBOX_FULL, LOST, Ack, Done, Pending, Restored
from ._base import ID_MASK, Base, State
from ._errors import ClosedError, ConnectError, Error, RefusedError, WaitInCallbackError
from ._inbox import Inbox
from ._link import Link
from ._settings import Options, patience
from ._types import Frame, Op, Payload, Qos

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

log = logging.getLogger("elbus")

_DONE = Done()
#: How often a reader that was held up looks around by itself.
_LOOK = 0.2

OnFrame = Callable[[Frame], object]
OnState = Callable[[State, str], object]
Tap = Callable[[_wire.Frames], list[Frame]]


class Client(Base):
    """A client of the bus for programs that block.

    ```python
    with elbus.Client("plant.panel") as bus:
        bus.subscribe("pump/#")
        bus.send("plant.pump", "start")
        for frame in bus:
            print(frame.topic, frame.sender, frame.text)
    ```

    It may be used by any number of threads. Frames are taken by iterating, with `recv` or `recv_many`; or they are
    given to `on_frame`, on the reader's thread, which must not wait for the bus. `on_state` is told there of a
    connection that is lost, back, or given up, with the reason. A client that is not interested in frames gives
    `on_frame=elbus.discard`: unread frames hold back those who send them.

    `address` is a path or `host:port`; without one the default address is taken. For the other settings see
    `Options`. The client connects by `connect`, or at the beginning of a `with` block.
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
        #: Given every frame, on the reader's thread; `None`: frames wait to be taken.
        self.on_frame = on_frame
        #: Told of every change of `state`, with the reason.
        self.on_state = on_state
        self._inbox = Inbox()
        self._link: Optional[Link] = None
        self._raw_link: Optional[Link] = None
        self._pending: dict[int, Pending] = {}
        # What the RPC layer takes out of what arrives, whether it waits, and what it does when all is lost.
        self._tap: Optional[Tap] = None
        self._tap_waits: Callable[[], bool] = lambda: False
        self._tap_lost: Callable[[int, str], None] = lambda result, why: None
        self._changed = threading.Condition()
        self._closing = False
        # A connection that is being greeted.
        self._attempt: Optional[socket.socket] = None
        self._thread: Optional[threading.Thread] = None
        self._secondaries: list[Client] = []

    # Life.

    def connect(self) -> Self:
        """Connect and register; raises `ConnectError`. Afterwards the client reconnects by itself."""
        if self._state is not State.NEW:
            raise ClosedError("a client connects once; it reconnects by itself")
        end = time.monotonic() + self._settings.retry_first_connect
        delays = self._delays()
        while True:
            try:
                link = self._open()
                break
            except ConnectError as error:
                delay = next(delays)
                if not error.may_pass or time.monotonic() + delay > end:
                    raise
                time.sleep(delay)
        self._raw_link = self._link = link
        self._state = State.CONNECTED
        link.start()
        self._thread = threading.Thread(target=self._run, args=(link,), name="elbus-reader", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Leave the bus: what was sent is written and answered, then the name is free.

        Frames that were received can still be taken. Raises nothing; closing twice does nothing.
        """
        for secondary in self._secondaries:
            secondary.close()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._attempt is not None:
                self._greets(self._attempt)
        link, thread = self._raw_link, self._thread
        in_reader = thread is threading.current_thread()
        if link is not None:
            link.hang_up(self.timeout if not in_reader else 0.1)
        self._inbox.stir()
        if thread is not None and not in_reader:
            thread.join(self.timeout)
            if self._raw_link is not None and thread.is_alive():
                self._raw_link.end("the broker did not end the connection in time")
                self._inbox.close()
                thread.join()
        self._closed("closed")

    def __enter__(self) -> Self:
        return self.connect() if self._state is State.NEW else self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def wait_connected(self, timeout: Optional[float] = None) -> None:
        """Wait until the client is on the bus (again). Raises `NotConnectedError` when it is not in time."""
        limit = patience(timeout, self.timeout)
        with self._changed:
            self._changed.wait_for(lambda: self._state in (State.CONNECTED, State.CLOSED), limit)
        if self._state is not State.CONNECTED:
            raise self._not_connected()

    def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Wait until the client is closed or was refused for good; false if it is not within the time-out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state is State.CLOSED, timeout)

    def secondary(self, *, on_frame: Optional[OnFrame] = None) -> Client:
        """Return another connection of this client, `NAME%%1` and so on, for traffic that should not stand behind.

        It has the same settings, subscribes for itself, and ends with its primary.
        """
        name = f"{self.name}%%{next(self._numbers)}"
        secondary = Client(name, self.address, on_frame=on_frame, **self._options).connect()
        self._secondaries.append(secondary)
        return secondary

    # Sending.

    @overload
    def send(self, target: str, payload: Payload = ..., *, qos: Qos = ..., wait: Literal[True] = ...) -> None: ...
    @overload
    def send(self, target: str, payload: Payload = ..., *, qos: Qos = ..., wait: bool) -> Optional[Ack]: ...
    def send(
        self, target: str, payload: Payload = b"", *, qos: Qos = Qos.PROCESSED, wait: bool = True
    ) -> Optional[Ack]:
        """Send a message to one client, and wait until the broker has placed it there.

        With `wait=False` the answer is returned as an `Ack`, to be waited for later or not at all. With `Qos.NO`
        there is no answer. Raises `RefusedError` if the target is not on the bus, `MalformedError`,
        `TooLargeError`, `NotConnectedError`, `ConnectionLostError`, `TimedOutError`.
        """
        return self._operate(_wire.MESSAGE, self._targets(target), payload, qos, wait)

    @overload
    def broadcast(self, mask: str, payload: Payload = ..., *, qos: Qos = ..., wait: Literal[True] = ...) -> None: ...
    @overload
    def broadcast(self, mask: str, payload: Payload = ..., *, qos: Qos = ..., wait: bool) -> Optional[Ack]: ...
    def broadcast(
        self, mask: str, payload: Payload = b"", *, qos: Qos = Qos.PROCESSED, wait: bool = True
    ) -> Optional[Ack]:
        """Send to every client whose name matches the mask, itself included; nobody need be there.

        In a mask `?` is any one part of a name, and a final `*` is one part or more. For the rest see `send`.
        """
        return self._operate(_wire.BROADCAST, self._masks(mask), payload, qos, wait)

    @overload
    def publish(
        self,
        topic: str,
        payload: Payload = ...,
        *,
        qos: Qos = ...,
        only_for: Optional[str] = ...,
        wait: Literal[True] = ...,
    ) -> None: ...
    @overload
    def publish(
        self, topic: str, payload: Payload = ..., *, qos: Qos = ..., only_for: Optional[str] = ..., wait: bool
    ) -> Optional[Ack]: ...
    def publish(
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
            return self._operate(_wire.PUBLISH, address, payload, qos, wait)
        return self._operate(_wire.PUBLISH_FOR, address + self._targets(only_for), payload, qos, wait)

    def flush(self) -> None:
        """Wait until the system has taken everything that was sent, also what is not acknowledged."""
        link = self._link
        if link is None:
            raise self._not_connected()
        link.drain(self.timeout)

    # Subscriptions.

    def subscribe(self, *filters: Union[str, Iterable[str]]) -> None:
        """Subscribe to topics: `+` is any one level, a final `#` one level or more.

        What was subscribed and excluded is asked for again after a reconnect.
        """
        self._change(Op.SUBSCRIBE, filters)

    def unsubscribe(self, *filters: Union[str, Iterable[str]]) -> None:
        """Take subscriptions back, each by the text it was made with."""
        self._change(Op.UNSUBSCRIBE, filters)

    def exclude(self, *filters: Union[str, Iterable[str]]) -> None:
        """Keep publications that match away, whatever is subscribed."""
        self._change(Op.EXCLUDE, filters)

    def unexclude(self, *filters: Union[str, Iterable[str]]) -> None:
        """Take exclusions back."""
        self._change(Op.UNEXCLUDE, filters)

    # Receiving.

    def recv(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """Wait for the next frame; `None` when none came in time, or the client is closed and all are taken."""
        return self._inbox.take_one(timeout)

    def recv_many(self, timeout: Optional[float] = None) -> list[Frame]:
        """Wait for frames and take all that came together; empty when none came in time or come any more."""
        return list(self._inbox.take(timeout) or ())

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come, until the client is closed. A loop that is left early loses none."""
        return chain.from_iterable(self._batches())

    def _batches(self) -> Iterator[Iterator[Frame]]:
        # The frames of a part go to the loop without a step of this generator each. When the loop is left, it is
        # closed, and what the loop did not take of the batch is still there.
        parts: Iterator[_wire.Frames] = iter(())
        rest: Iterator[Frame] = iter(())
        try:
            while True:
                for part in parts:
                    rest = iter(part)
                    yield rest
                frames = self._inbox.take()
                if frames is None:
                    return
                parts = iter(frames.parts if isinstance(frames, _wire.Batch) else (frames,))
        finally:
            left = [*rest, *chain.from_iterable(parts)]
            if left:
                self._inbox.put_back(left)

    # The way out.

    def _operate(self, op: int, address: bytes, payload: Payload, qos: Qos, wait: bool) -> Optional[Ack]:
        data = payload if type(payload) is bytes else _wire.as_bytes(payload)
        if len(address) + len(data) > self._frame_limit:
            self._encoded(address, data)
        link = self._link or self._wait_for_link()
        if not qos & 1:
            link.write(_wire.request(0, op, qos, address, data), qos > 1)
            return None if wait else _DONE
        ack = self._begin(link, wait)
        try:
            link.write(_wire.request(ack._ident, op, qos, address, data), wait or qos > 1)
        except BaseException:
            self._forget(ack._ident)
            raise
        if not wait:
            return ack
        ack.wait()
        return None

    def _begin(self, link: Link, wait: bool) -> Ack:
        if link.in_reader:
            if wait:
                raise WaitInCallbackError("a callback cannot wait for the broker: give wait=False")
        elif len(self._pending) >= self._settings.in_flight_limit:
            self._wait_for_room()
        ident = next(self._ids) & ID_MASK
        ack = self._pending[ident] = Ack(self, ident)
        return ack

    def _wait_for_room(self) -> None:
        """Wait for the oldest of too many operations."""
        for ack in list(islice(self._pending.copy().values(), 1)):
            try:
                ack.wait()
            except Error:
                pass  # told to whoever waits for it

    def _change(self, op: Op, given: tuple[Union[str, Iterable[str]], ...]) -> None:
        texts = _filters.encode(given)
        link = self._link or self._wait_for_link()
        ack = self._begin(link, True)
        try:
            self._filters.note(op, texts)
            link.write(_wire.filters(ack._ident, op, Qos.PROCESSED, texts), True)
        except BaseException:
            self._forget(ack._ident)
            raise
        try:
            ack.wait()
        except RefusedError:
            self._filters.refused(op, texts)
            raise

    def _about_to_wait(self) -> None:
        """Somebody waits: what was gathered goes out, and a reader that is held up reads on."""
        link = self._raw_link
        if link is not None:
            if link.in_reader:
                raise WaitInCallbackError("a callback cannot wait for what its own thread reads")
            link.flush()
        if self._inbox.held:
            self._inbox.stir()

    def _wait_for_link(self) -> Link:
        limit = self._settings.wait_while_disconnected
        if limit and self._state is State.DISCONNECTED and self._thread is not threading.current_thread():
            with self._changed:
                self._changed.wait_for(lambda: self._state is not State.DISCONNECTED, limit)
        link = self._link
        if link is None:
            raise self._not_connected()
        return link

    def _forget(self, ident: int) -> None:
        self._pending.pop(ident, None)

    # The reader's thread.

    def _open(self) -> Link:
        try:
            sock = _greeting.open_socket(self.address, self._name, self.timeout, self._greets)
        finally:
            with self._changed:
                self._attempt = None
        return Link(sock, self._settings, self._receive, self._ids)

    def _greets(self, sock: socket.socket) -> None:
        """Keep a connection that is being greeted, or end it when the client is closed."""
        with self._changed:
            self._attempt = sock
            if self._closing:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _run(self, link: Optional[Link]) -> None:
        why = ""
        while link is not None:
            why = link.read()
            self._lost(link, why)
            link.close()
            link = self._reconnect(why)
        self._closed(self._why or why)

    def _receive(self, frames: _wire.Frames, acknowledgements: list[tuple[int, int]], size: int) -> None:
        pop = self._pending.pop
        for ident, result in acknowledgements:
            ack = pop(ident, None)
            if ack is not None:
                ack._settle(result)
        if self._tap is not None and frames:
            frames = self._tap(frames)
        if not frames:
            return
        if self.on_frame is not None:
            self._call_back(frames)
            return
        inbox = self._inbox
        inbox.put(frames, size)
        if inbox.bytes >= self._settings.inbox_limit:
            self._hold(inbox)

    def _call_back(self, frames: _wire.Frames) -> None:
        rest = iter(frames)
        while True:
            on_frame = self.on_frame or discard
            try:
                for frame in rest:
                    on_frame(frame)
                return
            except Exception:
                log.exception("%s: on_frame failed", self.name)

    def _hold(self, inbox: Inbox) -> None:
        """Stop reading until frames were taken, except for the sake of answers that stand behind them."""
        inbox.held = True
        while inbox.bytes >= self._settings.inbox_limit and not self._closing and not inbox.closed:
            if self._pending or self._tap_waits():
                if inbox.bytes < self._settings.inbox_hard_limit:
                    break
                self._fail_pending(INBOX_FULL, "")
            inbox.wait_for_change(_LOOK)
        inbox.held = False

    def _fail_pending(self, result: int, why: str) -> None:
        while self._pending:
            try:
                _, ack = self._pending.popitem()
            except KeyError:
                break  # somebody gave up in this moment
            ack._settle(result)
        self._tap_lost(result, why)

    def _lost(self, link: Link, why: str) -> None:
        self._link = None
        self._why = why
        if not self._closing:
            self._enter(State.DISCONNECTED, why)
        self._fail_pending(LOST, why)

    def _reconnect(self, why: str) -> Optional[Link]:
        """Get the connection back; `None` when there will be none."""
        delays = self._delays()
        while self._settings.reconnect:
            with self._changed:
                self._changed.wait_for(lambda: self._closing, next(delays))
            if self._closing:
                break
            try:
                link = self._open()
            except ConnectError as error:
                if not error.may_pass:
                    self._why = str(error)
                    break
                continue
            self._raw_link = link
            link.start()
            self._restore(link)
            return link
        return None

    def _restore(self, link: Link) -> None:
        """Ask for everything that was subscribed and excluded; operations go through when it is answered."""
        waiting = list(self._filters.restore())
        if not waiting:
            self._back(link)
            return
        for number, (op, texts) in enumerate(waiting):
            ident = next(self._ids) & ID_MASK
            last = number == len(waiting) - 1
            self._pending[ident] = Restored(self, ident, link, last)
            try:
                link.write(_wire.filters(ident, op, Qos.PROCESSED, texts), True)
            except Error:
                return  # the link has ended, which its reader is about to notice

    def _back(self, link: Link) -> None:
        self._link = link
        self._enter(State.CONNECTED, "")
        if self._closing:
            link.hang_up(0.1)

    def _closed(self, why: str) -> None:
        self._link = None
        self._why = self._why or why
        if self._state is not State.CLOSED:
            self._enter(State.CLOSED, self._why)
        self._fail_pending(LOST, self._why)
        self._inbox.close()

    def _enter(self, state: State, why: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
        log.info("%s: %s %s", self.name, state.value, why)
        if self.on_state is not None:
            try:
                self.on_state(state, why)
            except Exception:
                log.exception("%s: on_state failed", self.name)


def discard(frame: Frame) -> None:
    """Do nothing with a frame: the `on_frame` of a client that only sends."""
