"""Programs for the published packages, unmodified, on ours: those that test the server, and the published examples."""

import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from support import PATIENCE, PROJECT, python

PROGRAMS = PROJECT / "elbus-server" / "tests" / "python"
EXAMPLES = os.environ.get("ELBUS_PUBLISHED_EXAMPLES")


@pytest.mark.parametrize("program", ["messages", "masks", "topics", "names", "large", "order", "idle", "rpc"])
def test_ours_and_published_clients_talk_to_each_other(own_server, program):
    # `elbus` and `elbus_async` are ours here, `busrt` and `busrt_async` the published ones.
    python(
        PROGRAMS / f"{program}.py",
        own_server.unix,
        own_server.tcp,
        env={**os.environ, "LIBRARIES": "elbus busrt busrt_async elbus_async"},
    )


@pytest.fixture(params=["elbus", "elbus_async"])
def examples(request, own_server, tmp_path):
    """The programs in the README of a published package, with the address of this server."""
    if not EXAMPLES:
        pytest.skip(
            "ELBUS_PUBLISHED_EXAMPLES is not set: pip download --no-deps --no-binary :all: elbus==0.0.14 "
            "elbus-async==0.0.14, and give the directory"
        )
    (archive,) = Path(EXAMPLES).glob(f"{request.param}-0.0.14.tar.gz")
    with tarfile.open(archive) as sdist:
        readme = io.TextIOWrapper(sdist.extractfile(f"{request.param}-0.0.14/README.md")).read()
    programs = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    paths = {}
    for role, text in zip(("listener", "sender", "handler", "caller"), programs):
        assert "/tmp/elbus.sock" in text
        paths[role] = tmp_path / f"{role}.py"
        paths[role].write_text(text.replace("/tmp/elbus.sock", own_server.unix))
    assert len(paths) == 4
    return paths


def listen(path, ready):
    """Start a program and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for line in process.stdout:
        if ready in line:
            return process
    raise AssertionError(f"{path.name} did not listen")


def said(process, server):
    """Stop the server, which ends a program that listens, and return what it said."""
    server.stop()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return output


def test_the_published_listener_hears_the_published_sender(examples, own_server):
    listener = listen(examples["listener"], "listening")
    assert python(examples["sender"]).split() == ["0x1", "0x1"]
    heard = said(listener, own_server)
    sender = r"test\.client\.python\.\S+"
    assert re.search(rf"Frame: 0x12 {sender} None b'hello'", heard), heard
    assert re.search(rf"Frame: 0x13 {sender} None b'hello everyone'", heard), heard
    assert re.search(rf"Frame: 0x1 {sender} test/topic b'something'", heard), heard


def test_the_published_caller_is_answered_by_the_published_handler(examples, own_server):
    handler = listen(examples["handler"], "listening")
    assert "{'ok': True}" in python(examples["caller"])
    heard = said(handler, own_server)
    assert heard.count("b'test' {'hello': 123}") == 2, heard
