"""The published clients behind one face, so that every check runs with each of them, and what runs the checks.

The clients themselves are used as they come: nothing of theirs is replaced. Every wait has a limit.
"""
import asyncio
import importlib
import itertools
import logging
import os
import queue
import socket
import sys
import threading
import traceback

PATIENCE = 20
LIBRARIES = os.environ.get('LIBRARIES', 'elbus busrt busrt_async').split()

OP_PUBLISH, OP_SUBSCRIBE, OP_UNSUBSCRIBE, OP_MESSAGE, OP_BROADCAST = 0x01, 0x02, 0x03, 0x12, 0x13
OK, NOT_REGISTERED, BAD_DATA, BUSY, ACCESS_DENIED = 0x01, 0x71, 0x72, 0x76, 0x79

names = (f'py{n}' for n in itertools.count())


class Client:
    """What the faces of both kinds of clients share."""

    def send(self, target, payload=b'', qos=1, tp=OP_MESSAGE):
        """Sends and, if the quality of service asks for it, waits for the acknowledgement and returns its code."""
        return self.result(self.post(target, payload, qos, tp))

    def publish(self, topic, payload=b'', qos=1):
        return self.send(topic, payload, qos, OP_PUBLISH)

    def broadcast(self, mask, payload=b'', qos=1):
        return self.send(mask, payload, qos, OP_BROADCAST)

    def topics(self, tp, topics):
        """Subscribes or unsubscribes and returns the acknowledgement's code."""
        frame = self.module.Frame(tp=tp, qos=1)
        frame.topic = list(topics)
        return self.result(self.post_frame(None, frame))

    def subscribe(self, *topics):
        expect(self.topics(OP_SUBSCRIBE, topics), OK)

    def unsubscribe(self, *topics):
        expect(self.topics(OP_UNSUBSCRIBE, topics), OK)

    def post(self, target, payload, qos, tp=OP_MESSAGE):
        """Sends and returns what to wait for."""
        return self.post_frame(target, self.module.Frame(payload, tp=tp, qos=qos))

    def frame(self):
        """The next frame from another client or the broker."""
        return self.frames.get(timeout=PATIENCE)

    def expect(self, tp, sender, payload, topic=None):
        frame = self.frame()
        expect((frame.type, frame.sender, frame.topic), (tp, sender, topic))
        assert frame.payload == payload, f'{payload[:80]!r} expected, got {frame.payload[:80]!r}'

    def expect_nothing(self):
        """What this client sends to itself now is the next thing it gets: nothing else was there."""
        expect(self.send(self.name, b'nothing else'), OK)
        self.expect(OP_MESSAGE, self.name, b'nothing else')


class Blocking(Client):
    """A client of `elbus` or `busrt`."""

    def __init__(self, library, address, name, timeout):
        self.module = importlib.import_module(f'{library}.client')
        self.name = name
        self.frames = queue.Queue()
        self.client = self.module.Client(address, name)
        self.client.timeout = timeout
        self.client.on_frame = self.frames.put
        self.client.connect()

    def post_frame(self, target, frame):
        return self.client.send(target, frame)

    def result(self, sent):
        return sent.wait_completed(timeout=PATIENCE)

    def subscribe_blindly(self, topics):
        self.client.subscribe(topics)

    def leave(self):
        # Closing the socket alone would not tell the broker while the reader waits for it.
        try:
            self.client.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the broker was first
        self.client.disconnect()


class Async(Client):
    """A client of `busrt_async`, whose event loop runs in a thread."""

    def __init__(self, library, address, name, timeout):
        self.module = importlib.import_module(f'{library}.client')
        self.name = name
        self.frames = queue.Queue()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.run(self.connect(address, name, timeout))

    async def connect(self, address, name, timeout):
        async def on_frame(frame):
            self.frames.put(frame)

        self.client = self.module.Client(address, name)
        self.client.timeout = timeout
        self.client.on_frame = on_frame
        await self.client.connect()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def post_frame(self, target, frame):
        return self.run(self.client.send(target, frame))

    def result(self, sent):
        return self.run(sent.wait_completed(timeout=PATIENCE))

    def subscribe_blindly(self, topics):
        self.run(self.client.subscribe(topics))

    def leave(self):
        self.run(self.client.disconnect())


class Place:
    """A library and an address: where clients come from."""

    def __init__(self, library, address):
        self.library, self.address = library, address

    def join(self, name, timeout=PATIENCE):
        kind = Async if self.library.endswith('_async') else Blocking
        return kind(self.library, self.address, name, timeout)

    def __str__(self):
        return f'{self.library} at {self.address}'


def expect(got, expected):
    assert got == expected, f'{expected!r} expected, got {got!r}'


class Complaints(logging.Handler):
    """What the libraries log: nothing, if all goes well."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def emit(self, record):
        self.heard.append(record.getMessage())


def run(check):
    """Runs a program to its end: nothing of the libraries' threads keeps it alive."""
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        check(*sys.argv[1:])
        assert not complaints.heard, '\n'.join(complaints.heard)
    except BaseException:
        traceback.print_exc()
        print('\n'.join(complaints.heard), file=sys.stderr, flush=True)
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def run_with_each(check):
    """Runs a check with clients of each library and the next one, over each address and the next one; the check
    gets two places and a group for its names."""

    def all_of_them(*addresses):
        for n, address in enumerate(addresses):
            for m, library in enumerate(LIBRARIES):
                first = Place(library, address)
                second = Place(LIBRARIES[(m + 1) % len(LIBRARIES)], addresses[(n + m) % len(addresses)])
                try:
                    check(first, second, next(names))
                except BaseException:
                    print(f'with {first} and {second}:', file=sys.stderr)
                    raise

    run(all_of_them)
