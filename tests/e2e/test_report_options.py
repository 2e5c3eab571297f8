"""Main options that say what a bounce message is like, who gets it, and in which order remote mail leaves."""

import os
import pwd
import re

from harness import Godwit, Sink, TRANSPORTS, wait_for

ROUTERS = """\
failing:
  driver = redirect
  domains = fail.test
  allow_fail
  data = :fail: nobody here
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
TEXT = "Subject: original\r\nMessage-ID: <o@test.example>\r\n\r\nbody line\r\n"
LONG = TEXT + "x" * 600 + "\r\n"


def bounces(main, texts=(TEXT,)):
    """The bounce messages of messages to an address that fails, as the sink got them."""
    with Sink() as sink, Godwit(sink.port, main=main, routers=ROUTERS) as godwit:
        for number, text in enumerate(texts, 1):
            godwit.send(sender="s@test.example", recipients=["b@fail.test"], text=text)
            messages = list(sink.wait(number))  # in the order of their messages
        wait_for(lambda: godwit.log().count("Completed") == 2 * len(texts), 10, godwit.log)
    return [dict(m, data=m["data"].decode()) for m in messages]


def test_a_bounce_message_as_it_is_by_default():
    (bounce,) = bounces("")
    assert bounce["recipients"] == ["s@test.example"], bounce
    for line in ("From: Mail Delivery System <Mailer-Daemon@mx.test>\r\n", "Content-Type: message/rfc822\r\n",
                 "Subject: original\r\n", "body line\r\n"):
        assert line in bounce["data"], bounce["data"]
    assert "\r\nReply-To:" not in bounce["data"], bounce["data"]
    assert re.search(r"^Message-Id: <E[^.@]+@mx\.test>\r$", bounce["data"], re.M), bounce["data"]
    assert re.match(r"Received: from (\S+) by mx\.test with local \(Godwit \S+\)\r\n\tid \S+\r\n\tfor s@test\.example;\r\n\t"
                    r".*\r\nX-Failed-Recipients: ", bounce["data"]), bounce["data"]


def test_a_bounce_message_in_the_queue():
    with Godwit(1, routers=ROUTERS) as godwit:
        godwit.send(sender="s@test.example", recipients=["b@fail.test"], text=TEXT)
        who = pwd.getpwuid(os.getuid()).pw_name
        bounce = godwit.wait_log(rf" (\S+) <= <> R=\S+ U={who} P=local S=\d+$").group(1)
        head, body = godwit.cli("-Mvh", bounce).stdout, godwit.cli("-Mvb", bounce).stdout
        assert f"\n-body_linecount {body.count(chr(10)) - 1}\n" in head, (head, body)
        assert f"\n-ident {who}\n" in head and "\n-received_protocol local\n" in head, head


def test_texts_and_copies():
    main = ("bounce_message_text = It costs $5 to ask.\ndsn_from = Reports <reports@$qualify_domain>\n"
            "message_id_header_text = a text\nmessage_id_header_domain = ids.test\n"
            "errors_reply_to = help@mx.test\nno_bounce_return_body\nbounce_return_linesize_limit = 500\n"
            "errors_copy = nobody@test.example none@copies.test : \"s@test.example\" $local_part-of-$domain@copies.test, "
            "second@copies.test : * third@copies.test\n")
    (bounce,) = bounces(main)
    assert bounce["sender"] == "", bounce
    assert bounce["recipients"] == ["s@test.example", "s-of-test.example@copies.test", "second@copies.test"], bounce
    for line in ("From: Reports <reports@mx.test>\r\n", "Reply-To: help@mx.test\r\n", "It costs $5 to ask.\r\n",
                 "Content-Type: text/rfc822-headers\r\n", "To: s@test.example\r\n", "Subject: original\r\n"):
        assert line in bounce["data"], bounce["data"]
    assert re.search(r"^Message-Id: <E[^.@]+\.a-text@ids\.test>\r$", bounce["data"], re.M), bounce["data"]
    assert "body line" not in bounce["data"] and "copies.test" not in bounce["data"], bounce["data"]


def test_long_lines_and_large_messages_do_not_come_back_whole():
    large = TEXT + "".join(f"line {n} of many\r\n" for n in range(400))
    first, second, third = bounces("bounce_return_linesize_limit = 500\nbounce_return_size_limit = 1K",
                                   (TEXT, LONG, large))
    assert "body line\r\n" in first["data"] and "message/rfc822\r\n" in first["data"], first
    assert "body line\r\n" not in second["data"] and "text/rfc822-headers\r\n" in second["data"], second
    assert "line 3 of many" in third["data"] and "line 399 of many" not in third["data"], third


def test_nothing_of_the_message_comes_back():
    (bounce,) = bounces("no_bounce_return_message")
    assert "message/delivery-status" in bounce["data"] and "nobody here" in bounce["data"], bounce["data"]
    assert "Subject: original" not in bounce["data"] and "rfc822-headers" not in bounce["data"], bounce["data"]


def order_of(main):
    routers = ("each:\n  driver = manualroute\n  route_list = one.test 127.0.0.1 ; two.test 127.0.0.4 ; "
               "sub.three.test 127.0.0.2 ; * 127.0.0.3\n  transport = remote\n  self = send\n")
    with Sink(address="0.0.0.0") as sink:
        with Godwit(sink.port, main="remote_max_parallel = 1\n" + main, routers=routers,
                    transports=TRANSPORTS.replace("{smtp}", "  max_rcpt = 1\n")) as godwit:
            godwit.send(recipients=["a@one.test", "a@two.test", "a@sub.three.test", "a@four.test"])
            return [m["recipients"][0].partition("@")[2] for m in sink.wait(4)]


def test_remote_deliveries_are_sorted_by_domain():
    assert order_of("") == ["one.test", "two.test", "sub.three.test", "four.test"]
    assert order_of("remote_sort_domains = four.test : *.three.test : two.test") == \
        ["four.test", "sub.three.test", "two.test", "one.test"]
