"""Publishes the lines of a file: publish_log.py LIBRARY ADDRESS FILE."""
import asyncio
import importlib

from bus import PATIENCE, run

TOPIC, END = 'log/lines', 'log/end'


def blocking(module, address, lines):
    client = module.Client(address, 'log.publisher')
    client.timeout = PATIENCE
    client.connect()
    for line in lines:
        client.send(TOPIC, module.Frame(line, tp=module.OP_PUBLISH))
    end = client.send(END, module.Frame(b'', tp=module.OP_PUBLISH, qos=1))
    assert end.wait_completed(timeout=60) == module.RESPONSE_OK


async def in_a_loop(module, address, lines):
    client = module.Client(address, 'log.publisher')
    client.timeout = PATIENCE
    await client.connect()
    for line in lines:
        await client.send(TOPIC, module.Frame(line, tp=module.OP_PUBLISH))
    end = await client.send(END, module.Frame(b'', tp=module.OP_PUBLISH, qos=1))
    assert await end.wait_completed(timeout=60) == module.RESPONSE_OK


def publish(library, address, path):
    module = importlib.import_module(f'{library}.client')
    with open(path, 'rb') as file:
        if library.endswith('_async'):
            asyncio.run(in_a_loop(module, address, file))
        else:
            blocking(module, address, file)


run(publish)
