"""The codec against `bindings/vectors.json`, which elbus-proto makes."""

import json
import os

import pytest

from elbus import Code, Kind, MalformedError, Op, ProtocolError, Qos, RpcError, _names, _wire
from support import PROJECT

PATH = os.environ.get("ELBUS_VECTORS_FILE") or PROJECT / "bindings" / "vectors.json"
with open(PATH, encoding="utf-8") as file:
    VECTORS = json.load(file)

LIMIT = 2**32


def each(which):
    vectors = VECTORS[which]
    return pytest.mark.parametrize("vector", vectors, ids=[str(v.get("is", n)) for n, v in enumerate(vectors)])


def spoken(member):
    return member.name.lower().replace("_", " ")


def meaning(frame):
    kinds = {Kind.MESSAGE: "message", Kind.BROADCAST: "broadcast", Kind.PUBLICATION: "publication"}
    return kinds[frame.kind], frame.realtime, frame.sender, frame.topic, frame.payload.hex()


def expected(vectors):
    frames = [(v["kind"], v["realtime"], v["sender"], v.get("topic"), v["payload"]) for v in vectors if "sender" in v]
    return frames, [(v["id"], v["result"][0]) for v in vectors if v["kind"] == "acknowledgement"]


def decoded(pieces):
    decoder = _wire.Decoder(LIMIT)
    frames, acknowledgements = [], []
    for piece in pieces:
        more_frames, more_acknowledgements = decoder.feed(piece)
        frames += map(meaning, more_frames)
        acknowledgements += more_acknowledgements
    return frames, acknowledgements


@each("greetings")
def test_a_greeting_is_checked(vector):
    greeting = bytes.fromhex(vector["hex"])
    if vector["result"] == "ok":
        _wire.check_greeting(greeting)
        assert greeting == _wire.GREETING
    else:
        with pytest.raises(ProtocolError, match={"not elbus": "not an elbus", "version": "version"}[vector["result"]]):
            _wire.check_greeting(greeting)


@each("registrations")
def test_a_name_is_registered_by_its_length_in_bytes(vector):
    assert _wire.registration(vector["name"].encode()).hex() == vector["hex"]


@each("results")
def test_a_result_byte_has_its_name(vector):
    assert spoken(Code.of(vector["byte"])) == vector["name"]


def test_operations_and_levels_of_qos_are_all_there():
    assert [(int(op), spoken(op)) for op in Op] == [(v["bits"], v["name"]) for v in VECTORS["operations"]]
    assert [(int(qos), spoken(qos)) for qos in Qos] == [(v["bits"], v["name"]) for v in VECTORS["qos"]]


@each("requests")
def test_a_request_is_encoded(vector):
    op = next(op for op in Op if spoken(op) == vector["op"])
    qos = next(qos for qos in Qos if spoken(qos) == vector["qos"])
    if "filters" in vector:
        made = _wire.filters(vector["id"], op, qos, [_names.topic_filter(text) for text in vector["filters"]])
    elif "address" in vector:
        address = vector["address"].encode() + b"\0"
        if "receiver" in vector:
            address += vector["receiver"].encode() + b"\0"
        made = _wire.request(vector["id"], op, qos, address, bytes.fromhex(vector["payload"]))
    else:
        made = _wire.request(vector["id"], op, qos, b"", b"")
    assert made.hex() == vector["hex"]


@each("deliveries")
def test_a_delivery_is_decoded(vector):
    assert decoded([bytes.fromhex(vector["hex"])]) == expected([vector])


def test_deliveries_are_decoded_alike_however_they_are_split():
    stream = b"".join(bytes.fromhex(v["hex"]) for v in VECTORS["deliveries"])
    whole = expected(VECTORS["deliveries"])
    assert decoded([stream]) == whole
    for size in range(1, 40):
        assert decoded(stream[i : i + size] for i in range(0, len(stream), size)) == whole
    for cut in range(len(stream)):
        assert decoded([stream[:cut], stream[cut:]]) == whole


@pytest.mark.parametrize("count", [1, 5, 19, 20, 21, 50, 1000])
def test_runs_of_equal_heads_are_decoded_as_one_by_one(count):
    for vector in VECTORS["deliveries"]:
        other = bytes.fromhex(VECTORS["deliveries"][-1]["hex"])
        stream = bytes.fromhex(vector["hex"]) * count + other
        one, last = expected([vector]), expected(VECTORS["deliveries"][-1:])
        assert decoded([stream]) == (one[0] * count + last[0], one[1] * count + last[1])


def test_a_payload_that_holds_the_head_of_its_own_frame_does_not_forge_frames():
    # Within a run, where the payloads are cut out at the heads.
    head = b"\x12" + (4 + 2 * 10).to_bytes(4, "little") + b"\0a.b\0"
    honest, forged = head + b"x" * 20, head + head + head
    for pattern in ([honest] * 40 + [forged] + [honest] * 40, [forged] * 60, [forged, honest] * 40):
        frames, _ = _wire.Decoder(LIMIT).feed(b"".join(pattern))
        assert [frame.payload for frame in frames] == [frame[10:] for frame in pattern]


@each("deliveries_refused")
def test_what_no_broker_sends_is_refused(vector):
    with pytest.raises(ProtocolError, match=vector["error"].split()[-1]):
        decoded([bytes.fromhex(vector["hex"])])


@each("deliveries_unfinished")
def test_an_unfinished_frame_waits_for_the_rest(vector):
    data = bytes.fromhex(vector["hex"])
    decoder = _wire.Decoder(LIMIT)
    assert decoder.feed(data) == ([], [])
    if vector["length"] is not None:
        assert decoder._missing == vector["length"] - len(data)
        # Nothing is set aside for what was only announced.
        assert sum(map(len, decoder._parts)) == len(data)


def test_a_frame_over_the_limit_is_refused_as_soon_as_it_is_announced():
    with pytest.raises(ProtocolError, match="over the limit"):
        _wire.Decoder(1000).feed(b"\x12" + (10_000).to_bytes(4, "little") + b"\0")


@each("rpc")
def test_a_payload_of_rpc_survives(vector):
    data, payload = bytes.fromhex(vector["hex"]), bytes.fromhex(vector["payload"])
    read = _wire.rpc_decode(data)
    if vector["kind"] == "notification":
        assert read == _wire.Notification(payload)
    elif vector["kind"] == "request":
        method = vector["method"].encode()
        assert read == _wire.Request(vector["id"], method, payload)
        assert _wire.rpc_request(vector["id"], method, payload) == data
        whole = _wire.request(vector["id"], Op.MESSAGE, Qos.PROCESSED, b"a.b\0", data)
        assert _wire.rpc_call(vector["id"], Qos.PROCESSED, b"a.b\0", method + b"\0", payload) == whole
    elif vector["kind"] == "reply":
        assert read == _wire.Reply(vector["id"], payload)
        assert _wire.rpc_reply(vector["id"], payload) == data
    else:
        assert read == _wire.Failure(vector["id"], vector["code"], payload)
        assert _wire.rpc_error(vector["id"], vector["code"], payload) == data


@each("rpc_refused")
def test_what_is_no_payload_of_rpc_is_left_alone(vector):
    assert _wire.rpc_decode(bytes.fromhex(vector["hex"])) is None


def test_codes_of_rpc_have_their_names():
    for vector in VECTORS["rpc_codes"]:
        assert getattr(RpcError, vector["name"].upper().replace(" ", "_")) == vector["code"]
    for vector in VECTORS["rpc_bus_errors"]:
        assert _wire.rpc_bus_error(Code.of(vector["byte"])) == vector["code"]
        assert RpcError(vector["code"]).bus_code == Code.of(vector["byte"])


def holds(check, text):
    try:
        return check(text) == text.encode()
    except MalformedError:
        return False


@pytest.mark.parametrize(
    ("which", "check"),
    [("names", _names.name), ("masks", _names.mask), ("topics", _names.topic), ("filters", _names.topic_filter)],
)
def test_addresses_are_checked_as_the_broker_does(which, check):
    for vector in VECTORS[which]:
        assert holds(check, vector["text"]) == vector["valid"], vector["text"]
