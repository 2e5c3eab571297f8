"""The command line on a live and on a stopped spool."""

import contextlib
import socket
import threading

from harness import Godwit, Sink, free_port, wait_for


def held(godwit):
    """A message that waits for a host that is down."""
    message_id = godwit.send(recipients=["b@example.com", "c@example.com"])
    godwit.wait_log(f"{message_id} == c@example.com")
    wait_for(lambda: godwit.cli("-Mf", message_id, check=False).returncode == 0, 10, "freeze")
    assert godwit.cli("-Mt", message_id).stdout == f"Message {message_id} is no longer frozen\n"
    return message_id


def check_commands(godwit, message_id):
    listing = godwit.cli("-bp").stdout
    assert f"{message_id} <a@test.example>" in listing and "          b@example.com" in listing, listing
    assert godwit.cli("-bpi").stdout.split() == [message_id]
    assert godwit.cli("-Mf", message_id).stdout == f"Message {message_id} is now frozen\n"
    assert "*** frozen ***" in godwit.cli("-bp").stdout
    again = godwit.cli("-Mf", message_id, check=False)
    assert again.returncode == 1 and "already" in again.stdout, again
    godwit.cli("-Mt", message_id)
    godwit.cli("-Mmd", message_id, "b@example.com")
    assert "        D b@example.com" in godwit.cli("-bp").stdout, godwit.cli("-bp").stdout
    assert "b@example.com" not in godwit.cli("-bpu").stdout
    godwit.cli("-Mar", message_id, "d@example.com")
    assert "d@example.com" in godwit.cli("-bp").stdout
    godwit.cli("-Mes", message_id, "other@test.example")
    assert "<other@test.example>" in godwit.cli("-bp").stdout
    assert godwit.cli("-Mvb", message_id).stdout == f"{message_id}-D\nbody\n"
    assert "Subject: x" in godwit.cli("-Mvh", message_id).stdout
    assert godwit.cli("-Mvc", message_id).stdout.endswith("Subject: x\n\nbody\n")
    assert "<= a@test.example" in godwit.cli("-Mvl", message_id).stdout
    assert godwit.cli("-Mrm", message_id).stdout == f"Message {message_id} has been removed\n"
    assert godwit.queue_count() == 0
    assert godwit.cli("-Mrm", message_id, check=False).returncode == 1


def test_commands_on_a_live_spool():
    with Godwit(free_port(), retry="* * F,2h,1h") as godwit:
        check_commands(godwit, held(godwit))


def test_a_message_that_a_worker_has_is_shown_without_a_look_at_other_shards():
    with Godwit(free_port(), retry="* * F,2h,1h") as godwit:
        message_id = held(godwit)
        other = godwit.dir / "spool" / "shards" / "a"
        other.mkdir()
        (other / "seg-00000001").symlink_to("/nonexistent")  # whoever reads this shard complains
        assert "shard a: " in godwit.cli("-bp").stderr
        for how in ("-Mvh", "-Mvb", "-Mvc", "-Mvl"):
            assert godwit.cli(how, message_id).stderr == "", how


def test_commands_on_a_stopped_spool():
    with Godwit(free_port(), retry="* * F,2h,1h") as godwit:
        message_id = held(godwit)
        godwit.stop()
        check_commands(godwit, message_id)


def test_queue_runs():
    port = free_port()
    with Godwit(port, main="queue_only", retry="* * F,2h,1h") as godwit:
        message_id = godwit.send()
        assert godwit.queue_count() == 1
        with Sink(port=port) as sink:
            godwit.cli("-q")
            sink.wait(1)
            godwit.wait_log(f"{message_id} Completed")
            second = godwit.send()
            godwit.stop()
            godwit.cli("-q")
            assert sink.wait(2) and godwit.queue_count() == 0
            godwit.wait_log(f"{second} Completed")


def test_a_queue_run_takes_what_a_start_has_just_found():
    with Sink() as sink, Godwit(sink.port, main="queue_only", workers=2) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            for _ in range(200):
                client.message("a@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
        godwit.stop()
        godwit.start()
        godwit.cli("-q")
        sink.wait(200)
        wait_for(lambda: godwit.queue_count() == 0)


def ask_control(godwit, line):
    """Sends a command to the first worker as soon as it listens; the answer is not waited for."""
    def connect():
        with contextlib.suppress(OSError):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(godwit.dir / "spool" / "control" / "w0"))
            return connection
    connection = wait_for(connect, 20, "the control socket")
    connection.sendall(line + b"\n")
    return connection


def test_a_queue_run_waits_for_shards_that_are_being_taken_over():
    with Sink() as sink, Godwit(sink.port, main="queue_only", start=False) as godwit:
        for _ in range(3):  # each is a shard without an owner
            godwit.cli("b@example.com", stdin="Subject: x\n\nbody\n")
        starting = threading.Thread(target=godwit.start)
        starting.start()
        with ask_control(godwit, b"adopt"), ask_control(godwit, b"run") as run:
            assert run.makefile("rb").readline() == b"ok\n"
        starting.join()
        sink.wait(3)
        wait_for(lambda: godwit.queue_count() == 0)


def test_forced_delivery_of_one_message():
    port = free_port()
    with Godwit(port, retry="* * F,2h,1h") as godwit:
        message_id = held(godwit)
        with Sink(port=port) as sink:
            godwit.cli("-M", message_id)
            sink.wait(1)
            godwit.wait_log(f"{message_id} Completed")


def test_giving_up_bounces():
    port = free_port()
    with Godwit(port, retry="* * F,2h,1h") as godwit:
        message_id = held(godwit)
        assert godwit.cli("-Mg", message_id).stdout == f"Message {message_id} has been given up\n"
        godwit.wait_log(rf"<= <> R={message_id} ")


def test_smtp_on_standard_input():
    with Sink() as sink, Godwit(sink.port) as godwit:
        dialogue = "EHLO me\r\nMAIL FROM:<a@test.example>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"
        out = godwit.cli("-bs", stdin=dialogue).stdout
        assert "250 " in out and "id=" in out and "221 " in out, out
        got = sink.wait(1)[0]
        assert got["recipients"] == ["b@example.com"]
        godwit.wait_log("P=local-esmtp")


def test_batched_smtp():
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.cli("-bS", stdin="MAIL FROM:<a@test.example>\nRCPT TO:<b@example.com>\nDATA\nSubject: x\n\nbody\n.\n")
        assert sink.wait(1)[0]["data"].endswith(b"Subject: x\r\n\r\nbody\r\n")
        godwit.wait_log("P=local-bsmtp")


def test_configuration_errors_are_all_named():
    with Godwit(start=False, main="smtp_acept_max = 5\nrecipients_max = 5X\n") as godwit:
        done = godwit.cli("-bV", check=False)
        assert done.returncode == 1
        assert "smtp_accept_max" in done.stderr and "recipients_max" in done.stderr and "^" in done.stderr, done.stderr
        godwit.write_config(main="", routers="out:\n  driver = manualroute\n  route_list = * 127.0.0.1\n  transport = remot\n")
        done = godwit.cli("-bV", check=False)
        assert done.returncode == 1 and '"remote"' in done.stderr, done.stderr


def test_unknown_options_are_refused():
    with Godwit(start=False) as godwit:
        done = godwit.cli("-bzz", check=False)
        assert done.returncode == 1 and "-bzz" in done.stderr


SENDMAIL_MESSAGE = "To: Bea <b@example.com>\nBcc: hidden@example.com\nSubject: hello\n\nbody\n.\nstill body\n"


def test_submission_as_sendmail_does_it():
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.cli("-t", "-i", "-f", "a@test.example", stdin=SENDMAIL_MESSAGE)
        got = sink.wait(1)[0]
        assert sorted(got["recipients"]) == ["b@example.com", "hidden@example.com"], got
        assert got["sender"] == "a@test.example"
        assert b"hidden@" not in got["data"].split(b"\r\n\r\n")[0].split(b"Subject")[1], got["data"]
        assert b"Message-Id: <E" in got["data"] and b"\r\nDate: " in got["data"]
        assert got["data"].endswith(b"\r\n\r\nbody\r\n.\r\nstill body\r\n"), got["data"]
        godwit.wait_log("<= a@test.example U=root P=local S=")
        godwit.cli("-odi", "-f", "a@test.example", "c@example.com", stdin="Subject: x\n\nbody\n.\nnot this\n")
        assert sink.wait(2)[1]["data"].endswith(b"\r\n\r\nbody\r\n")
        assert godwit.queue_count() == 0


def test_submission_without_a_daemon():
    port = free_port()
    with Sink(port=port) as sink, Godwit(port, start=False) as godwit:
        godwit.cli("-odi", "-f", "a@test.example", "c@example.com", stdin="Subject: x\n\nbody\n")
        sink.wait(1)
        godwit.cli("-odb", "-f", "a@test.example", "d@example.com", stdin="Subject: x\n\nbody\n")
        sink.wait(2)
        godwit.cli("-odq", "-f", "a@test.example", "e@example.com", stdin="Subject: x\n\nbody\n")
        assert godwit.queue_count() == 1
        godwit.cli("-q")
        sink.wait(3)
        wait_for(lambda: godwit.queue_count() == 0)


def test_submission_says_what_is_wrong():
    with Godwit(start=False) as godwit:
        done = godwit.cli(check=False)
        assert done.returncode == 1 and "recipients" in done.stderr, done
        done = godwit.cli("-oep", "-t", stdin="Subject: x\n\nbody\n", check=False)
        assert done.returncode == 1 and "recipient" in done.stderr, done


def test_by_the_name_sendmail():
    import os
    port = free_port()
    with Sink(port=port) as sink, Godwit(port, start=False) as godwit:
        link = godwit.dir / "sendmail"
        os.symlink(godwit.program, link)
        godwit.program = link
        godwit.cli("-oi", "-odi", "-bm", "-f", "a@test.example", "c@example.com", stdin="Subject: x\n\nbody\n")
        sink.wait(1)


def test_aliases_are_rebuilt_by_a_command():
    with Godwit(start=False) as godwit:
        assert godwit.cli("-bi").stdout == "", "a no-op without bi_command"
        godwit.write_config(main="bi_command = /bin/echo\n")
        assert godwit.cli("-bi", "-oA", "aliases.db").stdout == "aliases.db\n"
        assert godwit.cli("-bi").stdout == "\n"
        godwit.write_config(main="bi_command = /no/such/command\n")
        done = godwit.cli("-bi", check=False)
        assert done.returncode == 1 and "exec '/no/such/command' failed: No such file or directory" in done.stderr, done


RETRY_RULES = """\
*@bach.test quota_3d F,1h,15m
bach.test timeout_connect senders=a@b.test F,120m,15m; G,4d,30m,1.5
*.comp.test rcpt_4xx F,2h,15m; F,10d,30m
*.one.test refused_MX F,2h,15m
!*.none.test * F,2h,15m; G,16h,1h,1.5; F,4d,6h
"""
USUAL = "Retry rule: !*.none.test  *  F,2h,15m; G,16h,1h,1.5; F,4d,6h; \n"
# As the real Exim 4.96 says it, but for the error that was matched, which it shows as * where it is a reply's.
RETRY_CASES = [
    (["bach.test"], USUAL),
    (["x@bach.test", "quota_3d"], "Retry rule: *@bach.test  quota_3d  F,1h,15m; \n"),
    (["x@bach.test", "quota_4d"], "Retry rule: *@bach.test  quota_3d  F,1h,15m; \n"),
    (["x@bach.test", "quota"], USUAL),
    (["x@bach.test", "timeout_connect"], USUAL),
    (["-f", "a@b.test", "x@bach.test", "timeout_connect"], "Retry rule: bach.test  timeout_connect  F,2h,15m; G,4d,30m,1.5; \n"),
    (["zz.comp.test", "rcpt_452"], "Retry rule: *.comp.test  rcpt_4xx  F,2h,15m; F,1w3d,30m; \n"),
    (["a.one.test", "refused_MX"], "Retry rule: *.one.test  refused_MX  F,2h,15m; \n"),
    (["a.one.test", "refused_A"], USUAL),
    (["a.none.test", "zz.comp.test", "rcpt_421"], "Retry rule: *.comp.test  rcpt_4xx  F,2h,15m; F,1w3d,30m; \n"),
    (["a.none.test"], "No retry information found\n"),
    (["nowhere"], "Warning: \"nowhere\" contains no '@' and no '.' characters. It is being \n"
                  "treated as a one-component domain, not as a local part.\n\n" + USUAL),
]


def test_retry_rules_are_shown():
    with Godwit(retry=RETRY_RULES, start=False) as godwit:
        for words, said in RETRY_CASES:
            before = words[:2] if words[0] == "-f" else []
            assert godwit.cli(*before, "-brt", *words[len(before):]).stdout == said, words
        for words, said in (([], "-brt needs a domain or address argument\n"),
                            (["a.test", "wrong"], 'unknown or malformed retry error "wrong"\n')):
            done = godwit.cli("-brt", *words, check=False)
            assert (done.returncode, done.stderr) == (1, said), (words, done)


def test_expansions_see_a_message_of_the_queue():
    with Godwit(free_port(), retry="* * F,2h,1h") as godwit:
        message_id = held(godwit)
        shown = godwit.cli("-Mset", message_id, "-be", "$message_exim_id $sender_address $recipients_count <$recipients> $h_subject: "
                           "$sender_helo_name $received_protocol $message_size $message_body").stdout
        assert shown.startswith(f"{message_id} a@test.example 2 <b@example.com, c@example.com> x client.test esmtp "), shown
        assert shown.endswith(" body \n"), shown
        done = godwit.cli("-Mset", "1xUv0g-0000QH-2R", "-be", "x", check=False)
        assert done.returncode == 1 and "no message 1xUv0g-0000QH-2R" in done.stderr, done


def test_a_note_is_written_into_the_log():
    with Godwit(start=False) as godwit:
        (godwit.dir / "log").mkdir()
        godwit.cli("-z", "the disk was changed")
        assert godwit.log().endswith(" the disk was changed\n"), godwit.log()


def test_what_sendmail_has_means_nothing():
    with Godwit(main="queue_only", start=False) as godwit:
        for words in (["-Am"], ["-Ac"], ["-em"], ["-eq"], ["-x"], ["-ov"], ["-dropcr"], ["-B8BITMIME"], ["-om"], ["-h", "5"]):
            godwit.cli(*words, "b@example.com", stdin="Subject: x\n\nbody\n")
        assert godwit.queue_count() == 10
