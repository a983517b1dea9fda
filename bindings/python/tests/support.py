"""What the tests share: brokers as processes, a broker made by hand, and one face for both kinds of clients."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import elbus
import elbus.aio

#: Seconds that anything may take on a loaded machine.
PATIENCE = 30
PROJECT = Path(__file__).resolve().parents[3]

_numbers = itertools.count()


def name(role="client"):
    """Return a name that no other test has."""
    return f"py.{role}.{next(_numbers)}"


def program(variable, built):
    """Return a program of the project: from an environment variable, else where cargo puts it."""
    path = os.environ.get(variable) or PROJECT / "target" / "debug" / built
    return Path(path)


SERVER = program("ELBUS_SERVER", "elbus-server")
CLI = program("ELBUS_CLI", "elbus-cli")
CALCULATOR = program("ELBUS_SERVICE_EXAMPLE", "examples/service")
PUBLISHED = Path(
    os.environ.get("ELBUS_PUBLISHED_BROKER")
    or PROJECT / "target" / "interop" / "debug" / "examples" / "published_broker"
)


class Broker:
    """A broker as a process, at a socket of its own."""

    def __init__(self, directory, *more):
        self.directory = directory
        self.unix = str(directory / "bus.sock")
        self.tcp = None
        self._more = more
        self._process = None

    def start(self):
        command = [SERVER, "-B", self.unix, "-B", self.tcp or "127.0.0.1:0", *self._more]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self._process.stdout:
            if line.startswith("  127.0.0.1:"):
                self.tcp = line.strip()
            if line.startswith("Ctrl-C"):
                return self
        raise AssertionError(f"{command} did not start")

    def address(self, transport):
        return getattr(self, transport)

    def kill(self):
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self):
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how):
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(PATIENCE)
            process.stdout.close()
            # What a crash leaves behind; the published broker leaves it always.
            Path(self.unix).unlink(missing_ok=True)


class PublishedBroker(Broker):
    """The published broker, at the same kind of place."""

    def start(self):
        # It does not say which port the system chose, so one is chosen before. While it is bound here nobody else is
        # given it, but whoever asks for it gets it.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.tcp = "127.0.0.1:%d" % self._reserved.getsockname()[1]
        self._process = subprocess.Popen([PUBLISHED, self.unix, self.tcp], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        return self

    def _end(self, how):
        super()._end(how)
        self._reserved.close()


class Loop:
    """An event loop in a thread, for tests that treat both kinds of clients alike."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class Face:
    """An object of asyncio whose coroutine functions can be called as functions."""

    def __init__(self, loop, inner):
        self._loop, self._inner = loop, inner

    def __getattr__(self, attribute):
        value = getattr(self._inner, attribute)
        if isinstance(value, elbus.aio.Client):
            return Face(self._loop, value)
        if not callable(value):
            return value

        def call(*args, **kwargs):
            async def run():
                result = value(*args, **kwargs)
                return await result if hasattr(result, "__await__") else result

            result = self._loop.run(run())
            known = isinstance(result, (elbus.aio.Client, elbus.aio.Ack, elbus.aio.Call))
            return Face(self._loop, result) if known else result

        return call


class Bus:
    """Makes clients of both kinds at one broker, and closes them."""

    def __init__(self, broker):
        self.broker = broker
        self._loop = None
        self._open = []

    def join(self, kind="sync", called=None, transport="unix", **options):
        options.setdefault("timeout", PATIENCE)
        client = self.make(kind, called, self.broker.address(transport), **options)
        client.connect()
        return client

    def make(self, kind, called, address, **options):
        called = called or name(kind)
        if kind == "sync":
            client = elbus.Client(called, address, **options)
        else:
            client = Face(self.loop, elbus.aio.Client(called, address, **options))
        self._open.append(client)
        return client

    def rpc(self, client, service=None, **options):
        if isinstance(client, elbus.Client):
            return elbus.Rpc(client, service, **options)

        async def make():
            return elbus.aio.Rpc(client._inner, service, **options)

        return Face(self.loop, self.loop.run(make()))

    @property
    def loop(self):
        if self._loop is None:
            self._loop = Loop()
        return self._loop

    def end(self):
        for client in self._open:
            client.close()
        if self._loop is not None:
            self._loop.end()


class FakeBroker:
    """A broker made by hand: it says what a test tells it to."""

    def __init__(self, directory):
        self.address = str(directory / "fake.sock")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen()
        self._listener.settimeout(PATIENCE)

    def accept(self, answer=b"\x01"):
        """Greet a client and answer its registration; return its connection and its name."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        connection.sendall(b"\xeb\x01\x00")
        assert read(connection, 3) == b"\xeb\x01\x00"
        connection.sendall(b"\x01")
        length = int.from_bytes(read(connection, 2), "little")
        called = read(connection, length)
        connection.sendall(answer)
        return connection, called.decode()

    def accept_only(self):
        return self._listener.accept()[0]

    def end(self):
        self._listener.close()


def read(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, "the client hung up"
        data += piece
    return data


def read_request(connection):
    """Return the next request that is no ping: id, operation, QoS, body.

    A client that asks for a sign of life, which it does when it likes, is given one.
    """
    while True:
        request = read_anything(connection)
        if is_question(request):
            acknowledge(connection, request[0])
        elif request[1]:
            return request


def read_anything(connection):
    """Return the next request, whatever it is: id, operation, QoS, body."""
    header = read(connection, 9)
    body = read(connection, int.from_bytes(header[5:], "little"))
    return int.from_bytes(header[:4], "little"), header[4] & 0x3F, header[4] >> 6, body


def is_question(request):
    """Say whether the client asks for a sign of life: it subscribes to nothing, acknowledged."""
    return request[1:] == (2, 1, b"")


def read_question(connection):
    """Return the id of the next question; there are not many pings in front of it."""
    for _ in range(100):
        request = read_anything(connection)
        if is_question(request):
            return request[0]
        assert request == (0, 0, 0, b""), request
    raise AssertionError("the client only pings")


def acknowledge(connection, ident, result=1):
    """Answer an operation."""
    connection.sendall(b"\xfe" + ident.to_bytes(4, "little") + bytes([result]))


def until(condition, what):
    """Wait until something is so that has no event: the counters of another process."""
    import time

    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


def is_there(client, listener):
    """Say whether somebody has this name, by sending there."""
    try:
        client.send(listener, b"there")
    except elbus.RefusedError:
        return False
    return True


def run_program(arguments, **options):
    """Run a program to its end and return what it said."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(*arguments, **options):
    """Run a program in Python, with the package that is tested."""
    return run_program([sys.executable, *arguments], **options)


def tool(path):
    """Return the path of a program that must be there."""
    found = shutil.which(path)
    assert found, f"{path} is not there"
    return found
