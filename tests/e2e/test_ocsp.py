"""OCSP proofs from the responder through ocsp-fetch and one Godwit to another, and $tls_... of sessions."""

import contextlib
import pathlib
import re
import subprocess
import tempfile

from dns_lab import DnsLab
from harness import ROOT, Godwit, Sink, free_port, wait_for
from test_acls import policy
from test_dane import gen_tlsa, in_zone, records, sending
from test_tls import Certificates, openssl, serving


def staple_of(port):
    said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", "-status", stdin="QUIT\n",
                   check=False).stdout
    return "Cert Status: good" in said


@contextlib.contextmanager
def responder(certificates, *options, name="ocsp.test", days=20):
    """An OCSP responder for what the certificates list; gives a function that runs ocsp-fetch."""
    signer = certificates.make(name, extra="extendedKeyUsage=OCSPSigning\n", days=days)
    port = free_port()
    process = subprocess.Popen(["openssl", "ocsp", "-index", certificates.dir / "index.txt", "-port", str(port), "-rsigner",
                                signer, "-rkey", certificates.dir / f"{name}.key", "-CA", certificates.root, *options],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def fetch(of, *more):
        return subprocess.run([ROOT / "scripts" / "ocsp-fetch", "--timeout", "2", "--url", f"http://127.0.0.1:{port}", *more,
                               certificates.dir / f"{of}.crt", certificates.root, certificates.dir / f"{of}.der"],
                              capture_output=True, text=True, timeout=30, check=False)
    try:
        wait_for(lambda: not fetch("nothing").stderr.count("connect"), 15, "the responder")
        yield fetch
    finally:
        process.terminate()
        process.wait()


def test_fetched_proofs_are_stapled():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        certificates.make("mx.test")
        certificates.list_serial("mx.test")
        godwit.write_config(tls="tls_certificate = {dir}/certs/mx.test.pem\ntls_ocsp_file = {dir}/certs/mx.test.der")
        godwit.start()
        assert not staple_of(godwit.port)
        with responder(certificates, "-ndays", "1") as fetch:
            wait_for(lambda: fetch("mx.test").returncode == 0, 15, lambda: "a proof: " + fetch("mx.test").stderr)
        wait_for(lambda: staple_of(godwit.port), 10, "the proof to be stapled")
        before = (certificates.dir / "mx.test.der").read_bytes()
        failed = fetch("mx.test")  # nobody answers any more: the proof that is there stays
        assert failed.returncode != 0 and failed.stderr, failed
        assert (certificates.dir / "mx.test.der").read_bytes() == before


def test_proofs_that_would_not_last_are_not_fetched():
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(pathlib.Path(directory) / "certs")
        for name in ("good.test", "bad.test"):
            certificates.make(name)
            certificates.list_serial(name, "V" if name == "good.test" else "R")
        cases = ((("-ndays", "3"), {}, ("good.test", "--min-hours", "71"), ""),
                 (("-ndays", "3"), {}, ("good.test", "--min-hours", "73"), "too soon"),
                 (("-ndays", "3"), {}, ("bad.test",), "not good"),
                 ((), {}, ("good.test",), "has no nextUpdate"),
                 (("-ndays", "3"), {"days": 1}, ("good.test", "--min-hours", "30"), "the certificate of the response's signer ends"),
                 (("-ndays", "3"), {"days": 1}, ("good.test", "--min-hours", "2"), ""))
        for number, (options, signer, arguments, problem) in enumerate(cases):
            proof = certificates.dir / f"{arguments[0]}.der"
            proof.write_text("before")
            with responder(certificates, *options, name=f"signer{number}.test", **signer) as fetch:
                done = fetch(*arguments)
            assert (done.returncode == 0) == (not problem) and problem in done.stderr, (number, done)
            assert (proof.read_bytes() == b"before") == bool(problem), number
            if signer and not problem:
                assert "before the response" in done.stderr, done  # a warning


EVENT = """\
event:
  accept condition = ${if eq{$event_name}{msg:delivery}}
         logwrite = EV $domain ocsp=$tls_out_ocsp dane=$tls_out_dane usage=$tls_out_tlsa_usage verified=$tls_out_certificate_verified
  accept
data:
  accept logwrite = IN $recipients ocsp=$tls_in_ocsp sni=$tls_in_sni
"""


def test_proofs_reach_clients_that_ask_for_them():
    """A trust anchor does not vouch for a key, so the proof of its server counts; a key that the DNS names needs none."""
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        anchor, plain = certificates.make("mx1.signed.test"), certificates.make("plain.signed.test")
        certificates.list_serial("mx1.signed.test")
        with responder(certificates, "-ndays", "1") as fetch:
            wait_for(lambda: fetch("mx1.signed.test").returncode == 0, 15, lambda: fetch("mx1.signed.test").stderr)
        tls = (f"tls_certificate = {certificates.dir}/${{if def:tls_in_sni{{$tls_in_sni}}{{mx1.signed.test}}}}.pem\n"
               f"tls_ocsp_file = {certificates.dir}/${{if def:tls_in_sni{{$tls_in_sni}}{{mx1.signed.test}}}}.der\n"
               "acl_smtp_data = data\n")
        told = "event_action = ${if match{$event_name}{delivery}{${acl{event}}}}\n"
        ca = f"tls_verify_certificates = {certificates.root}\nhosts_try_dane =\nhosts_require_tls = *\ntls_sni = $host\n"
        # What the transport says -> what is known of signed.test (usage 2) and of plain.signed.test (usage 3).
        cases = (("", "ocsp=4 dane=yes usage=4 verified=1", "ocsp=0 dane=yes usage=8 verified=1"),
                 ("hosts_require_ocsp = *\n", "ocsp=4 dane=yes usage=4 verified=1", None),
                 ("hosts_request_ocsp = ${if eq{$tls_out_tlsa_usage}{8}{*}{}}\n", "ocsp=0 dane=yes usage=4 verified=1",
                  "ocsp=1 dane=yes usage=8 verified=1"),
                 (ca + "hosts_require_ocsp = *\n", "ocsp=4 dane=no usage=0 verified=1", None),
                 (ca + "hosts_request_ocsp =\n", "ocsp=0 dane=no usage=0 verified=1", "ocsp=0 dane=no usage=0 verified=1"))
        with Sink() as sink, Godwit(sink.port, tls="", main=policy(EVENT, extra=tls)) as last:
            zone = in_zone(gen_tlsa("--usage", 2, "--selector", 0, "--port", last.port, anchor, "mx1.signed.test").stdout)
            with DnsLab(zone + in_zone(records(plain, last.port, "plain"))) as lab:
                for options, of_anchor, of_key in cases:
                    with sending(last.port, lab, options + told, main=policy(EVENT)) as godwit:
                        godwit.send(recipients=["a@signed.test", "b@plain.signed.test"])
                        godwit.wait_log(f"EV signed.test {of_anchor}$")
                        godwit.wait_log(f"EV plain.signed.test {of_key}$" if of_key else
                                        r"== b@plain.signed.test .*Required TLS certificate status not received")
            last.wait_log(r"IN a@signed.test ocsp=4 sni=mx1.signed.test$")
            last.wait_log(r"IN b@plain.signed.test ocsp=\d sni=plain.signed.test$")


# The names behind $tls_in_ and $tls_out_, and what they are in the first session and in a resumed one.
SEEN = {
    "in": {"bits": "256", "certificate_verified": "1", "cipher": r"TLS1\.3:TLS_AES_256_GCM_SHA384:256",
           "cipher_std": "TLS_AES_256_GCM_SHA384", "ocsp": "0", "ourcert": "-----BEGIN CERTIFICATE.*",
           "peercert": "-----BEGIN CERTIFICATE.*", "peerdn": "/CN=client\\.test", "resumption": ("11", "31"),
           "sni": r"mx1\.signed\.test", "ver": r"TLS1\.3"},
    "out": {"bits": "256", "certificate_verified": "1", "cipher": r"TLS1\.3:TLS_AES_256_GCM_SHA384:256",
            "cipher_std": "TLS_AES_256_GCM_SHA384", "dane": "yes", "ocsp": "0", "ourcert": "-----BEGIN CERTIFICATE.*",
            "peercert": "-----BEGIN CERTIFICATE.*", "peerdn": "/CN=mx1\\.signed\\.test", "resumption": ("11", "31"),
            "sni": r"mx1\.signed\.test", "tlsa_usage": "8", "ver": r"TLS1\.3"},
}


def test_what_is_known_of_a_session():
    def shown(side):
        return "".join(f"  {'warn' if name else 'accept'} logwrite = {side} {name}=<${{length_40:${{sg{{$tls_{side}_{name}}}{{\\n}}{{/}}}}}}>\n"
                       for name in SEEN[side]) + "  accept\n"

    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        server, client = certificates.make("mx1.signed.test"), certificates.make("client.test")
        tls = (f"tls_certificate = {server}\ntls_verify_certificates = {certificates.root}\ntls_try_verify_hosts = *\n"
               "tls_resumption_hosts = *\nacl_smtp_data = data\n")
        smtp = (f"tls_certificate = {client}\ntls_resumption_hosts = *\ndestination_idle_timeout = 0s\n"
                "event_action = ${if eq{$event_name}{msg:delivery}{${acl{event}}}}\n")
        with Sink() as sink, Godwit(sink.port, tls="", main=policy("data:\n" + shown("in"), extra=tls)) as last:
            with DnsLab(in_zone(records(server, last.port, "mx1"))) as lab, \
                    sending(last.port, lab, smtp, main=policy("event:\n" + shown("out"))) as godwit:
                for count in (1, 2):
                    godwit.send(recipients=["one@signed.test"])
                    wait_for(lambda count=count: godwit.log().count(" Completed") == count, 15, godwit.log)
                for side, log in (("in", last.log()), ("out", godwit.log())):
                    for name, wanted in SEEN[side].items():
                        values = re.findall(rf" {side} {name}=<(.*)>$", log, re.M)
                        texts = wanted if isinstance(wanted, tuple) else (wanted, wanted)
                        assert len(values) == 2 and all(map(re.fullmatch, texts, values)), (side, name, values, wanted)
