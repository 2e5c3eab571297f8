"""When the machine is short of room or of time: check_*, smtp_load_reserve, queue_only_load."""

import os

from harness import Godwit, Sink
from peers import Skipped



def test_too_little_room_gives_452():
    with Godwit(main="check_spool_space = 900000G\n") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example>", 452)
        godwit.wait_log(r"spool directory space check failed: space=\d+ inodes=\d+")


def test_a_declared_size_that_does_not_fit_gives_452():
    with Godwit(main="message_size_limit = 900000G\n") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> SIZE=900000000000000", 452)
            client.command("MAIL FROM:<a@test.example> SIZE=1000", 250)


def test_mail_waits_for_a_queue_run_under_load():
    if os.getloadavg()[0] < 0.05:
        raise Skipped("the machine is idle: no load is over a limit")
    with Sink() as sink, Godwit(sink.port, main="queue_only_load = 0\n") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.message("first@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
            client.message("second@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
        godwit.cli("-odb", "b@example.com", stdin="Subject: x\n\nlocal\n")
        godwit.wait_log(r"no immediate delivery: load average \d")
        assert godwit.queue_count() == 3 and not sink.messages
        godwit.cli("-q")
        sink.wait(3)


def test_options_that_do_not_act_yet_are_named():
    with Godwit(main="wellknown_advertise_hosts = *\n", start=False) as godwit:
        done = godwit.cli("-bV")
        assert "warning: wellknown_advertise_hosts does not act yet" in done.stdout + done.stderr, done
        assert "godwit.conf:" in done.stderr or ":" in done.stderr, done.stderr
