"""DANE (RFC 7672) from signed zones to real servers: Godwit, Exim with GnuTLS, Postfix with OpenSSL.

knotd signs and unbound validates (dns_lab.py); the records are made by scripts/gen-tlsa.
"""

import os
import pathlib
import random
import re
import subprocess
import tempfile

from dns_lab import DnsLab
from harness import ROOT, Client, Godwit, Sink, wait_for
from peers import PACKAGES, Exim, OwnExim, Postfix, Skipped, fetch, run_tool
from test_acls import Policy, policy
from test_tls import REMOTE, Certificates, TlsSink, public_certificate, serving

ROUTERS = """\
dns:
  driver = dnslookup
  transport = remote
  self = send
"""


def gen_tlsa(*arguments):
    return subprocess.run([ROOT / "scripts" / "gen-tlsa", *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, check=False)


def records(certificate, port, *hosts, usage=3, selector=1, matching=1):
    """Lines of a zone file whose names end in the zone."""
    done = gen_tlsa("--usage", usage, "--selector", selector, "--matching", matching, "--port", port, certificate,
                    *(f"{host}.signed.test" for host in hosts))
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_zone(text):
    """Records of signed.test alone, for a lab that gives the same lines to each zone."""
    return text.replace(".signed.test.", "")


def sending(port, lab, smtp="", main=""):
    smtp = "".join(f"  {line}\n" for line in smtp.splitlines())
    return Godwit(port, transports=REMOTE, smtp=smtp, routers=ROUTERS,
                  main=f"dns_servers = 127.0.0.1:{lab.port}\n" + main)


def test_records_made_from_a_certificate():
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(pathlib.Path(directory) / "certs")
        path = certificates.make("mx1.signed.test")
        for usage in (3, 2):
            for selector in (0, 1):
                for matching, digits in ((1, 64), (2, 128)):
                    line = records(path, 25, "mx1", usage=usage, selector=selector, matching=matching).split()
                    assert line[:6] == ["_25._tcp.mx1.signed.test.", "IN", "TLSA", str(usage), str(selector),
                                        str(matching)], line
                    assert len(line[6]) == digits
        for arguments, text in ((("--usage", 1, path, "a.test"), "--usage 1: one of 3 2"),
                                (("--usage", 2, path, "a.test"), "a.test is no name of the first certificate"),
                                (("--port", 99999, path, "a.test"), "from 1 to 65535"),
                                ((certificates.dir / "index.txt", "a.test"), "no certificate in PEM form")):
            done = gen_tlsa(*arguments)
            assert done.returncode == 1 and text in done.stderr and not done.stdout, done


def test_into_exim_with_every_usage():
    for usage, selector, matching in ((3, 1, 1), (3, 0, 2), (3, 1, 0), (2, 0, 1), (2, 1, 2)):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            _, path = public_certificate(directory, "mx1.signed.test")
            with Exim(tls=f"tls_advertise_hosts = *\ntls_certificate = {path}") as exim:
                zone = in_zone(records(path, exim.port, "mx1", usage=usage, selector=selector, matching=matching))
                with DnsLab(zone) as lab, sending(exim.port, lab, "hosts_require_dane = *") as godwit:
                    message_id = godwit.send(recipients=["one@signed.test"])
                    godwit.wait_log(rf"{message_id} => one@signed.test .*H=mx1.signed.test .* X=TLS1.3:\S+ CV=dane ")
                    exim.wait_mailbox("one")


def test_into_postfix():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        _, path = public_certificate(directory, "mx1.signed.test")
        more = f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {path}\nsmtpd_tls_key_file = {path}\n"
        with Sink() as sink, Postfix(sink.port, more) as postfix:
            with DnsLab(in_zone(records(path, postfix.port, "mx1"))) as lab:
                with sending(postfix.port, lab, "hosts_require_dane = *") as godwit:
                    godwit.send(recipients=["one@signed.test", "two@insecure.test"])
                    godwit.wait_log(r"=> one@signed.test .* CV=dane ")
                    godwit.wait_log(r"== two@insecure.test .*DANE error: \S+ lookup not DNSSEC")
                    sink.wait(1)


def test_into_godwit_and_wrong_digests_wait():
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        good, other = certificates.make("mx1.signed.test"), certificates.make("other.test")
        with Sink() as sink:
            with Godwit(sink.port, tls="", main=f"tls_certificate = {good}\n") as last:
                zone = in_zone(records(good, last.port, "mx1"))
                zone += in_zone(records(other, last.port, "plain"))
                # A record of a certificate to come beside the one in use: rollover (RFC 7672 8.1).
                zone += "roll A 127.0.0.1\n" + in_zone(records(other, last.port, "roll") + records(good, last.port, "roll"))
                with DnsLab(zone) as lab, sending(last.port, lab, "hosts_try_dane = *") as godwit:
                    godwit.send(recipients=["one@signed.test", "two@roll.signed.test", "bad@plain.signed.test"])
                    godwit.wait_log(r"=> one@signed.test .* CV=dane ")
                    godwit.wait_log(r"=> two@roll.signed.test .* CV=dane ")
                    godwit.wait_log(r"== bad@plain.signed.test .* defer \(-37\) H=\S+ \S+: DANE attempt failed")
                    sink.wait(2)


def test_aliases_lead_to_records():
    """RFC 7672 2.2.2: the end of a secure chain of aliases first, then its start."""
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("any.name.test")
        with TlsSink(certificate) as sink:
            zone = in_zone(records(certificate, sink.port, "mx1")) + "bare A 127.0.0.1\nnickname CNAME bare\n"
            zone += in_zone(records(certificate, sink.port, "nickname")) + "out MX 10 toinsecure\n"
            zone += in_zone(records(certificate, sink.port, "toinsecure"))
            with DnsLab(zone) as lab, sending(sink.port, lab, "hosts_require_dane = *") as godwit:
                godwit.send(recipients=["one@alias.signed.test", "two@chain1.signed.test",
                                        "three@nickname.signed.test", "four@bare.signed.test",
                                        "five@out.signed.test", "six@toinsecure.signed.test", "seven@toinsecure.insecure.test"])
                for name in ("one@alias", "two@chain1", "three@nickname", "five@out", "six@toinsecure"):
                    godwit.wait_log(rf"[-=]> {name}.signed.test .* CV=dane ")
                godwit.wait_log(r"== seven@toinsecure.insecure.test .*not DNSSEC")
                godwit.wait_log(r"== four@bare.signed.test .*DANE error: tlsa lookup FAIL")


def test_connections_are_not_shared_with_insecure_domains():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("any.name.test")
        with TlsSink(certificate) as sink:
            zone = in_zone(records(certificate, sink.port, "mx1")) + "foreign MX 10 mx1.signed.test.\n"
            with DnsLab(zone) as lab, sending(sink.port, lab) as godwit:
                godwit.send(recipients=["one@foreign.insecure.test"])
                godwit.wait_log(r"=> one@foreign.insecure.test .*H=mx1.signed.test .* CV=no ")
                godwit.send(recipients=["two@signed.test", "three@foreign.insecure.test"])
                godwit.wait_log(r"=> two@signed.test .*H=mx1.signed.test .* CV=dane ")
                godwit.wait_log(r"[-=]> three@foreign.insecure.test .* CV=no ")


def test_records_of_a_trust_anchor_need_the_name():
    """RFC 7672 3.2.2: the MX host's name, or the secure domain of the mail, must be in the certificate. Where it is the
    domain's, that domain's mail only goes over the connection."""
    zone_of = "other MX 10 mx1\nother MX 20 mx2\nwww CNAME name\nname A 127.0.0.1\n"
    cases = (("mx1.signed.test", (("one@signed.test", True), ("two@plain.signed.test", False), ("three@other.signed.test", True),
                                  ("four@mailalias.signed.test", True)), 1),
             ("signed.test", (("one@signed.test", True), ("four@mailalias.signed.test", True),
                              ("two@other.signed.test", False)), None),
             ("www.signed.test", (("one@www.signed.test", True), ("two@name.signed.test", False)), None))
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        for name, mails, connections in cases:
            anchor = certificates.make(name)
            with TlsSink(anchor) as sink:
                line = in_zone(gen_tlsa("--usage", 2, "--selector", 0, "--port", sink.port, anchor, name).stdout)
                line = re.sub(r"_tcp\S*", "_tcp.mx1", line)
                zone = zone_of + line + line.replace(".mx1", ".plain") + line.replace(".mx1", ".name")
                with DnsLab(zone) as lab, sending(sink.port, lab, "hosts_require_dane = *") as godwit:
                    for to, is_good in mails:
                        message_id = godwit.send(recipients=[to])
                        godwit.wait_log(rf"{message_id} => {to} .* CV=dane " if is_good else
                                        rf"{message_id} .*DANE attempt failed.*mismatch")
                    sink.wait(sum(is_good for _, is_good in mails))
                    if connections:
                        assert sink.connections == 2, (name, sink.connections)  # and that of plain.signed.test


def test_callouts_ask_for_records_too():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("mx1.signed.test")
        with TlsSink(certificate) as sink:
            zone = in_zone(records(certificate, sink.port, "mx1")) + f"_{sink.port}._tcp.plain TLSA 3 1 1 {'0' * 64}\n"
            with DnsLab(zone) as lab:
                main = policy("check:\n  accept verify = recipient/callout=5s,no_cache\n",
                              extra=f"dns_servers = 127.0.0.1:{lab.port}\nqueue_only\n")
                with Policy(sink.port, main, rcpt="check", transports=REMOTE, smtp="  hosts_require_dane = *\n",
                            routers=ROUTERS) as godwit, godwit.client() as client:
                    client.command("EHLO client.test", 250)
                    client.command("MAIL FROM:<a@test.example>", 250)
                    for to, code, why in (("a@signed.test", 250, ""), ("b@plain.signed.test", 451, "DANE attempt failed"),
                                          ("c@insecure.test", 451, "lookup not DNSSEC|Could not complete")):
                        client.command(f"RCPT TO:<{to}>", code)
                        if why:
                            godwit.wait_log(f"temporarily rejected RCPT <{to}>: .*({why})")
                    assert len(sink.tls_sessions) == 1, sink.tls_sessions


def test_a_server_without_starttls_is_no_server_where_dane_is():
    """RFC 7672 2.2: no fall-back to clear text."""
    with Sink() as sink:
        zone = f"_{sink.port}._tcp.mx1 TLSA 3 1 1 {'0' * 64}\n"
        with DnsLab(zone) as lab, sending(sink.port, lab) as godwit:
            godwit.send(recipients=["one@signed.test"])
            godwit.wait_log(r"H=mx1.signed.test \[127.0.0.1\]: a TLS session is required, but the server did not offer")
            godwit.wait_log(r"== one@signed.test ")
            assert not sink.messages


def test_postfixs_finger_sees_our_certificate():
    with serving(start=False) as holder:
        path = Certificates(holder.dir / "certs").make("mx.test")
        root = path.parent / "root.pem"
        with serving(main=f"tls_certificate = {path}\n") as godwit:
            fetch()
            if not (PACKAGES / "usr/sbin/posttls-finger").exists():
                raise Skipped("posttls-finger is not in the packages")
            (path.parent / "main.cf").write_text("compatibility_level = 3.6\nmail_owner = daemon\nsetgid_group = mail\ndefault_privs = nobody\n")
            out = run_tool("posttls-finger", "-c", "-lsecure", "-F", root, f"[127.0.0.1]:{godwit.port}", "mx.test",
                           environment={"MAIL_CONFIG": str(path.parent)})
            assert "Verified TLS connection established" in out, out


EXIM_CLIENT = """\
acl_smtp_rcpt = accept
tls_advertise_hosts =
dns_dnssec_ok = 1
begin routers
dns:
  driver = dnslookup
  transport = remote
  self = send
  dnssec_request_domains = *
begin transports
remote:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_require_dane = *
  tls_verify_certificates =
begin retry
*  *  F,1h,1h
"""
POSTFIX_CLIENT = """\
disable_dns_lookups = no
smtpd_peername_lookup = no
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane-only
smtp_tls_loglevel = 1
relayhost =
transport_maps = inline:{{ {{ signed.test = smtp:signed.test:{port} }}, {{ plain.signed.test = smtp:plain.signed.test:{port} }} }}
maillog_file = {dir}/maillog
maillog_file_prefixes = /var
"""
POSTLOG = "postlog unix-dgram n - n - 1 postlogd\n"


def test_others_find_us_by_our_records():
    """Exim and Postfix as clients, and Postfix's finger: the right record is good, another one is not."""
    if os.geteuid() != 0:
        raise Skipped("only root may serve port 53")
    at = f"127.53.{random.randrange(1, 250)}.{random.randrange(1, 250)}"
    with serving(start=False) as holder, Sink() as sink:
        certificates = Certificates(holder.dir / "certs")
        good, other = certificates.make("mx1.signed.test"), certificates.make("other.test")
        with Godwit(sink.port, tls="", main=f"tls_certificate = {good}\n") as last:
            zone = in_zone(records(good, last.port, "mx1")) + in_zone(records(other, last.port, "plain"))
            with DnsLab(zone, at) as lab, OwnExim(EXIM_CLIENT.format(port=last.port), resolver=at) as exim:
                with Client(exim.port) as client:
                    client.command("EHLO client.test", 250)
                    client.message("a@test.example", ["one@signed.test", "bad@plain.signed.test"], "Subject: x\r\n\r\nbody\r\n")
                exim.wait_log(r"=> one@signed\.test .*H=mx1\.signed\.test .* X=TLS1\.3:\S+ CV=dane ")
                exim.wait_log(r"== bad@plain\.signed\.test .* defer \(-37\) .*certificate verification failed")
                for name, verdict in (("signed.test", "Verified TLS connection established"), ("plain.signed.test", "Untrusted|not verified|Trusted")):
                    (exim.dir / "main.cf").write_text("compatibility_level = 3.6\nmail_owner = postfix\nsetgid_group = postdrop\n")
                    said = exim.run("/usr/bin/env", f"MAIL_CONFIG={exim.dir}", "posttls-finger", "-c", "-ldane", f"{name}:{last.port}")
                    assert re.search(verdict, said), (name, said)
                    assert ("Verified TLS" in said) == (name == "signed.test"), (name, said)
                assert lab.at == at
                into_us_from_postfix(last, at)
        received = [m["recipients"][0] for m in sink.wait(2)]
        assert sorted(received) == ["one@signed.test", "two@signed.test"], received


def into_us_from_postfix(last, at):
    class LoggingPostfix(Postfix):
        def enter(self, system):
            master = self.dir / "postfix" / "master.cf"
            master.write_text(master.read_text() + POSTLOG)
            with open(self.dir / "postfix" / "main.cf", "a", encoding="utf-8") as settings:
                settings.write(POSTFIX_CLIENT.format(port=last.port, dir=self.dir).replace("maillog_file_prefixes = /var", f"maillog_file_prefixes = {self.dir}"))
            super().enter(system)

    with LoggingPostfix(1, resolver=at) as postfix, Client(postfix.port) as client:
        client.command("EHLO client.test", 250)
        client.message("a@test.example", ["two@signed.test", "bad@plain.signed.test"], "Subject: x\r\n\r\nbody\r\n")
        log = postfix.dir / "maillog"

        def told(pattern):
            wait_for(lambda: log.exists() and re.search(pattern, log.read_text()), 20,
                     lambda: (pattern, log.read_text() if log.exists() else postfix.output()))

        told(r"Verified TLS connection established to mx1\.signed\.test")
        told(r"to=<two@signed\.test>.*status=sent")
        told(r"to=<bad@plain\.signed\.test>.*status=deferred \(Server certificate not verified")
