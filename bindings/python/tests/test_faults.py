"""What goes wrong: servers that end, half frames, slow readers, taken names, silence."""

import socket
import threading
import time

import pytest

from elbus import (
    ClosedError,
    Code,
    ConnectError,
    ConnectionLostError,
    InboxFullError,
    NotConnectedError,
    OutboxFullError,
    Outcome,
    Qos,
    State,
    TimedOutError,
    WaitInCallbackError,
)
from support import PATIENCE, Bus, acknowledge, name, read, read_question, read_request, until

OK = b"\x01"


class Watched:
    """Gathers what `on_state` is told."""

    def __init__(self):
        self.states = []
        self._changed = threading.Condition()

    def __call__(self, state, why):
        with self._changed:
            self.states.append((state, why))
            self._changed.notify_all()

    def wait(self, state):
        with self._changed:
            assert self._changed.wait_for(lambda: any(s is state for s, _ in self.states), PATIENCE), self.states


# A server that ends.


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_after_a_restart_the_client_is_back_with_its_subscriptions(own_server, own_bus, kind, how):
    watched = Watched()
    client = own_bus.join(kind, on_state=watched)
    client.subscribe([f"topic/{n}" for n in range(600)], "secret/#")
    client.exclude("secret/hidden")
    client.unsubscribe("topic/3")
    getattr(own_server, how)()
    watched.wait(State.DISCONNECTED)
    own_server.start()
    watched.wait(State.CONNECTED)
    client.wait_connected(PATIENCE)
    publisher = own_bus.join("sync")
    for topic in ("secret/hidden", "topic/3", "topic/599"):
        publisher.publish(topic, "after")
    frame = client.recv(PATIENCE)
    while frame.topic == ".broker/warn":
        frame = client.recv(PATIENCE)
    assert frame.topic == "topic/599"


def test_what_waits_when_the_connection_is_lost_fails_at_once_as_unknown(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind)
    answer = client.send("target", "x", wait=False)
    read_request(connection)
    connection.close()
    with pytest.raises(ConnectionLostError) as error:
        answer.wait()
    assert error.value.outcome == Outcome.UNKNOWN


def test_a_call_that_waits_when_the_connection_is_lost_fails_at_once(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind)
    call = fake_bus.rpc(client).call("target", "x", wait=False)
    read_request(connection)
    connection.close()
    with pytest.raises(ConnectionLostError):
        call.wait()


def test_without_a_connection_operations_fail_at_once_as_refused(own_server, own_bus, kind):
    watched = Watched()
    client = own_bus.join(kind, on_state=watched)
    rpc = own_bus.rpc(client)
    own_server.kill()
    watched.wait(State.DISCONNECTED)
    for operation in (
        lambda: client.send("a", "x"),
        lambda: client.publish("a", "x", qos=Qos.NO),
        lambda: client.subscribe("a"),
        lambda: rpc.call("a", "x"),
        client.flush,
    ):
        with pytest.raises(NotConnectedError) as error:
            operation()
        assert error.value.outcome == Outcome.REFUSED
    with pytest.raises(NotConnectedError):
        client.wait_connected(0.01)


def test_operations_may_wait_for_the_connection(own_server, own_bus, kind):
    watched = Watched()
    client = own_bus.join(kind, on_state=watched, wait_while_disconnected=PATIENCE)
    own_server.kill()
    watched.wait(State.DISCONNECTED)
    starting = threading.Timer(0.2, own_server.start)
    starting.start()
    client.publish("a", "x")
    starting.join()


def test_a_client_that_does_not_reconnect_is_closed(own_server, own_bus, kind):
    client = own_bus.join(kind, reconnect=False)
    own_server.kill()
    assert client.wait_closed(PATIENCE)
    with pytest.raises(ClosedError):
        client.send("a", "x")
    assert client.recv() is None


def test_a_client_whose_name_is_refused_for_good_gives_up(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind)
    connection.close()
    fake.accept(answer=bytes([Code.ACCESS]))[0].close()
    assert client.wait_closed(PATIENCE)
    with pytest.raises(ClosedError, match="access denied"):
        client.send("a", "x")


def test_a_client_whose_name_is_still_taken_tries_again(fake, fake_bus, kind):
    watched = Watched()
    connection, client = greeted(fake, fake_bus, kind, on_state=watched)
    connection.close()
    fake.accept(answer=bytes([Code.BUSY]))[0].close()
    fake.accept_only().close()
    connection, _ = fake.accept()
    watched.wait(State.CONNECTED)
    assert client.connected
    connection.close()


# Connecting.


def test_a_name_that_is_taken_is_refused_at_once(any_bus, kind, other_kind):
    first = any_bus.join(other_kind)
    with pytest.raises(ConnectError, match="name taken") as error:
        any_bus.join(kind, first.name)
    assert (error.value.code, error.value.may_pass) == (Code.BUSY, True)


def test_the_first_connection_may_be_tried_again(own_server, own_bus, kind):
    first = own_bus.join("sync")
    leaving = threading.Timer(0.2, first.close)
    leaving.start()
    again = own_bus.join(kind, first.name, retry_first_connect=PATIENCE)
    assert again.connected
    leaving.join()


def test_where_nothing_listens_there_is_no_connection(tmp_path, fake_bus, kind):
    client = fake_bus.make(kind, None, str(tmp_path / "none.sock"))
    with pytest.raises(ConnectError, match="no connection") as error:
        client.connect()
    assert (error.value.code, error.value.outcome) == (Code.IO, Outcome.REFUSED)


@pytest.mark.parametrize(
    ("said", "text", "code"),
    [
        (b"HTTP/1.1 400", "0x48", Code.NOT_SUPPORTED),
        (b"\xeb\x02\x00", "version 2", Code.NOT_SUPPORTED),
        (b"\xeb\x01\x00\x75", "not supported", Code.NOT_SUPPORTED),
        (b"\xeb\x01\x00\x01\x72", "malformed", Code.DATA),
        (b"\xeb\x01\x00\x01\x71", "no such client", Code.NOT_REGISTERED),
        (b"\xeb\x01", "ended the connection", Code.IO),
        (b"", "ended the connection", Code.IO),
    ],
)
def test_whoever_is_no_broker_or_refuses_is_told_apart(fake, fake_bus, kind, said, text, code):
    def speak():
        connection = fake.accept_only()
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(1024):
                pass
        except ConnectionResetError:
            pass  # the client did not care for the rest
        connection.close()

    speaking = threading.Thread(target=speak)
    speaking.start()
    client = fake_bus.make(kind, None, fake.address, timeout=PATIENCE)
    with pytest.raises(ConnectError, match=text) as error:
        client.connect()
    assert error.value.code == code
    speaking.join()


def test_a_broker_that_does_not_greet_is_given_up_in_time(fake, fake_bus, kind):
    client = fake_bus.make(kind, None, fake.address, timeout=0.1)
    with pytest.raises(ConnectError) as error:
        client.connect()
    assert error.value.code == Code.TIMEOUT


# Half frames, and others that nobody should send.


def test_frames_that_come_byte_by_byte_are_understood(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind)
    stream = frame(b"a\0", b"one") + bytes(6) + frame(b"a\0", b"two", topic=b"t\0")
    for n in range(len(stream)):
        connection.sendall(stream[n : n + 1])
    first, second = client.recv(PATIENCE), client.recv(PATIENCE)
    assert [(f.sender, f.topic, f.payload) for f in (first, second)] == [("a", None, b"one"), ("a", "t", b"two")]
    connection.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\x77" + bytes(5), "unknown kind 0x77"),
        (b"\x12\x03\0\0\0\0abc", "without its separator"),
        (b"\x12\xff\xff\xff\xff\0", "over the limit"),
        (b"\x12\x08\0\0\0\0half", "ended the connection"),
    ],
)
def test_after_a_broken_frame_the_client_connects_anew(fake, fake_bus, kind, said, why):
    watched = Watched()
    connection, client = greeted(fake, fake_bus, kind, on_state=watched)
    connection.sendall(said)
    connection.shutdown(socket.SHUT_WR)
    watched.wait(State.DISCONNECTED)
    assert why in watched.states[0][1]
    connection.close()
    connection, _ = fake.accept()
    connection.sendall(frame(b"a\0", b"whole"))
    assert client.recv(PATIENCE).payload == b"whole"
    connection.close()


def test_a_client_that_is_closed_does_not_wait_for_a_broker_that_does_not_greet(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind, timeout=3600)
    connection.close()
    silent = fake.accept_only()
    closing = threading.Thread(target=client.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert client.state is State.CLOSED
    silent.close()


# Slow readers, and brokers that say or take nothing.


def test_a_slow_reader_holds_its_senders_back_and_loses_nothing(own_server, kind, other_kind):
    # Read now and then, so that the broker's stall time-out is not reached; small limits, so that all of them are.
    own_server.stop()
    own_server._more = ("--high-water", "65536", "--stall-timeout", "20")
    own_server.start()
    own_bus = Bus(own_server)
    count, payload = 3000, bytes(1000)
    reader = own_bus.join(kind, inbox_limit=50_000, inbox_hard_limit=60_000)
    sender = own_bus.join(other_kind, outbox_limit=100_000)

    def send():
        for n in range(count):
            sender.send(reader.name, n.to_bytes(4, "little") + payload, qos=Qos.NO)
        sender.flush()

    sending = threading.Thread(target=send)
    sending.start()
    got = []
    while len(got) < count:
        assert unread(reader) < 400_000
        got += reader.recv_many(PATIENCE)
        time.sleep(0.0005)
    sending.join(PATIENCE)
    assert [int.from_bytes(f.payload[:4], "little") for f in got] == list(range(count))
    own_bus.end()


def test_answers_behind_unread_frames_are_read(bus, kind):
    client = bus.join(kind, inbox_limit=1000, inbox_hard_limit=10_000_000)
    answers = [client.send(client.name, bytes(500), wait=False) for _ in range(1000)]
    for answer in answers:
        answer.wait()
    assert sum(1 for _ in range(1000) if client.recv(PATIENCE)) == 1000


def test_beyond_the_hard_limit_what_waits_fails_as_unknown(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind, inbox_limit=1000, inbox_hard_limit=2000)
    answer = client.send("a", "x", wait=False)
    read_request(connection)
    connection.sendall(frame(b"a\0", bytes(1500)) + frame(b"a\0", bytes(1500)))
    with pytest.raises(InboxFullError) as error:
        answer.wait()
    assert error.value.outcome == Outcome.UNKNOWN
    assert len([client.recv(PATIENCE) for _ in range(2)]) == 2
    connection.close()


def test_a_broker_that_does_not_answer_is_not_waited_for_for_ever(fake, fake_bus, kind):
    # Without pings the broker is not given up meanwhile.
    connection, client = greeted(fake, fake_bus, kind, timeout=3, ping_interval=PATIENCE)
    with pytest.raises(TimedOutError) as error:
        client.send("a", "x")
    assert error.value.outcome == Outcome.UNKNOWN
    # A late answer disturbs nobody.
    ident, *_ = read_request(connection)
    acknowledge(connection, ident)
    second = client.send("a", "y", wait=False)
    ident, *_ = read_request(connection)
    acknowledge(connection, ident)
    second.wait()
    connection.close()


def test_a_broker_that_takes_nothing_is_given_up(fake, fake_bus, kind):
    watched = Watched()
    connection, client = greeted(
        fake, fake_bus, kind, timeout=3, outbox_limit=100_000, ping_interval=0.05, on_state=watched
    )
    with pytest.raises((OutboxFullError, NotConnectedError)):
        for _ in range(10_000):
            client.send("a", bytes(10_000), qos=Qos.NO)
    watched.wait(State.DISCONNECTED)
    assert "took nothing" in watched.states[0][1]
    connection.close()


def test_a_silent_client_pings(fake, fake_bus, kind):
    connection, _ = greeted(fake, fake_bus, kind, ping_interval=0.02)
    for _ in range(3):
        assert read(connection, 9) == bytes(9)
    connection.close()


#: Settings with which a silent broker is noticed soon, and the pings that come within more than the time-out then.
HASTY = {"timeout": 2, "ping_interval": 0.25}
MANY = 14


def test_a_client_that_only_listens_notices_a_broker_that_is_silent_and_comes_back(fake, fake_bus, kind):
    watched = Watched()
    silent, _ = greeted(fake, fake_bus, kind, on_state=watched, **HASTY)
    connection, _ = fake.accept()
    watched.wait(State.CONNECTED)
    assert watched.states[0] == (State.DISCONNECTED, "the broker said nothing for 2 s")
    silent.close()
    connection.close()


def test_a_broker_that_does_not_answer_an_operation_either_is_given_up(fake, fake_bus, kind):
    watched = Watched()
    silent, client = greeted(fake, fake_bus, kind, on_state=watched, **HASTY)
    client.send("a", "x", wait=False)
    watched.wait(State.DISCONNECTED)
    assert "said nothing" in watched.states[0][1]
    silent.close()


@pytest.mark.parametrize("qos", [Qos.PROCESSED, Qos.NO])
def test_a_silent_broker_is_given_up_although_the_client_sends_on(fake, fake_bus, kind, qos):
    watched = Watched()
    silent, client = greeted(fake, fake_bus, kind, on_state=watched, **HASTY)
    if qos is Qos.NO:
        # Behind what is not acknowledged it would not be asked.
        read_question(silent)
    with pytest.raises(NotConnectedError):
        while True:
            # The second one, close behind the first, is gathered.
            client.send("a", "x", qos=qos, wait=False)
            client.send("a", "x", qos=qos, wait=False)
            time.sleep(0.05)
    watched.wait(State.DISCONNECTED)
    assert "said nothing" in watched.states[0][1]
    silent.close()


def test_a_client_whose_subscriptions_are_not_granted_again_tries_another_time(fake, fake_bus, kind):
    watched = Watched()
    connection, client = greeted(fake, fake_bus, kind, on_state=watched, **HASTY)
    subscribing = threading.Thread(target=client.subscribe, args=("topic",))
    subscribing.start()
    acknowledge(connection, read_request(connection)[0])
    subscribing.join(PATIENCE)
    connection.close()
    silent, _ = fake.accept()
    connection, _ = fake.accept()
    ident, *request = read_request(connection)
    assert request == [2, 1, b"topic"]
    acknowledge(connection, ident)
    watched.wait(State.CONNECTED)
    silent.close()
    connection.close()


def test_a_broker_that_gives_a_sign_of_life_when_it_is_asked_is_kept(fake, fake_bus, kind, nothing_logged):
    connection, client = greeted(fake, fake_bus, kind, **HASTY)
    idents = []
    # After a quarter of the time-out without a word: so more than a whole one passes.
    for answered in (Code.OK, Code.ACCESS) * 3:
        idents.append(read_question(connection))
        # Whether it grants that or not.
        acknowledge(connection, idents[-1], answered)
    answer = client.send("a", "x", wait=False)
    ident, *_ = read_request(connection)
    assert ident not in idents
    acknowledge(connection, ident)
    answer.wait()
    assert len(set(idents)) == 6
    connection.close()


def test_who_may_be_held_back_for_a_slow_receiver_is_not_taken_from_the_bus(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind, **HASTY)
    client.send("a", "x", qos=Qos.NO)
    assert read_request(connection)[3] == b"a\0x"
    assert read(connection, 9 * MANY) == bytes(9 * MANY)
    answer = client.send("a", "y", wait=False)
    acknowledge(connection, read_request(connection)[0])
    answer.wait()
    connection.close()


def test_a_client_that_only_listens_stays_at_a_broker_that_is_well(any_bus, kind):
    client = any_bus.join(kind, **{**HASTY, "reconnect": False})
    # It is asked, and answers, before the time-out is over.
    assert client.recv(2 * HASTY["timeout"]) is None
    assert client.connected


def test_a_client_that_leaves_waits_for_answers_and_pings_no_more(fake, fake_bus, kind, nothing_logged):
    connection, client = greeted(fake, fake_bus, kind, ping_interval=0.02)
    answer = client.send("a", "x", wait=False)
    ident, *_ = read_request(connection)
    leaving = threading.Thread(target=client.close)
    leaving.start()
    # Many pings would have come meanwhile.
    leaving.join(0.5)
    assert leaving.is_alive()
    acknowledge(connection, ident)
    answer.wait()
    connection.close()
    leaving.join(PATIENCE)
    assert client.wait_closed(0)


def test_a_client_that_leaves_a_broker_that_is_silent_logs_no_error(fake, fake_bus, kind, nothing_logged):
    connection, client = greeted(fake, fake_bus, kind, **HASTY)
    read_question(connection)
    client.close()
    assert client.wait_closed(0)
    connection.close()


def test_a_client_with_a_full_inbox_does_not_take_the_broker_for_silent(fake, fake_bus, kind):
    connection, client = greeted(fake, fake_bus, kind, inbox_limit=1, **HASTY)
    connection.sendall(frame(b"a\0", b"unread"))
    assert read(connection, 9 * MANY) == bytes(9 * MANY)
    assert client.recv(PATIENCE).payload == b"unread"
    read_question(connection)
    connection.close()


def test_a_client_whose_callback_is_slow_does_not_take_the_broker_for_silent(fake, fake_bus):
    done = threading.Event()
    connection, _ = greeted(fake, fake_bus, "sync", on_frame=lambda frame: done.wait(PATIENCE), **HASTY)
    connection.sendall(frame(b"a\0", b"slow"))
    assert read(connection, 9 * MANY) == bytes(9 * MANY)
    done.set()
    read_question(connection)
    connection.close()


# The end of clients and programs.


def test_close_sends_what_was_sent_and_frees_the_name(any_bus, kind, other_kind):
    target = any_bus.join(other_kind)
    for _ in range(20):
        client = any_bus.join(kind, "py.comes.and.goes")
        for n in range(100):
            client.send(target.name, str(n), qos=Qos.NO)
        client.close()
        client.close()
        assert client.state is State.CLOSED
    got = []
    while len(got) < 2000:
        got += target.recv_many(PATIENCE)
    assert [int(f.payload) for f in got] == list(range(100)) * 20


def test_a_closed_client_hands_out_what_it_received_and_ends(any_bus, kind):
    client = any_bus.join(kind)
    for n in range(3):
        client.send(client.name, str(n))
    client.close()
    assert [client.recv().text for _ in range(3)] == ["0", "1", "2"]
    assert client.recv() is None
    with pytest.raises(ClosedError):
        client.send(client.name, "late")


def test_the_end_of_a_program_does_not_lose_what_it_sent_last(bus, tmp_path):
    from support import python

    target = bus.join("sync")
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, elbus\n"
        "bus = elbus.Client(sys.argv[1], sys.argv[2]).connect()\n"
        "for n in range(100):\n"
        "    bus.send(sys.argv[3], str(n), qos=elbus.Qos.NO)\n"
    )
    python(script, name("short"), bus.broker.unix, target.name)
    got = []
    while len(got) < 100:
        got += target.recv_many(PATIENCE)
    assert [int(f.payload) for f in got] == list(range(100))


def test_two_clients_that_flood_each_other_do_not_lock_up(bus):
    clients = [bus.join("sync", outbox_limit=50_000) for _ in range(2)]
    got = [0, 0]

    def flood(n):
        for _ in range(20_000):
            clients[n].send(clients[1 - n].name, bytes(100), qos=Qos.NO)
        clients[n].flush()

    def read_all(n):
        while got[n] < 20_000:
            got[n] += len(clients[n].recv_many(PATIENCE))

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1) for work in (flood, read_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10 * PATIENCE)
    assert got == [20_000, 20_000]


# Mistakes of the program.


def test_a_callback_that_would_wait_for_its_own_thread_is_told_so(bus):
    told = []

    def on_frame(frame):
        try:
            client.send(client.name, "again")
        except WaitInCallbackError as error:
            told.append(error)
        told.append(client.send(client.name, "fine", wait=False) if frame.payload == b"first" else None)

    client = bus.join("sync", on_frame=on_frame)
    client.send(client.name, "first")
    until(lambda: len(told) == 4, "both callbacks ended")
    assert told[0].outcome == Outcome.REFUSED
    told[1].wait()


def greeted(fake, fake_bus, kind, **options):
    """Return the broker's end of a connection, and the client."""
    options.setdefault("timeout", PATIENCE)
    options.setdefault("backoff", (0.01, 0.05))
    client = fake_bus.make(kind, None, fake.address, **options)
    accepted = []
    accepting = threading.Thread(target=lambda: accepted.append(fake.accept()[0]))
    accepting.start()
    client.connect()
    accepting.join()
    return accepted[0], client


def frame(sender, payload, topic=b""):
    body = sender + topic + payload
    kind = b"\x01" if topic else b"\x12"
    return kind + len(body).to_bytes(4, "little") + b"\0" + body


def unread(client):
    inner = getattr(client, "_inner", client)
    return inner._inbox.bytes
