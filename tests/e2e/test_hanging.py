"""Workers whose loop does not turn: daemon/watchdog.h, daemon/supervisor_watch.cc. They are stopped by
SIGSTOP, which their loop cannot tell from a call that does not come back."""

import os
import re
import signal
import time

from harness import Godwit, wait_for

SLOW = True

# Noticed after one second, ended after six, killed after seven.
MAIN = """\
worker_patience = 6s
smtp_backlog_monitor = 2
log_selector = +pid +smtp_connection
smtp_accept_max = 1000
smtp_accept_queue = 0"""
HANGS = r"worker {index} \(pid {pid}\) hangs: its loop has not turned for 1 seconds; new connections go to the others$"


def takers(godwit):
    return [int(pid) for pid in re.findall(r"\[(\d+)\] SMTP connection from \S+ \(TCP", godwit.log())]


def answered(godwit, count):
    """The workers that answer so many connections, one after the other."""
    before = len(takers(godwit))
    for _ in range(count):
        with godwit.client() as client:
            client.command("QUIT", 221)
    wait_for(lambda: len(takers(godwit)) == before + count, what="connections in the log")
    return takers(godwit)[before:]


def test_a_worker_that_hangs():
    with Godwit(1, main=MAIN, workers=3) as godwit:
        first = answered(godwit, 1)[0]
        # The whole tree stands still: nobody hangs.
        os.killpg(godwit.process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.killpg(godwit.process.pid, signal.SIGCONT)
        assert answered(godwit, 3) == [first] * 3

        # It goes on before its time is up. What had come to it before it was noticed waits for it.
        os.kill(first, signal.SIGSTOP)
        stopped = time.monotonic()
        waiting = [godwit.client(greet=False) for _ in range(4)]
        godwit.wait_log(HANGS.format(index=0, pid=first), name="panic")
        assert 0.9 < time.monotonic() - stopped < 5
        assert first not in answered(godwit, 20)
        os.kill(first, signal.SIGCONT)
        for client in waiting:
            client.expect(220)
            client.close()
        godwit.wait_log(rf"worker 0 \(pid {first}\) goes on after \d seconds", name="panic")
        godwit.wait_log(r"listen backlog 4 I=\[127\.0\.0\.1\]:\d+$")
        wait_for(lambda: answered(godwit, 5) == [first] * 5, what="connections of the first worker")

        # It does not go on.
        os.kill(first, signal.SIGSTOP)
        waiting = godwit.client(greet=False)
        end = rf"worker 0 \(pid {first}\) "
        godwit.wait_log(end + r"has hung for 6 seconds: it is ended \(SIGABRT\)$", name="panic")
        godwit.wait_log(end + r"did not end: it is killed \(SIGKILL\)$", name="panic")
        godwit.wait_log(end + "killed by signal 9; starting another")
        waiting.expect(220)
        waiting.close()
        wait_for(lambda: len(godwit.workers()) == 3, what="three workers")
        assert first not in answered(godwit, 20)
        assert godwit.log("panic").count(" hangs: ") == 2, godwit.log("panic")
