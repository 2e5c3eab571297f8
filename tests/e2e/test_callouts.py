"""Callouts speak as deliveries do: with TLS, through proxies, from where and as whom the transport says."""

import tempfile

from harness import Client, Sink, wait_for
from peers import OwnExim, OwnGodwit
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


SHOWN = ("sender_address", "sender_host_address", "sender_helo_name", "local_part", "domain", "original_local_part",
         "original_domain", "parent_local_part", "parent_domain", "address_data", "domain_data",
         "recipients_count", "host", "host_address", "host_port", "transport_name", "router_name", "acl_m_x", "acl_c_x", "r_x",
         "verify_mode", "return_path", "rcpt_count", "received_protocol", "sending_ip_address")
# An address is routed as it is, or stands for another one.
SEEN_BY_A_TRANSPORT = """\
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data
tls_advertise_hosts =
begin acl
mail:
  warn set acl_m_x = message
       set acl_c_x = connection
  accept verify = sender/callout=5s,no_cache
         logwrite = called $callout_address
rcpt:
  accept verify = recipient/callout=5s,no_cache
data:
  accept verify = header_sender/callout=5s,no_cache
begin routers
alias:
  driver = redirect
  local_parts = alias
  data = Other@c.test
out:
  driver = manualroute
  domains = a.test : b.test : c.test
  address_data = data of $local_part
  set = r_x = of $local_part
  route_list = * 127.0.0.1
  transport = remote
  self = send
begin transports
remote:
  driver = smtp
  port = {port}
  allow_localhost
  interface = ${{if eq{{$sender_host_address}}{{127.0.0.1}}{{127.0.0.2}}}}
  helo_data = {shown}
begin retry
"""


def test_a_transport_sees_what_the_acl_sees_and_the_address_of_the_callout():
    """The same commands as from the real Exim."""
    shown = "!".join(f"{name}=${name}" for name in SHOWN)
    said = []
    for server in (OwnExim, OwnGodwit):
        with Sink() as sink, server(SEEN_BY_A_TRANSPORT.format(port=sink.port, shown=shown)) as running:
            with Client(running.port) as client:
                client.command("EHLO client.test", 250)
                client.command("MAIL FROM:<send@a.test> SIZE=77", 250)
                for recipient in ("One@b.test", "alias@c.test"):
                    client.command(f"RCPT TO:<{recipient}>", 250)
                client.command("DATA", 354)
                client.raw("From: header@c.test\r\n\r\nbody\r\n")
                client.command(".", 250)
            running.wait_log(rf"called \[127\.0\.0\.1\]:{sink.port}$")
            asked = [command for command in sink.commands if command[0] != "connect"]
            said.append([(verb, text.replace(str(sink.port), "PORT")) for verb, text in asked])
    exim, godwit = said
    end = [at for at, (verb, _) in enumerate(exim) if verb == "QUIT"][3]  # then the message is delivered
    for n, (theirs, ours) in enumerate(zip(exim[:end + 1], godwit)):
        assert theirs[0] == ours[0], (n, theirs, ours)
        for one, other in zip(theirs[1].split("!"), ours[1].split("!"), strict=True):
            assert one == other, (n, one, other)
    assert len(godwit) > end, godwit


def test_who_cannot_say_its_name_does_not_ask():
    """As the real Exim, which connects before it finds out."""
    for name in ("${lookup{x}lsearch{/nowhere/at/all}}", "${if eq{a}{b}{x}fail}"):
        with Sink() as sink, asking(sink, f"helo_data = {name}") as godwit:
            with godwit.client() as client:
                client.command("EHLO client.test", 250)
                client.command("MAIL FROM:<a@test.example>", 250)
                assert "Could not complete recipient verify callout" in client.command("RCPT TO:<good@example.com>", 451)
            assert "EHLO" not in verbs(sink), sink.commands


EVENT = """\
event:
  accept condition = ${if eq{$event_name}{DENIED}}
         message = not now
  accept logwrite = EV $event_name|${length_19:$event_data}|$local_part@$domain|$host_address:$host_port|R=$router_name|T=$transport_name|$verify_mode|$sender_address
"""


def test_events_are_told_and_may_forbid_to_go_on():
    for denied, heard in (("none", ("tcp:connect|", "smtp:connect|220 sink.test ESMTP", "smtp:ehlo|250-sink.test Hello", "tcp:close|")),
                          ("tcp:connect", ()), ("smtp:connect", ("tcp:connect|", "tcp:close|"))):
        main = policy(CHECK + EVENT.replace("DENIED", denied), extra="queue_only\n")
        with Sink(dict(UNKNOWN)) as sink, Policy(sink.port, main, rcpt="check", smtp="  event_action = ${acl{event}}\n") as godwit:
            if denied == "none":
                assert "nobody here" in ask(godwit)
            else:
                with godwit.client() as client:
                    client.command("EHLO client.test", 250)
                    client.command("MAIL FROM:<a@test.example>", 250)
                    client.command("RCPT TO:<good@example.com>", 451)
            for who in ("good", "bad") if denied == "none" else ("good",):
                wanted = [f"{event}|{who}@example.com|127.0.0.1:{sink.port}|R=|T=remote|R|a@test.example" for event in heard]
                def told(who=who):
                    return [line[23:] for line in godwit.log().splitlines() if " EV " in line and f"|{who}@" in line]
                wait_for(lambda: told() == wanted, 5, lambda: (denied, told(), wanted, godwit.log(), godwit.log("panic")))
