"""Remote calls between a client of a library and a service of our own library, which the test runs."""
import msgpack
from bus import *
from rpc import rpc_of

SERVICE, CALLS = 'rust.service', 50


def fails(rpc, method, params, code, words):
    try:
        rpc.calls(SERVICE, method, [params])
    except rpc.module.RpcException as error:
        expect(error.rpc_error_code, code)
        assert words in str(error), f'{words!r} is not in {error}'
    else:
        raise AssertionError(f'{method} does not fail')


def check(place, _, group):
    client = place.join(f'{group}.python')
    rpc = rpc_of(client, place)
    pack = msgpack.packb

    def call(method, params):
        return msgpack.unpackb(rpc.calls(SERVICE, method, [params])[0])

    params = [pack({'a': n, 'b': 1}) for n in range(CALLS)]
    expect(rpc.calls(SERVICE, 'add', params), [pack(n + 1) for n in range(CALLS)])
    expect(call('caller', b''), client.name)
    expect(call('caller', pack({})), client.name)
    expect(rpc.calls(SERVICE, 'echo', [b'any \x00 bytes'])[0], b'any \x00 bytes')
    fails(rpc, 'add', pack({'a': 1}), -32602, 'b')
    fails(rpc, 'add', pack({'a': 1, 'b': 'x'}), -32602, 'b: ')
    fails(rpc, 'add', b'\xc1', -32700, '')
    fails(rpc, 'unknown', b'', -32601, 'unknown')
    fails(rpc, 'fail', b'', 17, 'on purpose')
    fails(rpc, 'panic', b'', -32603, 'panicked')
    expect([method['name'] for method in call('.describe', b'')['methods']],
           ['N', 'NB', 'add', 'ask_back', 'caller', 'count', 'echo', 'fail', 'panic'])
    # Our service calls this client back while it waits, and checks what it is answered.
    expect(call('ask_back', b''), CALLS)
    expect(rpc.notify(SERVICE, b'take note'), OK)
    expect(rpc.notified.get(timeout=PATIENCE), b'noted: take note')
    cursor = rpc.calls(SERVICE, 'count', [pack(3)])[0]
    expect([rpc.calls(SERVICE, 'N', [cursor])[0] for _ in range(4)], [pack(0), pack(1), pack(2), b''])
    fails(rpc, 'N', cursor, -32001, 'cursor')
    cursor = call('count', pack(5))
    expect(call('NB', pack({**cursor, 'n': 4})), [0, 1, 2, 3])
    expect(call('NB', pack({**cursor, 'n': 4})), [4])


if __name__ == '__main__':
    run_with_each(check)
