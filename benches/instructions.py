#!/usr/bin/env python3
"""Instructions that a broker carries out for each message, by callgrind: a figure that other load does not change.

    benches/instructions.py message target/release/elbus-server -B {socket} -w 1

The first argument says what is sent, 16 bytes of payload each, in writes of many: `message` to one client, `publish` to
four subscribers, or `alternate` between a message and a publication that nobody receives, so that every one is looked up
anew. What follows starts the broker. The figure is the difference of two runs, so that starting and ending cost nothing.
"""
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PUBLISH, SUBSCRIBE, MESSAGE = 0x01, 0x02, 0x12
SENDER, TOPIC, PAYLOAD = b"plant.a.sender", b"plant/b/topic", b"x" * 16
WRITE, FEW, MANY = 20_000, 40_000, 240_000


def connect(path, name):
    client = socket.socket(socket.AF_UNIX)
    for _ in range(600):
        try:
            client.connect(path)
            break
        except OSError:
            time.sleep(0.1)
    hear(client, 3)
    client.sendall(b"\xeb\x01\0")
    hear(client, 1)
    client.sendall(struct.pack("<H", len(name)) + name)
    assert hear(client, 1) == b"\x01", name
    return client


def hear(client, length):
    heard = b""
    while len(heard) < length:
        some = client.recv(length - len(heard))
        assert some, "the broker hung up"
        heard += some
    return heard


def drain(client, length):
    while length > 0:
        some = client.recv(1 << 20)
        assert some, "the broker hung up"
        length -= len(some)


def frame(operation, body, qos=0):
    return struct.pack("<IBI", 1, operation | qos << 6, len(body)) + body


def instructions(command, kind, count):
    """What the broker carries out for so many messages, from its start to its end."""
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/bus.sock"
        broker = [word.replace("{socket}", path) for word in command]
        callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out"]
        process = subprocess.Popen(callgrind + broker, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        sender = connect(path, SENDER)
        receivers = [connect(path, b"plant.b.r%d" % n) for n in range(4 if kind == "publish" else 1)]
        message = frame(MESSAGE, b"plant.b.r0\0" + PAYLOAD)
        length = 6 + len(SENDER) + 1 + len(PAYLOAD)
        if kind == "publish":
            message = frame(PUBLISH, TOPIC + b"\0" + PAYLOAD)
            length += len(TOPIC) + 1
            for receiver in receivers:
                receiver.sendall(frame(SUBSCRIBE, b"plant/b/#", qos=1))
                assert hear(receiver, 6)[5] == 1
        elif kind == "alternate":
            message += frame(PUBLISH, b"plant/unread\0" + PAYLOAD)
        readers = [threading.Thread(target=drain, args=(one, length * count)) for one in receivers]
        for reader in readers:
            reader.start()
        for _ in range(count // WRITE):
            sender.sendall(message * WRITE)
        for reader in readers:
            reader.join()
        process.terminate()
        said = process.communicate()[1].decode()
        return int(re.search(r"Collected : (\d+)", said)[1])


def main():
    kind, command = sys.argv[1], sys.argv[2:]
    assert kind in ("message", "publish", "alternate") and command, __doc__
    more = instructions(command, kind, MANY) - instructions(command, kind, FEW)
    print(f"{more / (MANY - FEW):.1f} instructions each")


if __name__ == "__main__":
    main()
