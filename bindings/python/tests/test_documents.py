"""The programs in the documents and the examples, each as a process of its own, say what the documents promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import CLI, PATIENCE, PROJECT, is_there, python, run_program, until

PACKAGE = Path(__file__).resolve().parents[1]
EXAMPLES = PACKAGE / "examples"
#: In a document: a program, and what it prints if that stands right behind it.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
#: What a service of ten lines ends with.
SERVES = re.compile(r'service\.run\("(.+?)"')


def blocks(document):
    found = BLOCK.findall(document.read_text())
    assert found, f"{document} has no programs"
    return found


def shown(document):
    """Return the programs of a document that end by themselves, each with a line to know it by."""
    return [
        pytest.param(code, output, id=f"{document.name}-{number}")
        for number, (code, output) in enumerate(blocks(document), 1)
        if not SERVES.search(code)
    ]


@pytest.fixture
def environment(own_server):
    """The environment of a user: the default address leads to the server."""
    return {**os.environ, "ELBUS_ADDRESS": own_server.unix}


@pytest.fixture
def start(environment, own_bus):
    """Start programs that serve or listen, and end them."""
    started = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def serve(start, own_bus):
    """Start a service and return when it is on the bus."""
    client = own_bus.join()

    def serve(name, *arguments):
        start(*arguments)
        until(lambda: is_there(client, name), f"{name} is on the bus")

    return serve


@pytest.mark.parametrize(("code", "output"), shown(PACKAGE / "README.md") + shown(PROJECT / "docs" / "python.md"))
def test_a_program_of_a_document_prints_what_it_says(environment, serve, code, output):
    for program, _ in blocks(PACKAGE / "README.md"):
        service = SERVES.search(program)
        if service:
            serve(service[1], "-c", program)
    assert python("-c", code, env=environment) == output


def test_the_service_of_the_readme_has_at_most_ten_lines_and_is_an_example():
    services = [code for code, _ in blocks(PACKAGE / "README.md") if SERVES.search(code)]
    assert services == [(EXAMPLES / "service.py").read_text()]
    assert sum(1 for line in services[0].splitlines() if line) <= 10


def test_the_service_is_called_from_asyncio_and_from_the_shell(environment, serve):
    serve("plant.adder", EXAMPLES / "service.py")
    assert python(EXAMPLES / "caller.py", env=environment).splitlines() == [
        "2 + 3 = 5",
        "and a thousand sums, which add up to 999000",
        "it offers add - Add b to a.",
        "error -32601 no method 'divide'",
    ]
    assert run_program([CLI, "rpc", "call", "plant.adder", "add", "a=2", "b=3"], env=environment) == "5\n"


def test_the_listener_hears_the_sender_and_outlives_the_broker(environment, own_server, start):
    said = python(EXAMPLES / "sender.py", env=environment).splitlines()
    assert said == ["published", "not delivered: the broker answered: no such client (0x71)"]
    listener = start(EXAMPLES / "listener.py")

    def read():
        return listener.stdout.readline().rstrip("\n")

    assert read() == "listening"
    for restarted in (False, True):
        if restarted:
            own_server.kill()
            assert read().startswith("disconnected ")
            own_server.start()
            assert read() == "connected "
        assert python(EXAMPLES / "sender.py", env=environment).splitlines() == ["published", "delivered"]
        assert read() == "tour.sender plant/hall/temperature 21.5"
        assert read() == "tour.sender (message) hello"
