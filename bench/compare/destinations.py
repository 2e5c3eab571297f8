#!/usr/bin/env python3
"""Measures a queue for many destinations, a third of them silent: do the healthy ones lose anything,
and how long is the loop ever busy at a stretch? For scripts/bench destinations.

  destinations.py PROGRAM SINK COUNT

Each destination is an address of 127.0.0.0/8. Healthy ones reach smtp-sink; silent ones a socket that
never answers, whose backlog is full: connects hang there too. The same healthy destinations are
delivered to in a run of their own first.
"""

import json
import pathlib
import re
import socket
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
queue_only
smtp_accept_max = 0
recipients_max = 0
remote_max_parallel = {batch}
acl_smtp_rcpt = accept
keep_environment =
begin routers
out:
  driver = manualroute
  route_data = ${{if match{{$domain}}{{^(.)\\\\.(\\\\d+)\\\\.(\\\\d+)\\\\.test}}\\
    {{127.${{if eq{{$1}}{{s}}{{2}}{{1}}}}.$2.$3::${{if eq{{$1}}{{s}}{{{silent}}}{{{sink}}}}}}}}}
  transport = remote
  self = send
begin transports
remote:
  driver = smtp
  allow_localhost
  hosts_avoid_tls = *
  connect_timeout = 30s
  command_timeout = 30s
begin retry
* * F,1h,5m
"""
BATCH = 50
SECONDS = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, text):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.02)
    raise SystemExit("destinations: waited in vain for " + text)


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def names(kind, count):
    return [f"x@{kind}.{1 + i // 250}.{1 + i % 250}.test" for i in range(count)]


def inject(port, recipients):
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = connection.makefile("rb")

        def answers(count):
            for _ in range(count):
                line = file.readline()
                while line[3:4] == b"-":
                    line = file.readline()
                if line[:1] not in b"23":
                    raise SystemExit(f"destinations: refused: {line!r}")
        answers(1)
        connection.sendall(b"EHLO source.test\r\n")
        answers(1)
        for start in range(0, len(recipients), BATCH):
            part = recipients[start:start + BATCH]
            lines = ["MAIL FROM:<a@source.test>", *(f"RCPT TO:<{r}>" for r in part), "DATA"]
            connection.sendall(("\r\n".join(lines) + "\r\n").encode())
            answers(len(lines))
            connection.sendall(b"Subject: many destinations\r\n\r\n" + b"x" * 998 + b"\r\n.\r\n")
            answers(1)


def stats(spool):
    out = {"longest_turn_us": 0, "longest_turn_cpu_us": 0, "slow_turns": 0}
    for path in sorted((spool / "control").glob("w*")):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(str(path))
            control.sendall(b"stats\n")
            answer = control.makefile().readline()
        told = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", answer)}
        for key in ("longest_turn_us", "longest_turn_cpu_us"):
            out[key] = max(out[key], told[key])
        out["slow_turns"] += told["slow_turns"]
    return out


def run(program, sink_program, healthy, silent):
    """Gives seconds until the last healthy delivery, and what the loops say."""
    with tempfile.TemporaryDirectory(prefix="godwit-bench-", ignore_cleanup_errors=True) as name, \
            socket.socket() as hole:
        directory = pathlib.Path(name)
        hole.bind(("0.0.0.0", 0))
        hole.listen(16)
        port, sink_port = free_port(), free_port()
        config = directory / "conf"
        config.write_text(CONFIG.format(batch=BATCH, dir=directory, port=port, sink=sink_port, silent=hole.getsockname()[1]))
        sink = subprocess.Popen([sink_program, "-m", "20000", "--allow-non-loopback", f"0.0.0.0:{sink_port}", "1024"],
                                stdout=subprocess.DEVNULL)
        server = subprocess.Popen([program, "-C", config, "-bdf"], stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: connects(sink_port) and connects(port), 10, "the servers to listen")
            # Mixed, as a queue is.
            step = max(1, len(healthy) // max(1, len(silent)))
            mixed = []
            for i, recipient in enumerate(healthy):
                mixed.append(recipient)
                if i % step == 0 and i // step < len(silent):
                    mixed.append(silent[i // step])
            inject(port, mixed)
            time.sleep(0.5)
            stats(directory / "spool")
            log = directory / "log" / "mainlog"
            started = time.monotonic()
            subprocess.run([program, "-C", config, "-q"], check=True, timeout=30)
            done = 0.0
            while time.monotonic() - started < SECONDS:
                delivered = log.read_bytes().count(b" => ") + log.read_bytes().count(b" -> ")
                if delivered == len(healthy):
                    done = time.monotonic() - started
                    break
                time.sleep(0.05)
            else:
                raise SystemExit(f"destinations: {delivered} of {len(healthy)} delivered in {SECONDS} s")
            # Connects to the silent ones time out.
            told = stats(directory / "spool")
            if silent:
                time.sleep(32)
                later = stats(directory / "spool")
                told = {key: told[key] + later[key] if key == "slow_turns" else max(told[key], later[key])
                        for key in told}
            return done, told
        finally:
            server.terminate()
            sink.kill()
            server.wait(30)
            sink.wait()


def main():
    program, sink, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    silent = count // 3
    healthy = names("h", count - silent)
    alone, _ = run(program, sink, healthy, [])
    mixed, told = run(program, sink, healthy, names("s", silent))
    print(json.dumps({"destinations": count, "silent": silent, "healthy_alone_s": round(alone, 2),
                      "healthy_among_silent_s": round(mixed, 2), **told}))


if __name__ == "__main__":
    main()
