"""Programs written for the published packages `elbus` and `elbus_async`: their names, arguments, results and errors."""

import asyncio
import logging
import queue
import threading

import msgpack
import pytest

import elbus
import elbus_async
from elbus.client import OP_BROADCAST, OP_PUBLISH, RESPONSE_OK, Client, Frame
from elbus.rpc import Notification, Request, Rpc, RpcException
from support import PATIENCE, name, until


@pytest.fixture
def address(any_broker, transport):
    return any_broker.address(transport)


@pytest.fixture
def join(address):
    clients = []

    def join():
        client = Client(address, name("published"))
        client.timeout = PATIENCE
        client.frames_got = queue.Queue()
        client.on_frame = client.frames_got.put
        client.connect()
        clients.append(client)
        return client

    yield join
    for client in clients:
        client.disconnect()


def test_the_modules_have_the_published_names():
    for package in (elbus, elbus_async):
        assert package.__version__
        for constant, value in {
            "GREETINGS": 0xEB,
            "PROTOCOL_VERSION": 1,
            "OP_NOP": 0,
            "OP_PUBLISH": 1,
            "OP_SUBSCRIBE": 2,
            "OP_UNSUBSCRIBE": 3,
            "OP_MESSAGE": 0x12,
            "OP_BROADCAST": 0x13,
            "OP_ACK": 0xFE,
            "RESPONSE_OK": 1,
            "ERR_CLIENT_NOT_REGISTERED": 0x71,
            "ERR_DATA": 0x72,
            "ERR_IO": 0x73,
            "ERR_OTHER": 0x74,
            "ERR_NOT_SUPPORTED": 0x75,
            "ERR_BUSY": 0x76,
            "ERR_NOT_DELIVERED": 0x77,
            "ERR_TIMEOUT": 0x78,
            "PING_FRAME": bytes(9),
        }.items():
            assert getattr(package.client, constant) == value
        for constant, value in {
            "RPC_NOTIFICATION_HEADER": b"\x00",
            "RPC_REQUEST_HEADER": b"\x01",
            "RPC_REPLY_HEADER": b"\x11",
            "RPC_ERROR_REPLY_HEADER": b"\x12",
            "RPC_NOTIFICATION": 0,
            "RPC_REQUEST": 1,
            "RPC_REPLY": 0x11,
            "RPC_ERROR": 0x12,
            "RPC_ERROR_CODE_PARSE": -32700,
            "RPC_ERROR_CODE_INVALID_REQUEST": -32600,
            "RPC_ERROR_CODE_METHOD_NOT_FOUND": -32601,
            "RPC_ERROR_CODE_INVALID_METHOD_PARAMS": -32602,
            "RPC_ERROR_CODE_INTERNAL": -32603,
        }.items():
            assert getattr(package.rpc, constant) == value
        for attribute in ("Client", "ClientFrame", "Frame", "on_frame_default", "logger"):
            assert hasattr(package.client, attribute)
        for attribute in (
            "Rpc RpcCallEvent RpcException Event Notification Request Reply format_rpc_e_msg on_call_default "
            "on_notification_default on_frame_default"
        ).split():
            assert hasattr(package.rpc, attribute)


def test_a_new_client_has_the_published_attributes():
    client = Client("/tmp/none.sock", "a")
    assert (client.path, client.name, client.buf_size, client.frame_id) == ("/tmp/none.sock", "a", 8192, 0)
    assert (client.ping_interval, client.timeout, client.connected, client.frames) == (1, 1, False, {})
    assert client.socket is None
    assert not client.is_connected()
    assert client.on_frame is elbus.client.on_frame_default


def test_messages_broadcasts_and_publications_arrive(join):
    a, b = join(), join()
    assert b.subscribe(["some/topic", "other/#"]).wait_completed() == RESPONSE_OK
    subscribed = Frame(tp=elbus.client.OP_SUBSCRIBE, qos=1)
    subscribed.topic = "third"
    assert b.send(None, subscribed).wait_completed(timeout=PATIENCE) == RESPONSE_OK
    for qos in range(4):
        sent = a.send(b.name, Frame("hello", qos=qos))
        assert sent.wait_completed(timeout=PATIENCE) == RESPONSE_OK
        assert sent.is_completed()
        a.send(b.name, Frame(b"hello everyone", tp=OP_BROADCAST, qos=qos)).wait_completed(PATIENCE)
        a.send("some/topic", Frame("türe", tp=OP_PUBLISH, qos=qos)).wait_completed(PATIENCE)
        got = [b.frames_got.get(timeout=PATIENCE) for _ in range(3)]
        assert [(f.type, f.sender, f.topic, f.payload) for f in got] == [
            (0x12, a.name, None, b"hello"),
            (0x13, a.name, None, b"hello everyone"),
            (0x01, a.name, "some/topic", "türe".encode()),
        ]
        assert got[0].primary_sender == a.name
    unsubscribed = Frame(tp=elbus.client.OP_UNSUBSCRIBE, qos=1)
    unsubscribed.topic = ["some/topic"]
    assert b.send(None, unsubscribed).wait_completed(timeout=PATIENCE) == RESPONSE_OK
    a.send("some/topic", Frame("away", tp=OP_PUBLISH, qos=1)).wait_completed(PATIENCE)
    a.send("third", Frame("here", tp=OP_PUBLISH, qos=1)).wait_completed(PATIENCE)
    assert b.frames_got.get(timeout=PATIENCE).payload == b"here"


def test_results_are_bytes_of_the_wire_and_refusals_runtime_errors(join, address):
    a = join()
    assert a.send(name("nobody"), Frame("x", qos=1)).wait_completed(timeout=PATIENCE) == 0x71
    assert a.frames == {}
    second = Client(address, a.name)
    second.timeout = PATIENCE
    with pytest.raises(RuntimeError, match="Server response: 0x76"):
        second.connect()
    with pytest.raises(FileNotFoundError):
        Client("/tmp/there.is.no.such.sock", "a").connect()


def test_a_client_disconnects_and_connects_again(join):
    a, b = join(), join()
    for n in range(10):
        # Without an acknowledgement: what was sent before goes out all the same.
        a.send(b.name, Frame(str(n)))
        a.disconnect()
        assert not a.is_connected()
        with pytest.raises(OSError, match="not connected"):
            a.send(b.name, Frame("x"))
        assert int(b.frames_got.get(timeout=PATIENCE).payload) == n
        until(lambda: connects(a), "the name is free")


def connects(client):
    try:
        client.connect()
    except RuntimeError:
        return False
    return True


def test_a_lost_connection_is_told(own_server, caplog):
    client = Client(own_server.unix, "a")
    client.timeout = PATIENCE
    client.connect()
    caplog.set_level(logging.CRITICAL)
    own_server.kill()
    until(lambda: not client.is_connected(), "the client notices")


def test_calls_are_answered_each_on_a_thread_of_its_own(join):
    a, b = join(), join()
    service, caller = Rpc(b), Rpc(a)
    both = threading.Barrier(2)
    notified = queue.Queue()

    def on_call(event):
        if event.method == b"meet":
            both.wait(PATIENCE)
        if event.method == b"fail":
            raise RpcException("no tank", 77)
        if event.method == b"broken":
            raise ValueError("on purpose")
        if event.method == b"nothing":
            return None
        return msgpack.packb([event.frame.sender, msgpack.unpackb(event.get_payload())])

    service.on_call = on_call
    service.on_notification = lambda event: notified.put(event.get_payload())
    calls = [caller.call(b.name, Request("meet", msgpack.packb(n))) for n in (1, 2)]
    results = [msgpack.unpackb(call.wait_completed(timeout=PATIENCE).get_payload()) for call in calls]
    assert results == [[a.name, 1], [a.name, 2]]
    assert caller.call(b.name, Request("nothing", None)).wait_completed(PATIENCE).is_empty()
    for method, code, reason in (("fail", 77, b"no tank"), ("broken", -32603, b"on purpose")):
        with pytest.raises(RpcException) as error:
            caller.call(b.name, Request(method)).wait_completed(timeout=PATIENCE)
        assert (error.value.rpc_error_code, error.value.rpc_error_payload) == (code, reason)
        assert f"(code: {code})" in str(error.value)
    with pytest.raises(RpcException) as error:
        caller.call(name("nobody"), Request("x")).wait_completed(timeout=PATIENCE)
    assert error.value.rpc_error_code == -32000 - 0x71
    assert caller.call0(b.name, Request(b"nothing")).wait_completed(PATIENCE) == RESPONSE_OK
    assert caller.notify(b.name, Notification("take note")).wait_completed(PATIENCE) == RESPONSE_OK
    assert notified.get(timeout=PATIENCE) == b"take note"
    with pytest.raises(RpcException) as error:
        service.call(a.name, Request("x")).wait_completed(timeout=PATIENCE)
    assert error.value.rpc_error_code == -32601
    assert caller.is_connected()


def test_frames_that_are_no_calls_go_to_the_layers_own_handler(join):
    a, b = join(), join()
    rpc = Rpc(b)
    got = queue.Queue()
    rpc.on_frame = got.put
    a.send(b.name, Frame("to all", tp=OP_BROADCAST, qos=1)).wait_completed(PATIENCE)
    assert got.get(timeout=PATIENCE).payload == b"to all"


def test_a_thread_is_used_again_and_the_way_of_starting_them_can_be_replaced(join):
    a, b = join(), join()
    service, caller = Rpc(b), Rpc(a)
    threads = set()

    def on_call(event):
        threads.add(threading.get_ident())

    service.on_call = on_call
    spawner = service._spawner
    for _ in range(50):
        caller.call(b.name, Request("x")).wait_completed(timeout=PATIENCE)
        # A thread that has answered is not idle yet.
        until(lambda: spawner._idle == spawner._threads, "every thread is idle")
    assert len(threads) == 1
    spawned = []
    service.spawn = lambda f, *args, **kwargs: (spawned.append(f), f(*args, **kwargs))
    caller.call(b.name, Request("x")).wait_completed(timeout=PATIENCE)
    assert spawned


def test_the_asynchronous_package_does_the_same(address):
    asyncio.run(asyncio.wait_for(talk(address), PATIENCE))


async def talk(address):
    module, rpc_module = elbus_async.client, elbus_async.rpc

    async def join():
        client = module.Client(address, name("async"))
        client.timeout = PATIENCE
        client.got = asyncio.Queue()

        async def on_frame(frame):
            await client.got.put(frame)

        client.on_frame = on_frame
        await client.connect()
        return client

    a, b = await join(), await join()
    assert a.is_connected()
    assert await (await b.subscribe("t/#")).wait_completed() == RESPONSE_OK
    # What is acknowledged behind it says that the subscription holds.
    await (await b.send(name("nobody"), module.Frame("x", qos=1))).wait_completed()
    for qos in range(4):
        sent = await a.send(b.name, module.Frame("hello", qos=qos))
        assert await sent.wait_completed(timeout=PATIENCE) == RESPONSE_OK
        await a.send("t/x", module.Frame(b"published", tp=OP_PUBLISH, qos=qos))
        got = [await b.got.get() for _ in range(2)]
        assert [(f.type, f.sender, f.topic, f.payload) for f in got] == [
            (0x12, a.name, None, b"hello"),
            (0x01, a.name, "t/x", b"published"),
        ]
    sent = await a.send(name("nobody"), module.Frame("x", qos=1))
    assert await sent.wait_completed() == 0x71

    async def on_call(event):
        await asyncio.sleep(0)
        if event.method == b"fail":
            raise rpc_module.RpcException("no tank", 77)
        return event.get_payload() + b"!"

    noted = asyncio.Queue()

    async def on_notification(event):
        await noted.put(event.get_payload())

    caller, service = rpc_module.Rpc(a), rpc_module.Rpc(b)
    service.on_call, service.on_notification = on_call, on_notification
    calls = await asyncio.gather(*(caller.call(b.name, rpc_module.Request("x", b"%d" % n)) for n in range(100)))
    results = [(await call.wait_completed(timeout=PATIENCE)).get_payload() for call in calls]
    assert results == [b"%d!" % n for n in range(100)]
    for target, method, code in ((b.name, "fail", 77), (name("nobody"), "x", -32000 - 0x71), (a.name, "x", 0)):
        with pytest.raises(rpc_module.RpcException) as error:
            await (await caller.call(target, rpc_module.Request(method))).wait_completed(PATIENCE)
        assert error.value.rpc_error_code == (code or -32601)
    assert await (await caller.call0(b.name, rpc_module.Request("x"))).wait_completed() == RESPONSE_OK
    assert await (await caller.notify(b.name, rpc_module.Notification(b"note"))).wait_completed() == RESPONSE_OK
    assert await noted.get() == b"note"
    await a.disconnect()
    assert not a.is_connected()
    with pytest.raises(OSError, match="not connected"):
        await a.send(b.name, module.Frame("x"))
    await b.disconnect()
