"""Every pattern of messages at every quality of service, between both kinds of clients, at both brokers."""

import copy
import pickle

import pytest

from elbus import Code, Frame, Kind, MalformedError, Outcome, Qos, RefusedError, TooLargeError
from support import PATIENCE, name

pytestmark = pytest.mark.usefixtures("nothing_logged")

QOS = pytest.mark.parametrize("qos", list(Qos), ids=[qos.name.lower() for qos in Qos])


@pytest.fixture
def pair(any_bus, kind, other_kind, transport):
    return any_bus.join(kind, transport=transport), any_bus.join(other_kind)


@QOS
def test_a_message_reaches_its_target(pair, qos):
    sender, target = pair
    sender.send(target.name, b"\0hello\0", qos=qos)
    frame = target.recv(PATIENCE)
    assert (frame.kind, frame.sender, frame.topic) == (Kind.MESSAGE, sender.name, None)
    assert frame.payload == b"\0hello\0"
    assert frame.realtime == (qos >= Qos.REALTIME)


@QOS
def test_a_broadcast_reaches_everyone_whom_its_mask_names(any_bus, kind, other_kind, qos):
    group = name("group").replace(".", "-")
    sender = any_bus.join(kind, f"{group}.sender")
    receivers = [any_bus.join(other_kind, f"{group}.{n}.x") for n in range(3)]
    outside = any_bus.join(other_kind)
    sender.broadcast(f"{group}.?.x", "to all", qos=qos)
    for receiver in receivers:
        frame = receiver.recv(PATIENCE)
        assert (frame.kind, frame.sender, frame.text) == (Kind.BROADCAST, sender.name, "to all")
    expect_nothing(outside)


@QOS
def test_a_publication_reaches_those_who_subscribed(pair, qos):
    publisher, subscriber = pair
    root = name("topic")
    subscriber.subscribe(f"{root}/+/temperature", [f"{root}/all/#"])
    publisher.publish(f"{root}/hall/temperature", "21.5", qos=qos)
    publisher.publish(f"{root}/hall/humidity", "40", qos=qos)
    publisher.publish(f"{root}/all/of/it", b"", qos=qos)
    got = [subscriber.recv(PATIENCE) for _ in range(2)]
    assert [(f.kind, f.sender, f.topic, f.payload) for f in got] == [
        (Kind.PUBLICATION, publisher.name, f"{root}/hall/temperature", b"21.5"),
        (Kind.PUBLICATION, publisher.name, f"{root}/all/of/it", b""),
    ]
    expect_nothing(subscriber)


def test_what_was_unsubscribed_stays_away(pair):
    publisher, subscriber = pair
    root = name("topic")
    subscriber.subscribe(f"{root}/a", f"{root}/b")
    subscriber.unsubscribe(f"{root}/a")
    publisher.publish(f"{root}/a", "away")
    publisher.publish(f"{root}/b", "here")
    assert subscriber.recv(PATIENCE).text == "here"


def test_a_publication_for_one_client_reaches_only_that_one(bus, kind, other_kind):
    # An operation of BUS/RT, which the published elbus broker does not have; neither has it exclusions.
    root = name("topic")
    publisher, wanted, other = bus.join(kind), bus.join(other_kind), bus.join(other_kind)
    for client in (wanted, other):
        client.subscribe(f"{root}/#")
    publisher.publish(f"{root}/x", "for one", only_for=wanted.name)
    assert wanted.recv(PATIENCE).text == "for one"
    expect_nothing(other)


def test_what_is_excluded_stays_away_until_that_is_taken_back(bus, kind, other_kind):
    root = name("topic")
    publisher, subscriber = bus.join(kind), bus.join(other_kind)
    subscriber.exclude(f"{root}/secret/#")
    subscriber.subscribe(f"{root}/#")
    publisher.publish(f"{root}/secret/a", "away")
    publisher.publish(f"{root}/open", "here")
    subscriber.unexclude(f"{root}/secret/#")
    publisher.publish(f"{root}/secret/b", "here again")
    assert [subscriber.recv(PATIENCE).text for _ in range(2)] == ["here", "here again"]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 131_072, 1_000_000, 5_000_000])
def test_payloads_of_every_size_arrive_whole(pair, size):
    sender, target = pair
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender.send(target.name, payload)
    assert target.recv(PATIENCE).payload == payload


def test_messages_keep_their_order_whatever_their_quality_of_service(pair):
    sender, target = pair
    for n in range(5000):
        sender.send(target.name, str(n), qos=Qos(n % 4), wait=False)
    sender.flush()
    got = []
    while len(got) < 5000:
        got += target.recv_many(PATIENCE)
    assert [int(frame.payload) for frame in got] == list(range(5000))


def test_texts_and_byte_like_payloads_are_taken(pair):
    sender, target = pair
    for payload in ("türe", bytearray(b"bytes"), memoryview(b"view")):
        sender.send(target.name, payload)
    assert [target.recv(PATIENCE).payload for _ in range(3)] == ["türe".encode(), b"bytes", b"view"]


def test_names_and_topics_need_not_be_ascii(any_bus, kind, other_kind):
    sender, target = any_bus.join(kind), any_bus.join(other_kind, "werk.tür." + name())
    target.subscribe("öl/ström/#")
    sender.send(target.name, "eins")
    sender.publish("öl/ström/süd", "zwei")
    assert [target.recv(PATIENCE).text for _ in range(2)] == ["eins", "zwei"]


def test_a_message_to_nobody_is_refused_with_the_wires_code(any_bus, kind):
    client = any_bus.join(kind)
    with pytest.raises(RefusedError, match="no such client") as error:
        client.send(name("nobody"), "hello")
    assert (error.value.code, error.value.outcome) == (Code.NOT_REGISTERED, Outcome.REFUSED)
    assert client.send(name("nobody"), "hello", qos=Qos.NO) is None


def test_publishing_under_the_brokers_topics_is_refused(bus, kind):
    with pytest.raises(RefusedError) as error:
        bus.join(kind).publish(".broker/warn", "fake")
    assert error.value.code == Code.ACCESS


def test_what_is_malformed_is_not_sent(any_bus, kind):
    client = any_bus.join(kind, frame_limit=1000)
    for wrong in ("", "a\0b", "a.*", "x" * 256):
        with pytest.raises(MalformedError):
            client.send(wrong, "hello")
    for wrong in ("*.pub", "a?"):
        with pytest.raises(MalformedError):
            client.broadcast(wrong, "hello")
    for wrong in ("a/#", "a\nb"):
        with pytest.raises(MalformedError):
            client.publish(wrong, "hello")
    with pytest.raises(MalformedError):
        client.subscribe("fine", "a/#/b")
    size = 1000 - len(client.name) - 1
    client.send(client.name, b"x" * size)
    with pytest.raises(TooLargeError, match="1001 bytes"):
        client.send(client.name, b"x" * (size + 1))


def test_answers_can_be_waited_for_later(any_bus, kind):
    client, target = any_bus.join(kind), any_bus.join(kind)
    good = [client.send(target.name, str(n), wait=False) for n in range(200)]
    bad = client.send(name("nobody"), "x", wait=False)
    none = client.send(target.name, "last", qos=Qos.NO, wait=False)
    for answer in [*good, none]:
        answer.wait()
        assert answer.done
    with pytest.raises(RefusedError):
        bad.wait(PATIENCE)
    assert good[0].wait() is None


def test_a_loop_that_is_left_early_loses_no_frame(bus):
    client = bus.join("sync")
    for n in range(100):
        client.send(client.name, str(n), qos=Qos.NO)
    client.flush()
    seen = []
    while len(seen) < 100:
        for frame in client:
            seen.append(int(frame.payload))
            if len(seen) % 10 == 7:
                break
        seen += [int(client.recv().payload) for _ in range(3)]
    assert seen == list(range(100))


def test_a_loop_that_is_left_within_a_run_of_equal_frames_loses_none(bus):
    client, sender = bus.join("sync"), bus.join("sync")
    payloads = [b"%05d" % n for n in range(10_000)]
    # The length changes now and then: several runs are read together.
    payloads[3333::1000] = [payload + b"+" for payload in payloads[3333::1000]]
    for payload in payloads:
        sender.send(client.name, payload, qos=Qos.NO)
    sender.flush()
    seen = []
    while len(seen) < 10_000:
        for frame in client:
            seen.append(frame.payload)
            if len(seen) % 1000 in (7, 500, 999):
                break
        seen += [client.recv().payload]
    assert seen == payloads


def test_an_asynchronous_loop_that_is_left_early_loses_no_frame(bus):
    client = bus.join("aio")

    async def take():
        seen = []
        for n in range(100):
            await client._inner.send(client.name, str(n), qos=Qos.NO)
        while len(seen) < 100:
            async for frame in client._inner:
                seen.append(int(frame.payload))
                if len(seen) % 10 == 7:
                    break
            # At once, before the loop of asyncio could end what was left.
            seen += [int((await client._inner.recv()).payload) for _ in range(3)]
        return seen

    assert bus.loop.run(take()) == list(range(100))


def test_recv_gives_up_in_time(any_bus, kind):
    client = any_bus.join(kind)
    assert client.recv(0.01) is None
    assert client.recv_many(0.01) == []


def test_frames_are_given_to_a_callback_in_order(any_bus, kind):
    from queue import Queue

    got = Queue()

    def on_frame(frame):
        got.put(frame)
        if frame.payload == b"3":
            raise ValueError("this one frame is logged, the others come")

    client = any_bus.join(kind, on_frame=on_frame)
    sender = any_bus.join("sync")
    for n in (0, 1, 2, 4):
        sender.send(client.name, str(n))
    assert [int(got.get(timeout=PATIENCE).payload) for _ in range(4)] == [0, 1, 2, 4]


def test_a_secondary_has_traffic_of_its_own_and_leaves_with_its_primary(any_bus, kind):
    primary, other = any_bus.join(kind), any_bus.join("sync")
    second = primary.secondary()
    assert second.name == f"{primary.name}%%1"
    second.send(other.name, "hello")
    frame = other.recv(PATIENCE)
    assert (frame.sender, frame.primary_sender) == (second.name, primary.name)
    other.send(second.name, "back")
    assert second.recv(PATIENCE).text == "back"
    primary.close()
    assert second.state.value == "closed"


def expect_nothing(client):
    """What the client sends to itself now is the next thing it gets."""
    client.send(client.name, "nothing else")
    assert client.recv(PATIENCE).text == "nothing else"


def test_a_frame_is_a_tuple_with_names(bus):
    client = bus.join()
    client.send(client.name, "hello")
    frame = client.recv(PATIENCE)
    kind, sender, topic, payload, realtime = frame
    assert (kind, sender, topic, payload, realtime) == (Kind.MESSAGE, client.name, None, b"hello", False)
    assert (frame.kind, frame.sender, frame.topic, frame.payload, frame.realtime) == frame
    assert repr(frame) == (
        f"Frame(kind={Kind.MESSAGE!r}, sender='{client.name}', topic=None, payload=b'hello', realtime=False)"
    )
    assert pickle.loads(pickle.dumps(frame)) == copy.copy(frame) == Frame(frame) == frame
    with pytest.raises(AttributeError):
        frame.payload = b""
