"""A Python client of the bus for the JavaScript tests: does what it is told on its standard input, one JSON object a line.

python-peer.py blocking|asyncio ADDRESS NAME. It answers each line with one of its own, and prints the frames that it receives.
"""

import asyncio
import inspect
import json
import sys
import threading

import elbus
import elbus.aio

kind, address, name = sys.argv[1:]
lock = threading.Lock()


def say(**what):
    with lock:
        print(json.dumps(what), flush=True)


def received(frame):
    say(
        frame=frame.kind.name.lower(),
        sender=frame.sender,
        topic=frame.topic,
        realtime=frame.realtime,
        payload=bytes(frame.payload).hex(),
    )


def add_methods(service):
    @service.method
    def add(a: int, b: int):
        """Adds a and b."""
        return a + b

    @service.method
    def fail():
        raise elbus.RpcError(77, "empty")

    service.on_notification(lambda frame: say(notified=frame.text, sender=frame.sender))
    return service


def carry_out(client, rpc, op, arguments):
    """Returns the result, or what is to be awaited for it."""
    if op in ("send", "broadcast", "publish"):
        address, payload, qos = arguments
        return getattr(client, op)(address, bytes.fromhex(payload), qos=elbus.Qos(qos))
    if op == "subscribe":
        return client.subscribe(*arguments)
    if op == "close":
        return client.close()
    return getattr(rpc, op)(*arguments)


def failure(error):
    code = getattr(error, "rpc_code", None) or getattr(error, "code", None)
    return {"error": type(error).__name__, "code": None if code is None else int(code), "message": str(error)}


def blocking():
    client = elbus.Client(name, address, on_frame=received).connect()
    rpc = elbus.Rpc(client, add_methods(elbus.Service()))
    say(ready=True)
    for line in sys.stdin:
        try:
            op, *arguments = json.loads(line)
            say(result=carry_out(client, rpc, op, arguments))
        except elbus.Error as error:
            say(**failure(error))


async def with_asyncio():
    client = await elbus.aio.Client(name, address, on_frame=received).connect()
    rpc = elbus.aio.Rpc(client, add_methods(elbus.aio.Service()))
    say(ready=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        try:
            op, *arguments = json.loads(line)
            result = carry_out(client, rpc, op, arguments)
            say(result=await result if inspect.isawaitable(result) else result)
        except elbus.Error as error:
            say(**failure(error))


if kind == "blocking":
    blocking()
else:
    asyncio.run(with_asyncio())
