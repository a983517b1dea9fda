"""Payloads of 2 MB, there and back, in every way to send."""
import random

from bus import *

PAYLOAD = random.Random(2).randbytes(2_000_000)


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.b')
    b.subscribe(f'{group}/large')
    for sender, receiver in [(a, b), (b, a)]:
        for qos in range(4):
            expect(sender.send(receiver.name, PAYLOAD, qos), OK)
            receiver.expect(OP_MESSAGE, sender.name, PAYLOAD)
    expect(a.publish(f'{group}/large', PAYLOAD), OK)
    b.expect(OP_PUBLISH, a.name, PAYLOAD, f'{group}/large')
    expect(a.broadcast(f'{group}.b', PAYLOAD), OK)
    b.expect(OP_BROADCAST, a.name, PAYLOAD)
    a.expect_nothing()
    b.expect_nothing()


run_with_each(check)
