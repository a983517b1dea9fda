"""Writes the lines that are published to a file: receive_log.py LIBRARY ADDRESS FILE."""
from bus import *


def receive(library, address, path):
    client = Place(library, address).join('log.receiver')
    client.subscribe('log/#')
    print('ready', flush=True)
    with open(path, 'wb') as file:
        while (frame := client.frame()).topic == 'log/lines':
            file.write(frame.payload)
    expect(frame.topic, 'log/end')


run(receive)
