"""Waits until the broker says that it shuts down: hear_warning.py LIBRARY ADDRESS."""
import msgpack
from bus import *


def hear(library, address):
    client = Place(library, address).join(f'{library}.witness')
    logging.disable()  # the library says loudly that the connection ends, and so it should
    print('ready', flush=True)
    frame = client.frame()
    expect((frame.type, frame.sender, frame.topic), (OP_PUBLISH, '.broker', '.broker/warn'))
    expect(msgpack.unpackb(frame.payload)['s'], 'shutdown')


run(hear)
