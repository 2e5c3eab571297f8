"""Mail comes in, is on disk, goes out: the main road and its turnings."""

import re
import signal
import threading
import time

from harness import Client, Godwit, Sink, free_port, wait_for


def test_a_message_is_relayed_as_it_came():
    with Sink() as sink, Godwit(sink.port) as godwit:
        text = "From: a@test.example\r\nSubject: dots\r\n\r\n..leading\r\nline\r\n"
        message_id = godwit.send(text=text)
        got = sink.wait(1)[0]
        assert got["sender"] == "a@test.example" and got["recipients"] == ["b@example.com"], got
        head, _, rest = got["data"].partition(b"From: a@test.example\r\n")
        assert head.startswith(b"Received: from [127.0.0.1]") and message_id.encode() in head, head
        assert rest == b"Subject: dots\r\n\r\n.leading\r\nline\r\n", rest
        godwit.wait_log(f"{message_id} <= a@test.example H=\\(client.test\\) \\[127.0.0.1\\] P=esmtp S=\\d+$")
        godwit.wait_log(f'{message_id} => b@example.com R=out T=remote H=127.0.0.1 \\[127.0.0.1\\] C="250 ok taken"$')
        godwit.wait_log(f"{message_id} Completed$")
        assert godwit.queue_count() == 0


def test_the_operator_words_the_received_line():
    main = "received_header_text = Received: by $primary_hostname\\n\\tfor $received_for"
    with Sink() as sink, Godwit(sink.port, main=main) as godwit:
        godwit.send()
        head = sink.wait(1)[0]["data"]
        assert head.startswith(b"Received: by mx.test\r\n\tfor b@example.com;\r\n\t"), head


def test_bdat_both_ways():
    with Sink(extensions=["PIPELINING", "CHUNKING"]) as sink, Godwit(sink.port) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            # Octets of a chunk are taken as they are; what goes out is canonical all the same.
            client.raw(b"BDAT 12\r\nSubject: x\r\nBDAT 10 LAST\r\n\r\n.\r\nbody\n")
            assert "12 byte chunk" in client.expect(250)
            client.expect(250)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            client.raw(b"BDAT 12\r\nSubject: x\r\nBDAT 11 LAST\r\n\r\n.\r\nbody\r\n")
            client.expect(250)
            client.expect(250)
        for got in sink.wait(2):
            assert got["data"].endswith(b"Subject: x\r\n\r\n.\r\nbody\r\n"), got["data"]
        godwit.wait_log(r"=> b@example.com .* K C=")


def test_several_recipients_share_a_transaction_and_a_connection():
    with Sink() as sink, Godwit(sink.port) as godwit:
        recipients = [f"r{i}@example.com" for i in range(5)]
        godwit.send(recipients=recipients)
        godwit.send()
        sink.wait(2)
        assert sink.messages[0]["recipients"] == recipients
        assert sink.connections == 1, sink.connections
        wait_for(lambda: godwit.log().count("Completed") == 2)
        log = godwit.log()
        assert len(re.findall(" => ", log)) == 2 and len(re.findall(" -> ", log)) == 4, log


def test_a_refused_recipient_bounces_and_the_others_go_on():
    script = {"RCPT": lambda a: b"550 5.1.1 no such user\r\n" if "bad@" in a else None}
    with Sink(script) as sink, Godwit(sink.port) as godwit:
        godwit.send(recipients=["good@example.com", "bad@example.com"])
        messages = sink.wait(2)
        assert messages[0]["recipients"] == ["good@example.com"]
        bounce = messages[1]
        assert bounce["sender"] == "" and bounce["recipients"] == ["a@test.example"], bounce
        assert b"bad@example.com" in bounce["data"] and b"550 5.1.1 no such user" in bounce["data"]
        godwit.wait_log(r"\*\* bad@example.com R=out T=remote H=.*: SMTP error from remote mail server after "
                        r"(pipelined )?RCPT TO:<bad@example.com>: 550 5.1.1 no such user")
        godwit.wait_log(r"<= <> R=\S+ U=\S+ P=local")


def test_a_deferred_recipient_is_tried_again():
    script = {"RCPT": [b"450 4.2.0 later\r\n", None]}
    with Sink(script) as sink, Godwit(sink.port) as godwit:
        godwit.send()
        godwit.wait_log(r"== b@example.com R=out T=remote defer \(-44\) H=.*: .*450 4.2.0 later")
        sink.wait(1)
        godwit.wait_log("Completed")


def test_failures_at_every_step_are_tried_again():
    steps = {
        "connect": [b"421 busy\r\n", None],
        "EHLO": [b"421 busy\r\n", None],
        "MAIL": [b"451 not now\r\n", None],
        "DATA": [b"451 not now\r\n", None],
        ".": [b"451 not now\r\n", None],
    }
    for command, replies in steps.items():
        with Sink({command: replies}) as sink, Godwit(sink.port) as godwit:
            godwit.send()
            sink.wait(1)
            godwit.wait_log("Completed")
            assert "b@example.com" in sink.messages[0]["recipients"], command


def test_permanent_failures_bounce():
    for command in ("connect", "MAIL", "DATA", "."):
        replies = [b"554 5.0.0 never\r\n", None]
        with Sink({command: replies}) as sink, Godwit(sink.port) as godwit:
            godwit.send()
            messages = sink.wait(1)
            assert messages[0]["sender"] == "", (command, messages)


TEMPLATE = """\
Subject: Undeliverable${if eq{$sender_address}{$bounce_recipient}{: returned}}
X-Template: yes
****
Dear $bounce_recipient, nobody wanted this:
****
****
"""


def test_the_operator_words_bounces():
    main = "bounce_message_file = {dir}/bounce\nbounce_return_linesize_limit = 60\n"
    with Sink({"MAIL": [b"554 5.0.0 never\r\n", None]}) as sink, Godwit(sink.port, main=main) as godwit:
        (godwit.dir / "bounce").write_text(TEMPLATE)
        godwit.send(text="Subject: x\r\n\r\n" + "long " * 20 + "\r\n")
        text = str(sink.wait(1)[0])
        assert "Subject: Undeliverable: returned" in text and "X-Template: yes" in text, text
        assert "Dear a@test.example, nobody wanted this:" in text, text
        assert "This is a report of the mail system" not in text, text
        assert "long long" not in text and "text/rfc822-headers" in text, text


def test_a_bounce_has_its_usual_text_where_the_template_is_missing():
    main = "bounce_message_file = {dir}/none\n"
    with Sink({"MAIL": [b"554 5.0.0 never\r\n", None]}) as sink, Godwit(sink.port, main=main) as godwit:
        godwit.send()
        assert "This is a report of the mail system" in str(sink.wait(1)[0])
        godwit.wait_log("the usual one is used", name="panic")


WARNING = """\
Subject: Still here after $warn_message_delay
X-To: $warn_message_recipients
****
We could not hand over your message yet:
****
It may take a while.
"""


def test_the_operator_words_warnings():
    def refuse(argument):
        return b"451 later\r\n" if "b@example.com" in argument else None
    main = "warn_message_file = {dir}/warning\ndelay_warning = 1s\n"
    with Sink({"RCPT": refuse}) as sink, Godwit(sink.port, main=main) as godwit:
        (godwit.dir / "warning").write_text(WARNING)
        godwit.send()
        warned = wait_for(lambda: [got for got in sink.messages if got["sender"] == "" and got["data"]], 20, godwit.log)
        text = warned[0]["data"].decode()
        assert re.search(r"\r\nSubject: Still here after \d minutes?\r\nX-To: a@test.example\r\n", text), text
        said = text.partition("We could not hand over your message yet:\r\n")[2]
        assert "b@example.com" in said.partition("It may take a while.\r\n")[0], text
        assert "delivery will be tried again" not in text, text


def test_a_connection_lost_at_any_point_loses_nothing():
    for command in ("connect", "EHLO", "MAIL", "RCPT", "DATA", "."):
        with Sink({command: ["close", None]}) as sink, Godwit(sink.port) as godwit:
            godwit.send()
            sink.wait(1)
            godwit.wait_log("Completed")


def test_garbage_and_slow_replies():
    with Sink({"MAIL": [b"hello there\r\n", None]}) as sink, Godwit(sink.port) as godwit:
        godwit.send()
        sink.wait(1)
        godwit.wait_log(r"== b@example.com .*defer \(-?\d+\) H=\S+ \S+: \S+")


def test_a_host_that_is_down_is_tried_again_and_its_hint_is_kept():
    port = free_port()
    with Godwit(port, retry="* * F,2h,3s") as godwit:
        godwit.send()
        godwit.wait_log(r"defer \(111\): Connection refused")
        godwit.send()
        godwit.wait_log(r"defer \(-54\): retry time not reached for any host")
        with Sink(port=port) as sink:
            sink.wait(2)


def test_a_retry_rule_that_has_ended_bounces():
    port = free_port()
    with Godwit(port, retry="* * F,2s,1s") as godwit:
        godwit.send()
        godwit.wait_log("retry timeout exceeded", 20)
        godwit.wait_log(r"<= <> R=")


def test_no_retry_rule_means_no_retry():
    with Godwit(free_port(), retry="") as godwit:
        godwit.send()
        godwit.wait_log(r"\*\* b@example.com: retry timeout exceeded")


def test_a_bounce_that_cannot_be_delivered_is_frozen():
    with Sink({"RCPT": b"550 no\r\n"}) as sink, Godwit(sink.port) as godwit:
        godwit.send()
        godwit.wait_log(r"Frozen \(delivery error message\)")
        listing = godwit.cli("-bp").stdout
        assert "<> *** frozen ***" in listing, listing
        assert sink.connections >= 1


def test_a_sink_that_stalls_times_out():
    with Sink({"MAIL": ["stall", None]}) as sink, Godwit(sink.port, smtp="  command_timeout = 1s") as godwit:
        godwit.send()
        godwit.wait_log(r"defer \(110\): Connection timed out H=\S+ \S+: SMTP timeout after")
        assert sink.connections >= 1


def test_large_messages_stream_through():
    body = ("x" * 70 + "\r\n") * 60_000  # 4.3 MB: a body file of its own
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.send(text="Subject: big\r\n\r\n" + body)
        got = sink.wait(1, 40)[0]
        assert got["data"].endswith(b"\r\n\r\n" + body.encode()), len(got["data"])


def test_many_small_messages_in_one_connection_are_not_held_back():
    with Sink() as sink, Godwit(sink.port, workers=2) as godwit:
        clients = [Client(godwit.port) for _ in range(4)]
        for client in clients:
            client.command("EHLO client.test", 250)
        for i in range(50):
            clients[i % 4].message("a@test.example", [f"r{i}@example.com"], "Subject: x\r\n\r\nbody\r\n")
        for client in clients:
            client.close()
        assert len({m["recipients"][0] for m in sink.wait(50)}) == 50


def test_queued_messages_survive_a_kill():
    port = free_port()
    with Godwit(port, workers=2) as godwit:
        ids = [godwit.send(text=f"Subject: {i}\r\n\r\n{i}\r\n") for i in range(20)]
        godwit.kill()
        assert godwit.queue_count() == 20
        assert all(i in godwit.cli("-bp").stdout for i in ids)
        with Sink(port=port) as sink:
            godwit.start()
            subjects = {m["data"].split(b"Subject: ")[1].split(b"\r\n")[0] for m in sink.wait(20)}
            assert len(subjects) == 20, subjects


def test_a_worker_that_is_killed_is_replaced():
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.send()
        before = wait_for(godwit.workers)
        import os
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: godwit.workers() and godwit.workers() != before, 15, "another worker")
        godwit.wait_log("killed by signal 9; starting another")
        godwit.send()
        sink.wait(2)


def test_reload_changes_the_configuration_and_refuses_nobody():
    """What began before a reload goes on to its end; nobody who comes meanwhile is turned away."""
    with Sink() as sink, Godwit(sink.port, main="smtp_accept_max = 1000") as godwit:
        before = set(godwit.workers())
        idle, begun, inside = (godwit.client() for _ in range(3))
        for client in (idle, begun, inside):
            client.command("EHLO client.test", 250)
        for client in (begun, inside):
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
        inside.command("DATA", 354)
        inside.raw("Subject: x\r\n\r\nhalf\r\n")

        accepted, troubles, over = [], [], threading.Event()

        def keep_sending():
            while not over.is_set():
                try:
                    accepted.append(godwit.send())
                except (OSError, AssertionError) as error:
                    troubles.append(repr(error))

        senders = [threading.Thread(target=keep_sending) for _ in range(3)]
        for sender in senders:
            sender.start()
        for number in range(2):
            godwit.write_config(main=f"workers = 1\nsmtp_accept_max = 1000\nsmtp_banner = changed {number}")
            godwit.process.send_signal(signal.SIGHUP)

            def changed(banner=f"changed {number}"):
                with Client(godwit.port, greet=False) as client:
                    return banner in client.expect(220)

            wait_for(changed, 15, "the new banner")
        time.sleep(0.5)  # the old workers know by now
        over.set()
        for sender in senders:
            sender.join()
        assert not troubles, troubles
        idle.command("NOOP", 250)
        idle.message("a@test.example", ["b@example.com"], "Subject: idle\r\n\r\nx\r\n")
        begun.command("DATA", 354)
        begun.raw("Subject: begun\r\n\r\nx\r\n.\r\n")
        begun.expect(250)
        inside.raw("rest\r\n.\r\n")
        inside.expect(250)
        assert before & set(godwit.workers()), "the old worker has left its sessions"
        for client in (idle, begun, inside):
            client.command("QUIT", 221)
            client.close()
        sink.wait(len(accepted) + 3)
        wait_for(lambda: len(godwit.workers()) == 1 and not before & set(godwit.workers()), 15, "the end of the old workers")
        # The socket for commands is the new worker's.
        godwit.cli("-q")
        sink.close()
        held = godwit.send()
        wait_for(lambda: godwit.cli("-Mf", held, check=False).returncode == 0, 10, "a command that finds the new worker")
        assert godwit.queue_count() == 1


def test_term_says_nothing_of_mail_that_nobody_tried():
    """What waits for a connection is tried by whoever comes next."""
    with Sink({"connect": "stall"}) as sink, Godwit(sink.port) as godwit:
        for _ in range(40):
            godwit.send()
        wait_for(lambda: sink.connections, 10, "a connection")
        godwit.stop()
        assert godwit.queue_count() == 40
        deferred = re.findall(r" == .*", godwit.log())
        assert len(deferred) < 20 and "shutting down" not in godwit.log(), godwit.log()


def test_term_tells_whoever_is_inside_a_message():
    with Sink() as sink, Godwit(sink.port) as godwit, godwit.client() as inside:
        inside.command("EHLO client.test", 250)
        inside.command("MAIL FROM:<a@test.example>", 250)
        inside.command("RCPT TO:<b@example.com>", 250)
        inside.command("DATA", 354)
        godwit.process.send_signal(signal.SIGTERM)
        inside.expect(421)
        godwit.wait_log("message abandoned as the server ends, on connection from .* F=<a@test.example>")


def test_reload_with_a_broken_configuration_changes_nothing():
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.write_config(main="workers = 1\nsmtp_baner = x")
        godwit.process.send_signal(signal.SIGHUP)
        godwit.wait_log("the new configuration has errors and is not used")
        godwit.wait_log("smtp_banner")
        godwit.send()
        sink.wait(1)


def test_term_drains_and_keeps_the_rest():
    port = free_port()
    with Godwit(port) as godwit:
        godwit.send()
        godwit.wait_log("Connection refused")
        started = time.monotonic()
        godwit.stop()
        assert time.monotonic() - started < 12
        assert godwit.queue_count() == 1
        godwit.wait_log("daemon ended")
