"""Brokers and clients for the tests."""

import logging

import pytest

from support import CLI, PUBLISHED, SERVER, Broker, Bus, FakeBroker, PublishedBroker


def pytest_configure(config):
    for program, package in ((SERVER, "elbus-server"), (CLI, "elbus-cli")):
        if not program.exists():
            raise pytest.UsageError(f"{program} is not there: cargo build -p {package}")


def published_broker():
    if not PUBLISHED.exists():
        pytest.skip(
            f"the published broker is not at {PUBLISHED}: cargo build --manifest-path interop/Cargo.toml "
            "--target-dir target/interop --example published_broker"
        )
    return PublishedBroker


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Our server, for tests that leave it as it was."""
    broker = Broker(tmp_path_factory.mktemp("server")).start()
    yield broker
    broker.kill()


@pytest.fixture(scope="session", params=["ours", "published"])
def any_broker(request, tmp_path_factory, server):
    """Our server, and the published broker."""
    if request.param == "ours":
        yield server
        return
    broker = published_broker()(tmp_path_factory.mktemp("published")).start()
    yield broker
    broker.kill()


@pytest.fixture
def own_server(tmp_path):
    """A server of this test's own, to be stopped, killed and started."""
    broker = Broker(tmp_path).start()
    yield broker
    broker.kill()


@pytest.fixture
def bus(server):
    """Clients at our server."""
    bus = Bus(server)
    yield bus
    bus.end()


@pytest.fixture
def any_bus(any_broker):
    """Clients at our server, then at the published broker."""
    bus = Bus(any_broker)
    yield bus
    bus.end()


@pytest.fixture
def own_bus(own_server):
    """Clients at a server of this test's own."""
    bus = Bus(own_server)
    yield bus
    bus.end()


@pytest.fixture
def fake(tmp_path):
    """A broker made by hand."""
    broker = FakeBroker(tmp_path)
    yield broker
    broker.end()


@pytest.fixture
def fake_bus():
    """Clients anywhere."""
    bus = Bus(None)
    yield bus
    bus.end()


@pytest.fixture(params=["sync", "aio"])
def kind(request):
    """Both kinds of clients."""
    return request.param


@pytest.fixture(params=["sync", "aio"])
def other_kind(request):
    """Both kinds of clients, for the other side."""
    return request.param


@pytest.fixture(params=["unix", "tcp"])
def transport(request):
    """Both ways to a broker."""
    return request.param


@pytest.fixture
def nothing_logged(caplog):
    """Fail if a test logs a warning."""
    caplog.set_level(logging.WARNING)
    yield
    # `caplog.records` would be those of the teardown.
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
