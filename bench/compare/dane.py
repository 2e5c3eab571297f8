#!/usr/bin/env python3
"""What DANE costs: the same messages go from a queue to the same server over TLS, each over a
connection of its own, without DANE and with it, in turns. For scripts/bench dane.

  dane.py PROGRAM SMTP-SOURCE [MESSAGES [ROUNDS]]

Zones are signed by knotd and validated by unbound (tests/e2e/dns_lab.py). The first message of a
round asks; for the others the answers are in the cache. Counted is the CPU of the process that
delivers, less what it needs for an empty queue.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.dont_write_bytecode = True

from dns_lab import DnsLab  # noqa: E402  (the path is set above)
from harness import Godwit, wait_for  # noqa: E402
from test_tls import Certificates  # noqa: E402

ROUTERS = "dns:\n  driver = dnslookup\n  transport = remote\n  self = send\n"
TRANSPORTS = ("remote:\n  driver = smtp\n  port = {sink}\n  allow_localhost\n  hosts_require_tls = *\n"
              "  connection_max_messages = 1\n  destination_concurrency_initial = 4\n"
              "  destination_concurrency_limit = 4\n{smtp}\n")
# Both verify: one by an authority, the other by a record.
MODES = {"tls": "  hosts_try_dane =\n  tls_verify_certificates = {root}\n  tls_verify_hosts = *\n",
         "dane": "  hosts_require_dane = *\n"}
QUIET = "log_selector = -smtp_connection -lost_incoming_connection -smtp_no_mail\n"


def records(certificate, port):
    made = subprocess.run([ROOT / "scripts" / "gen-tlsa", "--port", str(port), certificate, "mx1.signed.test"],
                          capture_output=True, text=True, check=True)
    return made.stdout.replace(".signed.test.", "")


def cpu_seconds(godwit):
    total = 0
    for pid in godwit.workers():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def start_and_wait(godwit, messages):
    """Starts the server on its queue; gives CPU and wall-clock seconds until the queue is empty."""
    before = time.monotonic()
    godwit.start()
    if messages:
        godwit.cli("-q")
    wait_for(lambda: godwit.log().count(" Completed") >= messages, 60, lambda: godwit.log()[-2000:] + godwit.errors())
    taken = time.monotonic() - before
    time.sleep(0.3)
    used = cpu_seconds(godwit)
    godwit.stop()
    return used, taken


def run_once(program, source, mode, root, lab, port, messages):
    main = f"dns_servers = 127.0.0.1:{lab.port}\n{QUIET}"
    with Godwit(port, transports=TRANSPORTS, smtp=MODES[mode].format(root=root), routers=ROUTERS, main=main + "queue_only\n",
                program=program) as godwit:
        idle, _ = start_and_wait(restarted(godwit), 0)
        godwit.start()
        subprocess.run([source, "-m", str(messages), "-s", "4", "-l", "4096", "-t", "one@signed.test",
                        "-f", "a@test.example", f"127.0.0.1:{godwit.port}"], check=True, capture_output=True)
        godwit.stop()
        godwit.write_config(main="workers = 1\n" + main)
        used, taken = start_and_wait(godwit, messages)
        wanted = {"dane": " CV=dane ", "tls": " CV=yes "}[mode]
        assert len(re.findall(wanted, godwit.log())) == messages, (mode, godwit.log()[-1000:])
        return (used - idle) / messages, messages / taken


def restarted(godwit):
    godwit.stop()
    return godwit


def main():
    program, source = sys.argv[1:3]
    messages = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    runs = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory() as directory:
        authority = Certificates(pathlib.Path(directory) / "certs")
        certificate = authority.make("mx1.signed.test")
        server = f"tls_certificate = {certificate}\n{QUIET}smtp_accept_max = 0\n"
        with Godwit(tls="", main=server, routers="gone:\n  driver = redirect\n  data = :blackhole:\n",
                    program=program) as last, DnsLab(records(certificate, last.port)) as lab:
            for _ in range(rounds):
                for mode, results in runs.items():
                    results.append(run_once(program, source, mode, authority.root, lab, last.port, messages))
                    print(f"{mode}: {results[-1][0] * 1e6:.0f} us of CPU a message, {results[-1][1]:.0f} messages/s",
                          file=sys.stderr)
    out = {mode: {"cpu_us_a_message": round(statistics.median(r[0] for r in results) * 1e6, 1),
                  "messages_a_second": round(statistics.median(r[1] for r in results), 1)}
           for mode, results in runs.items()}
    out["dane_costs_per_cent_more"] = round(
        100 * (out["dane"]["cpu_us_a_message"] / out["tls"]["cpu_us_a_message"] - 1), 1)
    out["messages"], out["rounds"] = messages, rounds
    print(json.dumps(out, indent=2))


main()
