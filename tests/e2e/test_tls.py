"""TLS with clients and with remote hosts, with real programs at the other end."""

import datetime
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from dns_lab import DnsLab
from harness import RETRY, Client, Godwit, Sink, free_port, wait_for
from peers import Exim, Postfix, Skipped, swaks


def openssl(*arguments, stdin="", check=True):
    if shutil.which("openssl") is None:
        raise Skipped("the openssl command is not installed")
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False)
    if check:
        assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done


TEXT = "Subject: x\r\n\r\nbody\r\n"


class Certificates:
    """An authority in a directory, and what it signs: NAME.pem has certificate and key."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)
        self.root = self.dir / "root.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=Test Root", "-keyout", self.dir / "root.key", "-out", self.root)
        (self.dir / "index.txt").write_text("")

    def make(self, name, *names, extra="", days=20, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        request, cert, private = self.dir / "request", self.dir / f"{name}.crt", self.dir / f"{name}.key"
        openssl("req", "-newkey", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", private, "-out", request)
        extensions = self.dir / "extensions"
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in (name, *names)) + "\n" + extra)
        openssl("x509", "-req", "-in", request, "-CA", self.root, "-CAkey", self.dir / "root.key", "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", cert)
        both = self.dir / f"{name}.pem"
        both.write_text(cert.read_text() + self.root.read_text() + private.read_text())
        return both

    def list_serial(self, name, state="V"):
        """Makes the certificate known to the responder as valid, or as revoked (R)."""
        serial = openssl("x509", "-in", self.dir / f"{name}.crt", "-noout", "-serial").stdout.strip().split("=")[1]
        until = (datetime.datetime.utcnow() + datetime.timedelta(days=20)).strftime("%y%m%d%H%M%SZ")
        revoked = "250101000000Z" if state == "R" else ""
        with open(self.dir / "index.txt", "a") as index:
            index.write(f"{state}\t{until}\t{revoked}\t{serial}\tunknown\t/CN={name}\n")


def context(root=None, **options):
    made = ssl.create_default_context(cafile=root)
    if root is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(made, name, value)
    return made


class TlsClient(Client):
    """A client that can say STARTTLS."""

    def start_tls(self, made=None, name=None, session=None):
        self.command("STARTTLS", 220)
        self.wrap(made, name, session)
        return self

    def wrap(self, made=None, name=None, session=None):
        self.socket = (made or context()).wrap_socket(self.socket, server_hostname=name, session=session)
        self.file = self.socket.makefile("rb")


def serving(main="", **options):
    return Godwit(free_port(), tls=options.pop("tls", ""), main="queue_only\n" + main, **options)


# --- Clients -------------------------------------------------------------------------------------


def test_starttls_with_a_certificate_of_our_own_making():
    with serving(main="log_selector = +tls_sni +tls_peerdn") as godwit:
        with TlsClient(godwit.port) as client:
            assert "STARTTLS" in client.command("EHLO client.test", 250)
            client.start_tls(name="mx.test")
            client.command("MAIL FROM:<a@b.test>", 503)  # what was said before is forgotten
            assert "STARTTLS" not in client.command("EHLO client.test", 250)
            client.command("STARTTLS", 554)
            message_id = client.message("a@test.example", ["b@example.com"], TEXT)
            client.command("QUIT", 221)
        line = godwit.wait_log(rf"{message_id} <= .*").group(0)
        assert " P=esmtps X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no SNI=\"mx.test\" " in line, line
        header = godwit.cli("-Mvh", message_id).stdout
        assert "with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384" in " ".join(header.split("\n\t")), header


def test_openssl_and_swaks_as_clients():
    with serving() as godwit:
        said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{godwit.port}", "-quiet", "-crlf",
                       "-tls1_2", stdin="QUIT\n", check=False)
        assert "221 " in said.stdout, said
        text = swaks(godwit.port, "--tls", "--from", "a@test.example", "--to", "b@example.com")
        assert "TLS started with cipher" in text, text
        godwit.wait_log(r"P=esmtps X=TLS1\.[23]:\S+ CV=no")


def test_old_versions_of_tls_are_refused():
    with serving() as godwit:
        for version in ("-tls1", "-tls1_1"):
            said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{godwit.port}", version, "-cipher",
                           "ALL:@SECLEVEL=0", stdin="QUIT\n", check=False)
            assert said.returncode != 0 and "BEGIN CERTIFICATE" not in said.stdout, said
        godwit.wait_log(r"TLS error on connection from .*\[127.0.0.1\] \(SSL_accept\): error:.*unsupported protocol")


def test_what_a_scanner_complains_of_is_not_there():
    """No cipher without encryption, authentication or forward strength, no compression, no renegotiation by the client."""
    with serving() as godwit:
        for ciphers in ("NULL", "aNULL", "EXPORT", "RC4", "3DES", "LOW", "PSK", "SRP"):
            said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{godwit.port}", "-tls1_2", "-cipher",
                           f"{ciphers}:@SECLEVEL=0", stdin="QUIT\n", check=False)
            assert "Cipher is (NONE)" in said.stdout or "no cipher match" in said.stderr, (ciphers, said)
        said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{godwit.port}", "-tls1_2", "-comp", stdin="R\nQUIT\n",
                       check=False)
        assert "Compression: NONE" in said.stdout and "Secure Renegotiation IS supported" in said.stdout, said
        assert "no renegotiation" in said.stderr or "unexpected message" in said.stderr, said
        assert "221 " not in said.stdout, said


def test_commands_behind_starttls_are_not_taken_into_the_session():
    for main in ("", "smtp_enforce_sync = false"):
        with serving(main=main) as godwit:
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.raw("STARTTLS\r\nMAIL FROM:<evil@test.example>\r\n")
                client.expect(554)
                assert client.file.read() == b""
            godwit.wait_log(r"SMTP protocol synchronization error .*: rejected connection from H=\(client.test\) "
                            r"\[127.0.0.1\]")


def test_plain_text_instead_of_a_handshake_ends_the_session():
    with serving() as godwit:
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            client.command("STARTTLS", 220)
            client.raw("MAIL FROM:<evil@test.example>\r\n")
            client.file.read()
        godwit.wait_log(r"TLS error on connection from \(client.test\) \[127.0.0.1\] \(SSL_accept\): error:.*"
                        r"wrong version number")
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            client.command("STARTTLS", 220)
        godwit.wait_log(r"\(SSL_accept\): the peer closed the connection during the handshake")


def test_tls_on_connect():
    port = free_port()
    with on_connect(port) as godwit:
        client = TlsClient(port, greet=False)
        client.wrap()
        client.expect(220)
        assert "STARTTLS" not in client.command("EHLO client.test", 250)
        client.message("a@test.example", ["b@example.com"], TEXT)
        client.close()
        godwit.wait_log(r"<= .* P=essmtp X=TLS1.3:")
        with Client(godwit.port) as plain:
            assert "STARTTLS" in plain.command("EHLO client.test", 250)


def on_connect(port, more="", retry=RETRY):
    godwit = serving(tls=f"tls_on_connect_ports = {port}\nlog_selector = +tls_on_connect\n{more}", start=False, retry=retry)
    godwit.arguments = ["-oX", f"127.0.0.1.{godwit.port} : 127.0.0.1.{port}"]
    godwit.start()
    return godwit


def test_the_name_that_a_client_asks_for_chooses_the_certificate():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        for name in ("one.test", "two.test"):
            certificates.make(name)
        certificates.make("mx.test")
        godwit.write_config(tls="tls_certificate = {dir}/certs/"
                            "${{if eq{{$tls_in_sni}}{{}}{{mx.test}}{{$tls_in_sni}}}}.pem")
        godwit.start()
        made = context(certificates.root, check_hostname=False)
        for asked, shown in (("one.test", "one.test"), ("two.test", "two.test"), (None, "mx.test")):
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.start_tls(made, asked)
                assert client.socket.getpeercert()["subject"][0][0][1] == shown
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            try:
                client.start_tls(made, "three.test")
                raise AssertionError("a name without a certificate was served")
            except (ssl.SSLError, ConnectionError):
                pass
        godwit.wait_log(r"TLS error on connection from .* \(SNI\): .*three.test.pem")


def test_a_new_certificate_is_used_and_a_broken_one_is_not():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        path = certificates.make("mx.test")
        godwit.write_config(tls="tls_certificate = {dir}/certs/mx.test.pem")
        godwit.start()

        def serial():
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.start_tls(context(certificates.root), "mx.test")
                return client.socket.getpeercert()["serialNumber"]
        first = serial()
        assert serial() == first
        certificates.make("mx.test")
        wait_for(lambda: serial() != first, 10, "the new certificate")
        second = serial()
        path.write_text("broken")
        time.sleep(1.2)
        assert serial() == second
        godwit.wait_log("what was read before is kept", name="panic")


def test_client_certificates_are_verified_as_configured():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        certificates.make("mx.test")
        mine = certificates.make("client.test")
        stranger = Certificates(godwit.dir / "other").make("stranger.test")
        base = "tls_certificate = {dir}/certs/mx.test.pem\ntls_verify_certificates = {dir}/certs/root.pem\n"
        acl = ("acl_smtp_mail = check_mail\nlog_selector = +tls_peerdn\n")
        godwit.write_config(tls=base + acl + "tls_try_verify_hosts = *", retry=ACL_RETRY)
        godwit.start()

        def send(certificate):
            made = context()
            if certificate is not None:
                made.load_cert_chain(certificate)
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.start_tls(made)
                client.command("EHLO client.test", 250)
                client.raw("MAIL FROM:<a@test.example>\r\n")
                return client.reply()[1]
        assert "verified 1 /CN=client.test CN=client.test" in send(mine)
        assert "verified 0 /CN=stranger.test" in send(stranger)
        assert "verified 0" in send(None)
        godwit.wait_log(r'X=TLS\S+ CV=yes DN="/CN=client.test"', name="reject")
        godwit.stop()
        godwit.write_config(tls=base + acl + "tls_verify_hosts = *")
        (godwit.dir / "log" / "mainlog").unlink()
        godwit.start()
        assert "verified 1 /CN=client.test CN=client.test" in send(mine)
        for bad in (stranger, None):
            try:
                send(bad)
                raise AssertionError("a client without a good certificate was served")
            except (ssl.SSLError, ConnectionError, OSError):
                pass
        godwit.wait_log(r"\(SSL_accept\): error:.*(certificate|verify)")


ACL_RETRY = """* * F,2h,1s
begin acl
check_mail:
  deny message = verified $tls_in_certificate_verified $tls_in_peerdn ${certextract{subject}{$tls_in_peercert}}
"""


def test_sessions_are_resumed_by_any_worker():
    with serving(tls="tls_resumption_hosts = *\nlog_selector = +tls_resumption", workers=2) as godwit:
        made = context()
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        reused = []
        for _ in range(6):
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.start_tls(made, "mx.test", session)
                client.command("EHLO client.test", 250)
                client.message("a@test.example", ["b@example.com"], TEXT)
                session = client.socket.session
                reused.append(client.socket.session_reused)
        assert reused == [False] + [True] * 5, reused
        godwit.wait_log(r"X=TLS1\.2:\S+:256\* CV=no")
    with serving() as godwit:
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            client.start_tls(made, "mx.test")
            assert not client.socket.session.has_ticket


def test_an_acl_may_refuse_starttls():
    with serving(tls="acl_smtp_starttls = no_tls", retry="* * F,2h,1s\nbegin acl\nno_tls:\n"
                 "  deny message = not for you") as godwit:
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            assert "not for you" in client.command("STARTTLS", 550)
            client.command("MAIL FROM:<a@test.example>", 250)


def test_broken_settings_make_tls_unavailable():
    with serving(tls="tls_certificate = /nonexistent.pem") as godwit:
        with TlsClient(godwit.port) as client:
            client.command("EHLO client.test", 250)
            client.command("STARTTLS", 454)
            client.command("MAIL FROM:<a@test.example>", 250)
        godwit.wait_log(r"TLS error on connection from .*/nonexistent.pem")


# --- OCSP ----------------------------------------------------------------------------------------


# --- Remote hosts --------------------------------------------------------------------------------

REMOTE = """\
remote:
  driver = smtp
  port = {sink}
  allow_localhost
{smtp}
"""


def relaying(sink, smtp="", main="", **options):
    smtp = "".join(f"  {line}\n" for line in smtp.splitlines())
    return Godwit(sink, transports=REMOTE, smtp=smtp, main=main, **options)


class TlsSink(Sink):
    """A remote host that knows STARTTLS, or TLS at once."""

    def __init__(self, certificate, script=None, at_once=False, injects=b"", **options):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.at_once = at_once
        self.injects = injects
        self.tls_sessions = []
        super().__init__({"STARTTLS": b"220 go ahead\r\n" + injects, **(script or {})},
                         extensions=() if at_once else ("PIPELINING", "STARTTLS"), **options)

    def _wrap(self, connection):
        made = self.context.wrap_socket(connection, server_side=True)
        with self._lock:
            self._sockets.add(made)
            self.tls_sessions.append(made)
        return made

    def _dialogue(self, connection, file, greet=True):
        if self.at_once:
            connection = self._wrap(connection)
            super()._dialogue(connection, connection.makefile("rb"))
            return
        if self._answer(connection, "connect") != b"2":
            return
        while verb := file.readline().decode().split(" ")[0].strip().upper():
            if verb == "EHLO":
                self._answer(connection, "EHLO")
            elif verb == "STARTTLS" and self._answer(connection, "STARTTLS") == b"2":
                connection = self._wrap(connection)
                super()._dialogue(connection, connection.makefile("rb"), greet=False)
                return
            else:
                return  # nobody is served in clear here


def test_delivery_over_starttls_reuses_the_connection():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("127.0.0.1")
        with TlsSink(certificate) as sink, relaying(sink.port, "destination_concurrency_limit = 1\n"
                                                    "destination_concurrency_initial = 1") as godwit:
            ids = []
            with godwit.client() as client:
                client.command("EHLO client.test", 250)
                for _ in range(3):
                    ids.append(client.message("a@test.example", ["b@example.com"], TEXT))
            sink.wait(3)
            for message_id in ids:
                godwit.wait_log(rf"{message_id} => b@example.com R=out T=remote H=127.0.0.1 \[127.0.0.1\] "
                                r"X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no L? ?K? ?C=")
            assert len(sink.tls_sessions) == 1, sink.tls_sessions


def test_smtps_and_verification():
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        certificate = certificates.make("localhost")
        options = f"tls_verify_certificates = {certificates.root}\ntls_verify_hosts = *\nprotocol = smtps\n"
        with TlsSink(certificate, at_once=True) as sink:
            with relaying(sink.port, options + "tls_verify_cert_hostnames =\ntls_sni = asked.test") as godwit:
                message_id = godwit.send()
                godwit.wait_log(rf"{message_id} => .* X=TLS1.3:\S+ CV=yes ")
            with relaying(sink.port, options) as godwit:
                message_id = godwit.send()
                godwit.wait_log(rf"{message_id} H=127.0.0.1 \[127.0.0.1\]: TLS session: \(SSL_connect\): .*mismatch")
                godwit.wait_log(rf"{message_id} == b@example.com .* defer \(-37\)")


def test_tls_that_is_required_and_not_there_defers():
    with Sink() as sink, relaying(sink.port, "hosts_require_tls = *") as godwit:
        message_id = godwit.send()
        godwit.wait_log(rf"{message_id} == b@example.com .* defer \(-38\) H=\S+ \S+: a TLS session is required, but the server "
                        "did not offer TLS support")
        assert not sink.messages
    with Sink(extensions=("STARTTLS",), script={"STARTTLS": b"454 not now\r\n"}) as sink:
        with relaying(sink.port, "hosts_require_tls = *") as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} == .* defer \(-38\) .*an attempt to start TLS failed: 454 not now")
        with relaying(sink.port) as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} => b@example.com R=out T=remote H=127.0.0.1 \[127.0.0.1\] C=")
        with relaying(sink.port, "tls_tempfail_tryclear = false") as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} == b@example.com")


def test_a_failed_handshake_falls_back_to_clear_text_where_it_may():
    scripts = {"STARTTLS": b"220 go ahead\r\n"}
    with Sink(extensions=("STARTTLS",), script=scripts) as sink:
        with relaying(sink.port) as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} => b@example.com R=out T=remote H=127.0.0.1 \[127.0.0.1\] C=")
            godwit.wait_log(r"TLS session: .*: delivering unencrypted to H=127.0.0.1 \[127.0.0.1\] "
                            r"\(not in hosts_require_tls\)")
    with Sink(extensions=("STARTTLS",), script=scripts) as sink, relaying(sink.port, "hosts_require_tls = *") as godwit:
        message_id = godwit.send()
        godwit.wait_log(rf"{message_id} == b@example.com .* defer \(-37\) H=\S+ \S+: TLS session: \(SSL_connect\)")
        assert not sink.messages


def test_a_server_that_says_more_in_clear_is_left():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("127.0.0.1")
        with TlsSink(certificate, injects=b"250 evil\r\n") as sink, relaying(sink.port) as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} == b@example.com .*sent data in clear before TLS began")
            assert not sink.messages


def test_ocsp_that_is_required_and_not_there_defers():
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        certificate = certificates.make("127.0.0.1")
        options = f"tls_verify_certificates = {certificates.root}\nhosts_require_tls = *\nhosts_require_ocsp = *"
        with TlsSink(certificate) as sink, relaying(sink.port, options) as godwit:
            message_id = godwit.send()
            godwit.wait_log(rf"{message_id} .*TLS session: \(SSL_connect\): .*Required TLS certificate status not "
                            "received")


def test_godwit_to_godwit_with_a_client_certificate_and_resumption():
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        server = certificates.make("127.0.0.1")
        client = certificates.make("client.test")
        main = (f"tls_certificate = {server}\ntls_verify_certificates = {certificates.root}\ntls_verify_hosts = *\n"
                "tls_resumption_hosts = *\nlog_selector = +tls_peerdn +tls_resumption\n")
        with serving(tls=main) as last:
            options = (f"tls_certificate = {client}\nhosts_require_tls = *\ntls_resumption_hosts = *\n"
                       "destination_idle_timeout = 0s")
            with relaying(last.port, options, tls="tls_advertise_hosts =\nlog_selector = +tls_resumption") as godwit:
                for mark in ("", r"\*"):
                    message_id = godwit.send()
                    godwit.wait_log(rf"{message_id} => .* X=TLS1.3:\S+:256{mark} CV=no ")
                    godwit.wait_log(rf"{message_id} Completed")
                last.wait_log(r'P=esmtps X=TLS1.3:\S+:256 CV=yes DN="/CN=client.test"')
                last.wait_log(r'P=esmtps X=TLS1.3:\S+:256\* CV=yes DN="/CN=client.test"')


# --- DANE ----------------------------------------------------------------------------------------


def key_digest(certificate):
    public = openssl("x509", "-in", certificate, "-noout", "-pubkey").stdout
    der = ssl.PEM_cert_to_DER_cert(public.replace("PUBLIC KEY", "CERTIFICATE"))
    return hashlib.sha256(der).hexdigest()


ROUTERS = """\
dns:
  driver = dnslookup
  transport = remote
  self = send
"""


def test_dane_vouches_for_hosts_and_never_falls_back():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("any.name.test")
        with TlsSink(certificate) as sink:
            digest = key_digest(certificate)
            records = (f"_{sink.port}._tcp.mx1 TLSA 3 1 1 {digest}\n_{sink.port}._tcp.plain TLSA 3 1 1 {'0' * 64}\n"
                       f"pkix A 127.0.0.1\n_{sink.port}._tcp.pkix TLSA 1 1 1 {digest}\n")
            with DnsLab(records) as lab:
                main = f"dns_servers = 127.0.0.1:{lab.port}\n"
                with relaying(sink.port, main=main, routers=ROUTERS) as godwit:
                    godwit.send(recipients=["good@signed.test", "bad@plain.signed.test", "open@insecure.test",
                                            "pkix@pkix.signed.test", "bogus@bogus.test"])
                    godwit.wait_log(r"=> good@signed.test .*H=mx1.signed.test \[127.0.0.1\] X=TLS1.3:\S+ CV=dane ")
                    godwit.wait_log(r"=> open@insecure.test .*H=mx1.insecure.test \[127.0.0.1\] X=TLS1.3:\S+ CV=no ")
                    godwit.wait_log(r"=> pkix@pkix.signed.test .* X=TLS1.3:\S+ CV=no ")
                    godwit.wait_log(r"== bad@plain.signed.test .* defer \(-37\) H=\S+ \S+: DANE attempt failed; TLS connection "
                                    r"to plain.signed.test \[127.0.0.1\]: \(SSL_connect\): .*")
                    godwit.wait_log(r"== bogus@bogus.test ")
                with relaying(sink.port, "hosts_require_dane = *", main=main, routers=ROUTERS) as godwit:
                    godwit.send(recipients=["good@signed.test", "open@insecure.test"])
                    godwit.wait_log(r"=> good@signed.test .* CV=dane ")
                    godwit.wait_log(r"== open@insecure.test .*DANE error: mx\d.insecure.test lookup not DNSSEC")


# --- Other people's servers ----------------------------------------------------------------------


def public_certificate(peer_dir, name="127.0.0.1"):
    """A certificate that a server without rights may read."""
    directory = pathlib.Path(peer_dir)
    directory.chmod(0o755)
    certificates = Certificates(directory / "certs")
    path = certificates.make(name)
    (directory / "certs").chmod(0o755)
    path.chmod(0o644)
    return certificates, path


def test_into_exim_over_tls():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        certificates, path = public_certificate(directory, "localhost")
        options = (f"tls_verify_certificates = {certificates.root}\ntls_verify_hosts = *\ntls_verify_cert_hostnames =\n"
                   "hosts_require_tls = *\ntls_resumption_hosts = *\ndestination_idle_timeout = 0s")
        with Exim(tls=f"tls_advertise_hosts = *\ntls_certificate = {path}\ntls_resumption_hosts = *") as exim:
            with relaying(exim.port, options) as godwit:
                for _ in range(2):
                    message_id = godwit.send(recipients=["one@exim.test"])
                    godwit.wait_log(rf"{message_id} => one@exim.test .* X=TLS1.3:\S+ CV=yes .*C=")
                    godwit.wait_log(rf"{message_id} Completed")
                assert b"Subject: x" in exim.wait_mailbox("one")
                assert exim.log().count(" P=esmtps L. X=TLS1.3:") == 2, exim.log()


def test_exim_as_a_client_over_tls():
    with Sink() as sink:
        with Godwit(sink.port, tls="tls_on_connect_ports = 1") as godwit:
            with Exim(relay=godwit.port, smtp="  hosts_require_tls = *\n  hosts_request_ocsp = *") as exim:
                with Client(exim.port) as client:
                    client.command("EHLO client.test", 250)
                    client.message("a@test.example", ["b@example.com"], TEXT + "x" * 900 + "\r\n")
                wait_for(lambda: "Completed" in exim.log(), 20, exim.log)
                assert " X=TLS1.3:" in exim.log() and "C=\"250" in exim.log(), exim.log()
                godwit.wait_log(r"P=esmtps X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no")
        sink.wait(1)


def test_through_postfix_over_tls_both_ways():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        _, path = public_certificate(directory)
        with Sink() as sink, Godwit(sink.port, tls="") as last:
            more = (f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {path}\nsmtpd_tls_key_file = {path}\n"
                    "smtp_tls_security_level = encrypt\nsmtpd_tls_received_header = yes\n")
            with Postfix(last.port, more) as postfix, relaying(postfix.port, "hosts_require_tls = *") as godwit:
                message_id = godwit.send()
                godwit.wait_log(rf"{message_id} => b@example.com .* X=TLS1.3:\S+ CV=no .*C=")
                last.wait_log(r"<= a@test.example .*P=esmtps X=TLS1.3:")
                data = sink.wait(1)[0]["data"].decode()
                assert "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384" in data, data
                assert "(TLS1.3) tls TLS_AES_256_GCM_SHA384" in data, data


def test_stopping_ends_handshakes_and_idle_sessions():
    with serving() as godwit:
        waiting, idle = TlsClient(godwit.port), TlsClient(godwit.port)
        for client in (waiting, idle):
            client.command("EHLO client.test", 250)
        waiting.command("STARTTLS", 220)
        idle.start_tls()
        godwit.stop(15)
        assert godwit.process.returncode == 0, godwit.errors()
        idle.expect(421)
        assert waiting.socket.recv(1000) == b"", "a handshake was answered in clear"
        for client in (waiting, idle):
            client.close()


# --- After QUIT ----------------------------------------------------------------------------------


def test_a_reset_behind_quit_is_logged_where_protocol_detail_asks():
    text = r"^\S+ \S+ \[127\.0\.0\.1\] after QUIT, client reset TCP before SMTP response and TLS close$"
    for selector in ("+protocol_detail", "-protocol_detail"):
        with serving(main=f"log_selector = {selector} +smtp_connection") as godwit:
            client = TlsClient(godwit.port)
            client.command("EHLO client.test", 250)
            client.start_tls()
            client.command("EHLO client.test", 250)
            for worker in godwit.workers():
                os.kill(worker, signal.SIGSTOP)
            client.raw("QUIT\r\n")
            # The next close sends RST.
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            for worker in godwit.workers():
                os.kill(worker, signal.SIGCONT)
            if selector.startswith("+"):
                godwit.wait_log(text)
            else:
                godwit.wait_log(r"closed by QUIT|lost")
                assert not re.search(text, godwit.log(), re.M) and "SSL_write" not in godwit.log(), godwit.log()


def test_events_see_the_session_that_a_delivery_used():
    main = "event_action =\nbegin acl\ntold:\n  accept logwrite = EV $event_name $tls_out_cipher $tls_out_bits $tls_out_certificate_verified\n"
    transports = "remote:\n  driver = smtp\n  port = {sink}\n  allow_localhost\n  tls_verify_certificates =\n{smtp}\n"
    with serving() as server, Godwit(server.port, main=main, transports=transports,
                                     smtp="  event_action = ${acl{told}}") as godwit:
        godwit.send()
        godwit.wait_log(r"EV msg:delivery TLS1\.3:\S+ 256 0")
        godwit.wait_log(r"EV tcp:connect  0 0$")
