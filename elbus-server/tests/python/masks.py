"""One-to-many: masks reach whom they name, the sender included, and nobody else."""
from bus import *


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.sub.b')

    def reached(mask, *receivers):
        expect(a.broadcast(mask, mask.encode()), OK)
        for client in [a, b]:
            if client in receivers:
                client.expect(OP_BROADCAST, a.name, mask.encode())
            client.expect_nothing()

    reached('*', a, b)
    reached(f'{group}.*', a, b)
    reached(f'{group}.?', a)
    reached(f'{group}.?.b', b)
    reached(f'{group}.sub.*', b)
    reached('?.sub.b', b)
    reached(f'{group}.sub.b', b)
    reached(f'{group}.nobody.*')

    # A star that is not last names nobody.
    expect(a.broadcast(f'{group}.*.b', b''), BAD_DATA)

    for qos in range(4):
        expect(b.broadcast(f'{group}.a', bytes([qos]), qos), OK)
        a.expect(OP_BROADCAST, b.name, bytes([qos]))
    a.leave()
    b.leave()


run_with_each(check)
