"""Calls and services, between both kinds of clients."""

import threading
import time

import pytest

import elbus
import elbus.aio
from elbus import Code, Outcome, RefusedError, RpcError, SettingError, TimedOutError, TooManyError
from support import PATIENCE, FakeBroker, name, until


def calculator(kind):
    """A service of either kind, the same methods."""
    service = elbus.Service() if kind == "sync" else elbus.aio.Service()

    @service.method
    def add(a, b=1):
        """Add b to a.

        More about it.
        """
        return a + b

    @service.method(name="fail.so")
    def fail(code, reason):
        raise RpcError(code, reason)

    @service.method
    def broken():
        raise ValueError("on purpose")

    @service.method(raw=True)
    def echo(params):
        return params

    @service.method(context=True)
    def who(context, **rest):
        return [context.caller, context.method, context.realtime, context.wants_reply, rest]

    @service.method
    def nothing():
        return None

    @service.method
    def unencodable():
        return object()

    if kind == "sync":

        @service.method(context=True)
        def via(context, target, method, params):
            return context.rpc.call(target, method, params)

    else:

        @service.method(context=True)
        async def via(context, target, method, params):
            return await context.rpc.call(target, method, params)

    return service


@pytest.fixture
def pair(any_bus, kind, other_kind):
    """A caller, and the name of a service."""
    server = any_bus.join(other_kind)
    any_bus.rpc(server, calculator(other_kind))
    return any_bus.rpc(any_bus.join(kind)), server.name


def fails(rpc, target, method, params, code, text):
    with pytest.raises(RpcError, match=text) as error:
        rpc.call(target, method, params)
    assert error.value.rpc_code == code
    return error.value


def test_a_call_returns_what_the_method_returned(pair):
    rpc, target = pair
    assert rpc.call(target, "add", {"a": 1, "b": 2}) == 3
    assert rpc.call(target, "add", {"a": 1}) == 2
    assert rpc.call(target, "add", [1, 5]) == 6
    assert rpc.call(target, "add", 1) == 2
    assert rpc.call(target, "add", {"a": "tü", "b": "r"}) == "tür"
    assert rpc.call(target, "nothing") is None
    assert rpc.call_bytes(target, "echo", b"\0any\0") == b"\0any\0"
    assert rpc.call_bytes(target, "echo") == b""


def test_a_method_learns_who_calls_it_and_how(pair):
    rpc, target = pair
    assert rpc.call(target, "who", {"x": 1}) == [rpc.client.name, "who", False, True, {"x": 1}]
    assert rpc.call(target, "who", realtime=True) == [rpc.client.name, "who", True, True, {}]


def test_errors_of_a_service_arrive_with_code_and_reason(pair, caplog):
    rpc, target = pair
    error = fails(rpc, target, "fail.so", [77, "tank empty"], 77, "tank empty")
    assert (error.payload, error.text, error.bus_code) == (b"tank empty", "tank empty", None)
    fails(rpc, target, "broken", None, RpcError.INTERNAL, "ValueError: on purpose")
    fails(rpc, target, "unencodable", None, RpcError.INTERNAL, "cannot be encoded")
    fails(rpc, target, "unknown", None, RpcError.METHOD_NOT_FOUND, "unknown")
    fails(rpc, target, "add", None, RpcError.INVALID_PARAMS, "a: missing")
    fails(rpc, target, "add", {"a": 1, "c": 2}, RpcError.INVALID_PARAMS, "c: unknown")
    fails(rpc, target, "add", [1, 2, 3], RpcError.INVALID_PARAMS, "3 params")
    with pytest.raises(RpcError) as parse:
        rpc.call_bytes(target, "add", b"\xc1")
    assert parse.value.rpc_code == RpcError.PARSE
    busy = fails(rpc, target, "fail.so", [-32118, "busy"], -32118, "busy")
    assert (busy.bus_code, busy.code) == (Code.BUSY, Code.BUSY)


def test_a_call_to_nobody_fails_at_once(any_bus, kind):
    rpc = any_bus.rpc(any_bus.join(kind))
    begun = time.monotonic()
    with pytest.raises(RefusedError) as error:
        rpc.call(name("nobody"), "add", timeout=PATIENCE)
    assert (error.value.code, error.value.outcome) == (Code.NOT_REGISTERED, Outcome.REFUSED)
    assert time.monotonic() - begun < PATIENCE / 2


def test_a_call_ends_at_its_deadline(any_bus, kind):
    silent = any_bus.join("sync")
    rpc = any_bus.rpc(any_bus.join(kind))
    with pytest.raises(TimedOutError) as error:
        rpc.call(silent.name, "add", timeout=0.1)
    assert error.value.outcome == Outcome.UNKNOWN
    assert rpc._calls == {}


def test_handlers_call_others(any_bus, kind, other_kind):
    services = {k: any_bus.join(k) for k in (kind, other_kind)} if kind != other_kind else {kind: any_bus.join(kind)}
    for k, client in services.items():
        any_bus.rpc(client, calculator(k))
    rpc = any_bus.rpc(any_bus.join(kind))
    first, last = services[kind].name, services[other_kind].name
    chain = {"target": last, "method": "add", "params": [1, 2]}
    assert rpc.call(first, "via", chain) == 3
    assert rpc.call(first, "via", {"target": last, "method": "via", "params": chain}) == 3
    nobody = {"target": name("nobody"), "method": "add", "params": []}
    fails(rpc, first, "via", nobody, -32000 - Code.NOT_REGISTERED, "no such client")


def test_many_calls_are_in_flight(pair):
    rpc, target = pair
    calls = [rpc.call(target, "add", [n, 1], wait=False) for n in range(1000)]
    assert [call.wait() for call in calls] == [n + 1 for n in range(1000)]
    assert all(call.done for call in calls)
    assert rpc._calls == {}


def test_call0_and_notifications_are_placed(any_bus, kind, other_kind):
    got, noted = threading.Event(), []
    service = elbus.Service() if other_kind == "sync" else elbus.aio.Service()

    @service.method(context=True)
    def act(context, x):
        noted.append((context.wants_reply, x))
        got.set()

    @service.on_notification
    def note(frame):
        noted.append((frame.sender, frame.payload))
        got.set()

    server = any_bus.join(other_kind)
    any_bus.rpc(server, service)
    rpc = any_bus.rpc(any_bus.join(kind))
    rpc.call0(server.name, "act", {"x": 1})
    assert got.wait(PATIENCE)
    got.clear()
    rpc.notify(server.name, "take note")
    assert got.wait(PATIENCE)
    assert noted == [(False, 1), (rpc.client.name, b"take note")]
    with pytest.raises(RefusedError):
        rpc.call0(name("nobody"), "act")
    with pytest.raises(RefusedError):
        rpc.notify(name("nobody"), b"")


def test_a_service_describes_itself(pair):
    rpc, target = pair
    described = {method["name"]: method["description"] for method in rpc.describe(target)}
    assert described["add"] == "Add b to a."
    assert set(described) == {"add", "fail.so", "broken", "echo", "who", "nothing", "unencodable", "via"}


def test_the_brokers_methods_are_called(any_bus, kind):
    client = any_bus.join(kind)
    rpc = any_bus.rpc(client)
    assert rpc.call(".broker", "test") == {"ok": True}
    listed = {entry["name"] for entry in rpc.call(".broker", "client.list")["clients"]}
    assert client.name in listed
    fails(rpc, ".broker", "unknown", None, RpcError.METHOD_NOT_FOUND, "code")


def test_other_frames_stay_with_the_client(pair):
    rpc, target = pair
    client = rpc.client
    for payload in (b"plain", b"", b"\x01\x01\0"):
        client.send(client.name, payload)
    client.broadcast(client.name, b"\x01\x01\0\0\0add\0")
    assert rpc.call(target, "add", [1]) == 2
    got = [client.recv(PATIENCE).payload for _ in range(3)]
    assert got == [b"plain", b"", b"\x01\x01\0\0\0add\0"]


@pytest.mark.parametrize("codec", [elbus.JSON, elbus.BYTES], ids=["json", "bytes"])
def test_params_may_be_json_or_bytes(any_bus, kind, other_kind, codec):
    service = elbus.Service(codec=codec) if other_kind == "sync" else elbus.aio.Service(codec=codec)

    @service.method
    def twice(value):
        return value * 2

    server = any_bus.join(other_kind)
    any_bus.rpc(server, service)
    rpc = any_bus.rpc(any_bus.join(kind), codec=codec)
    given = {"value": [1, "ü"]} if codec is elbus.JSON else b"ab"
    assert rpc.call(server.name, "twice", given) == ([1, "ü", 1, "ü"] if codec is elbus.JSON else b"abab")


def test_calls_beyond_the_bound_are_answered_busy_at_once(any_bus, kind):
    release = threading.Event()
    running = threading.Semaphore(0)
    service = elbus.Service(concurrent=2, waiting_requests=3)

    @service.method
    def hold():
        running.release()
        release.wait(PATIENCE)
        return "done"

    server = any_bus.join("sync")
    any_bus.rpc(server, service)
    rpc = any_bus.rpc(any_bus.join(kind))
    calls = [rpc.call(server.name, "hold", wait=False) for _ in range(2)]
    for _ in calls:
        assert running.acquire(timeout=PATIENCE)
    calls += [rpc.call(server.name, "hold", wait=False) for _ in range(3)]
    with pytest.raises(RpcError) as busy:
        rpc.call(server.name, "hold")
    assert busy.value.bus_code == Code.BUSY
    release.set()
    assert [call.wait() for call in calls] == ["done"] * 5


def test_coroutines_beyond_the_bound_are_answered_busy_at_once(any_bus, kind):
    import asyncio

    service = elbus.aio.Service(concurrent=2, waiting_requests=3)
    release = []

    @service.method
    async def hold():
        release.append(asyncio.get_running_loop().create_future())
        return await release[-1]

    server = any_bus.join("aio")
    any_bus.rpc(server, service)
    rpc = any_bus.rpc(any_bus.join(kind))
    calls = [rpc.call(server.name, "hold", wait=False) for _ in range(5)]
    with pytest.raises(RpcError) as busy:
        rpc.call(server.name, "hold")
    assert busy.value.bus_code == Code.BUSY
    for n in range(5):
        until(lambda n=n: len(release) >= min(n + 2, 5), "the next handler begins")
        assert len(release) <= n + 2
        any_bus.loop._loop.call_soon_threadsafe(release[n].set_result, n)
    assert [call.wait() for call in calls] == list(range(5))


def test_too_many_calls_fail_before_anything_is_sent(any_bus, kind):
    silent = any_bus.join("sync")
    rpc = any_bus.rpc(any_bus.join(kind), calls_limit=2)
    for _ in range(2):
        rpc.call(silent.name, "x", wait=False)
    with pytest.raises(TooManyError) as error:
        rpc.call(silent.name, "x")
    assert error.value.outcome == Outcome.REFUSED


def test_only_who_was_called_may_answer(tmp_path, fake_bus, kind):
    broker = FakeBroker(tmp_path)
    connection = []
    accepting = threading.Thread(target=lambda: connection.append(broker.accept()[0]))
    accepting.start()
    rpc = fake_bus.rpc(fake_bus.make(kind, "caller", broker.address, timeout=PATIENCE), codec=elbus.BYTES)
    rpc.client.connect()
    accepting.join()
    call = rpc.call("service", "x", wait=False)
    from support import read_request

    ident, _, _, body = read_request(connection[0])
    call_id = body[len(b"service\0\x01") :][:4]

    def reply(sender, result):
        body = sender + b"\0\x11" + call_id + result
        connection[0].sendall(b"\x12" + len(body).to_bytes(4, "little") + b"\0" + body)

    connection[0].sendall(b"\xfe" + ident.to_bytes(4, "little") + b"\x01")
    reply(b"somebody", b"forged")
    reply(b"service", b"true")
    assert call.wait() == b"true"
    connection[0].close()
    broker.end()


def test_a_call_that_is_cancelled_leaves_nothing_behind(any_bus):
    import asyncio

    silent, caller = any_bus.join("sync"), any_bus.join("aio")
    rpc = any_bus.rpc(caller)

    async def cancel():
        task = asyncio.ensure_future(rpc._inner.call(silent.name, "x"))
        while not rpc._inner._calls:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert any_bus.loop.run(cancel())
    assert rpc._calls == {}


def test_what_a_service_cannot_be_is_refused(bus):
    service = elbus.Service()

    async def coroutine():
        pass

    with pytest.raises(SettingError, match=r"elbus\.aio\.Service"):
        service.method(coroutine)
    with pytest.raises(SettingError, match="leading dot"):
        service.method(name=".own")(lambda: None)
    service.method(name="twice")(lambda: None)
    with pytest.raises(SettingError, match="already"):
        service.method(name="twice")(lambda: None)
    with pytest.raises(SettingError, match="concurrent must be from 1"):
        elbus.Service(concurrent=0)
    client = bus.join("sync")
    elbus.Rpc(client)
    with pytest.raises(SettingError, match="already"):
        elbus.Rpc(client)
