"""Sends numbered messages for some seconds as fast as the bus takes them, with a library and this time-out, and says how
many: send_steadily.py LIBRARY ADDRESS TARGET SECONDS TIMEOUT."""
import importlib
import time

from bus import *

SIZE = 1000


def payload(n, end=b'more'):
    return n.to_bytes(8, 'little') + end.rjust(SIZE - 8, b'.')


def send(library, address, target, seconds, timeout):
    module = importlib.import_module(f'{library}.client')
    client = module.Client(address, f'sender.to.{target}')
    client.timeout = float(timeout)
    client.connect()
    sent = 0
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        client.send(target, module.Frame(payload(sent)))
        sent += 1
    # The last one is acknowledged: the connection is alive in both directions, and so is the pinging thread.
    last = client.send(target, module.Frame(payload(sent, b'last'), qos=1))
    expect(last.wait_completed(timeout=PATIENCE), OK)
    assert client.is_connected()
    print(sent + 1)


run(send)
