#!/usr/bin/env python3
"""Measures TLS: handshakes a second of one Godwit worker against `openssl s_server`, both asked by
`openssl s_time` in turns, and the memory of an idle session. For scripts/bench tls.

  tls.py PROGRAM SECONDS SESSIONS
"""

import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

CONFIG = """\
primary_hostname = mx.test
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/godwit.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_on_connect_ports = {port}
tls_certificate = {certificate}
{resumption}
workers = 1
smtp_accept_max = 0
log_selector = -smtp_connection -lost_incoming_connection -smtp_no_mail
acl_smtp_rcpt = accept
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory, kind):
    key = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa2048": ["rsa:2048"]}[kind]
    path = directory / f"{kind}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj", "/CN=mx.test",
                    "-keyout", directory / "key", "-out", directory / "cert"], check=True, capture_output=True)
    path.write_text((directory / "cert").read_text() + (directory / "key").read_text())
    return path


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Server:
    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(port)

    def children(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True,
                             check=False).stdout
        return [int(pid) for pid in out.split()] or [self.process.pid]

    def cpu_seconds(self):
        total = 0
        for pid in self.children():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def resident(self):
        return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
                   for pid in self.children()) * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def godwit(program, directory, certificate, resumption=""):
    port = free_port()
    config = directory / f"{port}.conf"
    config.write_text(CONFIG.format(dir=directory, port=port, certificate=certificate, resumption=resumption))
    return Server([program, "-C", config, "-bdf"], port)


def s_server(certificate):
    port = free_port()
    return Server(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-quiet", "-no_ticket",
                   "-naccept", "100000000"], port)


def handshakes(server, seconds):
    """Handshakes a second by the clock, and by the server's processor time."""
    before = server.cpu_seconds()
    out = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", "-time", str(seconds)],
                         capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+) connections in (\d+) real seconds", out)
    if match is None:
        raise SystemExit(f"s_time said: {out}")
    count = int(match.group(1))
    return count / int(match.group(2)), count / max(server.cpu_seconds() - before, 0.01)


def idle_bytes(server, sessions):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opened = []

    def open_some(count):
        for _ in range(count):
            one = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)))
            one.recv(500)
            one.sendall(b"EHLO client.test\r\n")
            one.recv(2000)
            opened.append(one)
    open_some(sessions // 10)
    before = server.resident()
    open_some(sessions)
    after = server.resident()
    for one in opened:
        one.close()
    return (after - before) / sessions


def main():
    program, seconds, sessions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    results = {}
    with tempfile.TemporaryDirectory(prefix="godwit-tls-", ignore_cleanup_errors=True) as name:
        directory = pathlib.Path(name)
        for kind in ("p256", "rsa2048"):
            certificate = make_certificate(directory, kind)
            servers = {"godwit": godwit(program, directory, certificate), "s_server": s_server(certificate)}
            try:
                for turn in range(2):
                    for who, server in servers.items():
                        rate, per_cpu = handshakes(server, seconds)
                        best = results.setdefault(f"{who} {kind}", {"per_second": 0, "per_cpu_second": 0})
                        best["per_second"] = max(best["per_second"], round(rate))
                        best["per_cpu_second"] = max(best["per_cpu_second"], round(per_cpu))
                if kind == "p256":
                    results["idle session bytes"] = round(idle_bytes(servers["godwit"], sessions))
            finally:
                for server in servers.values():
                    server.stop()
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
