"""What one client sends to another arrives in the order sent, whatever its quality of service and its kind."""
from bus import *

COUNT = 3_000


def check(first, second, group):
    a, b = first.join(f'{group}.a'), second.join(f'{group}.b')
    topic = f'{group}/topic'
    b.subscribe(topic)
    kinds = [(OP_MESSAGE, b.name), (OP_BROADCAST, f'?.b'), (OP_PUBLISH, topic), (OP_MESSAGE, b.name), (OP_MESSAGE, b.name)]
    sent = []
    for n in range(COUNT):
        tp, target = kinds[n % len(kinds)]
        sent.append(a.post(target, n.to_bytes(4, 'big') + b'.' * (n % 300), n % 4, tp))
    for n in range(COUNT):
        frame = b.frame()
        expect(int.from_bytes(frame.payload[:4], 'big'), n)
        expect((frame.type, len(frame.payload)), (kinds[n % len(kinds)][0], 4 + n % 300))
    for acknowledgement in sent:
        expect(a.result(acknowledgement), OK)
    a.leave()
    b.leave()


run_with_each(check)
