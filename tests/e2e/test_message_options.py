"""Main options that say what is done to a message as it comes in, by SMTP and from the command line."""

import re

from harness import Godwit, Sink

DELIVERED = ("Return-path: <old@test.example>\r\nEnvelope-to: old@test.example\r\n"
             "Delivery-date: Sat, 21 Nov 2026 17:13:00 +0000\r\nSubject: x\r\n")
NAMES = ("Return-path", "Envelope-to", "Delivery-date")
SEEING = """
begin acl
seeing:
  warn logwrite = seen: $h_return-path:|$h_envelope-to:|$h_delivery-date:|
  accept
"""


def names_of(message):
    head = message["data"].decode().partition("\r\n\r\n")[0]
    return [line.partition(":")[0] for line in head.split("\r\n") if line[:1] not in " \t"]


def field_of(message, name):
    head = re.sub(r"\r\n[ \t]", " ", message["data"].decode().partition("\r\n\r\n")[0])
    return [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":")]


def sent(main, *, routers="", text=DELIVERED + "\r\nbody\r\n", cli=()):
    """What the sink gets of a message by SMTP and of submissions, and the main log."""
    with Sink() as sink, Godwit(sink.port, start=False) as godwit:
        godwit.write_config(main="workers = 1\n" + main, routers=godwit.settings["routers"] + routers)
        godwit.start()
        godwit.send(text=text)
        sink.wait(1)
        for n, arguments in enumerate(cli):
            godwit.cli("-odi", *arguments, stdin=text.replace("\r\n", "\n"))
            sink.wait(n + 2)
        return list(sink.messages), godwit.log()


def test_fields_of_an_earlier_delivery_are_removed():
    messages, log = sent("acl_smtp_data = seeing\nacl_not_smtp = seeing\n", routers=SEEING,
                         cli=[("-f", "a@test.example", "b@example.com")])
    for message in messages:
        assert "Subject" in names_of(message) and not set(NAMES) & set(names_of(message)), names_of(message)
    assert log.count("seen: |||\n") == 2, log


def test_fields_of_an_earlier_delivery_can_stay():
    messages, log = sent("acl_smtp_data = seeing\nno_return_path_remove\nno_envelope_to_remove\n"
                         "no_delivery_date_remove\n", routers=SEEING, cli=[("-f", "a@test.example", "b@example.com")])
    for message in messages:
        assert set(NAMES) <= set(names_of(message)), names_of(message)
    assert "seen: <old@test.example>|old@test.example|Sat, 21 Nov 2026 17:13:00 +0000|\n" in log, log


SUBMITTING = "begin acl\nsubmit:\n  accept control = submission\n"


def test_message_ids_have_the_words_of_the_configuration():
    main = ("message_id_header_domain = ids.${{lc:EXAMPLE}}_com\nmessage_id_header_text = a b@$primary_hostname\n"
            "acl_smtp_mail = submit\nlog_selector = +msg_id_created\n")
    messages, log = sent(main, routers=SUBMITTING, text="Subject: x\r\n\r\nbody\r\n", cli=[("b@example.com",)])
    for message in messages:
        (value,) = field_of(message, "Message-Id")
        assert re.fullmatch(r"<E\S{16,}\.a-b-mx\.test@ids\.example-com>", value), value
    assert len(re.findall(r" id\*=E\S+\.a-b-mx\.test@ids\.example-com\n", log)) == 2, log


def test_message_ids_without_them():
    messages, _ = sent("acl_smtp_mail = submit\n", routers=SUBMITTING, text="Subject: x\r\n\r\nbody\r\n",
                       cli=[("b@example.com",)])
    for message in messages:
        (value,) = field_of(message, "Message-Id")
        assert re.fullmatch(r"<E[^.@]+@mx\.test>", value), value


def test_addresses_that_are_nearly_right():
    strict = [("MAIL FROM:<<a@test.example>>", 501), ("MAIL FROM:<a@test.example.>", 501),
              ("MAIL FROM:<a@t\u00ebst.example>", 501)]
    with Godwit(1, main="queue_only") as godwit, godwit.client() as client:
        client.command("EHLO client.test", 250)
        for line, code in strict:
            client.command(line, code)
            client.command("EHLO client.test", 250)
    with Sink() as sink, Godwit(sink.port, main="strip_excess_angle_brackets\nstrip_trailing_dot\n"
                                                "allow_utf8_domains") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@t\u00ebst.example>", 250)
            client.command("RSET", 250)
            client.command("MAIL FROM:<<<a@test.example.>>> SIZE=100", 250)
            client.command("RCPT TO:<<b@example.com>>", 250)
            client.command("RCPT TO:<c@example.com.>", 250)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\nbody\r\n")
            client.command(".", 250)
        (message,) = sink.wait(1)
        assert message["sender"] == "a@test.example", message
        assert message["recipients"] == ["b@example.com", "c@example.com"], message


def test_queue_only_gives_way_to_the_command_line():
    for main, goes in (("queue_only\n", True), ("queue_only\nno_queue_only_override\n", False)):
        with Sink() as sink, Godwit(sink.port, main=main) as godwit:
            godwit.cli("-odi", "-f", "a@test.example", "b@example.com", stdin="Subject: x\n\nbody\n")
            godwit.cli("-odi", "-bs", stdin="HELO x\nMAIL FROM:<a@test.example>\nRCPT TO:<b@example.com>\nDATA\n"
                                            "Subject: x\n\nbody\n.\nQUIT\n")
            godwit.cli("-f", "a@test.example", "b@example.com", stdin="Subject: x\n\nbody\n")
            if goes:
                sink.wait(2)
            assert godwit.queue_count() == (1 if goes else 3), godwit.log()


def test_options_that_nobody_may_count_on_are_refused():
    with Godwit(1, start=False) as godwit:
        godwit.write_config(main="disable_fsync\nmove_frozen_messages\nlocal_sender_retain\n")
        done = godwit.cli("-bV", check=False)
        assert done.returncode == 1, done
        for text in ("disable_fsync is not available", "250 means that the message is on disk",
                     "move_frozen_messages is not available", "local_sender_retain needs no_local_from_check"):
            assert text in done.stderr, done.stderr


def test_no_warning_of_acls_that_act():
    with Godwit(1, start=False) as godwit:
        names = ("not_smtp", "not_smtp_start", "smtp_mailauth", "smtp_notquit", "smtp_starttls", "smtp_predata")
        godwit.write_config(main="".join(f"acl_{name} = accept\n" for name in names) + "acl_smtp_mime = accept\n")
        done = godwit.cli("-bV")
        assert "acl_smtp_mime does not act yet" in done.stderr, done
        assert done.stderr.count("does not act yet") == 1, done.stderr


READING = """
begin acl
reading:
  accept logwrite = acl [$message_body] [$message_body_end] $message_body_size $message_linecount
"""
BODY = "first line\r\n.dot\r\n\tthird\r\n\r\nlast line\r\n"


def bodies(main, body=BODY):
    """What an ACL, a router and a transport see of a body."""
    routers = """\
other:
  driver = manualroute
  condition = ${if match{$message_body_end}{last}{no}{yes}}
  route_list = * 127.0.0.9
  transport = remote
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
    with Sink() as sink, Godwit(sink.port, routers=routers + READING, main=main + "\nacl_smtp_data = reading\n"
                                "acl_not_smtp = reading\n",
                                smtp="  headers_add = X-Body: ${sg{$message_body}{\\\\n}{/}}\n") as godwit:
        godwit.send(text="Subject: x\r\n\r\n" + body.replace("\r\n.", "\r\n.."))
        shown = field_of(sink.wait(1)[0], "X-Body")[0]
        godwit.cli("-odi", "-f", "a@test.example", "b@example.com", stdin="Subject: x\n\n" + body.replace("\r", ""))
        assert field_of(sink.wait(2)[1], "X-Body")[0] == shown
        return shown, re.findall(r" acl (.*)", godwit.log())


def test_the_body_can_be_asked_for():
    shown, seen = bodies("")
    assert shown.rstrip() == "first line .dot \tthird  last line", shown
    assert seen[0] == r"[first line .dot \tthird  last line ] [first line .dot \tthird  last line ] 34 7", seen
    assert seen[1].startswith(seen[0][:40]), seen
    shown, seen = bodies("message_body_visible = 12\nmessage_body_newlines", BODY + ("x" * 90 + "\r\n") * 2000 + "last line\r\n")
    assert shown.startswith("first line/."), shown
    assert seen[0].startswith(r"[first line\n.] [x\nlast line\n] "), seen
