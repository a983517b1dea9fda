"""Remote calls between two clients of the libraries: to the broker they are messages."""
import asyncio
import importlib

import msgpack
from bus import *

CALLS = 50


def answer(rpc, event):
    """What the service does with a call."""
    if event.method == b'add':
        return msgpack.packb(sum(msgpack.unpackb(event.get_payload())))
    if event.method == b'nothing':
        return None
    raise rpc.RpcException('no such method', rpc.RPC_ERROR_CODE_METHOD_NOT_FOUND)


class BlockingRpc:

    def __init__(self, client, library):
        self.module = importlib.import_module(f'{library}.rpc')
        self.notified = queue.Queue()
        self.rpc = self.module.Rpc(client.client)
        self.rpc.on_call = lambda event: answer(self.module, event)
        self.rpc.on_notification = lambda event: self.notified.put(event.get_payload())

    def calls(self, target, method, all_params):
        requests = [self.module.Request(method, params) for params in all_params]
        calls = [self.rpc.call(target, request) for request in requests]
        return [call.wait_completed(timeout=PATIENCE).get_payload() for call in calls]

    def notify(self, target, payload):
        return self.rpc.notify(target, self.module.Notification(payload)).wait_completed(timeout=PATIENCE)


class AsyncRpc:

    def __init__(self, client, library):
        self.module = importlib.import_module(f'{library}.rpc')
        self.notified = queue.Queue()
        self.client = client
        client.run(self.start())

    async def start(self):

        async def on_call(event):
            return answer(self.module, event)

        async def on_notification(event):
            self.notified.put(event.get_payload())

        self.rpc = self.module.Rpc(self.client.client)
        self.rpc.on_call = on_call
        self.rpc.on_notification = on_notification

    def calls(self, target, method, all_params):

        async def call(params):
            event = await self.rpc.call(target, self.module.Request(method, params))
            return (await event.wait_completed(timeout=PATIENCE)).get_payload()

        async def all_calls():
            return await asyncio.gather(*(call(params) for params in all_params))

        return list(self.client.run(all_calls()))

    def notify(self, target, payload):

        async def notify():
            sent = await self.rpc.notify(target, self.module.Notification(payload))
            return await sent.wait_completed(timeout=PATIENCE)

        return self.client.run(notify())


def rpc_of(client, place):
    return (AsyncRpc if isinstance(client, Async) else BlockingRpc)(client, place.library)


def fails(rpc, target, method, code):
    try:
        rpc.calls(target, method, [b''])
    except rpc.module.RpcException as error:
        expect(error.rpc_error_code, code)
    else:
        raise AssertionError(f'{method} of {target} does not fail')


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.b')
    rpc_a, rpc_b = rpc_of(a, first), rpc_of(b, second)
    for caller, target in [(rpc_a, b.name), (rpc_b, a.name)]:
        params = [msgpack.packb([n, 1]) for n in range(CALLS)]
        expect(caller.calls(target, 'add', params), [msgpack.packb(n + 1) for n in range(CALLS)])
        expect(caller.calls(target, 'nothing', [b'']), [b''])
        fails(caller, target, 'unknown', -32601)
        fails(caller, f'{group}.nobody', 'add', -32000 - NOT_REGISTERED)
        expect(msgpack.unpackb(caller.calls('.broker', 'test', [b''])[0]), {'ok': True})
        listed = msgpack.unpackb(caller.calls('.broker', 'client.list', [b''])[0])['clients']
        expect({'.broker', a.name, b.name} - {client['name'] for client in listed}, set())
        fails(caller, '.broker', 'unknown', -32601)
    expect(rpc_a.notify(b.name, b'take note'), OK)
    expect(rpc_b.notified.get(timeout=PATIENCE), b'take note')


if __name__ == '__main__':
    run_with_each(check)
