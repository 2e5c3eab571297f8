"""Godwit against other people's programs: swaks, Postfix, Exim, and Exim's log tools."""

import re
import tempfile

from harness import Client, Godwit, Sink, wait_for
from peers import Exim, Postfix, PostfixSink, run_tool, swaks


def test_swaks_sends_plainly_pipelined_and_to_several():
    with Sink() as sink, Godwit(sink.port) as godwit:
        common = ("--from", "a@test.example", "--header", "Subject: from swaks")
        swaks(godwit.port, "--to", "b@example.com", *common)
        transcript = swaks(godwit.port, "--to", "b@example.com,c@example.com,d@example.com", "--pipeline", *common)
        assert "PIPELINING" in transcript, transcript
        first, second = sink.wait(2)
        assert first["recipients"] == ["b@example.com"], first
        assert second["recipients"] == ["b@example.com", "c@example.com", "d@example.com"], second
        for got in (first, second):
            assert got["sender"] == "a@test.example" and b"\r\nSubject: from swaks\r\n" in got["data"], got
            assert b"\r\n\r\nThis is a test mailing\r\n" in got["data"], got


def test_swaks_sends_an_attachment_unchanged():
    with Sink() as sink, Godwit(sink.port) as godwit, tempfile.NamedTemporaryFile() as file:
        import base64
        content = bytes(range(256)) * 2000
        file.write(content)
        file.flush()
        swaks(godwit.port, "--to", "b@example.com", "--from", "a@test.example", "--attach", "@" + file.name)
        data = sink.wait(1)[0]["data"]
        encoded = re.search(rb"Content-Transfer-Encoding: BASE64\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--", data)
        assert encoded and base64.b64decode(encoded.group(1)) == content, data[:2000]


def test_smtp_source_of_postfix_sends_in_parallel():
    with Sink() as sink, Godwit(sink.port, main="hosts_require_helo =") as godwit:
        # One connection a message, many messages in one, and a client without EHLO.
        for options in ((), ("-d",), ("-o",)):
            before = len(sink.messages)
            run_tool("smtp-source", "-s", 5, "-m", 50, "-l", 3000, "-f", "a@test.example", "-t", "b@example.com",
                     *options, f"127.0.0.1:{godwit.port}")
            messages = sink.wait(before + 50, 40)[before:]
            assert len(messages) == 50, (options, len(messages))
            assert all(len(m["data"]) > 2900 for m in messages), options
        wait_for(lambda: godwit.queue_count() == 0, 20, "an empty queue")
        assert godwit.log().count("Completed") == 150


def test_smtp_source_sends_to_many_recipients():
    with Sink() as sink, Godwit(sink.port) as godwit:
        run_tool("smtp-source", "-m", 3, "-r", 40, "-t", "b@example.com", f"127.0.0.1:{godwit.port}")
        wait_for(lambda: sum(len(m["recipients"]) for m in sink.messages) == 120, 20, "120 recipients")


def test_into_exim_with_pipelining_and_chunking():
    text = "From: a@test.example\r\nSubject: to exim\r\n\r\n.dot\r\nFrom here\r\nend\r\n"
    stuffed = text.replace("\r\n.dot", "\r\n..dot")
    for smtp, protocol in (("", "K"), ("  hosts_try_chunking =\n", "")):
        with Exim() as exim, Godwit(exim.port, smtp=smtp, main="log_selector = +pipelining") as godwit:
            message_id = godwit.send(recipients=["one@exim.test", "two@exim.test"], text=stuffed)
            for user in ("one", "two"):
                mail = exim.wait_mailbox(user)
                assert mail.startswith(b"From a@test.example ") and message_id.encode() in mail, mail
                assert mail.endswith(b"Subject: to exim\n\n.dot\n>From here\nend\n\n"), mail
            line = godwit.wait_log(f"{message_id} => one@exim.test R=out T=remote H=127.0.0.1 .*C=.*").group(0)
            assert re.search(r' L (K C="250- \d+ byte chunk, total \d+\\\\n|C=")250 OK id=', line), line
            assert (" K " in line) == bool(protocol), line
            godwit.wait_log(f"{message_id} Completed")
            assert re.search(r"<= a@test\.example H=\(?mx\.test\)? \[127\.0\.0\.1\] P=esmtp.*",
                             exim.log()).group(0).count(" K ") == bool(protocol), exim.log()


def test_into_exim_a_large_message_in_chunks():
    body = "".join(f"{i:06d} {'y' * 60}\r\n" for i in range(30_000))
    with Exim() as exim, Godwit(exim.port) as godwit:
        godwit.send(recipients=["big@exim.test"], text="Subject: big\r\n\r\n" + body)
        godwit.wait_log("Completed", 40)
        # Exim answers before it delivers, and writes the mailbox in pieces.
        whole = body.replace("\r\n", "\n").encode() + b"\n"
        wait_for(lambda: exim.wait_mailbox("big").endswith(whole), 20, "the whole message in the mailbox")


def test_a_recipient_that_exim_refuses_bounces_with_its_words():
    with Exim() as exim, Godwit(exim.port) as godwit:
        godwit.send(sender="sender@exim.test", recipients=["good@exim.test", "refused@exim.test"])
        exim.wait_mailbox("good")
        bounce = exim.wait_mailbox("sender").decode()
        assert bounce.startswith("From MAILER-DAEMON "), bounce
        assert "550 5.1.1 nobody of the name refused here" in bounce, bounce
        assert "Action: failed" in bounce and "Final-Recipient: rfc822;refused@exim.test" in bounce, bounce
        godwit.wait_log(r"\*\* refused@exim.test R=out T=remote H=127.0.0.1 \[127.0.0.1\].*: SMTP error from remote "
                        r"mail server after (pipelined )?RCPT TO:<refused@exim.test>: 550 5.1.1 nobody of the name")


def test_a_recipient_that_exim_defers_stays():
    with Exim() as exim, Godwit(exim.port, retry="* * F,2h,1h") as godwit:
        godwit.send(recipients=["good@exim.test", "later@exim.test"])
        exim.wait_mailbox("good")
        godwit.wait_log(r"== later@exim.test R=out T=remote .*defer \(-44\).*451 Temporary")
        assert godwit.queue_count() == 1
        listing = godwit.cli("-bp").stdout
        assert "D good@exim.test" in listing and "  later@exim.test" in listing, listing


def test_dsn_parameters_reach_exim():
    with Exim() as exim, \
            Godwit(exim.port, main="dsn_advertise_hosts = *") as godwit:
        with godwit.client() as client:
            assert "DSN" in client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<sender@exim.test> RET=HDRS ENVID=e123", 250)
            client.command("RCPT TO:<yes@exim.test> NOTIFY=SUCCESS ORCPT=rfc822;orig@exim.test", 250)
            client.command("RCPT TO:<refused@exim.test> NOTIFY=NEVER", 250)
            client.command("DATA", 354)
            client.raw("Subject: dsn\r\n\r\nsecret body\r\n")
            client.command(".", 250)
        exim.wait_mailbox("yes")
        # Exim, which took the responsibility, reports the delivery; nobody the NEVER recipient.
        report = exim.wait_mailbox("sender").decode()
        assert "Action: delivered" in report and "Original-Envelope-ID: e123" in report, report
        assert "orig@exim.test" in report and "secret body" not in report, report
        godwit.wait_log(r"\*\* refused@exim.test")
        godwit.wait_log("Completed")
        assert "<= <>" not in godwit.log(), godwit.log()


def test_into_smtp_sink_of_postfix():
    for arguments in ((), ("-e",), ("-p",)):
        with PostfixSink(*arguments) as sink, Godwit(sink.port) as godwit:
            with godwit.client() as client:
                client.command("EHLO client.test", 250)
                for i in range(20):
                    client.message("a@test.example", [f"r{i}@example.com"], "Subject: x\r\n\r\nbody\r\n")
            wait_for(lambda: godwit.log().count("Completed") == 20, 20, godwit.log)


def test_smtp_sink_refuses_and_bounces():
    with PostfixSink("-r", "rcpt") as sink, Godwit(sink.port, retry="* * F,2h,1s") as godwit:
        godwit.send()
        godwit.wait_log(r"== b@example.com R=out T=remote .*H=.*: 450 4.3.0 Error: command failed")
    with PostfixSink("-f", "rcpt") as sink, Godwit(sink.port) as godwit:
        godwit.send()
        godwit.wait_log(r"\*\* b@example.com R=out T=remote H=.*: 500 5.3.0 Error: command failed")


def test_through_the_real_postfix():
    with Sink() as sink, Postfix(sink.port) as postfix, Godwit(postfix.port) as godwit:
        body = "".join(f"{i:05d} {'z' * 60}\r\n" for i in range(3000))
        godwit.send(recipients=["b@example.com", "c@example.com"], text="Subject: one\r\n\r\n..dot\r\nend\r\n")
        godwit.send(text="Subject: big\r\n\r\n" + body)
        wait_for(lambda: sum(len(m["recipients"]) for m in sink.messages) == 3, 30, lambda: godwit.log())
        by_size = sorted(sink.messages, key=lambda m: len(m["data"]))
        assert by_size[0]["data"].endswith(b"\r\n\r\n.dot\r\nend\r\n"), by_size[0]
        assert by_size[-1]["data"].endswith(body.encode())
        godwit.wait_log(r'=> b@example.com R=out .* K C="250 2.0.0 Ok: \d+ bytes queued as ')


def test_exim_as_a_client():
    with Sink() as sink, Godwit(sink.port) as godwit, Exim(relay=godwit.port) as exim:
        body = "".join(f"{i:05d} {'w' * 60}\r\n" for i in range(5000))
        with Client(exim.port) as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@example.com", "c@example.com"], "Subject: s\r\n\r\n..dot\r\nend\r\n")
            client.message("a@test.example", ["d@example.com"], "Subject: s\r\n\r\n" + body)
        wait_for(lambda: sum(len(m["recipients"]) for m in sink.messages) == 3, 30,
                 lambda: exim.log() + godwit.log())
        by_size = sorted(sink.messages, key=lambda m: len(m["data"]))
        assert by_size[0]["data"].endswith(b"\r\n\r\n.dot\r\nend\r\n"), by_size[0]
        assert by_size[-1]["data"].endswith(body.encode())
        wait_for(lambda: exim.log().count("Completed") == 2, 15, exim.log)
        line = re.search(r"=> b@example\.com .*", exim.log()).group(0)
        # Exim talked in chunks and took our reply with the id as it takes its own.
        assert " K " in line and re.search(r"OK id=\S{23}\"", line), line


def tools_server(sink, **more):
    return Godwit(sink.port, main="message_id_form = short", retry="* * F,2h,1h", **more)


def test_exims_tools_read_the_logs():
    script = {"RCPT": lambda a: b"550 5.1.1 no such user\r\n" if "bad@" in a else None}
    with Sink(script) as sink, tools_server(sink) as godwit:
        wanted = godwit.send(recipients=["one@example.com", "two@example.com"], sender="w@test.example")
        assert re.fullmatch(r"\w{6}-\w{6}-\w{2}", wanted), wanted
        other = godwit.send(recipients=["bad@example.com"], sender="other@test.example")
        wait_for(lambda: godwit.log().count("Completed") == 3, 15, godwit.log)
        log = godwit.dir / "log" / "mainlog"

        grouped = run_tool("exigrep", "two@example.com", log)
        lines = [line for line in grouped.splitlines() if line]
        assert len(lines) == 4 and all(wanted in line for line in lines), grouped
        assert " <= w@test.example" in lines[0] and lines[-1].endswith(f"{wanted} Completed"), grouped
        grouped = run_tool("exigrep", "-M", "-l", "other@test.example", log)
        assert other in grouped and wanted not in grouped, grouped

        report = run_tool("eximstats", "-h0", log)
        assert re.search(r"^ +Received +\S+ +3 +2 ", report, re.M), report
        assert re.search(r"^ +Delivered +\S+ +2 +3 +1$", report, re.M), report
        assert re.search(r"List of errors\n-+\n\n +1 bad@example\.com R=out T=remote H=[^\n]*:\n[^\n]*\n\s+550 5\.1\.1 no such",
                         report), report


def test_exims_tools_read_the_queue():
    with Sink({"RCPT": b"450 4.2.0 later\r\n"}) as sink, tools_server(sink) as godwit:
        first = godwit.send(sender="f@test.example", recipients=["b@example.com", "b2@example.org"])
        second = godwit.send(sender="s@test.example", recipients=["c@example.com"])
        wait_for(lambda: len(re.findall(" == ", godwit.log())) == 3, 15, godwit.log)
        wait_for(lambda: godwit.cli("-Mf", second, check=False).returncode == 0, 10, "freeze")
        program = ("-E", godwit.program, "-C", godwit.config)
        listed = sorted(run_tool("exiqgrep", *program, "-i", "-y", 3600).split())  # its own order is random
        assert listed == sorted([first, second]), (listed, first, second, godwit.cli("-bp").stdout)
        assert run_tool("exiqgrep", *program, "-i", "-z").split() == [second]
        assert run_tool("exiqgrep", *program, "-i", "-f", "f@test").split() == [first]
        assert run_tool("exiqgrep", *program, "-i", "-r", "b2@example.org").split() == [first]
        assert run_tool("exiqgrep", *program, "-c", "-y", 3600) == "2 matches out of 2 messages\n"
        long = run_tool("exiqgrep", *program, "-l", "-x")
        assert f"{first} <f@test.example>" in long and "b2@example.org" in long, long

        summary = run_tool("exiqsumm", stdin=godwit.cli("-bp").stdout)
        assert re.search(r"^ +2 +\S+ +\S+ +\S+ +example\.com$", summary, re.M), summary
        assert re.search(r"^ +1 +\S+ +\S+ +\S+ +example\.org$", summary, re.M), summary
        assert re.search(r"^ +3 +\S+ +\S+ +\S+ +TOTAL$", summary, re.M), summary
