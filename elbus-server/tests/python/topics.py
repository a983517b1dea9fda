"""Publish and subscribe: filters, one copy each, and what the broker itself publishes."""
import msgpack
from bus import *


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.b')

    def published(topic, *receivers):
        expect(a.publish(topic, topic.encode()), OK)
        for client in [a, b]:
            if client in receivers:
                client.expect(OP_PUBLISH, a.name, topic.encode(), topic)
            client.expect_nothing()

    published(f'{group}/nobody')
    b.subscribe(f'{group}/exact', f'{group}/+/plus', f'{group}/hash/#')
    published(f'{group}/exact', b)
    published(f'{group}/any/plus', b)
    published(f'{group}//plus', b)
    published(f'{group}/any/any/plus')
    published(f'{group}/hash/any', b)
    published(f'{group}/hash/any/any', b)
    published(f'{group}/hash/', b)
    published(f'{group}/hash')

    # Whoever matches several of its own filters gets one copy; a publisher that is subscribed gets its own.
    b.subscribe(f'{group}/exact/#', f'{group}/#')
    published(f'{group}/exact', b)
    a.subscribe(f'{group}/exact')
    published(f'{group}/exact', a, b)

    b.unsubscribe(f'{group}/#', f'{group}/exact')
    published(f'{group}/exact', a)
    published(f'{group}/any/plus', b)

    for qos in range(4):
        expect(a.publish(f'{group}/q/plus', bytes([qos]), qos), OK)
        b.expect(OP_PUBLISH, a.name, bytes([qos]), f'{group}/q/plus')

    expect(a.publish(f'{group}/+', b''), BAD_DATA)
    expect(a.topics(OP_SUBSCRIBE, [f'{group}/#/x']), BAD_DATA)
    expect(a.publish('.broker/warn', b''), ACCESS_DENIED)
    without_acknowledgement(a, b, group)
    arrivals(first, b, group)


def without_acknowledgement(a, b, group):
    """The libraries' own `subscribe` does not ask for one; what follows on the connection comes after it."""
    b.subscribe_blindly(f'{group}/blind')
    b.subscribe_blindly([f'{group}/list/1', f'{group}/list/2'])
    b.expect_nothing()
    for topic in ['blind', 'list/1', 'list/2']:
        expect(a.publish(f'{group}/{topic}', b'seen'), OK)
        b.expect(OP_PUBLISH, a.name, b'seen', f'{group}/{topic}')


def arrivals(place, b, group):
    """The broker announces who comes and goes."""
    b.subscribe('.broker/info')
    newcomer = place.join(f'{group}.newcomer')
    announced(b, 'reg', newcomer.name)
    newcomer.leave()
    announced(b, 'unreg', newcomer.name)
    b.leave()


def announced(client, subject, name):
    """Others come and go as well: theirs are passed over."""
    while True:
        frame = client.frame()
        expect((frame.type, frame.sender, frame.topic), (OP_PUBLISH, '.broker', '.broker/info'))
        event = msgpack.unpackb(frame.payload)
        if event['s'] == subject and event['d'] == name:
            assert event['t'] > 1_600_000_000_000_000_000
            return


run_with_each(check)
