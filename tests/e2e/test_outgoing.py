"""The smtp transport against hosts that are far away, refuse, or leave in the middle."""

import re
import time

from harness import ROUTERS, Godwit, Sink, free_port, wait_for
from link import Link
from peers import Exim, Postfix
from socks import SocksProxy

CHUNKING = ("PIPELINING", "CHUNKING", "8BITMIME", "SIZE 0")
ONE = "destination_concurrency_initial = 1\n  destination_concurrency_limit = 1\n  "


def send_all(godwit, count):
    with godwit.client() as client:
        client.command("EHLO client.test", 250)
        for number in range(count):
            client.message("a@test.example", [f"r{number}@example.com"], f"Subject: {number}\r\n\r\nbody\r\n")


def completed(godwit, count, seconds=20):
    wait_for(lambda: godwit.log().count(" Completed") == count, seconds, godwit.log)


def recipients_of(sink):
    return sorted(got["recipients"][0] for got in sink.messages)


def relay_over(link_delay, smtp, count):
    """Seconds from the first message to the last completion, and what the host was told."""
    with Sink(extensions=CHUNKING) as sink, Link(sink.port, link_delay) as link:
        with Godwit(link.port, smtp=ONE + smtp) as godwit:
            started = time.monotonic()
            send_all(godwit, count)
            completed(godwit, count)
            assert recipients_of(sink) == sorted(f"r{n}@example.com" for n in range(count))
            assert sink.connections == 1, sink.connections
            return time.monotonic() - started, [command for command, _ in sink.commands]


def test_transactions_overlap_on_a_long_way():
    serial, plain = relay_over(0.1, "smtp_pipeline_depth = 1", 12)
    assert "RSET" not in plain, plain
    overlapped, commands = relay_over(0.1, "", 12)
    assert "RSET" in commands, commands
    assert overlapped < serial * 0.7, (serial, overlapped)


def test_a_refusal_stays_with_its_transaction():
    script = {"RCPT": lambda a: b"550 no such user\r\n" if re.search("r[25]@", a) else None,
              ".": lambda a: None}
    with Sink(script, extensions=CHUNKING) as sink, Link(sink.port, 0.05) as link:
        with Godwit(link.port, smtp=ONE) as godwit:
            send_all(godwit, 8)
            godwit.wait_log(r"\*\* r2@example.com .*after RCPT TO:<r2@example.com>: 550 no such user")
            godwit.wait_log(r"\*\* r5@example.com .*after RCPT TO:<r5@example.com>: 550 no such user")
            for number in (0, 1, 3, 4, 6, 7):
                godwit.wait_log(f"=> r{number}@example.com ")


def test_a_host_that_takes_two_messages_a_connection_gets_each_once():
    class Counting:
        """421 to the third MAIL of a connection."""

        def __init__(self):
            self.mails = 0

        def mail(self, _):
            self.mails += 1
            return b"421 enough\r\n" if self.mails % 3 == 0 else None

    counting = Counting()
    with Sink({"MAIL": counting.mail}, extensions=CHUNKING) as sink, Link(sink.port, 0.03) as link:
        with Godwit(link.port, smtp=ONE) as godwit:
            send_all(godwit, 9)
            completed(godwit, 9)
            assert recipients_of(sink) == sorted(f"r{n}@example.com" for n in range(9)), sink.messages
            assert " == " not in godwit.log(), godwit.log()


def test_messages_without_an_answer_are_tried_again():
    ends = [None, None, "close", None]
    with Sink({".": ends}, extensions=CHUNKING) as sink, Link(sink.port, 0.03) as link:
        with Godwit(link.port, smtp=ONE) as godwit:
            send_all(godwit, 8)
            completed(godwit, 8, 30)
            assert set(recipients_of(sink)) == {f"r{n}@example.com" for n in range(8)}
            # The one whose end of data was not answered is in doubt; the host was not asked again at once.
            assert len(re.findall(r" == .*closed connection in response to (?:end of data|RCPT TO|pipelined)", godwit.log())) == 1, godwit.log()
            assert len(sink.messages) == 8, sink.messages


def test_prdr_answers_for_each_recipient():
    answers = b"353 analysis\r\n250 first was good\r\n550 second was bad\r\n450 not now\r\n250 for some\r\n"
    ends = [answers, b"250 all good\r\n"]
    with Sink({".": ends}, extensions=("PRDR",) + CHUNKING) as sink:
        with Godwit(sink.port, retry="* * F,2h,1s") as godwit:
            godwit.send(recipients=["one@example.com", "two@example.com", "three@example.com"])
            godwit.wait_log(r'=> one@example.com .* PRDR K C="250 first was good\\\\n250 for some"')
            godwit.wait_log(r"\*\* two@example.com .*: PRDR error after end of data: 550 second was bad")
            godwit.wait_log(r"== three@example.com .*defer \(-46\) H=\S+ \S+: PRDR error after end of data: 450 not now")
            godwit.wait_log("=> three@example.com ")
            mails = [argument for command, argument in sink.commands if command == "MAIL"]
            assert "PRDR" in mails[0] and all("PRDR" not in mail for mail in mails[1:]), mails


def test_prdr_is_not_asked_of_hosts_that_do_not_match():
    with Sink(extensions=("PRDR",) + CHUNKING) as sink, Godwit(sink.port, smtp="hosts_try_prdr =") as godwit:
        godwit.send(recipients=["one@example.com", "two@example.com"])
        completed(godwit, 1)
        assert all("PRDR" not in argument for command, argument in sink.commands if command == "MAIL")


def test_limits_of_the_host_are_kept():
    with Sink(extensions=("LIMITS MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=1",) + CHUNKING) as sink:
        with Godwit(sink.port, smtp=ONE) as godwit:
            godwit.send(recipients=["a@one.test", "b@two.test", "c@one.test", "d@one.test", "e@one.test"])
            completed(godwit, 1)
            taken = [got["recipients"] for got in sink.messages]
            assert all(len(group) <= 3 and len({to.partition("@")[2] for to in group}) == 1 for group in taken), taken
            assert sorted(sum(taken, [])) == ["a@one.test", "b@two.test", "c@one.test", "d@one.test", "e@one.test"]


# --- SOCKS proxies -----------------------------------------------------------------------------------


def test_a_socks_proxy_is_used_with_name_and_password():
    with Sink() as sink, SocksProxy(login=("me", "secret")) as proxy:
        option = f"socks_proxy = 127.0.0.1 auth=name name=me pass=secret port={proxy.port}"
        with Godwit(sink.port, smtp=option, main="log_selector = +proxy +outgoing_port") as godwit:
            godwit.send()
            sink.wait(1)
            assert proxy.asked == [("127.0.0.1", sink.port)], proxy.asked
            godwit.wait_log(rf"=> b@example.com .*H=127.0.0.1 \[127.0.0.1\]:{sink.port} PRX=\[127.0.0.1\]:{proxy.port} C=")


def test_proxies_are_tried_by_priority_until_one_responds():
    with Sink() as sink, SocksProxy() as good, SocksProxy(refuses=1) as bad:
        option = (f"socks_proxy = 127.0.0.1 port={good.port} pri=1 : 127.0.0.1 port={bad.port} pri=2 : "
                  f"127.0.0.1 port={free_port()} pri=3")
        with Godwit(sink.port, smtp=option) as godwit:
            godwit.send()
            sink.wait(1)
            assert len(bad.asked) == 1 and len(good.asked) == 1


def test_a_proxy_that_refuses_defers_the_message():
    with Sink() as sink, SocksProxy(refuses=5) as proxy:
        with Godwit(sink.port, smtp=f"socks_proxy = 127.0.0.1 port={proxy.port}") as godwit:
            godwit.send()
            godwit.wait_log(r"== b@example.com .*SOCKS proxy \[127.0.0.1\]:\d+: the proxy cannot connect: connection refused")
            assert sink.connections == 0


def test_a_proxy_that_is_silent_is_given_up_after_its_time():
    with Sink() as sink, SocksProxy(is_silent=True) as proxy:
        with Godwit(sink.port, smtp=f"socks_proxy = 127.0.0.1 port={proxy.port} tmo=1") as godwit:
            godwit.send()
            godwit.wait_log(r"== b@example.com .*SOCKS proxy \[127.0.0.1\]:\d+: ", 10)


# --- Options of the transport --------------------------------------------------------------------------


def test_fallback_hosts_take_what_no_host_took():
    with Sink() as sink, Sink({"RCPT": b"451 not now\r\n"}) as refusing:
        for first in (free_port(), refusing.port):
            with Godwit(first, smtp=f"fallback_hosts = 127.0.0.1::{sink.port}") as godwit:
                before = len(sink.messages)
                godwit.send()
                sink.wait(before + 1)
                completed(godwit, 1)
                assert " == " not in godwit.log(), godwit.log()


def test_fallback_hosts_do_not_take_what_was_refused_for_good():
    with Sink() as sink, Sink({"RCPT": b"550 never\r\n"}) as refusing:
        with Godwit(refusing.port, smtp=f"fallback_hosts = 127.0.0.1::{sink.port}", main="ignore_bounce_errors_after = 0s") as godwit:
            godwit.send()
            godwit.wait_log(r"\*\* b@example.com")
            assert all(got["recipients"] != ["b@example.com"] for got in sink.messages)


def test_the_port_may_be_an_expression():
    with Sink() as one, Sink() as other:
        transports = ("remote:\n  driver = smtp\n  allow_localhost\n  hosts_avoid_tls = *\n"
                      f"  port = ${{if eq{{$domain}}{{one.test}}{{{one.port}}}{{{other.port}}}}}\n")
        with Godwit(transports=transports.replace("{", "{{").replace("}", "}}")) as godwit:
            godwit.send(recipients=["a@one.test"])
            godwit.send(recipients=["b@other.test"])
            assert one.wait(1)[0]["recipients"] == ["a@one.test"]
            assert other.wait(1)[0]["recipients"] == ["b@other.test"]


def test_a_negative_size_addition_declares_no_size():
    with Sink() as sink, Godwit(sink.port, smtp="size_addition = -1") as godwit:
        godwit.send()
        assert "SIZE" not in sink.wait(1)[0]["mail"], sink.messages


def test_serialized_hosts_have_one_connection_at_a_time():
    most = []

    def slowly(_):
        most.append(len(sink._sockets))  # pylint: disable=protected-access
        time.sleep(0.05)

    with Sink({".": slowly}) as sink, Godwit(sink.port, smtp="serialize_hosts = *", workers=2) as godwit:
        for _ in range(3):
            godwit.send()
            send_all(godwit, 3)
        completed(godwit, 12, 30)
        assert max(most) == 1, most


def test_a_message_in_utf8_is_not_given_to_a_host_that_cannot_take_it():
    with Sink() as sink, Sink(extensions=("SMTPUTF8", "8BITMIME")) as home:
        back = ("back:\n  driver = manualroute\n  domains = test.example\n  transport = remote\n  self = send\n"
                f"  route_list = * 127.0.0.1::{home.port}\n")
        with Godwit(sink.port, routers=back + ROUTERS, smtp="utf8_downconvert = 0") as godwit, \
                godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> SMTPUTF8", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\nbody\r\n")
            client.command(".", 250)
            godwit.wait_log(r"\*\* b@example.com .*: utf8 support required but not offered for forwarding")
            assert b"Status: 5.6.7" in home.wait(1)[0]["data"], home.messages
            assert not sink.messages


def test_a_traffic_class_is_a_name_or_a_number():
    for value, is_good in (("ef", True), ("af21", True), ("16", True), ("af91", False), ("gold", False)):
        with Godwit(smtp=f"dscp = {value}", start=False) as godwit:
            done = godwit.cli("-bV", check=False)
            assert (done.returncode == 0) == is_good, (value, done.stdout, done.stderr)


# --- Into other people's servers -----------------------------------------------------------------------


def test_overlapping_transactions_into_exim():
    with Exim() as exim, Link(exim.port, 0.03) as link, Godwit(link.port, smtp=ONE) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            for number in range(30):
                # Every tenth is refused: what follows on the same connection must not suffer.
                user = "refused" if number % 10 == 5 else "one"
                client.message("sender@exim.test", [f"{user}@exim.test"], f"Subject: {number}\r\n\r\nbody\r\n")
        mail = exim.wait_mailbox("one", 27)
        for number in range(30):
            assert mail.count(f"\nSubject: {number}\n".encode()) == (0 if number % 10 == 5 else 1), number
        wait_for(lambda: godwit.log().count("** refused@exim.test") == 3, 20, godwit.log)
        assert " == " not in godwit.log(), godwit.log()


def test_overlapping_transactions_into_postfix():
    with Sink() as sink, Postfix(sink.port) as postfix, Link(postfix.port, 0.03) as link:
        with Godwit(link.port, smtp=ONE) as godwit:
            send_all(godwit, 20)
            completed(godwit, 20, 30)
            sink.wait(20)
            assert recipients_of(sink) == sorted(f"r{n}@example.com" for n in range(20))


def test_prdr_with_exim():
    main = "prdr_enable\nacl_smtp_data_prdr = ${if eq{$local_part}{two}{deny}{accept}}"
    with Exim(main=main) as exim, Godwit(exim.port) as godwit:
        godwit.send(sender="sender@exim.test", recipients=["one@exim.test", "two@exim.test", "good@exim.test"])
        exim.wait_mailbox("one")
        exim.wait_mailbox("good")
        godwit.wait_log(r"=> one@exim.test .* PRDR K C=\"250 ")
        godwit.wait_log(r"-> good@exim.test .* PRDR K C=\"250 ")
        godwit.wait_log(r"\*\* two@exim.test .*: PRDR error after end of data: 550 ")
        assert b"two@exim.test" in exim.wait_mailbox("sender")
