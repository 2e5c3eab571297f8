"""event_action and its older spellings: what is told, in which order, and what a result does. EXIM.md 1.8."""

import re
import socket
import tempfile

from databases import Database
from harness import Godwit, RETRY, Sink, free_port, wait_for
from test_acls import policy
from test_tls import REMOTE, Certificates, TlsClient, TlsSink, context

EVENTS = """\
event:
  accept logwrite = EV $event_name|$event_data|$event_defer_errno|$local_part@$domain|$host_address:$host_port\\
                    |R=$router_name|T=$transport_name|$sender_address
"""
ACTION = "  event_action = ${acl{event}}\n"


class Told(Godwit):
    """A Godwit whose events are lines of its log."""

    def __init__(self, sink, smtp=ACTION, extra="", **more):
        super().__init__(sink, main=policy(EVENTS, extra=extra), smtp=smtp, **more)

    def lines(self, message_id, last):
        """What was logged about a message up to a line that contains `last`, without times and ids."""
        def found():
            lines = [line[20:] for line in self.log().splitlines() if message_id in line]
            lines = [line.replace(message_id + " ", "") for line in lines]
            return lines if any(last in line for line in lines) else None
        return wait_for(found, 15, lambda: self.log() + self.log("panic"))


def names(lines):
    return [line.split("|")[0] if line.startswith("EV ") else line[:2] for line in lines]


def test_a_delivery_is_told_behind_its_line():
    with Sink() as sink, Told(sink.port, extra="event_action = ${acl{event}}") as godwit:
        message = godwit.send(recipients=["x@t.example", "y@t.example"])
        lines = godwit.lines(message, "EV msg:complete")
        assert names(lines) == ["<=", "EV tcp:connect", "EV smtp:connect", "EV smtp:ehlo", "=>", "EV msg:delivery",
                                "->", "EV msg:delivery", "Co", "EV msg:complete"], lines
        at = f"127.0.0.1:{sink.port}"
        assert lines[2] == f"EV smtp:connect|220 sink.test ESMTP|0|@t.example|{at}|R=|T=remote|a@test.example", lines
        assert lines[5] == f"EV msg:delivery|250 ok taken|0|x@t.example|{at}|R=out|T=remote|a@test.example", lines
        assert lines[7].startswith("EV msg:delivery|250 ok taken|0|y@t.example|"), lines
        # The connection waits for further messages before it is closed.
        godwit.wait_log(rf"EV tcp:close\|\|0\|@\|{at}\|R=\|T=remote\|$")


def test_failures_and_deferrals_are_told():
    cases = [
        ("RCPT", [b"250 ok\r\n", b"450 4.2.1 later\r\n"],
         ["EV msg:rcpt:host:defer|SMTP error from remote mail server after RCPT TO:<y@t.example>: 450 4.2.1 later|-44|y@t",
          "EV msg:rcpt:defer|SMTP error from remote mail server after RCPT TO:<y@t.example>: 450 4.2.1 later|-44|y@t"]),
        ("RCPT", [b"250 ok\r\n", b"550 5.1.1 no\r\n"],
         ["EV msg:fail:delivery|SMTP error from remote mail server after RCPT TO:<y@t.example>: 550 5.1.1 no|0|y@t"]),
        ("MAIL", b"450 later\r\n", ["EV msg:defer|SMTP error from remote mail server after pipelined MAIL FROM:<a@test.example>"]),
        (".", b"450 later\r\n", ["EV msg:defer|SMTP error from remote mail server after end of data: 450 later|-46|x@t"]),
        ("connect", b"450 later\r\n",
         ["EV msg:host:defer|SMTP error from remote mail server after initial connection: 450 later|0|x@t",
          "EV msg:defer|SMTP error from remote mail server after initial connection: 450 later|0|x@t"]),
    ]
    for command, script, wanted in cases:
        with Sink({command: script}) as sink, Told(sink.port, retry=RETRY.replace("1s", "1h")) as godwit:
            message = godwit.send(recipients=["x@t.example", "y@t.example"])
            lines = godwit.lines(message, wanted[-1])
            told = [line for line in lines if line.startswith("EV msg:") and "msg:delivery" not in line]
            assert len(told) == len(wanted), (wanted, lines)
            for line, want in zip(told, wanted):
                assert line.startswith(want) and line.endswith("|R=out|T=remote|a@test.example"), (want, line)
    with Told(free_port(), retry=RETRY.replace("1s", "1h")) as godwit:
        message = godwit.send(recipients=["x@t.example"])
        lines = godwit.lines(message, "EV msg:defer")
        assert names(lines) == ["<=", "EV tcp:connect", "H=", "EV msg:host:defer", "==", "EV msg:defer"], lines
        assert lines[1].startswith("EV tcp:connect||0|x@t.example|127.0.0.1:"), lines
        assert lines[3].startswith("EV msg:host:defer|Connection refused|111|x@t.example|127.0.0.1:"), lines


def test_an_action_may_forbid_to_go_on():
    for event, text in (("tcp:connect", r"defer \(-58\).*Event requests alternate response"),
                        ("smtp:connect", r"defer \(-27\).*deferred by smtp:connect event expansion: not now")):
        action = f"  event_action = ${{if eq{{$event_name}}{{{event}}}{{not now}}{{${{acl{{event}}}}}}}}\n"
        with Sink() as sink, Told(sink.port, smtp=action, retry=RETRY.replace("1s", "1h")) as godwit:
            godwit.send(recipients=["x@t.example"])
            godwit.wait_log("== x@t.example R=out T=remote " + text)
            godwit.wait_log(r"EV msg:host:defer\|")
            assert sink.connections == (0 if event == "tcp:connect" else 1)
            assert not sink.messages
    # Others are told only.
    action = "  event_action = ${if eq{$event_name}{smtp:ehlo}{not now}{}}\n"
    with Sink() as sink, Told(sink.port, smtp=action) as godwit:
        godwit.send()
        sink.wait(1)


def test_an_action_that_fails_changes_nothing():
    action = "  event_action = ${if eq{$event_name}{msg:delivery}{${lookup{x}lsearch{/nowhere}}}{}}\n"
    with Sink() as sink, Told(sink.port, smtp=action) as godwit:
        godwit.send()
        godwit.wait_log("Completed")
        for name in ("main", "panic"):
            godwit.wait_log("failed to expand event_action msg:delivery in remote: ", name=name)


def test_what_the_main_configuration_is_told():
    routers = "no:\n  driver = redirect\n  data = :fail: nobody\n  allow_fail\n"
    with Told(1, smtp="", routers=routers, extra="tpda_event_action = ${acl{event}}") as godwit:
        message = godwit.send(recipients=["x@t.example"])
        lines = godwit.lines(message, "EV msg:fail:internal")
        assert lines[-1] == "EV msg:fail:internal|nobody|0|x@t.example|:0|R=no|T=|a@test.example" or \
            "EV msg:fail:internal|nobody|0|x@t.example|:0|R=no|T=|a@test.example" in lines, lines
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a b>", 501)
            godwit.wait_log(r"EV smtp:fail:syntax\|.+\|0\|@")
            client.command("DATA", 503)
            godwit.wait_log(r"EV smtp:fail:protocol\|.*alid RCPT command must precede DATA\|0")


def test_local_deliveries_are_told_too():
    routers = "local:\n  driver = accept\n  transport = file\n"
    transports = "file:\n  driver = appendfile\n  file = {dir}/mailbox\n  user = root\n" + ACTION.replace("{", "{{").replace("}", "}}")
    with Told(1, routers=routers, transports=transports) as godwit:
        message = godwit.send(recipients=["x@t.example"])
        lines = godwit.lines(message, "Completed")
        assert names(lines) == ["<=", "=>", "EV msg:delivery", "Co"], lines
        assert lines[2] == "EV msg:delivery||0|x@t.example|:0|R=local|T=file|a@test.example", lines


# The two examples of experimental-spec.txt, letter by letter.
DELIVERY = """\
  tpda_delivery_action = \\
${lookup pgsql {SELECT * FROM record_Delivery( \\
    '${quote_pgsql:$sender_address_domain}',\\
    '${quote_pgsql:${lc:$sender_address_local_part}}', \\
    '${quote_pgsql:$tpda_delivery_domain}', \\
    '${quote_pgsql:${lc:$tpda_delivery_local_part}}', \\
    '${quote_pgsql:$tpda_delivery_ip}', \\
    '${quote_pgsql:${lc:$tpda_delivery_fqdn}}', \\
    '${quote_pgsql:$message_exim_id}')}}
"""
HOST_DEFER = """\
  tpda_host_defer_action = \\
${lookup mysql {insert into delivlog set \\
    msgid = '${quote_mysql:$message_exim_id}', \\
    senderlp = '${quote_mysql:${lc:$sender_address_local_part}}', \\
    senderdom = '${quote_mysql:$sender_address_domain}', \\
    delivlp = '${quote_mysql:${lc:$tpda_delivery_local_part}}', \\
    delivdom = '${quote_mysql:$tpda_delivery_domain}', \\
    delivip = '${quote_mysql:$tpda_delivery_ip}', \\
    delivport = '${quote_mysql:$tpda_delivery_port}', \\
    delivfqdn = '${quote_mysql:$tpda_delivery_fqdn}', \\
    deliverrno = '${quote_mysql:$tpda_defer_errno}', \\
    deliverrstr = '${quote_mysql:$tpda_defer_errstr}' \\
    }}
"""
EVENT_DELIVERY = """\
  event_action = ${if eq {msg:delivery}{$event_name} \\
{${lookup pgsql {SELECT * FROM record_Delivery( \\
    '${quote_pgsql:$sender_address_domain}',\\
    '${quote_pgsql:${lc:$sender_address_local_part}}', \\
    '${quote_pgsql:$domain}', \\
    '${quote_pgsql:${lc:$local_part}}', \\
    '${quote_pgsql:$host_address}', \\
    '${quote_pgsql:${lc:$host}}', \\
    '${quote_pgsql:$message_exim_id}')}} \\
} {}}
"""
RECORD = ("CREATE TABLE log (a text, b text, c text, d text, e text, f text, g text); "
          "CREATE FUNCTION record_Delivery(text, text, text, text, text, text, text) RETURNS text AS "
          "'INSERT INTO log VALUES (\\$1, \\$2, \\$3, \\$4, \\$5, \\$6, \\$7); SELECT ''''::text' LANGUAGE SQL")
DELIVLOG = ("CREATE TABLE delivlog (msgid text, senderlp text, senderdom text, delivlp text, delivdom text, delivip text, "
            "delivport text, delivfqdn text, deliverrno text, deliverrstr text)")


def ask(godwit, kind, query):
    return godwit.cli("-be", "${lookup %s{%s}}" % (kind, query), check=False).stdout.strip()


def test_deliveries_are_written_into_postgresql():
    for action in (DELIVERY, EVENT_DELIVERY):
        with Database("postgres") as database, Sink() as sink, \
                Godwit(sink.port, main=database.servers, smtp=action) as godwit:
            ask(godwit, "pgsql", RECORD)
            message = godwit.send(sender="O'Neil@Sender.example", recipients=["X@T.Example"])
            godwit.wait_log("Completed")
            got = ask(godwit, "pgsql", "SELECT concat_ws(chr(32),a,b,c,d,e,f,g) FROM log")
            assert got == f"Sender.example o'neil t.example x 127.0.0.1 127.0.0.1 {message}", got
            assert "failed to expand" not in godwit.log(), godwit.log()


def test_failures_of_hosts_are_written_into_mariadb():
    with Database("mariadb") as database, \
            Sink({"connect": b"421 it's late\r\n"}) as sink, \
            Godwit(sink.port, main=database.servers, smtp=HOST_DEFER, retry=RETRY.replace("1s", "1h")) as godwit:
        ask(godwit, "mysql", DELIVLOG)
        message = godwit.send(sender="A@test.example", recipients=["X@T.example"])
        godwit.wait_log(r"== x@t\.example <X@T\.example> ")
        got = ask(godwit, "mysql", "SELECT concat_ws(char(124), msgid, senderlp, senderdom, delivlp, delivdom, delivip, delivport, "
                                   "delivfqdn, deliverrno, deliverrstr) FROM delivlog")
        assert got == (f"{message}|a|test.example|x|t.example|127.0.0.1|{sink.port}|127.0.0.1|0|"
                       "SMTP error from remote mail server after initial connection: 421 it's late"), got
        assert re.search(r"failed to expand", godwit.log()) is None, godwit.log()


def test_certificates_are_told_and_may_be_denied():
    acls = ("event:\n  accept condition = ${if eq{$event_name}{tls:cert}}\n"
            "         logwrite = CERT $event_data ${certextract{subject,CN}{$tls_out_peercert}} "
            "${certextract{subject,CN}{$tls_in_peercert}}\n         message = ${if eq{$event_data}{DENIED}{not this one}}\n"
            "  accept\n")
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(directory + "/certs")
        path = certificates.make("localhost")
        options = (f"  tls_verify_certificates = {certificates.root}\n  tls_verify_cert_hostnames =\n"
                   f"  tls_certificate = {path}\n  hosts_require_tls = *\n  event_action = ${{{{acl{{{{event}}}}}}}}\n")
        for denied, demands, seen in (("none", "", "CV=yes"), ("0", "", "CV=no"), ("1", "  tls_verify_hosts = *\n", None)):
            main = policy(acls.replace("DENIED", denied))
            with TlsSink(path) as sink, Godwit(sink.port, transports=REMOTE, smtp=options.replace("{{", "{").replace("}}", "}") + demands,
                                               main=main) as godwit:
                godwit.send()
                godwit.wait_log(r"CERT 1 Test Root ")
                if denied != "1":
                    godwit.wait_log(r"CERT 0 localhost ")
                if seen:
                    godwit.wait_log(rf"=> b@example.com .* {seen} ")
                else:
                    godwit.wait_log(r"== b@example.com .*verify denied by event-action: depth=1 cert=/CN=Test Root: not this one")


def test_certificates_of_clients_are_told():
    acls = ("event:\n  accept condition = ${if eq{$event_name}{tls:cert}}\n"
            "         logwrite = CERT $event_data ${certextract{subject,CN}{$tls_in_peercert}}\n"
            "         message = ${if eq{$event_data}{DENIED}{not this one}}\n  accept\n")
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(directory + "/certs")
        path, own = certificates.make("localhost"), certificates.make("client.test")
        for denied in ("none", "0"):
            main = policy(acls.replace("DENIED", denied),
                          extra=f"event_action = ${{acl{{event}}}}\ntls_certificate = {path}\n"
                                f"tls_verify_certificates = {certificates.root}\ntls_verify_hosts = *\n")
            with Sink() as sink, Godwit(sink.port, tls="", main=main) as godwit:
                made = context()
                made.load_cert_chain(own)
                with TlsClient(godwit.port) as client:
                    client.command("EHLO client.test", 250)
                    client.start_tls(made)
                    if denied == "none":
                        client.command("EHLO client.test", 250)
                        client.message("a@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
                        godwit.wait_log(r"<= a@test.example .* CV=yes ")
                    else:
                        godwit.wait_log(r"TLS error on connection from .*\(certificate\): verify denied by "
                                        r"event-action: depth=0 cert=/CN=client.test: not this one")
                godwit.wait_log(r"CERT 1 Test Root\n")
                godwit.wait_log(r"CERT 0 client.test\n")


def test_questions_that_nobody_answers_are_told():
    with Sink() as sink, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        extra = (f"event_action = ${{acl{{event}}}}\ndns_servers = 127.0.0.1:{hole.getsockname()[1]}\n"
                 "dns_retrans = 1s\ndns_retry = 1\n")
        routers = "dns:\n  driver = dnslookup\n  transport = remote\n"
        with Told(sink.port, extra=extra, routers=routers) as godwit:
            godwit.send(recipients=["x@silent.example"])
            godwit.wait_log(r"EV dns:fail\|again:silent.example:MX\|0\|")


def test_header_lines_may_speak_of_the_connection():
    with tempfile.TemporaryDirectory() as directory:
        path = Certificates(directory + "/certs").make("localhost")
        smtp = "  headers_add = X-Out: $tls_out_cipher $host_address $host_port\n  hosts_require_tls = *\n"
        with TlsSink(path) as sink, Godwit(sink.port, transports=REMOTE, smtp=smtp) as godwit:
            for _ in range(2):
                godwit.send()
            for message in sink.wait(2):
                assert re.search(rb"\r\nX-Out: TLS1.3:\S+ 127.0.0.1 %d\r\n" % sink.port, message["data"]), message
        with Sink() as sink, Godwit(sink.port, smtp=smtp.replace("  hosts_require_tls = *\n", "")) as godwit:
            godwit.send()
            assert b"\r\nX-Out:  127.0.0.1 " in sink.wait(1)[0]["data"], sink.messages


def test_protocol_steps_are_shown():
    with Sink() as sink, Godwit(sink.port, main="log_selector = +protocol_detail") as godwit:
        godwit.send(recipients=["x@t.example", "y@t.example", "z@t.example"])
        godwit.wait_log(r"=> x@t.example .* PS=EMR3D\. C=")
        godwit.send()
        godwit.wait_log(r"=> b@example.com .* PS=E?MRD\. C=")
    with Sink({"RCPT": b"550 no\r\n"}) as sink, Godwit(sink.port, main="log_selector = +protocol_detail") as godwit:
        godwit.send()
        godwit.wait_log(r"\*\* b@example.com .* PS=EMRD\.: SMTP error")
