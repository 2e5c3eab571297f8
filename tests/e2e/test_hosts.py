"""What the smtp transport does with lists of hosts, connections and recipients, option by option."""

import contextlib
import re

from harness import Godwit, Sink, free_port, wait_for

ONE = "  destination_concurrency_initial = 1\n  destination_concurrency_limit = 1\n"
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")


def router(route_list, more=""):
    return f"out:\n  driver = manualroute\n  route_list = {route_list}\n  transport = remote\n  self = send\n{more}"


@contextlib.contextmanager
def sinks(script=None, count=4, **options):
    """Hosts on addresses of their own that listen on one port."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        yield port, [stack.enter_context(Sink(script, port=port, address=address, **options))
                     for address in HOSTS[:count]]


def recipients(sink):
    return [got["recipients"] for got in sink.messages]


def mails(sink):
    return [argument for command, argument in sink.commands if command == "MAIL"]


def completed(godwit, count=1):
    wait_for(lambda: godwit.log().count(" Completed") == count, 20, godwit.log)


# --- Hosts -----------------------------------------------------------------------------------------


def test_no_more_hosts_are_tried_than_allowed():
    with sinks({"MAIL": b"451 not now\r\n"}) as (port, hosts):
        route = router("* 127.0.0.2:127.0.0.3:127.0.0.4:127.0.0.5")
        with Godwit(port, routers=route, smtp="hosts_max_try = 2", retry="* * F,2h,1h") as godwit:
            godwit.send()
            godwit.wait_log(r" == b@example.com .*451")
            assert [host.connections for host in hosts] == [1, 1, 0, 0], godwit.log()


def test_hosts_stand_in_their_order_and_the_next_takes_what_one_defers():
    with sinks() as (port, hosts):
        hosts[0].script["MAIL"] = b"451 not now\r\n"
        with Godwit(port, routers=router("* 127.0.0.2:127.0.0.3")) as godwit:
            godwit.send()
            godwit.wait_log(r"=> b@example.com .*H=127.0.0.3 \[127.0.0.3\]")
            godwit.wait_log(r"H=127.0.0.2 \[127.0.0.2\]: SMTP error .* after pipelined MAIL FROM:.*: 451 not now$")
            assert [host.connections for host in hosts] == [1, 1, 0, 0]


def test_recipients_that_one_host_defers_are_given_to_the_next():
    with sinks(count=2) as (port, hosts):
        hosts[0].script["RCPT"] = lambda argument: b"450 later\r\n" if "b@" in argument else None
        with Godwit(port, routers=router("* 127.0.0.2:127.0.0.3")) as godwit:
            godwit.send(recipients=["b@example.com", "c@example.com"])
            completed(godwit)
            assert [recipients(host) for host in hosts] == [[["c@example.com"]], [["b@example.com"]]], godwit.log()
            godwit.wait_log(r"H=127.0.0.2 \[127.0.0.2\]: SMTP error .* after RCPT TO:<b@example.com>: 450 later$")
            assert " == " not in godwit.log()


def test_the_last_host_says_why_a_recipient_waits():
    with sinks(count=2) as (port, hosts):
        hosts[0].script["RCPT"] = b"450 first\r\n"
        hosts[1].script["RCPT"] = b"451 second\r\n"
        with Godwit(port, routers=router("* 127.0.0.2:127.0.0.3"), retry="* * F,2h,1h") as godwit:
            godwit.send()
            godwit.wait_log(r"== b@example.com R=out T=remote defer \(-44\) H=127.0.0.3 .*: 451 second")
            assert [host.connections for host in hosts] == [1, 1]


def test_what_one_host_refuses_for_good_is_not_given_to_another():
    with sinks({"RCPT": b"550 no\r\n"}, count=2) as (port, hosts):
        with Godwit(port, routers=router("* 127.0.0.2:127.0.0.3")) as godwit:
            godwit.send(sender="")
            godwit.wait_log(r"\*\* b@example.com .*550 no")
            assert [host.connections for host in hosts] == [1, 0]


def test_a_message_that_may_have_been_taken_is_not_given_to_another_host():
    with sinks(count=2) as (port, hosts):
        hosts[0].script["."] = "close"
        with Godwit(port, routers=router("* 127.0.0.2:127.0.0.3"), retry="* * F,2h,1h") as godwit:
            godwit.send()
            godwit.wait_log(r"== b@example.com .*closed connection in response to end of data")
            assert [host.connections for host in hosts] == [1, 0]


def test_random_hosts_share_the_messages():
    with sinks() as (port, hosts):
        route = router("* 127.0.0.2:127.0.0.3", "  hosts_randomize\n")
        with Godwit(port, routers=route, smtp="connection_max_messages = 1") as godwit:
            for _ in range(30):
                godwit.send()
            completed(godwit, 30)
            assert all(host.messages for host in hosts[:2]), [len(host.messages) for host in hosts]


def test_the_transport_has_hosts_where_the_router_gives_none():
    with sinks() as (port, hosts):
        accept = "out:\n  driver = accept\n  transport = remote\n"
        with Godwit(port, routers=accept, smtp="hosts = 127.0.0.4") as godwit:
            godwit.send()
            completed(godwit)
            assert recipients(hosts[2]) == [["b@example.com"]]


def test_hosts_of_the_transport_may_override_the_router():
    with sinks() as (port, hosts):
        with Godwit(port, routers=router("* 127.0.0.2"), smtp="hosts = 127.0.0.5\n  hosts_override") as godwit:
            godwit.send()
            completed(godwit)
            assert recipients(hosts[3]) == [["b@example.com"]] and not hosts[0].connections


# --- Connections and transactions ------------------------------------------------------------------


def test_a_connection_carries_no_more_messages_than_allowed():
    with Sink() as sink, Godwit(sink.port, smtp="connection_max_messages = 2\n" + ONE) as godwit:
        for _ in range(6):
            godwit.send()
        completed(godwit, 6)
        assert sink.connections >= 3, sink.connections
        per_connection = re.split("connect", " ".join(command for command, _ in sink.commands))
        assert all(part.count("MAIL") <= 2 for part in per_connection), per_connection


def test_a_transaction_has_no_more_recipients_than_allowed():
    to = [f"r{number}@example.com" for number in range(5)]
    with Sink() as sink, Godwit(sink.port, smtp="max_rcpt = 2") as godwit:
        godwit.send(recipients=to)
        completed(godwit)
        assert sorted(map(len, recipients(sink))) == [1, 2, 2], recipients(sink)
        assert sorted(sum(recipients(sink), [])) == to


def test_domains_do_not_share_a_transaction_where_forbidden():
    to = ["a@one.test", "b@two.test", "c@one.test"]
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.send(recipients=to)
        completed(godwit)
        assert len(recipients(sink)) == 1, recipients(sink)
    with Sink() as sink, Godwit(sink.port, smtp="no_multi_domain") as godwit:
        godwit.send(recipients=to)
        completed(godwit)
        assert sorted(map(sorted, recipients(sink))) == [["a@one.test", "c@one.test"], ["b@two.test"]]


def test_an_expression_says_which_domains_share_a_transaction():
    """As the real Exim 4.96 does: asked for each recipient, with the first of its hosts."""
    option = ("multi_domain = ${if eq{$host|$host_address}{127.0.0.1|127.0.0.1}"
              "{${if eq{$domain}{alone.test}{no}{${if eq{$domain}{odd.test}{perhaps}{yes}}}}}{perhaps}}\n"
              "  headers_add = X-For: $local_part@$domain of $original_local_part@$original_domain")
    to = ["a@one.test", "b@alone.test", "c@two.test", "d@alone.test", "e@odd.test"]
    with Sink() as sink:
        with Godwit(sink.port, smtp=option, retry="* * F,2h,1h") as godwit:
            godwit.send(recipients=to)
            for recipient in to[:-1]:
                godwit.wait_log(f"[=-]> {recipient} ")
            why = r'"perhaps" is not a valid value for the "multi_domain" option in the remote transport'
            godwit.wait_log(rf"== e@odd\.test R=out T=remote defer \(-1\): {why}")
            godwit.wait_log(why, name="panic")
            assert sorted(map(sorted, recipients(sink))) == [["a@one.test", "c@two.test"],
                                                             ["b@alone.test", "d@alone.test"]]
            # What they do not have in common has no value.
            lines = sorted(re.search(rb"X-For: (.*)\r", got["data"]).group(1) for got in sink.messages)
            assert lines == [b"@ of @", b"@alone.test of @"], lines


def test_the_interface_is_an_address_of_ours():
    with Sink() as sink:
        with Godwit(sink.port, smtp="interface = 127.0.0.9", main="log_selector = +incoming_interface +outgoing_interface") as godwit:
            godwit.send()
            godwit.wait_log(r"=> b@example.com .*H=127.0.0.1 \[127.0.0.1\] I=\[127.0.0.9\] C=")


def test_who_sends_may_decide_how_a_host_is_reached():
    """A source address and a name for each sender's domain; connections are shared by those who agree."""
    smtp = ("interface = ${if eq{$sender_address_domain}{one.test}{127.0.0.9}{127.0.0.8}}\n"
            "  helo_data = out.$sender_address_domain\n  hosts_avoid_pipelining = ${if eq{$h_subject:}{wait}{*}}\n")
    with Sink() as sink, Godwit(sink.port, smtp=smtp, main="log_selector = +incoming_interface +outgoing_interface +pipelining") as godwit:
        sent = 0
        for domain, subject, local, mark in (("one.test", "x", 9, " L "), ("two.test", "x", 8, " L "), ("one.test", "y", 9, " L "),
                                             ("two.test", "y", 8, " L "), ("one.test", "wait", 9, " C=")):
            sent += 1
            godwit.send(sender=f"s{sent}@{domain}", recipients=[f"r{sent}@example.com"], text=f"Subject: {subject}\r\n\r\nx\r\n")
            line = godwit.wait_log(rf"=> r{sent}@example\.com .*").group(0)
            assert f"I=[127.0.0.{local}]{mark}" in line, line
        assert [name for command, name in sink.commands if command == "EHLO"] == ["out.one.test", "out.two.test", "out.one.test"]


def test_the_return_path_may_be_an_expression():
    with Sink() as sink, Godwit(sink.port, smtp="return_path = bounce+$local_part=$domain@mx.test\n  max_rcpt = 1") as godwit:
        godwit.send()
        completed(godwit)
        assert sink.messages[0]["sender"] == "bounce+b=example.com@mx.test", sink.messages


def test_the_name_in_helo_may_be_an_expression():
    with Sink() as sink, Godwit(sink.port, smtp="helo_data = out.$primary_hostname") as godwit:
        godwit.send()
        completed(godwit)
        assert ("EHLO", "out.mx.test") in sink.commands, sink.commands


def test_some_hosts_hear_helo_only():
    with Sink() as sink, Godwit(sink.port, smtp="hosts_avoid_esmtp = 127.0.0.1") as godwit:
        godwit.send()
        completed(godwit)
        assert [command for command, _ in sink.commands][:3] == ["connect", "HELO", "MAIL"], sink.commands
        assert mails(sink) == ["FROM:<a@test.example>"]


def test_some_hosts_are_not_sent_commands_ahead():
    waited = []

    def no_more_yet(_):
        waited.append(True)
        return b"250 ok\r\n"

    with Sink({"RCPT": no_more_yet}) as sink, Godwit(sink.port, smtp="hosts_avoid_pipelining = *") as godwit:
        godwit.send()
        line = godwit.wait_log("=> b@example.com .*").group(0)
        assert waited and " L" not in line, line
    with Sink() as sink, Godwit(sink.port, main="log_selector = +pipelining") as godwit:
        godwit.send()
        assert " L " in godwit.wait_log("=> b@example.com .*").group(0)
    with Sink() as sink:
        with Godwit(sink.port, smtp="hosts_avoid_pipelining = *", main="log_selector = +pipelining") as godwit:
            godwit.send()
            assert " L " not in godwit.wait_log("=> b@example.com .*").group(0)


def test_lines_that_are_too_long_for_smtp_are_not_sent():
    text = "Subject: x\r\n\r\n" + "y" * 1200 + "\r\n"
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.send(text=text)
        godwit.wait_log(r"\*\* b@example.com .*line.*(long|length|limit)")
        assert not sink.messages
    with Sink() as sink, Godwit(sink.port, smtp="message_linelength_limit = 2000") as godwit:
        godwit.send(text=text)
        completed(godwit)
        assert b"y" * 1200 in sink.messages[0]["data"]
