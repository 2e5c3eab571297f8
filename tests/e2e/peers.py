"""Other people's servers and tools for end-to-end tests: Exim and Postfix of Debian, unpacked under
build/peers (once; see bench/compare/servers.sh), never installed.

A server runs in mount and process namespaces of its own (bench/compare/enter-peer), which needs
root. What is not available raises Skipped with the reason.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import BASE, ROOT, Godwit, free_port, one_at_a_time, wait_for

PEERS = pathlib.Path(os.environ.get("GODWIT_PEERS", ROOT / "build" / "peers"))
PACKAGES = PEERS / "root"
LIBRARIES = f"{PACKAGES}/usr/lib/x86_64-linux-gnu:{PACKAGES}/usr/lib/postfix"
TOOLS = PACKAGES / "usr" / "sbin"

FETCH = """\
set -euo pipefail
build=$1
step() { :; }
fail() { printf '%s\\n' "$1" >&2; exit 1; }
. bench/compare/servers.sh
fetch_peers
"""


class Skipped(Exception):
    """A peer is not available; run.py counts it."""


def fetch():
    """Unpacks the packages where that was not done before."""
    with one_at_a_time("fetch"):
        if (PEERS / "complete").exists():
            return
        done = subprocess.run(["bash", "-c", FETCH, "fetch", PEERS.parent], cwd=ROOT, timeout=180,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped("packages of Exim and Postfix: " + done.stderr.strip())


def run_tool(name, *arguments, stdin="", timeout=60, environment=None):
    """Runs a program of the packages (exigrep, smtp-source, ...); gives its output."""
    fetch()
    path = TOOLS / name
    if not path.exists():
        raise Skipped(f"{name} is not in the packages")
    environment = dict(os.environ, LD_LIBRARY_PATH=LIBRARIES, LC_ALL="C", **(environment or {}))
    # smtp-source and smtp-sink read main.cf where there is one; there is none here.
    done = subprocess.run([path, *map(str, arguments)], input=stdin, timeout=timeout, env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, (name, arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def swaks(port, *arguments):
    """Sends with swaks; gives its transcript."""
    if shutil.which("swaks") is None:
        raise Skipped("swaks is not installed")
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "swaks.test",
                           *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, (arguments, done.returncode, done.stdout[-3000:], done.stderr)
    return done.stdout


class Peer:
    """A process in a directory of its own that listens on `port`. Use as a context manager."""

    def __init__(self):
        fetch()
        self.make_directory()

    def make_directory(self):
        # Servers drop their rights and must still reach what is theirs.
        self._temporary = tempfile.TemporaryDirectory(prefix="godwit-peer-", dir="/var/tmp",
                                                      ignore_cleanup_errors=True)
        self.dir = pathlib.Path(self._temporary.name)
        self.dir.chmod(0o755)
        self.port = free_port()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._temporary.cleanup()

    def spawn(self, command, **more):
        output = open(self.dir / "out", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                        cwd=ROOT, **more)
        output.close()
        try:
            wait_for(self.listens, 20, lambda: f"{command[0]} to listen: {self.output()}")
        except BaseException:
            self.stop()
            raise

    def listens(self):
        assert self.process.poll() is None, "it ended: " + self.output()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2):
            return True
        return False

    def output(self):
        return (self.dir / "out").read_text(errors="replace")

    def run(self, *command):
        """Runs a program beside it, with the same packages and the same name server; gives its output."""
        done = subprocess.run(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
                               str(PACKAGES), str(self.dir), *map(str, command)], cwd=ROOT, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        # What unshare started is the first process of its namespace: all others end with it. unshare
        # --kill-child does not do it where the server changed its rights.
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                  capture_output=True, text=True, check=False).stdout
        for pid in [*map(int, children.split()), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def ask_at(self, resolver):
        """Lets it ask the name server at `resolver`, port 53, and believe it. Before enter()."""
        place = self.dir / "etc-over"
        place.mkdir()
        (place / "resolv.conf").write_text(f"nameserver {resolver}\noptions edns0 trust-ad\n")

    def enter(self, system):
        """Starts `system` inside namespaces; whatever it started ends with it."""
        if os.geteuid() != 0:
            raise Skipped(f"{system} needs namespaces and users of its own: run as root")
        self.spawn(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer",
                    system, str(PACKAGES), str(self.dir)])


EXIM = BASE + """\
primary_hostname = exim.test
pid_file_path = {dir}/server.pid
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
{tls}
dsn_advertise_hosts = *
chunking_advertise_hosts = *
log_selector = +pipelining
{main}
begin acl
check_rcpt:
  deny    local_parts = refused
          message = 5.1.1 nobody of the name $local_part here
  defer   local_parts = later
  accept
begin routers
{routers}
begin transports
files:
  driver = appendfile
  file = {dir}/mail/$local_part_data
  create_directory
  directory_mode = 0755
  mode = 0644
  user = Debian-exim
  delivery_date_add
  envelope_to_add
  return_path_add
remote:
  driver = smtp
  port = {relay}
  allow_localhost
{smtp}
begin retry
*  *  F,1h,5s
"""
TO_FILES = """\
local:
  driver = accept
  local_parts = sender : good : one : two : yes : big
  transport = files
"""
RELAY = """\
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""


class Exim(Peer):
    """The real Exim as a server: delivers to files, or to a port where `relay` is given."""

    def __init__(self, relay=None, main="", tls="tls_advertise_hosts =", smtp="  hosts_avoid_tls = *"):
        super().__init__()
        (self.dir / "exim.conf").write_text(EXIM.format(
            dir=self.dir, port=self.port, main=main, tls=tls, smtp=smtp, relay=relay or 1, routers=RELAY if relay else TO_FILES))
        mail = self.dir / "mail"
        mail.mkdir()
        mail.chmod(0o777)
        self.enter("exim")

    def log(self, name="main"):
        path = self.dir / "log" / f"{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern, seconds=20):
        return wait_for(lambda: re.search(pattern, self.log(), re.M), seconds, lambda: f"{pattern!r} in:\n{self.log()}")

    def mailbox(self, local_part):
        path = self.dir / "mail" / local_part
        return path.read_bytes() if path.exists() else b""

    def wait_mailbox(self, local_part, messages=1):
        wait_for(lambda: self.mailbox(local_part).count(b"\nReturn-path: ") >= messages, 20,
                 lambda: f"mail of {local_part}; Exim's log:\n{self.log()}\n{self.log('panic')}{self.output()}")
        return self.mailbox(local_part)


OWN_EXIM = BASE + """\
primary_hostname = mx.test
pid_file_path = {dir}/server.pid
"""


class OwnExim(Exim):
    """The real Exim with a configuration of the test's own, behind what every one begins with."""

    def __init__(self, configuration, resolver=None):
        Peer.__init__(self)
        (self.dir / "exim.conf").write_text(OWN_EXIM.format(dir=self.dir, port=self.port) + configuration)
        if resolver is not None:
            self.ask_at(resolver)
        self.enter("exim")


class OwnGodwit(Godwit):
    """A Godwit with the same configuration."""

    def write_config(self, **changes):
        self.config = self.dir / "godwit.conf"
        self.config.write_text(OWN_EXIM.format(dir=self.dir, port=self.port) + "workers = 1\n" + self.configuration)

    def __init__(self, configuration):
        self.configuration = configuration
        super().__init__()


class PostfixSink(Peer):
    """Postfix's smtp-sink; counts what it takes."""

    def __init__(self, *arguments):
        super().__init__()
        environment = dict(os.environ, LD_LIBRARY_PATH=LIBRARIES, MAIL_CONFIG=str(self.dir))
        (self.dir / "main.cf").write_text("compatibility_level = 3.6\n")
        self.spawn([str(TOOLS / "smtp-sink"), "-c", "-u", "root", *arguments, f"127.0.0.1:{self.port}", "100"],
                   env=environment)


class Postfix(Peer):
    """The real Postfix; relays everything to the port `relay`."""

    def __init__(self, relay, more="", resolver=None):
        super().__init__()
        if resolver is not None:
            self.ask_at(resolver)
        script = ('server_port=$1 sink_port=$2; . bench/compare/servers.sh; write_postfix_conf "$3" false')
        subprocess.run(["bash", "-euc", script, "configure", str(self.port), str(relay), self.dir], cwd=ROOT,
                       check=True, stdin=subprocess.DEVNULL, timeout=20)
        with open(self.dir / "postfix" / "main.cf", "a", encoding="utf-8") as settings:
            settings.write(more)
        self.enter("postfix")
