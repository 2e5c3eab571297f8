"""Routing by a real DNS: knotd and unbound (dns_lab.py)."""

import os
import subprocess

from dns_lab import DnsLab
from harness import BUILD, Godwit, Sink, wait_for
from peers import Skipped
from test_tls import TlsClient

ROUTERS = """\
dns:
  driver = dnslookup
  transport = remote
  self = send
  {options}
"""


def gateway(lab, sink, options="", main=""):
    servers = f"dns_servers = 127.0.0.1:{lab.port}\ndns_retrans = 1s\ndns_retry = 1\n"
    return Godwit(sink.port, main=servers + main, routers=ROUTERS.format(options=options))


def test_the_resolver_against_a_validating_server():
    """What tests/dns/lab_test.cc asks."""
    program = BUILD / "dns_tests"
    if not program.exists():
        raise Skipped(f"{program} is not built")
    with DnsLab() as lab:
        done = subprocess.run([program, "--gtest_filter=DnsLab*"], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, GODWIT_DNS_LAB=f"127.0.0.1:{lab.port}"), check=False)
        assert done.returncode == 0 and "SKIPPED" not in done.stdout, done.stdout[-4000:] + done.stderr[-2000:]


def test_mail_goes_where_the_dns_says():
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink) as godwit:
        godwit.send(recipients=["a@signed.test", "b@insecure.test", "c@mailalias.signed.test",
                                "d@plain.insecure.test"])
        sink.wait(3)  # a and c go to the same hosts, in one transaction
        godwit.wait_log(r"=> a@signed.test R=dns T=remote H=mx1.signed.test \[127.0.0.1\]")
        godwit.wait_log(r"=> b@insecure.test R=dns T=remote H=mx1.insecure.test \[127.0.0.1\]")
        godwit.wait_log(r"-> c@mailalias.signed.test R=dns T=remote H=mx1.signed.test \[127.0.0.1\]")
        godwit.wait_log(r"=> d@plain.insecure.test R=dns T=remote H=plain.insecure.test \[127.0.0.1\]")
        godwit.wait_log("Completed$")


def test_what_has_no_hosts_fails_and_what_cannot_be_asked_waits():
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink) as godwit:
        failures = {"x@nothere.signed.test": "Unrouteable address",
                    "x@null.signed.test": "an MX or SRV record indicated no SMTP service",
                    "x@deadmx.insecure.test": "all relevant MX records point to non-existent hosts"}
        waits = ["x@bogus.test", "x@hole.test", "x@loop1.insecure.test"]
        godwit.send(sender="", recipients=[*failures, *waits])
        for recipient, text in failures.items():
            godwit.wait_log(rf"\*\* {recipient}.*: {text}")
        for recipient in waits:
            godwit.wait_log(rf"== {recipient} R=dns defer \(-1\): host lookup did not complete")
        assert not sink.messages


HELO = """\
acl_smtp_helo = greet
begin acl
greet:
  accept verify = helo
         logwrite = greeted by $sender_helo_name: $sender_helo_dnssec
  accept logwrite = not verified: $sender_helo_name $sender_helo_dnssec
"""


def test_domains_that_must_be_secure():
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink, "dnssec_require_domains = *", HELO) as godwit:
        with godwit.client() as client:
            for name, told in (("plain.signed.test", "greeted by plain.signed.test: yes"),
                               ("plain.insecure.test", "greeted by plain.insecure.test: no"),
                               ("[127.0.0.1]", r"greeted by \[127\.0\.0\.1\]: no"),
                               ("mx2.signed.test", "not verified: mx2.signed.test no")):
                client.command(f"EHLO {name}", 250)
                godwit.wait_log(told + "$")
        godwit.send(recipients=["a@signed.test", "b@insecure.test"])
        godwit.wait_log(r"=> a@signed.test R=dns")
        godwit.wait_log(r"== b@insecure.test R=dns defer \(-1\): host lookup done insecurely")
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink, "dnssec_require_domains = *",
                                                  "dns_trust_ad_from = 192.0.2.1\n") as godwit:
        godwit.send(recipients=["a@signed.test"])
        godwit.wait_log(r"== a@signed.test R=dns defer \(-1\): host lookup done insecurely")


TRACED = """\
tls_advertise_hosts = *
acl_smtp_helo = check_helo
explain_sample = 100%
begin acl
check_helo:
  warn dnslists = bl.insecure.test
  warn verify = csa
       logwrite = csa=$csa_status
  accept set acl_c_srv = ${lookup dnsdb{srv=_smtp._tcp.service.signed.test}{$value}{none}}
"""
LISTED = """\
1.0.0.127.bl A 127.0.0.2
1.0.0.127.bl TXT "a listed host"
_client._smtp.insecure.test. SRV 1 2 1 mx1
_client._smtp.good SRV 1 2 0 mx1
"""


def test_traces_show_what_the_dns_and_tls_said():
    """-d and --explain with SRV records, dnsdb, DNS lists and TLS sessions."""
    with DnsLab(records=LISTED) as lab, Sink() as sink:
        main = f"dns_servers = 127.0.0.1:{lab.port}\n" + TRACED.replace("{", "{{").replace("}", "}}")
        godwit = Godwit(sink.port, main=main, tls="", start=False,
                        routers=ROUTERS.format(options="check_srv = smtp\n  domains = service.signed.test"))
        with godwit:
            text = "EHLO good.insecure.test\nMAIL FROM:<a@test.example>\nRCPT TO:<b@service.signed.test>\nQUIT\n"
            shown = godwit.cli("-d-all+dns+dnsbl+resolver", "-bh", "127.0.0.1", stdin=text).stderr
            for wanted in ("DNS lookup of srv=_smtp._tcp.service.signed.test: ",
                           "DNS list lookup of 1.0.0.127.bl.insecure.test: ",
                           "DNS question SRV _client._smtp.good.insecure.test: 1 record",
                           "DNS question A 1.0.0.127.bl.insecure.test: 1 record, for ", "csa=ok"):
                assert wanted in shown, (wanted, shown)
            shown = godwit.cli("-d-all+dns+host_lookup", "-bt", "b@service.signed.test").stderr
            assert "(SRV): " in shown and "host mx1.signed.test: 127.0.0.1" in shown, shown
            explained = godwit.cli("--explain", "MAIL FROM:<a@b.c> RCPT TO:<b@service.signed.test> from 127.0.0.1").stdout
            for wanted in ("dnsbl 1.0.0.127.bl.insecure.test", "(SRV)", "dns srv=_smtp._tcp.service.signed.test"):
                assert wanted in explained, (wanted, explained)
            godwit.start()
            with TlsClient(godwit.port) as client:
                client.command("EHLO other.insecure.test", 250)
                client.start_tls()
                client.command("EHLO good.insecure.test", 250)
                message = client.message("a@test.example", ["b@service.signed.test"], "Subject: s\r\n\r\nbody\r\n")
            godwit.wait_log("csa=ok")

            def kept():
                said = godwit.cli("--explain", message, check=False).stdout
                return said if "delivery of" in said else None
            explained = wait_for(kept, what="a record")
            assert "tls H=" in explained and "TLS1.3" in explained, explained


def test_debugging_shows_where_a_daemon_listens_and_as_whom():
    with Godwit(start=False, arguments=["-d-all+interface+uid+queue_run", "-q1h"]) as godwit:
        godwit.start()
        godwit.cli("-qf")
        for wanted in (f"interface [127.0.0.1]:{godwit.port}: listens", "interface 127.0.0.1: local", "worker 0 runs as uid=",
                       "queue run begins: all messages, whatever the retry times say"):
            wait_for(lambda wanted=wanted: wanted in godwit.errors(), 10, lambda: godwit.errors())
