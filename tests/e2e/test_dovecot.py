"""The lmtp transport against Dovecot's LMTP server, and the maildirsize file that Dovecot's quota reads."""

import os
import pathlib
import subprocess

from harness import ROOT, Godwit, one_at_a_time, wait_for
from peers import PEERS, Peer, Skipped

PACKAGES = PEERS / "dovecot"
CONFIG = """\
base_dir = {dir}/run
state_dir = {dir}/state
protocols = lmtp
log_path = {dir}/dovecot.log
ssl = no
mail_location = maildir:{dir}/mail/%n
mail_uid = 64104
mail_gid = 64104
first_valid_uid = 0
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=64104 gid=64104 home={dir}/mail/%n allow_all_users=yes
}}
service lmtp {{
  unix_listener {dir}/lmtp {{
    mode = 0666
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@dovecot.test
}}
"""
ROUTER = "local:\n  driver = accept\n  transport = lmtp\n"


class Dovecot(Peer):
    """Dovecot with LMTP on a unix-domain socket; every local part has a maildir."""

    def __init__(self):  # pylint: disable=super-init-not-called
        if os.geteuid() != 0:
            raise Skipped("Dovecot needs namespaces and users of its own: run as root")
        with one_at_a_time("fetch"):
            done = subprocess.run([ROOT / "scripts" / "fetch-dovecot"], capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL, timeout=180)
        if done.returncode != 0:
            raise Skipped("packages of Dovecot: " + done.stderr.strip())
        self.make_directory()
        (self.dir / "mail").mkdir()
        os.chown(self.dir / "mail", 64104, 64104)
        (self.dir / "dovecot.conf").write_text(CONFIG.format(dir=self.dir))
        self.spawn(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
                    str(PACKAGES), str(self.dir), "/usr/sbin/dovecot", "-F", "-c", str(self.dir / "dovecot.conf")])

    def listens(self):
        assert self.process.poll() is None, "it ended: " + self.output()
        return (self.dir / "lmtp").exists()

    def log(self):
        path = self.dir / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def messages(self, local_part):
        folder = pathlib.Path(self.dir / "mail" / local_part / "new")
        return [path.read_text() for path in sorted(folder.iterdir())] if folder.exists() else []


def test_dovecot_takes_a_batch():
    with Dovecot() as dovecot:
        lmtp = f"lmtp:\n  driver = lmtp\n  socket = {dovecot.dir}/lmtp\n  batch_max = 10\n  return_path_add\n"
        with Godwit(routers=ROUTER, transports=lmtp) as godwit:
            godwit.send(recipients=["ann@dovecot.test", "bob@dovecot.test"],
                        text="From: a@test.example\r\nSubject: caf\u00e9 no\r\n\r\n..dot\r\nline\r\n")
            wait_for(lambda: "Completed" in godwit.log(), 20, lambda: godwit.log() + dovecot.log() + dovecot.output())
            log = godwit.log()
            assert 'R=local T=lmtp C="250 2.0.0 <ann@dovecot.test>' in log and "-> bob" in log, log
        for local_part in ("ann", "bob"):
            texts = dovecot.messages(local_part)
            assert len(texts) == 1, (texts, dovecot.log())
            assert "Return-Path: <a@test.example>" in texts[0], texts[0]
            assert texts[0].endswith("\n\n.dot\nline\n"), texts[0]


def test_dovecot_takes_a_large_message():
    with Dovecot() as dovecot:
        lmtp = f"lmtp:\n  driver = lmtp\n  socket = {dovecot.dir}/lmtp\n"
        lines = "".join(f"line {n} of a long message\r\n" for n in range(40000))
        with Godwit(routers=ROUTER, transports=lmtp) as godwit:
            godwit.send(recipients=["ann@dovecot.test"], text="Subject: x\r\n\r\n" + lines)
            wait_for(lambda: "Completed" in godwit.log(), 20, lambda: godwit.log() + dovecot.log() + dovecot.output())
        assert dovecot.messages("ann")[0].split("\n\n", 1)[1] == lines.replace("\r\n", "\n")
