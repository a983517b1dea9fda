"""Prints what comes in, until Ctrl-C: python listen.py ADDRESS [FILTER]"""

import signal
import sys

import elbus.client

address, topics = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else 'plant/#'
bus = elbus.client.Client(address, 'tour.listener')
bus.on_frame = lambda frame: print(
    frame.sender, frame.topic or '(message)', frame.payload.decode(errors='replace'), flush=True)
bus.connect()
bus.subscribe(topics).wait_completed()
print('listening', flush=True)
try:
    signal.pause()
except KeyboardInterrupt:
    pass
