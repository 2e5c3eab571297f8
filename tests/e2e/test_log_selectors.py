"""log_selector: what each of these adds to the logs, and that nothing is there without it."""

import json
import re

from harness import Godwit, Sink, wait_for

HEAD = ("Received: from a by b; Sat, 21 Nov 2026 17:13:00 +0000\r\nFrom: A <a@old.test>\r\nTo: b@example.com\r\n"
        "Cc: c@example.com,\r\n d@example.com\r\nBcc: z@example.com\r\nReply-To: q@example.com\r\n"
        "Sender: s@example.com\r\nMessage-ID: <x@y.test>\r\nSubject: hi\r\nX-Tab:\tfoo\r\n\tbar\r\n")
TEXT = HEAD + "\r\nbody\r\n"
POLICY = """
begin acl
data:
  warn senders = edit@test.example
       add_header = X-New: one
       remove_header = Subject
  warn senders = noted@test.example
       logwrite = :reject: noted
  accept senders = good@test.example
  deny message = no
nothing:
  deny
begin rewrite
*@old.test $1@new.test
"""


def rejecting(**more):
    godwit = Godwit(1, start=False)
    main = "workers = 1\nqueue_only\nacl_smtp_data = data\nacl_not_smtp = nothing\nlog_json_path = {dir}/log/json\n"
    godwit.write_config(main=main + more.get("main", ""), routers=godwit.settings["routers"] + POLICY)
    godwit.start()
    return godwit


def entry(godwit, sender):
    """The lines of the reject log that belong to the refusal of `sender`."""
    lines = godwit.wait_log(rf".* F=<{sender}> rejected after DATA.*\n(?:(?!\d\d\d\d-).*\n)*", name="reject")
    return lines.group(0).split("\n")[1:-1]


def test_the_reject_log_has_the_header_section():
    with rejecting() as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@example.com", "c@example.com"], TEXT, 550)
            client.message("edit@test.example", [f"r{n}@example.com" for n in range(7)], TEXT, 550)
            client.message("noted@test.example", ["b@example.com"], TEXT, 550)
            client.message("", ["b@example.com"], "\r\nno header\r\n", 550)
            client.message("good@test.example", ["b@example.com"], TEXT)
        lines = entry(godwit, "a@test.example")
        assert lines[:3] == ["Envelope-from: <a@test.example>", "Envelope-to: <b@example.com>", "    <c@example.com>"]
        assert lines[3].startswith("P Received: from [127.0.0.1] (helo=client.test)"), lines
        own = next(n for n in range(4, len(lines)) if not lines[n].startswith("\t"))
        assert re.match(r"\t\w{3}, \d+ \w{3} \d{4} ", lines[own - 1]), lines
        kept = ["P Received: from a by b; Sat, 21 Nov 2026 17:13:00 +0000", "F From: A <a@new.test>",
                "T To: b@example.com", "C Cc: c@example.com,", " d@example.com", "B Bcc: z@example.com",
                "R Reply-To: q@example.com", "S Sender: s@example.com", "I Message-ID: <x@y.test>", "  Subject: hi",
                "  X-Tab:\tfoo", "\tbar"]
        assert lines[own:] == kept, lines
        edited = entry(godwit, "edit@test.example")
        assert edited[1:7] == ["Envelope-to: <r0@example.com>", *(f"    <r{n}@example.com>" for n in range(1, 5)),
                               "    ..."], edited
        assert edited[-4:] == ["* Subject: hi", "  X-Tab:\tfoo", "\tbar", "  X-New: one"], edited
        assert entry(godwit, "")[:2] == ["Envelope-from: <>", "Envelope-to: <b@example.com>"]
        # What an ACL writes into the reject log has them too.
        assert godwit.log("reject").count("Envelope-from: <noted@test.example>\n") == 2, godwit.log("reject")
        assert "Envelope-from" not in godwit.log() and "good@test.example" not in godwit.log("reject")
        text = (godwit.dir / "log" / "json").read_text()
        events = [json.loads(line) for line in text.splitlines()]
        (refusal,) = [e for e in events if "F=<a@test.example> rejected after DATA" in e["text"]]
        assert "\nF From: A <a@new.test>\n" in refusal["rejected_header"], refusal
        done = godwit.cli("-f", "local@test.example", "b@example.com", stdin="Subject: local\n\nbody\n", check=False)
        assert done.returncode == 1, done
        local = godwit.wait_log(r"F=<local@test.example> rejected by non-SMTP ACL.*\n((?:(?!\d\d\d\d-).*\n)*)",
                                name="reject").group(1)
        assert "Envelope-to: <b@example.com>\nP Received: from root by" in local and "\n  Subject: local\n" in local


def test_the_header_section_can_be_left_out():
    with rejecting(main="log_selector = -rejected_header\n") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@example.com"], TEXT, 550)
        godwit.wait_log(r"F=<a@test.example> rejected after DATA", name="reject")
        assert godwit.log("reject").count("\n") == 1, godwit.log("reject")


SELECTORS = ("+address_rewrite +arguments +connection_id +msg_id_created +queue_time +queue_time_overall "
             "+receive_time +millisec +smtp_connection +received_sender +received_recipients")
REWRITING = ('begin rewrite\n*@old.test $1@mid.test\n*@mid.test "Name <${{local_part}}@new.test>" fw\n'
             "*@env.test $1@other.test EFT\n^<bang!(.*)> $1@example.com S\n")


def selecting(sink, main):
    godwit = Godwit(sink.port, main=main, start=False)
    godwit.write_config(routers=godwit.settings["routers"] + REWRITING.replace("{{", "{").replace("}}", "}"))
    godwit.start()
    return godwit


def send_rewritten(godwit):
    with godwit.client() as client:
        client.command("EHLO client.test", 250)
        client.command("MAIL FROM:<a@env.test>", 250)
        client.command("RCPT TO:<bang!user>", 250)
        client.command("RCPT TO:<b@env.test>", 250)
        client.command("DATA", 354)
        client.raw("From: Old <x@old.test>\r\nTo: y@old.test\r\n\r\nbody\r\n")
        client.command(".", 250)
        client.command("QUIT", 221)


def test_what_selectors_add_to_the_main_log():
    with Sink() as sink, selecting(sink, f"log_selector = {SELECTORS}\n") as godwit:
        send_rewritten(godwit)
        sink.wait(1)
        godwit.wait_log(r"\d \S+ Completed QT=0\.\d\d\ds$")
        for line in (r'\d "<bang!user>" from smtp recipient rewritten as "user@example.com" by rule 4',
                     r'\S{16,} "b@env.test" from env-to rewritten as "b@other.test" by rule 3',
                     r'\S{16,} "a@env.test" from env-from rewritten as "a@other.test" by rule 3',
                     r'\S{16,} "x@old.test" from from: rewritten as "x@mid.test" by rule 1',
                     r'\S{16,} "x@mid.test" from from: rewritten as "Name <x@new.test>" by rule 2',
                     r'\S{16,} "y@old.test" from to: rewritten as "y@mid.test" by rule 1'):
            godwit.wait_log(line + "$")
        arrival = godwit.wait_log(r"<= a@other.test H=\(client.test\) \[127.0.0.1\] Ci=(\S+) .* RT=0\.\d\d\ds "
                                  r"from <a@env.test> for user@example.com b@env.test$")
        godwit.wait_log(rf"SMTP connection from \[127.0.0.1\] \(.*\) Ci={arrival.group(1)}$")
        godwit.wait_log(rf"SMTP connection from .* Ci={arrival.group(1)} closed by QUIT$")
        godwit.wait_log(r"=> user@example.com .* QT=0\.\d\d\ds")
        godwit.cli("-odi", "-oMt", "", "-F", "A B", "-f", "me@test.example", "b@example.com", stdin="Subject: x\n\nbody\n")
        sink.wait(2)
        godwit.wait_log(r'cwd=/\S* \d+ args: \S*godwit -C \S+ -odi -oMt "" -F "A B" -f me@test.example b@example.com$')
        godwit.wait_log(r"<= me@test.example U=root P=local S=\d+ id\*=E\S+@\S+ from <me@test.example> for ")


def test_nothing_of_it_is_there_without_them():
    with Sink() as sink, selecting(sink, "") as godwit:
        send_rewritten(godwit)
        godwit.cli("-odi", "-f", "me@test.example", "b@example.com",
                   stdin="Message-ID: <given@test.example>\n\nbody\n")
        godwit.cli("-odi", "-f", "me@test.example", "b@example.com", stdin="Subject: x\n\nbody\n")
        sink.wait(3)
        wait_for(lambda: godwit.log().count("Completed") == 3, 10, godwit.log)
        log = godwit.log()
        for absent in (" rewritten as ", " args: ", " Ci=", " id*=", " QT=", " RT="):
            assert absent not in log, log
        # An id that came with the message is always shown.
        assert "U=root P=local" in log and " id=given@test.example\n" in log, log
