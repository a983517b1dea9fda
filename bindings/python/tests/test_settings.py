"""What is refused before anything is sent: settings, names, filters, addresses."""

import asyncio

import pytest

import elbus
import elbus.aio
from elbus import MalformedError, NotConnectedError, SettingError, TooManyError


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 0}, "timeout must be from 0.01 to 3600, not 0"),
        ({"timeout": float("nan")}, "timeout"),
        ({"backoff": (1, 0.5)}, "backoff must be from 1 to 3600"),
        ({"inbox_hard_limit": 1}, "inbox_hard_limit must be from"),
        ({"outbox_limit": 0}, "outbox_limit"),
        ({"no_such": 1}, "no such setting: no_such"),
    ],
)
def test_settings_out_of_range_are_refused_with_name_and_range(kind, options, text):
    make = elbus.Client if kind == "sync" else elbus.aio.Client
    with pytest.raises(SettingError, match=text):
        make("a.b", "/tmp/none.sock", **options)


@pytest.mark.parametrize("wrong", ["", ".own", "a\0b", "a*", "%%x"])
def test_names_that_cannot_be_registered_are_refused_before_connecting(kind, wrong):
    make = elbus.Client if kind == "sync" else elbus.aio.Client
    with pytest.raises(MalformedError):
        make(wrong, "/tmp/none.sock")


def test_a_client_that_was_never_connected_says_how_to_connect_it():
    with pytest.raises(NotConnectedError, match="use the client in a `with` statement"):
        elbus.Client("a.b", "/tmp/none.sock").send("c", "x")

    async def send():
        await elbus.aio.Client("a.b", "/tmp/none.sock").send("c", "x")

    with pytest.raises(NotConnectedError, match="not connected yet"):
        asyncio.run(send())


def test_more_filters_than_the_limit_are_refused(bus, kind):
    client = bus.join(kind, filter_limit=3)
    client.subscribe("a", "b")
    client.exclude("c")
    client.subscribe("a")
    with pytest.raises(TooManyError, match="more than 3"):
        client.subscribe("d")
    client.unsubscribe("a")
    client.subscribe("d")


def test_the_default_address_must_be_private(monkeypatch, tmp_path, bus):
    from elbus import _address

    monkeypatch.setenv("ELBUS_ADDRESS", bus.broker.unix)
    assert bus.make("sync", None, None).address == bus.broker.unix
    monkeypatch.delenv("ELBUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert _address.find(None) == str(tmp_path / "elbus" / "elbus.sock")
    (tmp_path / "elbus").mkdir(mode=0o755)
    with pytest.raises(MalformedError, match="belongs to this user alone"):
        _address.find(None)
    (tmp_path / "elbus").chmod(0o700)
    assert _address.find(None) == str(tmp_path / "elbus" / "elbus.sock")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/run/bus", "/run/bus"),
        ("./bus", "./bus"),
        ("bus.sock", "bus.sock"),
        ("unix:/run/bus", "/run/bus"),
        ("unix:///run/bus", "/run/bus"),
        ("localhost:7777", ("localhost", 7777)),
        ("tcp://[::1]:7777", ("::1", 7777)),
        ("", None),
        ("unix:", None),
        ("http://x", None),
        ("fifo:/x", None),
        ("localhost", None),
        ("localhost:99999", None),
        (":1", None),
    ],
)
def test_addresses_are_read_as_by_the_rust_client(text, place):
    from elbus import _address

    if place is None:
        with pytest.raises(MalformedError):
            _address.parse(text)
    else:
        assert _address.parse(text) == place
