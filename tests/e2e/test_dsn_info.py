"""The extra fields of failure reports: who the remote host is, what it said first, and what went wrong, on
every way that a delivery can fail. EXIM.md 1.12."""

import pathlib
import re
import sys
import tempfile

from dns_lab import DnsLab
from harness import Godwit, RETRY, Sink, free_port, wait_for
from socks import SocksProxy
from test_lmtp import STEP_SERVER
from test_tls import Certificates, TlsSink, key_digest, serving

ROUTERS = """\
back:
  driver = accept
  domains = test.example
  transport = mailbox
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
TRANSPORTS = """\
mailbox:
  driver = appendfile
  file = {dir}/mailbox
  user = root
remote:
  driver = smtp
  port = {sink}
  allow_localhost
  command_timeout = 2s
  data_timeout = 2s
  final_timeout = 2s
{smtp}
"""
IN_CLEAR = "  hosts_avoid_tls = *"


def report(port, smtp=IN_CLEAR, retry="* *", recipients=("x@example.com",), transports=TRANSPORTS, **more):
    """The delivery-status part about a recipient that could not be reached, unfolded."""
    with Godwit(port, routers=ROUTERS, transports=transports, smtp=smtp, retry=retry, **more) as godwit:
        godwit.send(recipients=recipients)
        mailbox = godwit.dir / "mailbox"
        text = wait_for(lambda: mailbox.exists() and "\n--" in mailbox.read_text().partition("message/delivery-status")[2]
                        and mailbox.read_text(), 30, lambda: godwit.log() + godwit.log("panic"))
    part = text.partition("message/delivery-status")[2].partition("\n--")[0]
    return re.sub(r"\n[ \t]", " ", part)


def check(part, port, diagnostic, greeting="220 sink.test ESMTP", helo="250-sink.test Hello"):
    """The fields in their order; None where the line must be missing."""
    names = re.findall(r"^((?:Remote-MTA|X-[A-Za-z-]+|Diagnostic-Code): [a-zA-Z0-9-]+;)", part, re.M)
    wanted = ["Remote-MTA: dns;", "Remote-MTA: X-ip;", greeting and "X-Remote-MTA-smtp-greeting: X-str;",
              helo and "X-Remote-MTA-helo-response: X-str;", "X-Exim-Diagnostic: X-str;"]
    assert names[:len([w for w in wanted if w])] == [w for w in wanted if w], part
    assert f"\nRemote-MTA: dns; 127.0.0.1\nRemote-MTA: X-ip; [127.0.0.1]:{port}\n" in part, part
    if greeting:
        assert f"\nX-Remote-MTA-smtp-greeting: X-str; {greeting}\n" in part, part
    if helo:
        assert f"\nX-Remote-MTA-helo-response: X-str; {helo}\n" in part, part
    found = re.search(r"^X-Exim-Diagnostic: X-str; (.*)$", part, re.M)
    assert found and re.search(diagnostic, found.group(1)), (diagnostic, part)


def test_refused_at_connect():
    port = free_port()
    check(report(port), port, "Connection refused", None, None)


def test_refused_by_the_banner():
    for banner in (b"554 go away\r\n", b"421 busy\r\n"):
        with Sink({"connect": banner}) as sink:
            text = banner.decode().strip()
            check(report(sink.port), sink.port, "SMTP error from remote mail server after initial connection: " + text, text, None)


def test_refused_at_ehlo():
    with Sink({"EHLO": b"550 not you\r\n", "HELO": b"550 nor you\r\n"}) as sink:
        check(report(sink.port), sink.port, "SMTP error from remote mail server after HELO .*: 550 nor you", helo=None)


def test_refused_at_mail_rcpt_data_and_after_the_dot():
    cases = [("MAIL", b"550 no\r\n", "after (pipelined )?MAIL FROM:<a@test.example>.*: 550 no"),
             ("RCPT", b"550 5.1.1 no\r\n", "after (pipelined )?RCPT TO:<x@example.com>: 550 5.1.1 no"),
             ("DATA", b"554 no\r\n", "after (pipelined )?DATA: 554 no"),
             (".", b"554 no\r\n", "after end of data: 554 no"),
             ("MAIL", b"450 later\r\n", "after (pipelined )?MAIL FROM:<a@test.example>.*: 450 later")]
    for command, reply, text in cases:
        with Sink({command: reply}) as sink:
            part = report(sink.port)
            check(part, sink.port, "SMTP error from remote mail server " + text)
            assert re.search(r"^Diagnostic-Code: smtp; " + reply.decode().strip(), part, re.M), part


def test_lost_and_silent_connections():
    for command, greeting, helo in (("connect", None, None), ("EHLO", "220 sink.test ESMTP", None),
                                    ("MAIL", "220 sink.test ESMTP", "250-sink.test Hello"),
                                    ("DATA", "220 sink.test ESMTP", "250-sink.test Hello")):
        with Sink({command: "close"}) as sink:
            check(report(sink.port), sink.port, "[Cc]onnection", greeting, helo)
    for command, greeting, helo in (("connect", None, None), ("MAIL", "220 sink.test ESMTP", "250-sink.test Hello")):
        with Sink({command: "stall"}) as sink:
            check(report(sink.port), sink.port, "timeout", greeting, helo)


def test_retries_that_time_out():
    with Sink({"RCPT": b"450 4.2.1 later\r\n"}) as sink:
        part = report(sink.port, retry=RETRY.replace("2h,1s", "2s,1s"))
        check(part, sink.port, "RCPT TO:<x@example.com>: 450 4.2.1 later")


def test_tls_that_fails():
    with Sink() as sink:
        check(report(sink.port, smtp="  hosts_require_tls = *"), sink.port,
              "a TLS session is required, but the server did not offer TLS support")
    # It offers TLS and then talks in clear.
    with Sink({"STARTTLS": b"220 go\r\nnonsense, nonsense\r\n"}, extensions=["STARTTLS"]) as sink:
        check(report(sink.port, smtp="  hosts_require_tls = *"), sink.port,
              "sent data in clear before TLS began .remote mail server, after STARTTLS|TLS session")


def test_a_recipient_refused_after_the_data():
    replies = b"353 wait\r\n250 ok\r\n550 5.7.1 not x\r\n250 for some\r\n"
    with Sink({".": replies}, extensions=["PIPELINING", "PRDR"]) as sink:
        part = report(sink.port, IN_CLEAR + "\n  hosts_try_prdr = *", recipients=["y@example.com", "x@example.com"])
        check(part, sink.port, "^PRDR error after end of data: 550 5.7.1 not x$")
        assert "\nStatus: 5.7.1\n" in part and "\nDiagnostic-Code: smtp; 550 5.7.1 not x" in part, part
        assert "y@example.com" not in part, part
    with Sink({"LHLO": b"250-sink.test Hello\r\n250 PIPELINING\r\n", ".": b"552 5.2.2 full\r\n"}) as sink:
        part = report(sink.port, IN_CLEAR + "\n  protocol = lmtp")
        check(part, sink.port, "^LMTP error after end of data: 552 5.2.2 full$")
        assert "\nStatus: 5.2.2\n" in part and "\nDiagnostic-Code: smtp; 552 5.2.2 full" in part, part


def test_a_proxy_that_refuses():
    with SocksProxy(refuses=5) as proxy:
        port = free_port()
        part = report(port, IN_CLEAR + f"\n  socks_proxy = 127.0.0.1 port={proxy.port}")
        check(part, port, rf"^SOCKS proxy \[127\.0\.0\.1\]:{proxy.port}: the proxy cannot connect", None, None)


def test_a_local_server_of_lmtp_that_refuses():
    """There is no remote host to speak of."""
    with tempfile.TemporaryDirectory() as directory:
        server = pathlib.Path(directory) / "server.py"
        server.write_text(STEP_SERVER)
        for step, where in (("rcpt", "RCPT TO:<x@example.com>"), ("dot", "end of data"), ("lhlo", "LHLO mx.test")):
            transports = TRANSPORTS.partition("remote:")[0] + (
                f"remote:\n  driver = lmtp\n  user = root\n  command = {sys.executable} {server} {step} \"550 5.1.1 no\"\n")
            part = report(1, transports=transports)
            assert f"\nX-Exim-Diagnostic: X-str; LMTP error after {where}: 550 5.1.1 no\n" in part, part
            assert "\nStatus: 5.1.1\n" in part and "\nDiagnostic-Code: smtp; 550 5.1.1 no" in part, part
            assert "Remote-MTA" not in part, part


def test_dane_that_fails():
    """TLSA records of another key, and a host that must have some: reported, and told to event actions."""
    routers = ROUTERS.split("out:")[0] + "dns:\n  driver = dnslookup\n  transport = remote\n  self = send\n"
    action = "  event_action = ${if match{$event_name}{^dane:}{${acl{told}}}}\n"
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("any.name.test")
        with TlsSink(certificate) as sink:
            records = (f"_{sink.port}._tcp.plain TLSA 3 1 1 {'0' * 64}\n_{sink.port}._tcp.mx1 TLSA 3 1 1 {key_digest(certificate)}\n")
            with DnsLab(records) as lab:
                main = (f"dns_servers = 127.0.0.1:{lab.port}\nevent_action = ${{{{acl{{{{told}}}}}}}}\n"
                        "begin acl\ntold:\n  accept logwrite = EV $event_name|$event_data|$host|$domain\n")
                for domain, options, diagnostic, event in (
                        ("plain.signed.test", "", r"DANE attempt failed; TLS connection to plain\.signed\.test",
                         r"EV dane:fail\|validation-failure\|plain\.signed\.test\|plain\.signed\.test"),
                        ("insecure.test", "  hosts_require_dane = *\n", "DANE error: mx[12].insecure.test lookup not DNSSEC",
                         r"EV dane:fail\|dane-required\|mx[12]\.insecure\.test\|insecure\.test")):
                    with Godwit(sink.port, routers=routers, transports=TRANSPORTS, smtp=options + action, retry="* *",
                                main=main) as godwit:
                        godwit.send(recipients=["x@" + domain])
                        godwit.wait_log(event)
                        if not options:
                            godwit.wait_log(r"EV tls:fail:connect\|DANE attempt failed; ")
                        mailbox = godwit.dir / "mailbox"
                        wait_for(lambda: mailbox.exists() and "X-Exim-Diagnostic" in mailbox.read_text(), 20, godwit.log)
                        part = re.sub(r"\n[ \t]", " ", mailbox.read_text())
                        assert re.search(r"^X-Exim-Diagnostic: X-str; .*" + diagnostic, part, re.M), part
                        assert re.search(rf"^Remote-MTA: X-ip; \[127\.0\.0\.[12]\]:{sink.port}$", part, re.M), part
