"""Early pipelining (PIPECONNECT): EHLO and MAIL before the greeting, both ways, with the real Exim."""

import re
import socket
import tempfile
import time

from harness import TRANSPORTS, Client, Godwit, Sink, wait_for
from peers import Exim
from test_acls import policy
from test_tls import public_certificate

LOG = "log_selector = +pipelining +protocol_detail\n"
# A connection ends with its message, so that the next one begins early.
SMTP = "  hosts_pipe_connect = *\n  destination_idle_timeout = 0s\n"
EXTENSIONS = ["PIPELINING", "PIPECONNECT", "8BITMIME", "SIZE 1000000"]
GROUP = b"MAIL FROM:<a@test.example>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"


def speak(port, *pieces):
    """Sends the pieces one after the other, the first at once; gives all that came."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.settimeout(20)
        got = b""
        for number, piece in enumerate(pieces):
            connection.sendall(piece[0])
            while piece[1] not in got:
                more = connection.recv(65536)
                if not more:
                    return got + b"<closed>"
                got += more
        return got


def send_twice(godwit):
    lines = []
    for number in (1, 2):
        godwit.send(recipients=[f"one{number}@exim.test"])
        lines.append(godwit.wait_log(rf"=> one{number}@exim.test .*").group(0))
        wait_for(lambda: godwit.log().count("Completed") == number, 15, godwit.log)
    return lines


def test_a_client_may_speak_before_the_greeting():
    # The greeting takes its time, so that what is sent at once comes before it.
    slowly = policy("slow:\n  accept delay = 1s\n", extra=LOG + "acl_smtp_connect = slow\n")
    with Sink() as sink, Godwit(sink.port, main=slowly) as godwit:
        got = speak(godwit.port, (b"EHLO c.test\r\n" + GROUP, b"354 "), (b"Subject: x\r\n\r\nb\r\n.\r\nQUIT\r\n", b"221 "))
        assert got.startswith(b"220 ") and b"250-PIPELINING\r\n250-PIPECONNECT\r\n" in got, got
        godwit.wait_log(r"<= a@test.example H=\(?c.test\)? \[127.0.0.1\] P=esmtp L\* S=")
        # Who waits is told apart, and so is who does not use it at all.
        speak(godwit.port, (b"", b"220 "), (b"EHLO d.test\r\n", b"250 HELP"), (GROUP, b"354 "),
              (b"Subject: x\r\n\r\nb\r\n.\r\nQUIT\r\n", b"221 "))
        godwit.wait_log(r"H=\(?d.test\)? \[127.0.0.1\] P=esmtp L\. S=")
        godwit.send()
        godwit.wait_log(r"H=\(?client.test\)? \[127.0.0.1\] P=esmtp L\.- S=")


def test_nobody_else_may():
    with Sink() as sink, Godwit(sink.port, main=LOG + "pipelining_connect_advertise_hosts =\n") as godwit:
        with godwit.client() as client:
            assert "PIPECONNECT" not in client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
        godwit.wait_log(r"P=esmtp L- S=")
        with socket.create_connection(("127.0.0.1", godwit.port), 20) as connection:
            connection.sendall(b"EHLO c.test\r\n" + GROUP)
            time.sleep(0.1)
            got = connection.makefile("rb").readline()
            # Where the bytes come first, it is a mistake; where the greeting was sent before, the group is.
            assert got[:4] in (b"554 ", b"220 "), got
        godwit.wait_log("SMTP protocol synchronization error")


def test_into_exim():
    with Exim() as exim, Godwit(exim.port, main=LOG, smtp=SMTP) as godwit:
        first, second = send_twice(godwit)
        assert " L " in first and " L* " in second, (first, second)
        # Whether Exim has greeted by then is a matter of luck.
        assert len(re.findall(r"P=esmtp L[.*] .*S=", exim.log())) == 2, exim.log()


def test_into_exim_over_tls():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        _, path = public_certificate(folder)
        with Exim(tls=f"tls_advertise_hosts = *\ntls_certificate = {path}") as exim, \
                Godwit(exim.port, main=LOG, transports=TRANSPORTS.replace("hosts_avoid_tls", "hosts_try_prdr"),
                       smtp=SMTP) as godwit:
            first, second = send_twice(godwit)
            assert " X=" in second and " L " in first and " L* " in second, (first, second)
            assert len(re.findall(r"P=esmtps L[.*] X=", exim.log())) == 2, exim.log()


def test_from_exim():
    smtp = "  hosts_avoid_tls = *\n  hosts_pipe_connect = *"
    with Sink() as sink, Godwit(sink.port, main=LOG) as godwit, Exim(relay=godwit.port, smtp=smtp) as exim:
        for number in (1, 2):
            with Client(exim.port) as client:
                client.command("EHLO client.test", 250)
                client.message("a@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
            sink.wait(number)
            wait_for(lambda: exim.log().count("Completed") == number, 15, exim.log)
        assert len(re.findall(r"P=esmtp L[.*] ", godwit.log())) == 2, godwit.log()
        assert re.search(r"=> b@example\.com .* L\* ", exim.log()), exim.log()


def test_a_host_that_changed_is_asked_again():
    # It no longer knows 8BITMIME or PIPECONNECT: what went out early is void, the message is not.
    with Sink(extensions=EXTENSIONS) as sink, Godwit(sink.port, main=LOG, smtp=SMTP) as godwit:
        godwit.send()
        sink.wait(1)
        sink.extensions = ["PIPELINING"]
        godwit.send()
        sink.wait(2)
        assert sink.connections == 3, sink.connections
        wait_for(lambda: godwit.log().count("Completed") == 2, 15, godwit.log)
        assert "==" not in godwit.log() and " L* " not in godwit.log(), godwit.log()
        # It is forgotten.
        godwit.send()
        sink.wait(3)
        assert sink.connections == 4, sink.connections


def test_a_host_that_will_not_be_interrupted():
    greetings = [b"220 sink.test\r\n", b"554 SMTP synchronization error\r\n", b"220 sink.test\r\n"]
    with Sink({"connect": greetings}, EXTENSIONS) as sink, Godwit(sink.port, main=LOG, smtp=SMTP) as godwit:
        for number in (1, 2):
            godwit.send()
            sink.wait(number)
        wait_for(lambda: godwit.log().count("Completed") == 2, 15, godwit.log)
        assert sink.connections == 3 and "==" not in godwit.log(), godwit.log()


def test_only_who_may_refuse_the_greeting_waits_for_it():
    for option, is_early in (("tpda_delivery_action", True), ("event_action", False)):
        smtp = SMTP + f"  {option} = ${{if eq{{1}}{{2}}{{x}}}}\n"
        with Sink(extensions=EXTENSIONS) as sink, Godwit(sink.port, main=LOG, smtp=smtp) as godwit:
            assert (" L* " in send_twice(godwit)[1]) == is_early, godwit.log()
