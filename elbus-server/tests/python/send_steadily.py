"""Sends numbered messages to a slow receiver for a while, with a library and its time-outs as they come, and says how
many were sent and how many milliseconds the longest of them took: send_steadily.py LIBRARY ADDRESS TARGET SECONDS."""
import asyncio
import importlib
import time

from bus import run

SIZE = 1000


def payload(n):
    return n.to_bytes(8, 'little') + b'.' * (SIZE - 8)


def blocking(module, address, target, seconds):
    client = module.Client(address, f'sender.to.{target}')
    client.connect()
    sent, longest = 0, 0
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        client.send(target, module.Frame(payload(sent)))
        longest = max(longest, time.monotonic() - start)
        sent += 1
    # The last one is acknowledged: the connection is alive in both directions, and so is the pinging thread.
    last = client.send(target, module.Frame(payload(sent), qos=1))
    assert last.wait_completed(timeout=20) == module.RESPONSE_OK
    assert client.is_connected()
    return sent + 1, longest


async def in_a_loop(module, address, target, seconds):
    client = module.Client(address, f'sender.to.{target}')
    await client.connect()
    sent, longest = 0, 0
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        await client.send(target, module.Frame(payload(sent)))
        longest = max(longest, time.monotonic() - start)
        sent += 1
    last = await client.send(target, module.Frame(payload(sent), qos=1))
    assert await last.wait_completed(timeout=20) == module.RESPONSE_OK
    assert client.is_connected()
    return sent + 1, longest


def send(library, address, target, seconds):
    module = importlib.import_module(f'{library}.client')
    if library.endswith('_async'):
        sent, longest = asyncio.run(in_a_loop(module, address, target, float(seconds)))
    else:
        sent, longest = blocking(module, address, target, float(seconds))
    print(f'sent {sent} longest {longest * 1000:.0f}', flush=True)


run(send)
