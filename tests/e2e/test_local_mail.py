"""What local programs hand over, and what becomes of mistakes in it: batches, dialogues that end early, claims of
another origin, -oe..., the operator's commands. What is expected is what the real Exim 4.96 does, but for
docs/differences.md."""

import os
import re
import subprocess
import time

from harness import Godwit, Sink, free_port, wait_for

ONE = "MAIL FROM:<a@test.example>\nRCPT TO:<b@example.com>\nDATA\nSubject: x\n\nhi\n.\n"
START = "MAIL FROM:<a@test.example>\nRCPT TO:<b@example.com>\n"

# name, batch, reply, line where its transaction began, line of the error, command, status
BATCHES = [
    ("no recipient", ONE + START + "RCPT TO:<>\n", "501 missing or malformed local part", 7, 10, "RCPT TO:<>", 1),
    ("the same, first", START + "RCPT TO:<>\n", "501 missing or malformed local part", 0, 3, "RCPT TO:<>", 2),
    ("two at-signs", "MAIL FROM:<a@@b>\n", "501 domain missing or malformed", 0, 1, "MAIL FROM:<a@@b>", 2),
    ("a literal", "MAIL FROM:<>\nRCPT TO:<a@[1.2.3.4]>\n", "501 domain literals not allowed", 0, 2, "RCPT TO:<a@[1.2.3.4]>", 2),
    ("no command", START + "FOO\nDATA\n", "500 Command unrecognized", 0, 3, "FOO", 2),
    ("not in a batch", START + "STARTTLS\n", "500 Command unrecognized", 0, 3, "STARTTLS", 2),
    ("no chunks", START + "BDAT 3\nxxx", "500 Command unrecognized", 0, 3, "BDAT 3", 2),
    ("two senders", "MAIL FROM:<>\nMAIL FROM:<a@b>\n", "503 Sender already given", 0, 2, "MAIL FROM:<a@b>", 2),
    ("no sender", "RCPT TO:<a@b>\n", "503 No sender yet given", 0, 1, "RCPT TO:<a@b>", 2),
    ("no address", "MAIL FROM:\n", "501 MAIL FROM must have an address operand", 0, 1, "MAIL FROM:", 2),
    ("an argument", START + "RSET x\n", "501 Unexpected argument data", 0, 3, "RSET x", 2),
    ("a parameter", "MAIL FROM:<> SIZE=1\n", "501 malformed address: SIZE=1 may not follow <>", 0, 1,
     "MAIL FROM:<> SIZE=1", 2),
    ("DATA first", "HELO x\nDATA\n", "503 MAIL FROM:<sender> command must precede DATA", 1, 2, "DATA", 2),
    ("nobody", "MAIL FROM:<>\nDATA\n", "503 RCPT TO:<recipient> must precede DATA", 0, 2, "DATA", 2),
    ("after RSET", "HELO x\nRSET\nNOOP\nMAIL FROM:<>\nRCPT TO:\n", "501 RCPT TO must have an address operand", 3, 5,
     "RCPT TO:", 2),
    ("cut off", START + "DATA\nSubject: y\n\nhi\n", "421 Lost incoming connection", 0, 7, None, 2),
    ("an ACL", ONE.replace("Subject: x", "X-Bad: x"), "550 not this", 0, 7, None, 2),
]
GOOD = [ONE, "", "QUIT\n", START, "HELO\nETRN x\nVRFY y\nHELP z\nMAIL FROM:<>\nRSET\n" + ONE]
ACLS = """\
begin acl
local:
  deny message = not this
       condition = ${{if def:h_X-Bad:}}
  accept
nobody:
  deny
"""
MAIN = "acl_not_smtp = local\nacl_smtp_mail = nobody\nacl_smtp_etrn = nobody\n"


def test_a_batch_ends_with_its_first_error():
    with Godwit(free_port(), start=False, main=MAIN + ACLS) as godwit:
        for name, batch, reply, began, line, command, status in BATCHES:
            done = godwit.cli("-odq", "-bS", stdin=batch, check=False)
            wanted = [reply, f"Transaction started in line {began}", f"Error detected in line {line}"]
            assert [text.rstrip() for text in done.stdout.splitlines()] == wanted + ([command] if command else []), (name, done)
            assert done.returncode == status and reply in done.stderr, (name, done)
            before = 1 if status == 1 else 0
            assert f"{before} previous message{'s were' if before != 1 else ' was'} accepted" in done.stderr, (name, done)
        assert "SMTP connection from root lost while reading message data" in godwit.log()
        assert "rejected by non-SMTP ACL: not this" in godwit.log()
        count = godwit.queue_count()
        assert count == 1, count
        for batch in GOOD:
            done = godwit.cli("-odq", "-bS", stdin=batch)
            assert done.stdout == done.stderr == "", (batch, done)
        assert godwit.queue_count() == count + 2
        assert "ETRN" not in godwit.log() and "rejected HELO" not in godwit.log(), godwit.log()


# dialogue, the last line of output, the end of the log
ENDS = [
    ("", "421 mx.test lost input connection", ""),
    ("HELO x\n", "421 mx.test lost input connection", ""),
    ("HELO x\nMAIL FROM:<a@b.test>\n", "421 mx.test lost input connection",
     r"unexpected EOF while reading SMTP command from root D=0s\n\Z"),
    ("HELO x\n" + START + "DATA\nSubject: x\n", "421 Lost incoming connection",
     r"SMTP connection from root lost while reading message data \(after header\)\n\Z"),
]


def test_a_dialogue_that_is_cut_off_fails():
    with Godwit(free_port(), start=False, main="smtp_receive_timeout = 1s\n") as godwit:
        for dialogue, reply, text in ENDS:
            before = len(godwit.log())
            done = godwit.cli("-bs", stdin=dialogue, check=False)
            assert done.returncode == 1 and done.stdout.splitlines()[-1] == reply, (dialogue, done)
            assert re.search(text, godwit.log()[before:]), (dialogue, godwit.log()[before:])
        done = godwit.cli("-bs", stdin="HELO x\nQUIT\n")
        assert done.stdout.splitlines()[-1].startswith("221 "), done
        for dialogue, mode, reply, status in (
                ("HELO x\n", "-bs", "421 mx.test: SMTP command timeout - closing connection", 1),
                ("HELO x\n" + START + "DATA\nS: x\n", "-bs", "421 mx.test SMTP incoming data timeout - closing connection.", 1),
                ("HELO x\n", "-bS", "421 SMTP command timeout\nTransaction started in line 1\nError detected in line 1", 2)):
            with subprocess.Popen([godwit.program, "-C", godwit.config, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as process:
                process.stdin.write(dialogue)
                process.stdin.flush()
                began = time.monotonic()
                assert process.wait(20) == status, (dialogue, mode)
                assert time.monotonic() - began < 15
                assert process.stdout.read().rstrip().endswith(reply), (dialogue, mode)
        assert "SMTP command timeout on connection from root" in godwit.log()
        assert "SMTP data timeout (message abandoned) on connection from local process F=<a@test.example>" in godwit.log()


def test_smtp_on_standard_input_may_wait_for_a_queue_run():
    with Sink() as sink, Godwit(sink.port) as godwit:
        for mode in ("-bs", "-bS"):
            godwit.cli("-odq", mode, stdin="HELO x\n" + ONE + "QUIT\n")
        godwit.cli("-bS", stdin=ONE)
        sink.wait(1)
        assert len(sink.messages) == 1 and godwit.queue_count() == 2, sink.messages
        godwit.cli("-q")
        sink.wait(3)


TEXT = "Subject: x\n\nbody\n"
DIALOGUE = "HELO me\n" + ONE + "QUIT\n"
# arguments, standard input, of the arrival line, of Received:; None: the header section is left alone
CLAIMS = [
    (["-oMa", "1.2.3.4", "-oMs", "host.test", "-oMr", "foo", "-oMt", "ident", "b@example.com"], TEXT,
     "H=host.test [1.2.3.4] U=ident P=foo S=", "from host.test ([1.2.3.4] ident=ident)\n\tby "),
    (["-oMa", "1.2.3.4.99", "b@example.com"], TEXT, "H=[1.2.3.4] U=root P=local S=", "from [1.2.3.4] (ident=root)\n\tby "),
    (["-oMs", "h.test", "b@example.com"], TEXT, " U=root P=local S=", "from root by "),
    (["-oMt", "ident", "b@example.com"], TEXT, " U=ident P=local S=", "from ident by "),
    (["-oMaa", "login", "-oMai", "ann", "b@example.com"], TEXT, " U=root P=local A=login:ann S=", "from root by "),
    (["-oMm", "1xUyES-000001-39", "b@example.com"], TEXT, " R=1xUyES-000001-39 U=root P=local S=", "from root by "),
    (["-oMa", "10.1.2.3", "-oMs", "h.test", "-oMt", "id", "-oMr", "foo", "-bs"], DIALOGUE,
     "H=h.test (me) [10.1.2.3] U=id P=smtp S=", "from h.test ([10.1.2.3] helo=me ident=id)\n\tby "),
    (["-oMt", "id", "-bs"], DIALOGUE, " U=id P=local-smtp S=", "from id (helo=me)\n\tby "),
    (["-oMr", "foo", "-oMt", "id", "-bS"], ONE, " U=id P=foo S=", "from id by "),
]


def test_a_trusted_caller_may_claim_another_origin():
    with Godwit(free_port(), start=False) as godwit:
        for arguments, text, line, received in CLAIMS:
            before = len(godwit.log())
            godwit.cli("-odq", *arguments, stdin=text)
            log = godwit.log()[before:]
            assert line in log, (arguments, log)
            head = godwit.cli("-Mvc", log.split()[2]).stdout.partition("\n\n")[0]
            assert "Received: " + received in head, (arguments, head)
            is_of_host = "H=" in line
            assert ("\nDate: " in head) == ("b@example.com" in arguments and not is_of_host), (arguments, head)
        for arguments, problem in ((["-oMa", "1.2.3.4:99"], '"1.2.3.4:99" is not an IP address'),
                                   (["-oMi", "junk"], '"junk" is not an IP address'), (["-oMm", "junk"], "-oMm needs the id")):
            done = godwit.cli("-odq", *arguments, "b@example.com", stdin=TEXT, check=False)
            assert done.returncode == 1 and problem in done.stderr, done


# arguments, message, status, standard error, subject of the report, whether the message is taken
BAD = "To: b@example.com, bad@@x, c@example.com\nSubject: s\n\nbody\n"
ONLY_BAD = "To: bad@@x\nSubject: s\n\nbody\n"
FAILURES = [
    (["-t"], BAD, 0, "", "malformed recipient address", True),
    (["-oee", "-t"], BAD, 0, "", "malformed recipient address", True),
    (["-oep", "-t"], BAD, 1, "invalid address: bad@@x: ", None, False),
    (["-oeq", "-t"], BAD, 1, "invalid address: bad@@x: ", None, False),
    (["-ep", "-t"], BAD, 1, "invalid address: bad@@x: ", None, False),
    (["-oem", "-t"], ONLY_BAD, 1, "", "malformed recipient address", False),
    (["-oee", "-t"], ONLY_BAD, 0, "", "malformed recipient address", False),
    (["-oew", "-t"], TEXT, 1, "", "no recipient addresses", False),
    (["-oep", "-t"], TEXT, 1, "no recipient addresses found", None, False),
    (["bad@@x", "b@example.com"], TEXT, 1, "", "malformed recipient address", False),
    (["-oee", "bad@@x", "b@example.com"], TEXT, 0, "", "malformed recipient address", False),
    (["-oep", "bad@@x", "b@example.com"], TEXT, 1, 'bad address "bad@@x": ', None, False),
    (["b@example.com"], "X: " + 30000 * "x" + "\n\n", 1, "", "message too big", False),
    (["-oep", "b@example.com"], "X: x\n\n" + 30000 * "x" + "\n", 1, "larger than the limit of 20000", None, False),
    (["b@example.com"], "X-Bad: x\n\n", 1, "", "rejected by local configuration", False),
    (["@a.test,@b.test:b@example.com"], TEXT, 0, "", None, True),
]


def test_what_is_wrong_with_a_submission_is_mailed_or_printed():
    with Godwit(free_port(), start=False, main=MAIN + "message_size_limit = 20000\n" + ACLS) as godwit:
        for arguments, text, status, error, subject, is_taken in FAILURES:
            before = len(godwit.log())
            done = godwit.cli("-odq", "-f", "s@test.example", *arguments, stdin=text, check=False)
            name = (arguments, text[:20], done, godwit.log()[before:])
            assert done.returncode == status, name
            assert (error in done.stderr) if error else (done.stderr == ""), name
            arrivals = re.findall(r" (\S+) <= (\S+) ", godwit.log()[before:])
            assert [sender for _, sender in arrivals].count("s@test.example") == is_taken, name
            reports = [message_id for message_id, sender in arrivals if sender == "<>"]
            assert len(reports) == (subject is not None), name
            if subject is not None:
                report = godwit.cli("-Mvc", reports[0]).stdout
                assert f"\nSubject: Mail failure - {subject}\n" in report and "\nTo: s@test.example\n" in report, report
                assert text[:100].strip() in report, report
        done = godwit.cli("-f", "<>", "bad@@x", stdin=TEXT, check=False)
        assert done.returncode == 1, done
        assert "Error while reading message with no usable sender address: bad address" in godwit.log()
        # What lies behind the end of the message is not waited for.
        with subprocess.Popen([godwit.program, "-C", godwit.config, "-odq", "b@example.com"], stdin=subprocess.PIPE) as process:
            process.stdin.write(b"Subject: x\n\nbody\n.\nmore")
            process.stdin.flush()
            assert process.wait(20) == 0


def test_header_fields_of_local_mail():
    with Godwit(free_port(), start=False) as godwit:
        def head(*arguments, stdin):
            before = len(godwit.log())
            godwit.cli("-odq", *arguments, stdin=stdin)
            message_id = re.search(r" (\S+) <= ", godwit.log()[before:]).group(1)
            return godwit.cli("-Mvc", message_id).stdout, godwit.cli("-Mvh", message_id).stdout

        text, envelope = head("-f", "<>", "b@example.com", stdin=TEXT)
        assert "\nFrom:" not in text and "\nDate:" in text and "-auth_id" not in envelope, (text, envelope)
        text, envelope = head("b@example.com", stdin=TEXT)
        assert "\nFrom:" in text and "-auth_id root\n" in envelope and "-auth_sender root@" in envelope, envelope
        text, _ = head("-t", stdin="Resent-To: b@example.com\nBcc: c@example.com\nTo: d@example.com\n\nbody\n")
        assert "\nBcc: c@example.com\n" in text and "for b@example.com;" in text, text


def test_commands_of_the_operator_are_logged():
    for starts in (True, False):
        with Godwit(free_port(), start=starts) as godwit:
            godwit.cli("-odq", "-f", "a@test.example", "x@example.com", "Q@Example.com", stdin=TEXT)
            message_id = godwit.log().rpartition(" <= ")[0].split()[-1]

            def check(arguments, status, out, line):
                before = len(godwit.log())
                done = godwit.cli(arguments[0], message_id, *arguments[1:], check=False)
                assert done.returncode == status, (arguments, done)
                assert done.stdout == out.replace("ID", message_id), (arguments, done)
                wait_for(lambda: [text.partition(message_id + " ")[2] for text in godwit.log()[before:].splitlines()][:len(line)]
                         == line, 10, lambda: f"{arguments}: {line} in {godwit.log()[before:]}")

            modified = "Message ID has been modified\n"
            check(["-Mf"], 0, "Message ID is now frozen\n", ["frozen by root"])
            check(["-Mf"], 1, "Message ID is already frozen\n", [])
            check(["-Mc"], 0, "", ["Message is frozen"])
            check(["-Mt"], 0, "Message ID is no longer frozen\n", ["unfrozen by root"])
            check(["-Mt"], 1, "Message ID is not frozen\n", [])
            check(["-Mar", "q"], 1, "Message ID - error while adding recipient:\n  bad address q: domain missing\n", [])
            check(["-Mar", "q@r.test", "w@r.test"], 0, modified,
                  ["recipient <q@r.test> added by root", "recipient <w@r.test> added by root"])
            check(["-Mes", "a@b", "c@d"], 1, "Message ID - only one sender address can be specified\n", [])
            check(["-Mes", "q"], 1, "Message ID - error while editing sender:\n  bad address q: domain missing\n", [])
            check(["-Mes", "n@y.test"], 0, modified, ["sender address changed to <n@y.test> by root"])
            check(["-Mes", "<>"], 0, modified, ["sender address changed to <> by root"])
            check(["-Mmd", "nobody@y.test"], 1,
                  "Message ID - error while marking as delivered:\n  nobody@y.test is not a recipient: message not updated\n", [])
            check(["-Mmd", "x@example.com"], 0, modified, ["address <x@example.com> marked delivered by root"])
            check(["-Mrm"], 0, "Message ID has been removed\n", ["removed by root"])
            for word in ("-Mrm", "-Mt", "-Mvh"):
                done = godwit.cli(word, "junk", check=False)
                assert done.returncode == 1 and "junk" in done.stderr and done.stdout == "", done
            done = godwit.cli("-Mf", check=False)
            assert done.returncode == 1 and "no message ids given" in done.stderr, done


def test_queue_runs_take_what_their_options_say():
    port = free_port()
    with Godwit(port, start=False, retry="* * F,2h,1h") as godwit:
        for sender, recipient in (("one@s.test", "u1@example.com"), ("two@s.test", "u2@example.com"), ("x@t.test", "u22@other.test")):
            godwit.cli("-odq", "-f", sender, recipient, stdin=TEXT)
        ids = re.findall(r" (\S+) <= ", godwit.log())
        names = {"u1@example.com": ids[0], "u2@example.com": ids[1], "u22@other.test": ids[2]}
        for arguments, wanted in ((["-Rr", "^u[12]@"], ["u1@example.com", "u2@example.com"]), (["-R", "U2"], ["u2@example.com", "u22@other.test"]),
                                  (["-S", "@s.test"], ["u1@example.com", "u2@example.com"]), (["-Sr", "^x@"], ["u22@other.test"]),
                                  (["-qf", ids[1], ids[2]], ["u2@example.com", "u22@other.test"]), (["-qf", ids[2]], ["u22@other.test"])):
            before = len(godwit.log())
            godwit.cli(*arguments)
            tried = set(re.findall(r" (\S+) == ", godwit.log()[before:]))
            assert tried == {names[address] for address in wanted}, (arguments, godwit.log()[before:])
        for arguments, problem in ((["-q", "nonsense"], "bad time value nonsense"), (["-qf", "1x"], "bad time value 1x"),
                                   (["-bd", "foo"], '"foo" has no use'), (["-bS", "foo"], '"foo" has no use'),
                                   (["-q10m", "-qGfoo/1m"], "not two"), (["-Rr", "("], "parenthes"), (["-R"], "needs a text")):
            done = godwit.cli(*arguments, check=False)
            assert done.returncode == 1 and problem in done.stderr, done


def test_a_spool_that_must_not_be_read_is_no_empty_one():
    def drop():
        os.setgid(65534)
        os.setuid(65534)

    with Godwit(free_port(), start=False) as godwit:
        os.chmod(godwit.dir, 0o755)
        godwit.cli("-odq", "b@example.com", stdin=TEXT)
        for mode in ("-bp", "-bpc"):
            done = subprocess.run([godwit.program, "-C", godwit.config, mode], capture_output=True, text=True, preexec_fn=drop,
                                  check=False)
            assert done.returncode == 1 and done.stdout == "" and "permission denied" in done.stderr.lower(), done
