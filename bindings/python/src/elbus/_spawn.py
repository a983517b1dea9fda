"""Threads that are used again: for programs that expect a thread for every frame, without starting one each."""

from __future__ import annotations

import atexit
import os
import threading
from queue import Empty, SimpleQueue
from typing import Any, Callable

#: Threads beyond which work waits.
LIMIT = 1024
#: Seconds without work after which a thread ends, and for which the end of a program waits for work in progress.
_IDLE, _END = 10.0, 5.0


class Spawner:
    """Runs functions, each on a thread that nothing else runs on meanwhile."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._pid = os.getpid()
        atexit.register(self._finish)

    def run(self, f: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Run a function on some thread."""
        with self._changed:
            self._work.put((f, args, kwargs))
            if self._work.qsize() > self._idle and self._threads < LIMIT:
                self._threads += 1
                threading.Thread(target=self._run, name="elbus-handler", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.notify_all()
            try:
                f, args, kwargs = self._work.get(timeout=_IDLE)
            except Empty:
                with self._changed:
                    if self._work.empty():
                        self._idle -= 1
                        self._threads -= 1
                        return
                    self._idle -= 1
                continue
            with self._changed:
                self._idle -= 1
            try:
                f(*args, **kwargs)
            except BaseException as error:
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))

    def _finish(self) -> None:
        """Let what is in progress come to its end, as threads of a program do."""
        if self._pid == os.getpid():
            with self._changed:
                self._changed.wait_for(lambda: self._work.empty() and self._idle == self._threads, _END)
