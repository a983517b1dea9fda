"""Prints what is published below `plant`, and messages to it, until Ctrl-C; it outlives restarts of the broker."""

import elbus

with elbus.Client("tour.listener", on_state=lambda state, why: print(state.value, why, flush=True)) as bus:
    bus.subscribe("plant/#")
    print("listening", flush=True)
    for frame in bus:
        print(frame.sender, frame.topic or f"({frame.kind.name.lower()})", frame.text, flush=True)
