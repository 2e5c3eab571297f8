"""The command line on a live and on a stopped spool."""

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
        done = godwit.cli("-t", stdin="Subject: x\n\nbody\n", check=False)
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
