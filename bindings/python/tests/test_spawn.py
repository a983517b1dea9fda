"""Threads that are used again."""

import sys
import threading

import pytest

from elbus._spawn import Spawner
from support import PATIENCE


@pytest.fixture
def restless():
    """Threads take turns as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
def test_work_that_waits_for_other_work_meets_it_however_close_they_come():
    for _ in range(50):
        spawner = Spawner()
        for parties in range(1, 6):
            met = threading.Barrier(parties + 1)
            for _ in range(parties):
                spawner.run(met.wait, PATIENCE)
            met.wait(PATIENCE)


def test_work_that_raises_leaves_its_thread_to_others(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    spawner = Spawner()
    done = threading.Event()
    spawner.run(lambda: 1 / 0)
    spawner.run(done.set)
    assert done.wait(PATIENCE)
    spawner._finish()
    assert [args.exc_type for args in told] == [ZeroDivisionError]
