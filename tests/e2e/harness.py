"""What end-to-end tests stand on: a Godwit of their own, scripted remote hosts, a small SMTP client.

Everything runs on loopback, on free high ports, in a temporary directory, and is stopped by PID.
A test is a function `test_...` in a module of this folder; run.py finds and runs them.
"""

import collections
import contextlib
import fcntl
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("GODWIT_BUILD", ROOT / "build" / "dev"))
PROGRAM = BUILD / "godwit"
ENVIRONMENT = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")

# How the configuration of every server of these tests begins.
BASE = """\
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
smtp_accept_queue_per_connection = 0
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
"""
CONFIG = BASE + """\
primary_hostname = mx.test
pid_file_path = {dir}/godwit.pid
acl_smtp_rcpt = accept
{tls}
{main}
begin routers
{routers}
begin transports
{transports}
begin retry
{retry}
"""
ROUTERS = """\
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""


def named_transports(router, domain, names):
    """Routers for which the local part of a recipient in `domain` is the name of its transport."""
    return (f"{router}:\n  driver = accept\n  domains = {domain}\n  local_parts = {' : '.join(names)}\n"
            f"  transport = $local_part_data\n{ROUTERS}")


TRANSPORTS = """\
remote:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_avoid_tls = *
{smtp}
"""
RETRY = "* * F,2h,1s"


_reserved = collections.deque(maxlen=200)


def free_port():
    """A port that nobody listens on and no other test of this machine is given while this process lives:
    below those that the system hands out, and reserved by a socket that has its number as name."""
    while True:
        port = random.randrange(15000, 32000)
        token = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                token.bind(f"\0godwit-test-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                token.close()
                continue
        _reserved.append(token)
        return port


@contextlib.contextmanager
def one_at_a_time(what):
    """Tests that run side by side unpack or start `what` one after the other."""
    with open(ROOT / "build" / f"{what}.lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_for(condition, seconds=15, what="condition"):
    """Polls until condition() is true; gives what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out after {seconds} s: {what() if callable(what) else what}")


class Godwit:
    """A daemon with a configuration of its own. Use as a context manager."""

    def __init__(self, sink=1, main="", routers=ROUTERS, transports=TRANSPORTS, smtp="", retry=RETRY,
                 workers=1, start=True, arguments=(), program=PROGRAM,
                 tls="tls_advertise_hosts ="):
        self._temporary = tempfile.TemporaryDirectory(prefix="godwit-e2e-")
        self.dir = pathlib.Path(self._temporary.name)
        self.port = free_port()
        self.program = program
        self.arguments = list(arguments)
        self.process = None
        self.settings = dict(main=f"workers = {workers}\n{main}", routers=routers, retry=retry, tls=tls,
                             transports=transports.format(sink=sink, smtp=smtp, dir=self.dir))
        self.write_config()
        if start:
            self.start()

    def write_config(self, **changes):
        self.settings.update(changes)
        self.config = self.dir / "godwit.conf"
        values = {k: v.format(dir=self.dir) if k in ("main", "tls") else v for k, v in self.settings.items()}
        self.config.write_text(CONFIG.format(dir=self.dir, port=self.port, **values))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        errors = self.errors()
        self._temporary.cleanup()
        assert "ERROR: " not in errors and "runtime error" not in errors and "assertion" not in errors, errors

    def start(self):
        self.stderr = open(self.dir / "stderr", "ab")
        self.process = subprocess.Popen(
            [self.program, "-C", self.config, "-bdf", *self.arguments],
            stdout=self.stderr, stderr=self.stderr, start_new_session=True, env=ENVIRONMENT)
        wait_for(self.accepts, 20, lambda: "the daemon to listen: " + self.errors())

    def accepts(self):
        assert self.process.poll() is None, "the daemon ended: " + self.errors()
        # The port is bound before a worker is there; the announcement says that one is.
        return "daemon started" in self.log().split("daemon ended")[-1]

    def stop(self, timeout=25):
        """SIGTERM and wait."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon did not stop: " + self.log()) from None

    def kill(self):
        """kill -9 of supervisor and workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def workers(self):
        """PIDs of the workers."""
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                             capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in out.split()]

    def errors(self):
        path = self.dir / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self, name="main"):
        path = self.dir / "log" / f"{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern, seconds=15, name="main"):
        """Waits for a line; gives the match."""
        return wait_for(lambda: re.search(pattern, self.log(name), re.M), seconds,
                        lambda: f"log line {pattern!r} in:\n{self.log(name)}")

    def cli(self, *arguments, stdin="", check=True):
        done = subprocess.run([self.program, "-C", self.config, *map(str, arguments)], input=stdin,
                              capture_output=True, text=True, timeout=60, check=False)
        if check:
            assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def queue_count(self):
        return int(self.cli("-bpc").stdout)

    def client(self, **more):
        return Client(self.port, **more)

    def send(self, sender="a@test.example", recipients=("b@example.com",), text="Subject: x\r\n\r\nbody\r\n"):
        """One message; gives its id."""
        with self.client() as client:
            client.command("EHLO client.test", 250)
            return client.message(sender, recipients, text)


class Client:
    """A plain SMTP client that shows every reply."""

    def __init__(self, port, greet=True, source=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        if greet:
            self.expect(220)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode(errors="replace")
            if not line:
                raise ConnectionError(f"closed after {lines}")
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    def expect(self, code):
        got, text = self.reply()
        assert got == code, (code, text)
        return text

    def command(self, line, code):
        self.raw(line + "\r\n")
        return self.expect(code)

    def message(self, sender, recipients, text, code=250):
        self.command(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)
        self.raw(text if text.endswith("\r\n") else text + "\r\n")
        reply = self.command(".", code)
        match = re.search(r"id=(\S+)", reply)
        return match.group(1) if match else reply


class Sink:
    """A remote host on loopback. `script` maps a command ("connect", "EHLO", "MAIL", "RCPT", "DATA",
    ".") to a reply, a list of replies to use in turn (the last one stays), or a function of the
    argument. A reply is bytes, "close", "stall", or None for the usual one."""

    USUAL = {"connect": b"220 sink.test ESMTP\r\n", "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n",
             "DATA": b"354 go\r\n", ".": b"250 ok taken\r\n", "RSET": b"250 ok\r\n", "QUIT": b"221 bye\r\n",
             "HELO": b"250 sink.test\r\n", "NOOP": b"250 ok\r\n"}

    def __init__(self, script=None, extensions=("PIPELINING", "8BITMIME", "SIZE 0", "DSN"), port=0,
                 address="127.0.0.1"):
        self.script = {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in (script or {}).items()}
        self.extensions = list(extensions)
        self.messages = []  # dicts: sender, recipients, data, mail, rcpts
        self.connections = 0
        self.commands = []
        self._lock = threading.Lock()
        self._stopping = False
        self._sockets = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stopping = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait(self, count, seconds=20):
        wait_for(lambda: len(self.messages) >= count, seconds,
                 lambda: f"{count} messages, have {len(self.messages)}")
        return self.messages

    def _accept(self):
        while not self._stopping:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(connection)
                self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _answer(self, connection, command, argument=""):
        """Sends the scripted reply; gives its first digit, or None where the connection is over."""
        with self._lock:
            self.commands.append((command, argument))
            scripted = self.script.get(command)
            if isinstance(scripted, list):
                scripted = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        if callable(scripted):
            scripted = scripted(argument)
        if scripted == "close":
            return None
        if scripted == "stall":
            while not self._stopping:
                time.sleep(0.05)
            return None
        if scripted is None and command == "EHLO":
            lines = ["sink.test Hello", *self.extensions]
            scripted = "".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}\r\n"
                               for i, line in enumerate(lines)).encode()
        reply = self.USUAL.get(command, b"502 unknown\r\n") if scripted is None else scripted
        connection.sendall(reply)
        return None if reply.startswith(b"421") else reply[:1]

    def _serve(self, connection):
        with contextlib.suppress(OSError, ConnectionError):
            self._dialogue(connection, connection.makefile("rb"))
        with self._lock:
            self._sockets.discard(connection)
        connection.close()

    def _dialogue(self, connection, file, greet=True):
        if greet and self._answer(connection, "connect") != b"2":
            return
        message = None
        while True:
            line = file.readline()
            if not line:
                return
            verb, _, argument = line.decode(errors="replace").strip().partition(" ")
            verb = verb.upper()
            if verb == "BDAT":
                size, _, last = argument.partition(" ")
                message["data"] += file.read(int(size))
                digit = self._answer(connection, "." if last else "BDAT", argument)
                if last and digit == b"2":
                    self._keep(message)
                if digit is None:
                    return
                continue
            digit = self._answer(connection, verb, argument)
            if digit is None or verb == "QUIT":
                return
            if verb == "MAIL" and digit == b"2":
                message = dict(sender=argument[6:].split(">")[0], recipients=[], data=b"", mail=argument, rcpts=[])
            elif verb == "RCPT" and digit == b"2" and message is not None:
                message["recipients"].append(argument[4:].split(">")[0])
                message["rcpts"].append(argument)
            elif verb == "DATA" and digit == b"3":
                data = []
                while (text := file.readline()) not in (b".\r\n", b""):
                    data.append(text[1:] if text.startswith(b".") else text)
                if text == b"":
                    return
                if message is not None:
                    message["data"] = b"".join(data)
                digit = self._answer(connection, ".")
                if digit is None:
                    return
                if digit == b"2" and message is not None:
                    self._keep(message)
                message = None

    def _keep(self, message):
        with self._lock:
            self.messages.append(message)
