"""Options of TLS that need certificates of their own: revocation, separate keys, ALPN."""

import socket
import ssl

from fake_dns import FakeDns
from harness import free_port
from test_tls import (ACL_RETRY, TEXT, Certificates, TlsClient, TlsSink, context, key_digest, on_connect, openssl, relaying,
                      serving)


def revoke(certificates, *names):
    """Gives a list that revokes the certificates."""
    with open(certificates.dir / "index.txt", "a", encoding="utf-8") as index:
        for name in names:
            serial = openssl("x509", "-in", certificates.dir / f"{name}.crt", "-noout", "-serial").stdout.strip().split("=")[1]
            index.write(f"R\t350101000000Z\t250101000000Z\t{serial}\tunknown\t/CN={name}\n")
    (certificates.dir / "ca.conf").write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {certificates.dir}/index.txt\n")
    revoked = certificates.dir / "crl.pem"
    openssl("ca", "-gencrl", "-config", certificates.dir / "ca.conf", "-keyfile", certificates.dir / "root.key", "-cert",
            certificates.root, "-crldays", "20", "-md", "sha256", "-out", revoked)
    return revoked


def test_options_of_the_server():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        for name in ("mx.test", "good.test", "gone.test"):
            certificates.make(name)
        revoked = revoke(certificates, "gone.test")
        here = certificates.dir
        tls = (f"tls_certificate = {here}/mx.test.crt\ntls_privatekey = {here}/mx.test.key\n"
               f"tls_verify_certificates = {certificates.root}\ntls_try_verify_hosts = *\nacl_smtp_mail = check_mail\n")

        def verdict(name, esmtp="EHLO client.test"):
            made = context()
            made.load_cert_chain(here / f"{name}.crt", here / f"{name}.key")
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                client.start_tls(made)
                if esmtp:
                    client.command(esmtp, 250)
                client.raw("MAIL FROM:<a@test.example>\r\n")
                return client.reply()[1]

        godwit.write_config(tls=tls, retry=ACL_RETRY)
        godwit.start()
        assert "verified 1" in verdict("good.test") and "verified 1" in verdict("gone.test")
        assert verdict("good.test", "").startswith("503"), "what was said in clear is forgotten"
        godwit.stop()
        (godwit.dir / "log" / "mainlog").unlink()
        godwit.write_config(tls=tls + f"tls_crl = {revoked}\ntls_remember_esmtp\n", retry=ACL_RETRY)
        godwit.start()
        assert "verified 1" in verdict("good.test") and "verified 0" in verdict("gone.test")
        assert "verified 1" in verdict("good.test", ""), "tls_remember_esmtp"


def test_a_group_that_is_too_large_is_not_used():
    with serving(start=False) as godwit:
        certificates = Certificates(godwit.dir / "certs")
        pair = certificates.make("mx.test", key=("rsa:2048",))
        group = certificates.dir / "dh.pem"
        openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe3072", "-out", group)
        made = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        made.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
        refusal = "tls_dhparam: .*dh.pem has 3072 bits, more than tls_dh_max_bits; not used"
        for bits, is_used in ((2236, False), (4096, True)):
            godwit.write_config(tls=f"tls_certificate = {pair}\ntls_dhparam = {group}\ntls_dh_max_bits = {bits}\n")
            godwit.start()
            with TlsClient(godwit.port) as client:
                client.command("EHLO client.test", 250)
                try:
                    client.start_tls(made)
                    assert is_used, bits
                except ssl.SSLError:
                    assert not is_used, bits
                    godwit.wait_log(refusal)
            godwit.stop()


def greeting_before_the_client_is_done(port, version):
    """What is there when the client knows the server's part of the handshake and has not sent its own."""
    made = context(minimum_version=version, maximum_version=version)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = made.wrap_bio(incoming, outgoing, server_hostname="mx.test")
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        said = b""
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        connection.settimeout(0.5)
        for is_late in (False, True):
            if is_late:
                early, said = said, b""
                connection.sendall(outgoing.read())
            while b"\n" not in early + said if is_late else b"\n" not in said:
                try:
                    said += session.read(4096)
                    continue
                except ssl.SSLWantReadError:
                    pass
                try:
                    incoming.write(connection.recv(65536))
                except TimeoutError:
                    if not is_late:
                        break
        return early, said


def test_the_greeting_may_come_with_the_handshake():
    port = free_port()
    greeting = b"220 mx.test"
    acl = "slow:\n  accept logwrite = connect acl with <$tls_in_cipher>\nno:\n  deny message = not you\n"
    for option, version, connect, is_early, wanted in (
            ("tls_early_banner_hosts = *", ssl.TLSVersion.TLSv1_3, "slow", True, greeting),
            # Here the server is the last one to speak in the handshake.
            ("tls_early_banner_hosts = *", ssl.TLSVersion.TLSv1_2, "slow", True, greeting),
            ("tls_early_banner_hosts = !127.0.0.1", ssl.TLSVersion.TLSv1_3, "slow", False, greeting),
            ("tls_early_banner_hosts = *\ntls_try_verify_hosts = *", ssl.TLSVersion.TLSv1_3, "slow", False, greeting),
            ("tls_early_banner_hosts = *", ssl.TLSVersion.TLSv1_3, "no", False, b"550 not you")):
        with on_connect(port, f"{option}\nacl_smtp_connect = {connect}", ACL_RETRY.replace("begin acl\n", "begin acl\n" + acl)) as godwit:
            early, late = greeting_before_the_client_is_done(port, version)
            assert (early if is_early else late).startswith(wanted), (option, version, early, late)
            assert not (late if is_early else early), (option, version, early, late)
            if connect == "slow":
                godwit.wait_log(f"connect acl with <TLS1.{3 if version == ssl.TLSVersion.TLSv1_3 else 2}:")


def test_clients_that_must_name_a_protocol():
    with serving(main="hosts_require_alpn = *\n") as godwit:
        for names, is_served in ((["smtp"], True), (["http/1.1"], False), ([], False)):
            made = context()
            if names:
                made.set_alpn_protocols(names)
            try:
                with TlsClient(godwit.port) as client:
                    client.command("EHLO client.test", 250)
                    client.start_tls(made)
                    client.command("EHLO client.test", 250)
                    served = True
            except (ssl.SSLError, ConnectionError, OSError):
                served = False
            assert served == is_served, (names, godwit.log())


def test_options_of_the_transport():
    with serving(start=False) as holder:
        certificates = Certificates(holder.dir / "certs")
        for name in ("localhost", "client.test"):
            certificates.make(name)
        here = certificates.dir
        verify = f"tls_verify_certificates = {certificates.root}\ntls_verify_hosts = *\ntls_verify_cert_hostnames =\n"
        mine = f"tls_certificate = {here}/client.test.crt\ntls_privatekey = {here}/client.test.key\n"
        harmless = "tls_dh_min_bits = 4096\nhosts_nopass_tls = *\nhosts_noproxy_tls = *\n"
        with TlsSink(here / "localhost.pem") as sink:
            sink.context.load_verify_locations(certificates.root)
            sink.context.verify_mode = ssl.CERT_REQUIRED
            with relaying(sink.port, verify + mine + harmless) as godwit:
                godwit.send(text=TEXT)
                godwit.wait_log(r"=> b@example.com .* X=TLS\S+ CV=yes ")
                assert dict(sink.tls_sessions[0].getpeercert()["subject"][0])["commonName"] == "client.test"
        with TlsSink(here / "localhost.pem") as sink:
            with relaying(sink.port, verify + f"tls_crl = {revoke(certificates, 'localhost')}\nhosts_require_tls = *\n") as godwit:
                godwit.send(text=TEXT)
                godwit.wait_log(r"H=127.0.0.1 \[127.0.0.1\]: TLS session: \(SSL_connect\): .*revoked")
                godwit.wait_log(r"== b@example.com R=out T=remote defer \(-37\)")
                assert not sink.messages


def test_hosts_that_must_choose_a_protocol():
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("localhost")
        for offered, wanted in (("smtp", r"=> b@example.com .* X=TLS"), (None, r"defer \(-37\).*ALPN")):
            with TlsSink(certificate) as sink:
                if offered:
                    sink.context.set_alpn_protocols([offered])
                with relaying(sink.port, "hosts_require_alpn = *\ntls_alpn = smtp\nhosts_require_tls = *") as godwit:
                    godwit.send(text=TEXT)
                    godwit.wait_log(wanted)


def test_ciphers_where_dane_is():
    route = "out:\n  driver = manualroute\n  route_list = * mx.a.test\n  transport = remote\n  self = send\n"
    ciphers = ("dane_require_tls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n"
               "tls_require_ciphers = ECDHE-ECDSA-AES256-GCM-SHA384\n")
    with serving(start=False) as holder:
        certificate = Certificates(holder.dir / "certs").make("mx.a.test")
        for more, wanted in (("", r"X=TLS1\.2:ECDHE-ECDSA-AES128-GCM-SHA256:128 CV=dane"),
                             ("hosts_try_dane =\n", r"X=TLS1\.2:ECDHE-ECDSA-AES256-GCM-SHA384:256 CV=no")):
            with TlsSink(certificate) as sink:
                sink.context.maximum_version = ssl.TLSVersion.TLSv1_2
                zone = f"mx.a.test A 127.0.0.1\n_{sink.port}._tcp.mx.a.test TLSA 3 1 1 {key_digest(certificate)}"
                with FakeDns(zone, authentic=True) as dns, relaying(
                        sink.port, ciphers + more, main=f"dns_servers = 127.0.0.1:{dns.port}\n", routers=route) as godwit:
                    godwit.send(text=TEXT)
                    godwit.wait_log("=> b@example.com .*" + wanted)
