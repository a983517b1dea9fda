"""One-to-one: what is sent arrives as it was, and the sender learns whether it was placed."""
from bus import *


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.b')

    for qos, code in [(0, OK), (1, OK), (2, OK), (3, OK)]:
        expect(a.send(b.name, f'with qos {qos}'.encode(), qos), code)
        b.expect(OP_MESSAGE, a.name, f'with qos {qos}'.encode())

    for payload in [b'', b'\0', b'with\0nulls\0', bytes(range(256))]:
        expect(a.send(b.name, payload), OK)
        b.expect(OP_MESSAGE, a.name, payload)

    # The answer goes to whom the broker says that it came from.
    expect(a.send(b.name, b'question'), OK)
    question = b.frame()
    expect(b.send(question.sender, b'answer'), OK)
    a.expect(OP_MESSAGE, b.name, b'answer')

    a.send(b.name, 'text is encoded by the library')
    b.expect(OP_MESSAGE, a.name, b'text is encoded by the library')

    expect(a.send(f'{group}.nobody', b'x'), NOT_REGISTERED)
    expect(a.send(f'{group}.nobody', b'x', qos=0), OK)
    a.expect_nothing()
    b.expect_nothing()


run_with_each(check)
