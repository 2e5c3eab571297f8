"""TCP Fast Open both ways, with the real Exim: in a network of its own, where the system allows it."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys

from harness import Client, Godwit, Sink, wait_for
from peers import Exim, Skipped

SKIPPED = 77
ALLOWED = pathlib.Path("/proc/sys/net/ipv4/tcp_fastopen")
SMTP = "  destination_idle_timeout = 0s\n  hosts_try_fastopen = {hosts}\n  hosts_pipe_connect = {early}\n"
EXIM = "  hosts_avoid_tls = *\n  hosts_pipe_connect = {early}"


def marks(server, direction):
    """" TFO", " TFO*" or nothing of each line."""
    return [mark.strip() for mark in re.findall(rf" {direction} .*\]( TFO\*?)?(?: .*)?$", server.log(), re.M)]


def send(through, count):
    """One message after the other, each over a connection of its own."""
    for number in range(1, count + 1):
        with Client(through.port) as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@exim.test"], "Subject: x\r\n\r\nbody\r\n")
        wait_for(lambda number=number: through.log().count("Completed") == number, 20, through.log)


def by_godwit(receiver, hosts, early, sent):
    with Godwit(receiver.port, smtp=SMTP.format(hosts=hosts, early=early)) as sender:
        send(sender, len(sent))
        assert marks(sender, "=>") == sent, (sent, sender.log())


def taken(receiver, wanted):
    wait_for(lambda: len(marks(receiver, "<=")) >= len(wanted), 10, receiver.log)
    assert marks(receiver, "<=") == wanted, (wanted, receiver.log())


def between_servers():
    """Cookies belong to addresses: whoever connected once has one for what follows."""
    with Sink() as sink, Godwit(sink.port) as receiver:
        by_godwit(receiver, "", "", ["", ""])
        by_godwit(receiver, "*", "", ["", "TFO", "TFO"])
        # What is known of a host is learned over the first connection; then EHLO and MAIL go at once.
        by_godwit(receiver, "127.0.0.1", "*", ["TFO", "TFO*"])
        by_godwit(receiver, "!127.0.0.1", "*", ["", ""])
        taken(receiver, ["", "", "", "TFO", "TFO", "TFO", "TFO*", "", ""])


def beside_exim():
    with Exim() as receiver:
        by_godwit(receiver, "*", "*", ["", "TFO*"])
        taken(receiver, ["", "TFO*"])
    with Sink() as sink, Godwit(sink.port) as receiver, Exim(relay=receiver.port, smtp=EXIM.format(early="*")) as sender:
        send(sender, 2)
        assert marks(receiver, "<=")[1] == "TFO*" == marks(sender, "=>")[1], (receiver.log(), sender.log())


def refused():
    """A host that has gone, of which there is a cookie: as where there is none."""
    for early in ("", "*"):
        with contextlib.ExitStack() as stack:
            sink = Sink(extensions=["PIPELINING", "PIPECONNECT"])
            sink.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 20)
            with sink:
                sender = stack.enter_context(Godwit(sink.port, retry="* * F,2h,1h", smtp=SMTP.format(hosts="*", early=early)))
                send(sender, 3)
                assert marks(sender, "=>")[-1] == ("TFO*" if early else "TFO"), sender.log()
            sender.send()
            sender.wait_log(r"H=127\.0\.0\.1 \[127\.0\.0\.1\] Connection refused$")
            sender.wait_log(r"== b@example\.com R=out T=remote defer \(111\): Connection refused$")
            assert "onnection lost" not in sender.log(), sender.log()


def in_a_network_of_its_own(scene):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise Skipped("TCP Fast Open needs a network of its own: run as root, with unshare")
    done = subprocess.run(["unshare", "-n", sys.executable, __file__, scene], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == SKIPPED:
        raise Skipped(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


def test_fast_open_between_two_servers():
    in_a_network_of_its_own("between_servers")


def test_fast_open_beside_exim():
    in_a_network_of_its_own("beside_exim")


def test_a_refusal_after_fast_open():
    in_a_network_of_its_own("refused")


def prepare():
    """The loopback interface, and both sides of Fast Open."""
    request = struct.pack("16sh22x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS
    try:
        ALLOWED.write_text("3\n")
    except OSError as problem:
        print(f"{ALLOWED}: {problem}")
        sys.exit(SKIPPED)


if __name__ == "__main__":
    prepare()
    try:
        globals()[sys.argv[1]]()
    except Skipped as reason:
        print(reason)
        sys.exit(SKIPPED)
