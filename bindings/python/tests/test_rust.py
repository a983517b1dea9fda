"""The command line and a service in Rust on one side, Python on the other."""

import os
import subprocess

import pytest
from test_rpc import calculator

from elbus import Kind, RpcError
from support import CALCULATOR, CLI, PATIENCE, is_there, name, run_program, until


@pytest.fixture
def cli(server):
    """Run `elbus-cli` at the server and return what it said."""

    def cli(*arguments, **options):
        return run_program([CLI, *arguments], env={**os.environ, "ELBUS_ADDRESS": server.unix}, **options)

    return cli


def test_python_hears_the_command_line(bus, cli, kind):
    client = bus.join(kind)
    topic = name("topic")
    client.subscribe(f"{topic}/#")
    cli("send", client.name, "hello")
    cli("publish", f"{topic}/türe", "offen")
    cli("send", client.name.replace("py.", "?."), "to all")
    got = [client.recv(PATIENCE) for _ in range(3)]
    assert [(f.kind, f.topic, f.text) for f in got] == [
        (Kind.MESSAGE, None, "hello"),
        (Kind.PUBLICATION, f"{topic}/türe", "offen"),
        (Kind.BROADCAST, None, "to all"),
    ]


def test_the_command_line_hears_python(bus, server, kind):
    client = bus.join(kind)
    topic, listener = name("topic"), name("listener")
    command = [CLI, "listen", "--name", listener, "-t", f"{topic}/#"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ELBUS_ADDRESS": server.unix},
    )
    assert process.stderr.readline().startswith(f"listening as {listener}")
    client.publish(f"{topic}/x", "21.5")
    client.send(listener, "hello")
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert lines == [f"{topic}/x from {client.name}: 21.5\n", f"message from {client.name}: hello\n"]


@pytest.fixture
def rust_calculator(server):
    """The service of `examples/service.rs`."""
    if not CALCULATOR.exists():
        pytest.fail(f"{CALCULATOR} is not there: cargo build --example service --features full")
    process = subprocess.Popen([CALCULATOR], env={**os.environ, "ELBUS_ADDRESS": server.unix})
    yield "calculator"
    process.kill()
    process.wait(PATIENCE)


def test_python_calls_a_service_in_rust(bus, kind, rust_calculator):
    client = bus.join(kind)
    until(lambda: is_there(client, rust_calculator), "the service is on the bus")
    rpc = bus.rpc(client)
    assert rpc.call(rust_calculator, "add", {"a": 1, "b": 2}) == 3
    with pytest.raises(RpcError, match="b: is 0") as error:
        rpc.call(rust_calculator, "divide", {"a": 1, "b": 0})
    assert error.value.rpc_code == RpcError.INVALID_PARAMS
    with pytest.raises(RpcError) as error:
        rpc.call(rust_calculator, "unknown")
    assert error.value.rpc_code == RpcError.METHOD_NOT_FOUND
    assert [method["name"] for method in rpc.describe(rust_calculator)] == ["add", "divide"]
    calls = [rpc.call(rust_calculator, "add", {"a": n, "b": 1}, wait=False) for n in range(500)]
    assert [call.wait() for call in calls] == [n + 1 for n in range(500)]


def test_rust_calls_a_service_in_python(own_bus, kind):
    client = own_bus.join(kind, "calculator")
    own_bus.rpc(client, calculator(kind))
    said = run_program([CALCULATOR, "call"], env={**os.environ, "ELBUS_ADDRESS": own_bus.broker.unix})
    assert said == "1 + 2 = 3\n"


def test_the_command_line_calls_a_service_in_python(bus, cli, kind):
    client = bus.join(kind)
    bus.rpc(client, calculator(kind))
    assert cli("rpc", "call", client.name, "add", "a=1", "b=2").strip() == "3"
    described = cli("rpc", "describe", client.name)
    assert "add" in described
    assert "Add b to a." in described
