"""Reads numbered messages at a pace in bytes a second for some seconds, then the rest as fast as it can; says how many
it had read at the slow pace: read_slowly.py LIBRARY ADDRESS NAME PACE SECONDS."""
import importlib
import threading
import time

from bus import *


def read(library, address, name, pace, seconds):
    client = importlib.import_module(f'{library}.client').Client(address, name)
    pace, seconds = int(pace), float(seconds)
    began, done = None, threading.Event()
    total, count, read_in_time, wrong = 0, 0, 0, []

    def on_frame(frame):
        """Called by the client's reading thread: while this sleeps, nothing is read."""
        nonlocal began, total, count, read_in_time
        began = began or time.monotonic()
        if int.from_bytes(frame.payload[:8], 'little') != count:
            wrong.append(f'message {count} expected, got {frame.payload[:8]}')
        total += len(frame.payload)
        count += 1
        if time.monotonic() < began + seconds:
            read_in_time = count
            time.sleep(max(0, began + total / pace - time.monotonic()))
        if frame.payload.endswith(b'last') or wrong:
            done.set()

    client.on_frame = on_frame
    client.timeout = PATIENCE
    client.connect()
    print('ready', flush=True)
    assert done.wait(seconds + 3 * PATIENCE), f'{count} messages came'
    expect(wrong, [])
    print(read_in_time)


run(read)
