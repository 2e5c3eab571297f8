#!/usr/bin/env python3
"""Loads, kills -9 a worker or the whole tree at random moments, restarts, and reconciles: nothing that
was answered 250 may be lost, and at most what was in flight at the kills may come twice.

    run.py [kills [seed]]        50 kills by default; the seed is printed and gives the same choices

Simulated power cuts at every sync of the spool are unit tests (tests/core/spool)."""

import collections
import contextlib
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Client, Godwit, Sink, wait_for  # noqa: E402

SENDERS = 6
WORKERS = 2


class Load:
    """Clients that send one message after the other and remember what was answered 250."""

    def __init__(self, port):
        self.port = port
        self.accepted = set()
        self.sent = 0
        self.stopping = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        count = 0
        while not self.stopping:
            with contextlib.suppress(OSError, ConnectionError, AssertionError, ValueError):
                with Client(self.port) as client:
                    client.command("EHLO load.test", 250)
                    while not self.stopping:
                        count += 1
                        token = f"t{number}-{count}"
                        self.sent += 1
                        body = ("x" * 70 + "\r\n") * random.choice([0, 30, 600]) + "x"
                        client.message("load@test.example", [f"{token}@example.com"], f"Subject: {token}\r\n\r\n{body}\r\n")
                        with self.lock:
                            self.accepted.add(token)
            time.sleep(0.02)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(30)


def arrivals(sink):
    return collections.Counter(m["recipients"][0].split("@")[0] for m in sink.messages)


def kill_loop(kills, dice):
    """Gives (lost, duplicates, most that could be in flight, accepted)."""
    with Sink() as sink, Godwit(sink.port, workers=WORKERS) as godwit:
        load = Load(godwit.port)
        in_flight = 0
        for _ in range(kills):
            time.sleep(dice.uniform(0.05, 0.5))
            # Up to a window of deliveries a worker may have been done and not yet recorded.
            if dice.random() < 0.5:
                workers = godwit.workers()
                if not workers:
                    continue
                in_flight += 40
                with contextlib.suppress(ProcessLookupError):
                    os.kill(dice.choice(workers), signal.SIGKILL)
            else:
                in_flight += 40 * WORKERS
                godwit.kill()
                godwit.start()
        load.stop()
        wait_for(lambda: len(godwit.workers()) == WORKERS, 20,
                 lambda: f"both workers: {godwit.workers()}; the end of the log:\n{godwit.log()[-3000:]}")
        with contextlib.suppress(AssertionError):
            wait_for(lambda: load.accepted <= set(arrivals(sink)) and godwit.queue_count() == 0, 60, "all to arrive")
        came = arrivals(sink)
        lost = sorted(load.accepted - set(came))
        duplicates = sum(n - 1 for n in came.values())
        truncated = [m for m in sink.messages if not m["data"].endswith(b"x\r\n")]
        return lost, duplicates, in_flight, len(load.accepted), truncated


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"{kills} kills, seed {seed}", flush=True)
    lost, duplicates, bound, accepted, truncated = kill_loop(kills, random.Random(seed))
    print(f"accepted {accepted}, lost {len(lost)}, duplicates {duplicates} (bound {bound}), truncated {len(truncated)}")
    checks = {
        "enough was accepted": accepted > kills * 5,
        "nothing was lost": not lost,
        "nothing was truncated": not truncated,
        "duplicates were in flight": duplicates <= bound,
    }
    for name, good in checks.items():
        print(f"{'ok     ' if good else 'FAILED '} {name}")
    if lost:
        print("lost: " + " ".join(lost[:20]))
    failed = list(checks.values()).count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
