"""One measurement in a process of its own: `worker.py WORK LIBRARY ADDRESS COUNT` prints a rate per second.

`LIBRARY` is `ours` or `published`; which packages these names stand for is decided by the Python that runs this.
"""

import asyncio
import socket
import sys
import threading
import time

PAYLOAD = b"x" * 100
NAME = "bench"
IN_FLIGHT = 256


def feed(address, count):
    """Send frames to the measured client as fast as the broker takes them, encoded before."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address)
        sock.recv(3)
        sock.sendall(b"\xeb\x01\x00")
        sock.recv(1)
        sock.sendall(b"\x06\x00feeder")
        sock.recv(1)
        body = NAME.encode() + b"\0" + PAYLOAD
        frame = (1).to_bytes(4, "little") + b"\x12" + len(body).to_bytes(4, "little") + body
        for _ in range(count // 500):
            sock.sendall(frame * 500)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass


class Counter:
    """Counts frames and knows when the first and the last one came."""

    def __init__(self, count):
        self.left = count
        self.begun = self.ended = 0.0
        self.done = threading.Event()

    def __call__(self, frame):
        if not self.begun:
            self.begun = time.perf_counter()
        self.left -= 1
        if not self.left:
            self.ended = time.perf_counter()
            self.done.set()

    async def asynchronous(self, frame):
        self(frame)

    def seconds(self):
        return self.ended - self.begun


def recv_callback(library, address, count):
    import elbus

    counter = Counter(count)
    if library == "ours":
        elbus.Client(NAME, address, on_frame=counter).connect()
    else:
        client = elbus.client.Client(address, NAME)
        client.on_frame = counter
        client.connect()
    print("ready", flush=True)
    counter.done.wait()
    return counter.seconds()


def recv_loop(library, address, count):
    import elbus

    client = elbus.Client(NAME, address).connect()
    print("ready", flush=True)
    frames = iter(client)
    next(frames)
    begun = time.perf_counter()
    left = count - 1
    for _ in frames:
        left -= 1
        if not left:
            break
    return time.perf_counter() - begun


def recv_rpc(library, address, count):
    """With the published RPC layer attached, which starts a thread for every frame; ours has a loop."""
    import elbus.client
    import elbus.rpc

    counter = Counter(count)
    client = elbus.client.Client(address, NAME)
    client.connect()
    # Notifications, calls and the rest go the same way; what arrives here is none of them, which it logs.
    rpc = elbus.rpc.Rpc(client)
    handle = rpc._t_handler
    rpc._t_handler = lambda frame: (handle(frame), counter(frame))
    import logging

    logging.disable(logging.CRITICAL)
    print("ready", flush=True)
    counter.done.wait()
    return counter.seconds()


def send(library, address, count):
    import elbus

    if library == "ours":
        client = elbus.Client(NAME, address).connect()
        qos = elbus.Qos.NO
        begun = time.perf_counter()
        for _ in range(count):
            client.send("nobody", PAYLOAD, qos=qos)
        client.publish("end", b"")
    else:
        client = elbus.client.Client(address, NAME)
        client.connect()
        Frame = elbus.client.Frame
        begun = time.perf_counter()
        for _ in range(count - 1):
            client.send("nobody", Frame(PAYLOAD))
        client.send("nobody", Frame(PAYLOAD, qos=1)).wait_completed(timeout=60)
    return time.perf_counter() - begun


async def aio_client(library, address):
    if library == "ours":
        import elbus.aio

        return await elbus.aio.Client(NAME, address, timeout=60).connect()
    import busrt_async

    client = busrt_async.client.Client(address, NAME)
    client.timeout = 60
    await client.connect()
    return client


async def aio_recv(library, address, count):
    client = await aio_client(library, address)
    if library == "ours":
        print("ready", flush=True)
        left = count
        async for _ in client:
            if left == count:
                begun = time.perf_counter()
            left -= 1
            if not left:
                return time.perf_counter() - begun
    counter = Counter(count)
    client.on_frame = counter.asynchronous
    print("ready", flush=True)
    while not counter.done.is_set():
        await asyncio.sleep(0.01)
    return counter.seconds()


async def aio_send(library, address, count):
    client = await aio_client(library, address)
    begun = time.perf_counter()
    if library == "ours":
        import elbus

        qos = elbus.Qos.NO
        for _ in range(count):
            await client.send("nobody", PAYLOAD, qos=qos)
        await client.publish("end", b"")
    else:
        import busrt_async

        Frame = busrt_async.client.Frame
        for _ in range(count):
            await client.send("nobody", Frame(PAYLOAD))
        await (await client.send("nobody", Frame(PAYLOAD, qos=1))).wait_completed(timeout=60)
    return time.perf_counter() - begun


async def aio_rpc(library, address, count):
    """Calls of the broker's own echo, so many in flight from one program."""
    client = await aio_client(library, address)
    if library == "ours":
        import elbus.aio

        rpc = elbus.aio.Rpc(client, codec=elbus.BYTES)

        async def call():
            assert await rpc.call_bytes(".broker", "benchmark.test", PAYLOAD) == PAYLOAD
    else:
        import busrt_async

        rpc = busrt_async.rpc.Rpc(client)
        Request = busrt_async.rpc.Request

        async def call():
            event = await rpc.call(".broker", Request("benchmark.test", PAYLOAD))
            assert (await event.wait_completed()).get_payload() == PAYLOAD

    async def calls():
        for _ in range(count // IN_FLIGHT):
            await call()

    begun = time.perf_counter()
    await asyncio.gather(*(calls() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - begun


def main():
    work, library, address, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if work == "feed":
        feed(address, count)
        return
    seconds = globals()[work](library, address, count)
    if asyncio.iscoroutine(seconds):
        seconds = asyncio.run(seconds)
    print(f"{count / seconds:.0f}", flush=True)
    # Nothing of the published libraries' threads keeps the program alive.
    import os

    os._exit(0)


if __name__ == "__main__":
    main()
