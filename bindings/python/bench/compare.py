"""Our clients and the published ones, side by side: rounds by turns on one server, ratios of medians.

    cargo build --release -p elbus-server
    python3 bindings/python/bench/compare.py --rounds 7

The published packages are installed into an environment of their own below `target`, ours from this tree.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
WORKER = HERE / "worker.py"
# What is measured: name, work of ours and of the published one, frames for each, whether a feeder sends, goal.
MEASURES = [
    ("sync receive, a loop", "recv_loop", 2_000_000, "recv_callback", 200_000, True, 10),
    ("sync receive, a callback", "recv_callback", 2_000_000, "recv_callback", 200_000, True, None),
    ("sync receive, published RPC layer", "recv_loop", 2_000_000, "recv_rpc", 10_000, True, None),
    ("sync send", "send", 500_000, "send", 100_000, False, 3),
    ("asyncio receive", "aio_recv", 1_000_000, "aio_recv", 50_000, True, 3),
    ("asyncio send", "aio_send", 500_000, "aio_send", 50_000, False, 3),
    ("asyncio calls, 256 in flight", "aio_rpc", 51_200, "aio_rpc", 10_240, False, 5),
]


def environment(name, *packages):
    """Return the Python of an environment that has these packages, made if need be."""
    directory = PROJECT / "target" / "python" / name
    python = directory / "bin" / "python"
    mark = directory / "complete"
    if not mark.exists() or mark.read_text() != repr(packages):
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        mark.write_text(repr(packages))
    return python


def measure(python, work, library, address, count, fed):
    """Run one round and return its rate per second."""
    arguments = [str(python), str(WORKER)]
    receiver = subprocess.Popen([*arguments, work, library, address, str(count)], stdout=subprocess.PIPE, text=True)
    if fed:
        assert receiver.stdout.readline() == "ready\n"
        subprocess.run([*arguments, "feed", library, address, str(count)], check=True)
    said, _ = receiver.communicate(timeout=120)
    return float(said.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--server", default=str(PROJECT / "target" / "release" / "elbus-server"))
    options = parser.parse_args()
    ours = environment("bench-ours", "msgpack")
    published = environment("bench-published", "elbus==0.0.15", "busrt-async==0.1.3", "msgpack")
    subprocess.run([ours, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", HERE.parent], check=True)
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/bus.sock"
        server = subprocess.Popen([options.server, "-B", address], stdout=subprocess.PIPE, text=True)
        try:
            while not server.stdout.readline().startswith("Ctrl-C"):
                pass
            run(options, address, ours, published)
        finally:
            server.terminate()
            server.wait()


def run(options, address, ours, published):
    print(f"{'100-byte frames, per second (medians)':38} {'ours':>12} {'published':>12} {'ratio':>8}  goal")
    missed = []
    for name, our_work, our_count, their_work, their_count, fed, goal in MEASURES:
        if options.only not in name:
            continue
        rates = {"ours": [], "published": []}
        for _ in range(options.rounds):
            rates["ours"].append(measure(ours, our_work, "ours", address, our_count, fed))
            rates["published"].append(measure(published, their_work, "published", address, their_count, fed))
        our_rate, their_rate = (statistics.median(rates[who]) for who in ("ours", "published"))
        ratio = our_rate / their_rate
        print(f"{name:38} {our_rate:12,.0f} {their_rate:12,.0f} {ratio:7.1f}x  {goal or '-'}", flush=True)
        if goal is not None and ratio < goal:
            missed.append(name)
    if missed:
        sys.exit(f"below the goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
