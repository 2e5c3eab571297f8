"""Options of TLS that need certificates of their own: revocation, separate keys, ALPN."""

import socket
import ssl

from fake_dns import FakeDns
from harness import Godwit, free_port
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


def test_named_lists_that_speak_of_the_message_part_connections():
    """Whose mail may go in clear does not decide for others."""
    lists = ("hostlist clear = ${if eq{$sender_address_domain}{clear.test}{*}}\n"
             "hostlist deep = 192.0.2.1 : +clear\n").replace("{", "{{").replace("}", "}}")
    with serving() as host:
        for smtp in ("hosts_avoid_tls = +deep", "hosts_require_tls = ! +clear : *\nhosts_avoid_tls = *"):
            with relaying(host.port, smtp, main=lists) as godwit:
                for sender in ("one@clear.test", "two@other.test", "three@clear.test", "four@other.test"):
                    message_id = godwit.send(sender=sender)
                    line = godwit.wait_log(rf"{message_id} => b@example\.com .*").group(0)
                    assert ("X=TLS" in line) == ("other" in sender), (smtp, godwit.log())


def test_a_session_is_resumed_by_who_trusts_the_same_authorities():
    """One transport trusts the host's authority, the other one does not."""
    remote = ("{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  tls_resumption_hosts = *\n  tls_verify_hosts = *\n"
              "  destination_idle_timeout = 0s\n"
              "  tls_verify_cert_hostnames =\n  hosts_require_tls = *\n  tls_verify_certificates = {trusted}\n")
    routers = ("all:\n  driver = manualroute\n  local_parts = good : bad\n  route_list = * 127.0.0.1\n  self = send\n"
               "  transport = $local_part_data\n")
    with serving(start=False) as host:
        certificates = Certificates(host.dir / "certs")
        path = certificates.make("mx.test")
        others = Certificates(host.dir / "others")
        host.write_config(tls=f"tls_certificate = {path}\ntls_resumption_hosts = *")
        host.start()
        transports = "".join(remote.format(name=name, port=host.port, trusted=trusted)
                             for name, trusted in (("good", certificates.root), ("bad", others.root)))
        with Godwit(routers=routers, transports=transports, retry="* * F,2h,1h", main="log_selector = +tls_resumption") as godwit:
            for resumed in ("", r"\*"):
                message_id = godwit.send(recipients=["good@a.test"])
                godwit.wait_log(rf"{message_id} => good@a\.test .* X=TLS1\.3:\S+:256{resumed} CV=yes ")
            message_id = godwit.send(recipients=["bad@a.test"])
            godwit.wait_log(rf"{message_id} == bad@a\.test .*TLS session: \(SSL_connect\)")


def test_lists_of_the_server_that_cannot_be_asked():
    """The real Exim 4.96 offers TLS as well; it takes who must show a certificate for somebody who need not."""
    unknown = "${lookup{x}lsearch{/nowhere/at/all}}"
    offers = "${if eq{$sender_helo_name}{ask.test}{" + unknown + "}{*}}"
    for main, is_served in ((f"tls_verify_hosts = {unknown}", False), (f"hosts_require_alpn = {unknown}", False),
                            (f"tls_try_verify_hosts = {unknown}", True), (f"tls_advertise_hosts = {offers}", True)):
        with serving(main=main.replace("{", "{{").replace("}", "}}")) as godwit, TlsClient(godwit.port) as client:
            assert "STARTTLS" in client.command("EHLO ask.test", 250), main
            if not is_served:
                client.command("STARTTLS", 454)
                godwit.wait_log(rf"TLS error on connection from .* \(STARTTLS\): {main.split()[0]} cannot be asked: .*/nowhere/at/all")
                continue
            client.start_tls()
            client.command("EHLO client.test", 250)
    with serving(main=f"chunking_advertise_hosts = {unknown}\nsmtputf8_advertise_hosts = {unknown}\n"
                      f"pipelining_advertise_hosts = {unknown}\ndsn_advertise_hosts = {unknown}".replace("{", "{{").replace("}", "}}")) as godwit:
        with godwit.client() as client:
            offered = client.command("EHLO client.test", 250)
            assert "CHUNKING" in offered and "SMTPUTF8" in offered and "DSN" in offered, offered
            assert "PIPELINING" not in offered, offered


def test_what_the_library_is_told():
    """openssl_options and tls_eccurve, of the server and of the client."""
    def agreed(port, *options):
        said = openssl("s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", *options, stdin="QUIT\n", check=False)
        return said.stdout + said.stderr

    with serving(main="openssl_options = +no_tlsv1_3\ntls_eccurve = secp384r1") as godwit:
        text = agreed(godwit.port)
        assert "New, TLSv1.2" in text and "secp384r1" in text, text
        assert "Cipher is (NONE)" in agreed(godwit.port, "-tls1_3")
        with relaying(godwit.port) as sender:
            sender.send()
            sender.wait_log(r"=> b@example\.com .* X=TLS1\.2:")
    with serving(main="tls_eccurve = X25519") as godwit:
        assert "X25519" in agreed(godwit.port)
        assert "Cipher is (NONE)" in agreed(godwit.port, "-groups", "P-256")
        with relaying(godwit.port, main="openssl_options = +no_tlsv1_3") as sender:
            sender.send()
            sender.wait_log(r"=> b@example\.com .* X=TLS1\.2:")


def test_servers_behind_one_name_have_sessions_of_their_own():
    a, b = (f"250-{name}.test hello\r\n250 STARTTLS\r\n".encode() for name in "ab")
    extract = "host_name_extract = ${if match{$item}{\\N^250-([\\w.]+)\\s\\N}{$1}}"
    with serving(start=False) as holder:
        path = Certificates(holder.dir / "certs").make("127.0.0.1")
        for option, marks in ((extract, ("", "", r"\*")), ("host_name_extract =", ("", r"\*", r"\*"))):
            with TlsSink(path, {"EHLO": [a, a, b, b, a, a]}) as sink:
                smtp = f"tls_resumption_hosts = *\ndestination_idle_timeout = 0s\n{option}"
                with relaying(sink.port, smtp, main="log_selector = +tls_resumption\n") as godwit:
                    for mark in marks:
                        message_id = godwit.send()
                        godwit.wait_log(rf"{message_id} => b@example\.com .* X=TLS1\.3:\S+:256{mark} CV=no ")
