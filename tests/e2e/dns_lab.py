"""A DNS of our own: knotd serves zones, unbound validates, both of Debian packages that are unpacked
under build/peers/dns (once), never installed. All on loopback, on free high ports.

signed.test is signed; bogus.test is signed by another key than its trust anchor says; insecure.test
is not signed; hole.test is delegated to a socket that never answers.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from harness import free_port, one_at_a_time, wait_for
from peers import PEERS, Skipped

PLACE = PEERS / "dns"
ROOT = PLACE / "root"
PACKAGES = ["knot", "unbound", "libknot13", "libzscanner4", "libdnssec9"]
# Libraries that a system may have already.
LIBRARIES = ["liburcu8", "libxdp1", "libbpf1", "libelf1", "libprotobuf-c1", "libevent-2.1-7", "libnghttp2-14",
             "libpython3.11", "libcap-ng0", "libedit2", "libfstrm0", "libhiredis0.14"]

KNOT = """\
server:
  rundir: "{dir}/run"
  listen: 127.0.0.1@{knot}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: "{dir}/knot.log"
    any: info
database:
  storage: "{dir}/keys"
policy:
  - id: lab
    algorithm: ecdsap256sha256
    cds-cdnskey-publish: none
    ksk-lifetime: 0
template:
  - id: default
    storage: "{dir}/zones"
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
zone:
  - domain: signed.test
    dnssec-signing: on
    dnssec-policy: lab
  - domain: bogus.test
    dnssec-signing: on
    dnssec-policy: lab
  - domain: insecure.test
  - domain: 127.in-addr.arpa
"""
UNBOUND = """\
server:
  interface: 127.0.0.1
  port: {unbound}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{dir}/ub"
  pidfile: "{dir}/ub/pid"
  logfile: "{dir}/ub/log"
  use-syslog: no
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  trust-anchor-file: "{dir}/anchors"
  module-config: "validator iterator"
  local-zone: "test." nodefault
  local-zone: "127.in-addr.arpa." nodefault
  qname-minimisation: no
  infra-host-ttl: 5
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{closed}
stub-zone:
  name: "hole.test"
  stub-addr: 127.0.0.1@{hole}
"""
STUB = 'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{knot}\n'
ZONES = ("signed.test", "bogus.test", "insecure.test", "127.in-addr.arpa")
HOSTS = """\
$TTL 120
@ SOA ns.insecure.test. root.insecure.test. 1 3600 600 86400 60
@ NS ns.insecure.test.
@ MX 10 mx1
@ MX 20 mx2
@ TXT "v=spf1 mx -all"
ns A 127.0.0.1
mx1 A 127.0.0.1
mx2 A 127.0.0.2
_25._tcp.mx1 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
alias CNAME mx1
chain1 CNAME chain2
chain2 CNAME chain3
chain3 CNAME mx1
loop1 CNAME loop2
loop2 CNAME loop1
dangling CNAME nothere
null MX 0 .
mailalias CNAME @
plain A 127.0.0.1
deadmx MX 10 nothere
_smtp._tcp.service SRV 10 5 25 mx1
toinsecure CNAME mx1.insecure.test.
huge TXT {huge}
"""
REVERSE = """\
$TTL 120
@ SOA ns.insecure.test. root.insecure.test. 1 3600 600 86400 60
@ NS ns.insecure.test.
1.0.0 PTR mx1.insecure.test.
2.0.0 PTR liar.insecure.test.
"""


def fetch():
    """Unpacks the packages where that was not done before."""
    with one_at_a_time("fetch"):
        unpack()


def unpack():
    if (PLACE / "complete").exists():
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Skipped("apt-get and dpkg-deb are needed to unpack knot and unbound")
    debs = PLACE / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    for package in [*PACKAGES, *LIBRARIES]:
        has = subprocess.run(["dpkg-query", "-W", package], capture_output=True, check=False).returncode == 0
        if package in LIBRARIES and has:
            continue
        done = subprocess.run(["apt-get", "download", "-qq", package], cwd=debs, capture_output=True, text=True,
                              timeout=120, check=False)
        if done.returncode != 0 and package in PACKAGES:
            raise Skipped(f"cannot download the package {package}: {done.stderr.strip()}")
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, ROOT], check=True, timeout=60)
    (PLACE / "complete").touch()


class DnsLab:
    """knotd and unbound with a directory of their own; `records` are added to each zone. `at`: an
    address at which port 53 is served too. Use as a context manager."""

    def __init__(self, records="", at=None):
        fetch()
        self.at = at
        self.records = records
        self._temporary = tempfile.TemporaryDirectory(prefix="godwit-dns-", ignore_cleanup_errors=True)
        self.dir = pathlib.Path(self._temporary.name)
        self._hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._hole.bind(("127.0.0.1", 0))
        self.knot, self.port = free_port(), free_port()
        self._processes = []
        self._environment = dict(os.environ, LD_LIBRARY_PATH=f"{ROOT}/usr/lib/x86_64-linux-gnu")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        for name in ("run", "keys", "zones", "ub"):
            (self.dir / name).mkdir()
        huge = " ".join('"' + f"{i:03d}" + "x" * 240 + '"' for i in range(24))
        for zone in ZONES:
            text = REVERSE if zone.endswith("arpa") else HOSTS.format(huge=huge) + self.records
            (self.dir / "zones" / f"{zone}.zone").write_text(f"$ORIGIN {zone}.\n{text}")
        (self.dir / "knot.conf").write_text(KNOT.format(dir=self.dir, knot=self.knot))
        self._spawn("knotd", "-c", self.dir / "knot.conf")
        anchors = wait_for(self._signed, 20, lambda: "keys of signed.test: " + self._output())
        wrong = anchors.replace("signed.test.", "bogus.test.")
        (self.dir / "anchors").write_text(anchors + wrong)
        text = UNBOUND.format(dir=self.dir, unbound=self.port, closed=free_port(),
                              hole=self._hole.getsockname()[1])
        if self.at is not None:
            text = text.replace("  port:", f"  interface: {self.at}@53\n  port:", 1)
        for zone in ZONES:
            text += STUB.format(zone=zone, knot=self.knot)
        (self.dir / "unbound.conf").write_text(text)
        self._spawn("unbound", "-d", "-c", self.dir / "unbound.conf")
        wait_for(self._answers, 20, lambda: "unbound to answer: " + self._output())

    def _spawn(self, name, *arguments):
        output = open(self.dir / "out", "ab")
        self._processes.append(subprocess.Popen(
            [ROOT / "usr/sbin" / name, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=self._environment))
        output.close()

    def _signed(self):
        """The DS records of signed.test, once knotd serves it signed."""
        self._check()
        log = self.dir / "knot.log"
        if not log.exists() or log.read_text().count("DNSSEC, successfully signed") < 2:
            return None
        done = subprocess.run([ROOT / "usr/sbin/keymgr", "-c", self.dir / "knot.conf", "signed.test", "ds"],
                              env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 and " DS " in done.stdout else None

    def _answers(self):
        self._check()
        query = b"\0\7\1\0\0\1\0\0\0\0\0\0\2ns\10insecure\4test\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            with contextlib.suppress(OSError):
                probe.sendto(query, ("127.0.0.1", self.port))
                return probe.recv(512)[3] & 15 == 0
        return False

    def _check(self):
        for process in self._processes:
            if process.poll() is not None:
                raise Skipped(f"{process.args[0]} does not run here: {self._output()[-500:]}")

    def _output(self):
        path = self.dir / "out"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()
        self._hole.close()
        self._temporary.cleanup()
