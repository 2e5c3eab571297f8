"""Addresses in UTF-8, and hosts that do not take them. EXIM.md 2.8, the manual's chapter 60."""

from harness import Godwit, Sink
from peers import Exim, Postfix
from test_acls import Policy, policy

SENDER, RECIPIENT = "jürgen@bücher.example", "grüße@köln.example"
ASCII = ("xn--jrgen-kva@xn--bcher-kva.example", "xn--gre-6ka8l@xn--kln-sna.example")


def send(client, *recipients):
    client.command("EHLO client.test", 250)
    client.command(f"MAIL FROM:<{SENDER}> SMTPUTF8", 250)
    for recipient in recipients or (RECIPIENT,):
        client.command(f"RCPT TO:<{recipient}>", 250)
    client.command("DATA", 354)
    client.raw("Subject: x\r\n\r\nbody\r\n")
    client.command(".", 250)


def envelope(sink):
    got = sink.wait(1)[0]
    return got["sender"], got["recipients"][0], "SMTPUTF8" in got["mail"]


def test_a_host_that_takes_utf8_gets_it():
    with Sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8")) as sink, Godwit(sink.port) as godwit:
        with godwit.client() as client:
            send(client)
        assert envelope(sink) == (SENDER, RECIPIENT, True), sink.messages


def test_another_gets_ascii_and_exim_does_the_same():
    with Sink() as sink, Godwit(sink.port) as godwit, godwit.client() as client:
        send(client)
        assert envelope(sink) == (*ASCII, False), sink.messages
        godwit.wait_log(rf"=> {RECIPIENT} R=out")
    from harness import Client
    with Sink() as sink, Exim(relay=sink.port) as exim, Client(exim.port) as client:
        send(client)
        assert envelope(sink) == (*ASCII, False), (sink.messages, exim.log())


def test_where_it_is_not_wanted_the_message_fails():
    with Sink() as sink, Godwit(sink.port, smtp="  utf8_downconvert = 0\n") as godwit, godwit.client() as client:
        send(client)
        godwit.wait_log(rf"\*\* {RECIPIENT} .*: utf8 support required but not offered for forwarding")
        assert not sink.messages


def test_always_where_that_is_said():
    with Sink(extensions=("PIPELINING", "SMTPUTF8")) as sink:
        with Godwit(sink.port, smtp="  utf8_downconvert = 1\n") as godwit, godwit.client() as client:
            send(client)
            assert envelope(sink) == (*ASCII, False), sink.messages


def test_each_message_is_asked():
    option = "  utf8_downconvert = ${if match{$domain}{other}{0}{1}}\n  destination_concurrency_limit = 1\n"
    with Sink(extensions=("PIPELINING", "SMTPUTF8")) as sink:
        with Godwit(sink.port, smtp=option) as godwit, godwit.client() as client:
            send(client)
            assert envelope(sink) == (*ASCII, False), sink.messages
            send(client, "y@other.example")
            assert sink.wait(2)[1]["sender"] == SENDER and sink.connections == 1, sink.messages


def test_an_acl_says_it_where_the_transport_leaves_it_open():
    acls = "check:\n  accept domains = köln.example\n         control = utf8_downconvert\n  accept control = utf8_downconvert/-1\n"
    with Sink(extensions=("PIPELINING", "SMTPUTF8")) as sink:
        with Policy(sink.port, policy(acls), rcpt="check", smtp="  utf8_downconvert =\n") as godwit, \
                godwit.client() as client:
            send(client)
            assert envelope(sink) == (*ASCII, False), sink.messages
            # "If needed" is not needed here.
            send(client, "y@other.example")
            assert sink.wait(2)[1]["sender"] == SENDER, sink.messages
    with Sink() as sink, Policy(sink.port, policy(acls), rcpt="check", smtp="  utf8_downconvert =\n") as godwit, \
            godwit.client() as client:
        send(client, "y@other.example")
        assert envelope(sink)[0] == ASCII[0], sink.messages


def test_through_exim_and_postfix():
    """From them and to them: as clients they say it to us, as servers they hear it from us."""
    more = "smtputf8_enable = yes\n"
    with Sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8")) as sink, Godwit(sink.port) as last:
        with Exim(relay=last.port) as exim, Godwit(exim.port) as middle, Postfix(middle.port, more) as postfix, \
                Godwit(postfix.port) as first, first.client() as client:
            send(client)
            assert envelope(sink) == (SENDER, RECIPIENT, True), (sink.messages, exim.log(), first.log())
            last.wait_log(rf"<= {SENDER} .*P=utf8esmtp ")
