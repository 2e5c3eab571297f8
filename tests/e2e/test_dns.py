"""Routing by a real DNS: knotd and unbound (dns_lab.py)."""

import os
import subprocess

from dns_lab import DnsLab
from harness import BUILD, Godwit, Sink
from peers import Skipped

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


def test_domains_that_must_be_secure():
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink, "dnssec_require_domains = *") as godwit:
        godwit.send(recipients=["a@signed.test", "b@insecure.test"])
        godwit.wait_log(r"=> a@signed.test R=dns")
        godwit.wait_log(r"== b@insecure.test R=dns defer \(-1\): host lookup done insecurely")
    with DnsLab() as lab, Sink() as sink, gateway(lab, sink, "dnssec_require_domains = *",
                                                  "dns_trust_ad_from = 192.0.2.1\n") as godwit:
        godwit.send(recipients=["a@signed.test"])
        godwit.wait_log(r"== a@signed.test R=dns defer \(-1\): host lookup done insecurely")
