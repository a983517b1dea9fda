"""Names: taken and reserved ones are refused; secondaries share the name of their primary."""
import logging
import time

from bus import *


def refused(place, name, code):
    try:
        place.join(name)
    except RuntimeError as error:
        expect(str(error), f'Server response: {hex(code)}')
    else:
        raise AssertionError(f'{name!r} is not refused')


def check(first, second, group):
    a = first.join(f'{group}.a')
    refused(second, a.name, BUSY)
    expect(a.send(a.name, b'still here'), OK)
    a.expect(OP_MESSAGE, a.name, b'still here')

    for reserved in ['.broker', f'.{group}']:
        refused(second, reserved, BAD_DATA)
    for malformed in ['', 'any*', 'any?', 'with\0null', 'with\nnewline', 'x' * 256, '.'.join('x' * 17)]:
        refused(second, malformed, BAD_DATA)
    refused(second, f'{group}.nobody%%1', NOT_REGISTERED)

    # Names count in bytes, and may be in any language.
    umlauts = second.join(f'{group}.zähler')
    expect(umlauts.send(a.name, b'hello'), OK)
    a.expect(OP_MESSAGE, umlauts.name, b'hello')
    secondaries(first, second, group)


def secondaries(first, second, group):
    """A secondary comes from the same peer as its primary, so both come from `first`."""
    primary = first.join(f'{group}.p')
    one, two = first.join(f'{primary.name}%%1'), first.join(f'{primary.name}%%2')
    other = second.join(f'{group}.other')
    refused(first, one.name, BUSY)

    expect(other.send(one.name, b'to one'), OK)
    one.expect(OP_MESSAGE, other.name, b'to one')
    expect(two.send(other.name, b'from two'), OK)
    frame = other.frame()
    expect((frame.sender, frame.payload), (two.name, b'from two'))
    if hasattr(frame, 'primary_sender'):  # an addition of BUS/RT
        expect(frame.primary_sender, primary.name)

    expect(other.broadcast(f'{group}.?', b'to all'), OK)
    for client in [primary, one, two, other]:
        client.expect(OP_BROADCAST, other.name, b'to all')
    one.subscribe(f'{group}/topic')
    expect(primary.publish(f'{group}/topic', b'published'), OK)
    one.expect(OP_PUBLISH, primary.name, b'published', f'{group}/topic')
    for client in [primary, two]:
        client.expect_nothing()

    # One secondary leaves: the others stay. The primary leaves: all are gone.
    other.subscribe('.broker/info')
    two.leave()
    until(lambda: other.send(two.name) == NOT_REGISTERED)
    expect(other.send(one.name, b'still there'), OK)
    one.expect(OP_MESSAGE, other.name, b'still there')
    logging.disable()  # the library says loudly that the secondary is disconnected, and so it should be
    primary.leave()
    until(lambda: other.send(one.name) == NOT_REGISTERED)
    until(lambda: other.send(primary.name) == NOT_REGISTERED)
    refused(first, one.name, NOT_REGISTERED)
    one.leave()
    logging.disable(logging.NOTSET)


def until(is_true):
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end, 'not in time'


run_with_each(check)
