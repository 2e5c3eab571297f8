#!/usr/bin/env python3
"""Compares how -bt of godwit and of the real Exim route by the DNS: every address that the first
lines of routing/routers.conf name, with a server that answers from routing/zone, in a network of its
own. Ends with "N passed, N failed, N skipped"; a test is an address."""

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys

from oracle import GODWIT, HERE, run, with_exim

from fake_dns import FakeDns  # oracle knows where

INSIDE = "--inside"


def addresses(text):
    out = []
    for line in text.splitlines():
        if not line.startswith("# "):
            break
        locals_, _, domains = line[2:].partition(": ")
        out += [f"{local}@{domain if '[' in domain or domain.isupper() else domain + '.test'}"
                for local in locals_.split() for domain in domains.split()]
    return out


def answers(command, asked):
    """What was said of each address, in the order of asking. Hosts that cannot be looked up are left out:
    Exim keeps them in its list, as unusable."""
    done = run(command + asked)
    said = []
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            said.append([])
        if "unusable" not in line and "[unknown]" not in line:
            said[-1].append(re.sub(r" +", " ", line).strip())
    if len(said) != len(asked):
        print(f"FAILED {command[-3]}: {len(said)} answers to {len(asked)} addresses\n{done.stderr[-2000:]}")
    return dict(zip(asked, said))


def compare(directory, exim):
    over = directory / "etc-over"
    over.mkdir()
    (over / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    config = directory / "routers.conf"
    config.write_text((HERE / "routing" / "routers.conf").read_text().replace("DIR", str(directory)))
    config.chmod(0o644)
    asked = addresses(config.read_text())
    godwit = exim[:-1] + [str(GODWIT)]
    with FakeDns((HERE / "routing" / "zone").read_text(), port=53):
        theirs, ours = (answers(program + ["-C", str(config), "-bt"], asked) for program in (exim, godwit))
    failed = 0
    for address in asked:
        if theirs.get(address) and theirs.get(address) == ours.get(address):
            continue
        failed += 1
        print(f"FAILED {address}\n  Exim:   {theirs.get(address)!r}\n  Godwit: {ours.get(address)!r}")
    return len(asked) - failed, failed


def main():
    if INSIDE in sys.argv:
        with socket.socket() as any_socket:  # the loopback interface is up
            fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))
        return with_exim(compare)
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("SKIPPED: a network of its own needs root and unshare\n0 passed, 0 failed, 1 skipped")
        return 0
    return subprocess.run(["unshare", "-n", sys.executable, __file__, INSIDE], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
