"""Callouts speak as deliveries do: with TLS, through proxies, from where and as whom the transport says."""

import tempfile

from harness import Sink
from socks import SocksProxy
from test_acls import Policy, policy
from test_tls import REMOTE, Certificates, TlsSink

CHECK = "check:\n  accept verify = recipient/callout=5s,no_cache\n"
UNKNOWN = {"RCPT": lambda argument: b"550 5.1.1 nobody here\r\n" if "bad@" in argument else None}


def asking(sink, smtp="", transports=REMOTE, main=""):
    lines = "".join(f"  {line}\n" for line in smtp.splitlines())
    return Policy(sink.port, policy(CHECK, extra=main + "queue_only\n"), rcpt="check", transports=transports, smtp=lines)


def ask(godwit):
    """The replies to a good recipient and to a bad one."""
    with godwit.client() as client:
        client.command("EHLO client.test", 250)
        client.command("MAIL FROM:<a@test.example>", 250)
        client.command("RCPT TO:<good@example.com>", 250)
        return client.command("RCPT TO:<bad@example.com>", 550)


def verbs(sink):
    return [verb for verb, _ in sink.commands]


def test_over_starttls():
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(directory + "/certs")
        path = certificates.make("localhost")
        trust = f"tls_verify_certificates = {certificates.root}\ntls_verify_cert_hostnames =\n"
        with TlsSink(path, UNKNOWN) as sink:
            with asking(sink, "hosts_require_tls = *\ntls_verify_hosts = *\nhelo_data = caller.test\n" + trust) as godwit:
                assert "nobody here" in ask(godwit)
            assert len(sink.tls_sessions) == 2, sink.tls_sessions
            assert verbs(sink)[:8] == ["connect", "EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "QUIT", "connect"], sink.commands
            assert {argument for verb, argument in sink.commands if verb == "EHLO" and argument} == {"caller.test"}, sink.commands


def test_at_once_with_tls():
    with tempfile.TemporaryDirectory() as directory:
        path = Certificates(directory + "/certs").make("localhost")
        with TlsSink(path, UNKNOWN, at_once=True) as sink, asking(sink, "protocol = smtps") as godwit:
            assert "nobody here" in ask(godwit)
            assert len(sink.tls_sessions) == 2, sink.tls_sessions


def test_a_host_that_cannot_be_trusted_is_not_asked():
    with tempfile.TemporaryDirectory() as directory:
        path = Certificates(directory + "/certs").make("localhost")
        with TlsSink(path, UNKNOWN) as sink, asking(sink, "hosts_require_tls = *\ntls_verify_hosts = *") as godwit:
            with godwit.client() as client:
                client.command("EHLO client.test", 250)
                client.command("MAIL FROM:<a@test.example>", 250)
                client.command("RCPT TO:<good@example.com>", 451)
            godwit.wait_log(r"Could not complete recipient verify callout: 127.0.0.1 \[127.0.0.1\] : TLS session: \(SSL_connect\)")
            assert "MAIL" not in verbs(sink), sink.commands


def test_in_clear_where_tls_is_to_be_avoided():
    with Sink(UNKNOWN, extensions=("PIPELINING", "STARTTLS")) as sink:
        with asking(sink, "hosts_verify_avoid_tls = *") as godwit:
            assert "nobody here" in ask(godwit)
        assert "STARTTLS" not in verbs(sink), sink.commands


def test_in_clear_after_tls_failed():
    with Sink({**UNKNOWN, "STARTTLS": b"454 not now\r\n"}, extensions=("PIPELINING", "STARTTLS")) as sink:
        with asking(sink) as godwit:
            assert "nobody here" in ask(godwit)
        assert verbs(sink)[:5] == ["connect", "EHLO", "STARTTLS", "MAIL", "RCPT"], sink.commands


def test_through_a_proxy():
    with Sink(UNKNOWN) as sink, SocksProxy() as proxy:
        with asking(sink, f"socks_proxy = 127.0.0.1 port={proxy.port}") as godwit:
            assert "nobody here" in ask(godwit)
        assert proxy.asked == [("127.0.0.1", sink.port)] * 2, proxy.asked


def test_from_where_and_to_which_port_the_transport_says():
    transports = ("remote:\n  driver = smtp\n  port = ${{if eq{{$domain}}{{example.com}}{{{sink}}}{{1}}}}\n"
                  "  interface = 127.0.0.2\n  allow_localhost\n{smtp}")
    with Sink(UNKNOWN) as sink:
        with asking(sink, transports=transports) as godwit:
            assert "nobody here" in ask(godwit)
        assert sink.connections == 2
