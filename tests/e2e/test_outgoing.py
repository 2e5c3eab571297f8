"""The smtp transport against hosts that are far away, refuse, or leave in the middle."""

import re
import time

from harness import Godwit, Sink, wait_for
from link import Link

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
            assert len(re.findall(r" == .*connection closed after (?:end of data|RCPT TO)", godwit.log())) == 1, godwit.log()
            assert len(sink.messages) == 8, sink.messages


def test_prdr_answers_for_each_recipient():
    answers = b"353 analysis\r\n250 first was good\r\n550 second was bad\r\n450 not now\r\n250 for some\r\n"
    ends = [answers, b"250 all good\r\n"]
    with Sink({".": ends}, extensions=("PRDR",) + CHUNKING) as sink:
        with Godwit(sink.port, retry="* * F,2h,1s") as godwit:
            godwit.send(recipients=["one@example.com", "two@example.com", "three@example.com"])
            godwit.wait_log(r'=> one@example.com .* PRDR K C="250 first was good\\\\n250 for some"')
            godwit.wait_log(r"\*\* two@example.com .*: PRDR error after end of data: 550 second was bad")
            godwit.wait_log(r"== three@example.com .*defer \(-46\): PRDR error after end of data: 450 not now")
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
