"""Clients that are silent but for their pings stay on the bus."""
import time

from bus import *

SILENCE = 2.5  # seconds: two pings of each client


def join(library, address, name):
    """Joins with a time-out of a second; tries again where a loaded machine took longer for the greeting."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Place(library, address).join(name, timeout=1)
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def check(*addresses):
    # A client that hears nothing for a second must not mind.
    clients = [
        join(library, address, f'{library}.idle{n}')
        for library in LIBRARIES
        for n, address in enumerate(addresses)
    ]
    time.sleep(SILENCE)
    for client in clients:
        assert client.client.is_connected(), client.name
    for client, other in zip(clients, clients[1:] + clients[:1]):
        expect(client.send(other.name, b'awake'), OK)
        other.expect(OP_MESSAGE, client.name, b'awake')


run(check)
