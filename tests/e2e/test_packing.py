"""Which of several workers gets a connection: daemon/packing.h."""

import os
import re
import signal

from harness import Godwit, wait_for

MAIN = "log_selector = +pid +smtp_connection\nsmtp_accept_max = 1000\nsmtp_accept_queue = 0"


def takers(godwit):
    """The PID of the worker that took each connection, in their order."""
    return [int(pid) for pid in re.findall(r"\[(\d+)\] SMTP connection from \S+ \(TCP", godwit.log())]


def connect(godwit, count):
    for _ in range(count):
        with godwit.client() as client:
            client.command("QUIT", 221)


def test_a_few_connections_go_to_one_worker():
    with Godwit(1, main=MAIN, workers=3) as godwit:
        connect(godwit, 20)
        wait_for(lambda: len(takers(godwit)) == 20, what="20 connections in the log")
        assert len(set(takers(godwit))) == 1, takers(godwit)


def test_many_sessions_are_spread():
    with Godwit(1, main=MAIN, workers=2) as godwit:
        held = [godwit.client() for _ in range(140)]
        wait_for(lambda: len(takers(godwit)) == 140, what="140 connections in the log")
        for client in held:
            client.close()
        first, *_ = taken = takers(godwit)
        assert taken[:50] == [first] * 50, taken
        assert len(set(taken)) == 2 and taken.count(first) < 130, taken


def test_the_others_serve_while_the_first_worker_is_replaced():
    with Godwit(1, main=MAIN, workers=2) as godwit:
        connect(godwit, 3)
        wait_for(lambda: len(takers(godwit)) == 3, what="3 connections in the log")
        killed = takers(godwit)[0]
        before = godwit.workers()
        os.kill(killed, signal.SIGKILL)
        connect(godwit, 10)
        wait_for(lambda: len(takers(godwit)) == 13, what="13 connections in the log")
        wait_for(lambda: len(godwit.workers()) == 2 and godwit.workers() != before, what="another worker")
        godwit.wait_log("worker 0 .* killed by signal 9; starting another")

        def is_packed_again():
            seen = len(takers(godwit))
            connect(godwit, 6)
            wait_for(lambda: len(takers(godwit)) == seen + 6, what="6 more connections in the log")
            return set(takers(godwit)[seen:]).isdisjoint(before)

        wait_for(is_packed_again, what="the new first worker")
