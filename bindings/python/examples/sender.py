"""Publishes, and sends to the listener of `listener.py`."""

import elbus

with elbus.Client("tour.sender") as bus:
    bus.publish("plant/hall/temperature", "21.5")
    print("published")
    try:
        bus.send("tour.listener", "hello")
        print("delivered")
    except elbus.RefusedError as error:
        print("not delivered:", error)
