"""PostgreSQL, MariaDB and Redis for end-to-end tests: unpacked by scripts/fetch-lookup-servers, started on a
unix socket in a directory of their own. What is not there raises Skipped with the reason."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from harness import ROOT, wait_for
from peers import PEERS, Skipped

SOCKETS = {"postgres": ".s.PGSQL.5432", "mariadb": "mariadb", "redis": "redis"}


class Database:
    """A server; `servers` is its main option. Use as a context manager."""

    def __init__(self, system):
        packages = PEERS / "lookup"
        if not (packages / "complete").exists():
            raise Skipped(f"no {system}: run scripts/fetch-lookup-servers")
        self._temporary = tempfile.TemporaryDirectory(prefix="godwit-db-", dir="/var/tmp", ignore_cleanup_errors=True)
        self.dir = pathlib.Path(self._temporary.name)
        self.dir.chmod(0o755)
        self.system = system
        self.socket = self.dir / SOCKETS[system]
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen([ROOT / "tests/support/lookup-server", system, packages, self.dir],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(self.answers, 60, lambda: f"{system}: {self.log()}")
        except BaseException:
            self.stop()
            raise

    @property
    def servers(self):
        if self.system == "postgres":
            return f"pgsql_servers = ({self.socket})/postgres/postgres/"
        if self.system == "redis":
            return f"redis_servers = ({self.socket})//"
        return f"mysql_servers = localhost({self.socket})/test/root/"

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def answers(self):
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
            # PostgreSQL listens a moment before it takes connections.
            return self.system != "postgres" or "ready to accept connections" in self.log()
        return False

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            # PostgreSQL's children are in groups of their own; SIGQUIT makes it end them.
            os.killpg(self.process.pid, signal.SIGQUIT if self.system == "postgres" else signal.SIGKILL)
        self.process.wait(20)
        self._temporary.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
