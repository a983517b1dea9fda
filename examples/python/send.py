"""Publishes once and sends once: python send.py ADDRESS"""

import sys

import elbus.client
from elbus.client import OP_PUBLISH, RESPONSE_OK, Frame

bus = elbus.client.Client(sys.argv[1], 'tour.sender')
bus.connect()
bus.send('plant/hall/temperature', Frame(b'21.5', tp=OP_PUBLISH, qos=1)).wait_completed()
print('published')
code = bus.send('tour.listener', Frame(b'hello', qos=1)).wait_completed()
print('delivered' if code == RESPONSE_OK else f'not delivered: code {code}')
bus.disconnect()
