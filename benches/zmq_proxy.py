"""A ZeroMQ proxy at {socket} (subscribers) and {socket}.in (publishers), for elbus-load."""
import sys

import zmq

context = zmq.Context()
publishers, subscribers = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
for socket, path in (publishers, sys.argv[1] + ".in"), (subscribers, sys.argv[1]):
    # Otherwise it drops what is over its high-water mark: the generator limits what is on the way.
    socket.set_hwm(0)
    socket.setsockopt(zmq.BACKLOG, 1024)
    socket.bind("ipc://" + path)
zmq.proxy(publishers, subscribers)
