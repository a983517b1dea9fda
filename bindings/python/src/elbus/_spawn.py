"""Threads that are used again: for programs that expect a thread for every frame, without starting one each."""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from typing import Any, Callable

#: Threads beyond which work waits.
LIMIT = 1024
#: Seconds without work after which a thread ends, and for which the end of a program waits for work in progress.
_IDLE, _END = 10.0, 5.0


class Spawner:
    """Runs functions, each on a thread that nothing else runs on meanwhile."""

    def __init__(self) -> None:
        self._work: deque[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = deque()
        lock = threading.Lock()
        #: There is work; and: a thread has come to the end of its own.
        self._ready, self._rested = threading.Condition(lock), threading.Condition(lock)
        self._threads = 0
        self._idle = 0
        self._pid = os.getpid()
        atexit.register(self._finish)

    def run(self, f: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Run a function on some thread."""
        with self._ready:
            self._work.append((f, args, kwargs))
            # Work is taken and a thread is busy in one step: an idle thread is one that will take some.
            if len(self._work) > self._idle and self._threads < LIMIT:
                self._threads += 1
                threading.Thread(target=self._run, name="elbus-handler", daemon=True).start()
            else:
                self._ready.notify()

    def _run(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                self._rested.notify_all()
                found = self._ready.wait_for(lambda: bool(self._work), _IDLE)
                self._idle -= 1
                if not found:
                    self._threads -= 1
                    return
                f, args, kwargs = self._work.popleft()
            try:
                f(*args, **kwargs)
            except BaseException as error:
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))

    def _finish(self) -> None:
        """Let what is in progress come to its end, as threads of a program do."""
        if self._pid == os.getpid():
            with self._rested:
                self._rested.wait_for(lambda: not self._work and self._idle == self._threads, _END)
