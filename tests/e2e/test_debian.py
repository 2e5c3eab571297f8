"""Debian's default configuration, as its own tools write it, loads and decides unchanged."""

import os
import pathlib
import subprocess
import tempfile

from harness import PROGRAM, ROOT
from peers import PACKAGES, PEERS, Skipped, fetch

SETTINGS = """\
dc_eximconfig_configtype='{kind}'
dc_other_hostnames='mail.example.net'
dc_local_interfaces='127.0.0.1 ; ::1'
dc_readhost=''
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets='10.0.0.0/8'
dc_smarthost='smart.example.net'
CFILEMODE='644'
dc_use_split_config='{split}'
dc_hide_mailname='true'
dc_mailname_in_oh='true'
dc_localdelivery='maildir_home'
"""
DIALOGUE = """\
EHLO client.test
MAIL FROM:<a@[192.0.2.1]>
MAIL FROM:<a@example.com>
RCPT TO:<x@other.example>
RCPT TO:<a@b@other.example>
QUIT
"""


def package():
    """exim4-config, unpacked under build/peers once."""
    folder = PEERS / "debian-config"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run("apt-get download -qq exim4-config && dpkg-deb -x exim4-config_*.deb root && touch complete",
                              shell=True, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise Skipped("package exim4-config: " + done.stderr.strip())
    return folder / "root"


def configurations(directory):
    """(name, path) of what update-exim4.conf writes."""
    root = package()
    work = pathlib.Path(directory) / "exim4"
    subprocess.run(["cp", "-r", root / "etc/exim4", work], check=True)
    # The tool checks what it wrote with the real program where that is installed.
    for kind in ("internet", "smarthost"):
        for split in ("true", "false"):
            (work / "update-exim4.conf.conf").write_text(SETTINGS.format(kind=kind, split=split))
            path = pathlib.Path(directory) / f"{kind}-{split}.conf"
            subprocess.run(["bash", root / "usr/sbin/update-exim4.conf", "--confdir", work, "-o", path],
                           capture_output=True, timeout=60, check=False)
            if not path.exists():
                raise Skipped("update-exim4.conf wrote nothing here")
            yield f"{kind}, split {split}", path


def run(*arguments, stdin=""):
    return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False)


def test_the_default_configurations_load_and_decide():
    with tempfile.TemporaryDirectory(prefix="godwit-debian-") as directory:
        count = 0
        for name, path in configurations(directory):
            count += 1
            loaded = run("-C", path, "-bV")
            assert loaded.returncode == 0 and ": error:" not in loaded.stderr, (name, loaded.stderr)
            names = run("-C", path, "-bP", "router_list").stdout.split()
            assert "system_aliases" in names and "hubbed_hosts" in names, (name, names)
            session = run("-C", path, "-bh", "192.0.2.7", stdin=DIALOGUE)
            replies = [line for line in session.stdout.splitlines() if line[3:4] == " "]
            assert "domain literals not allowed" in replies[2], (name, replies)
            assert replies[3].startswith("250"), (name, replies)
            assert replies[4].startswith("550") and "relay not permitted" in replies[4], (name, replies)
            assert replies[5].startswith("50"), (name, replies)
        assert count == 4


def test_the_default_configurations_route_and_answer_as_exim_does():
    """-bt and -bh of both programs; what Exim's replies say beside their code is in the dialogues of tests/differential."""
    fetch()
    with tempfile.TemporaryDirectory(prefix="godwit-debian-") as directory:
        os.chmod(directory, 0o755)
        exim = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
                str(PACKAGES), directory, "/usr/sbin/exim4"]

        def ask(program, path, *arguments, stdin=""):
            return subprocess.run([*program, "-C", str(path), *arguments], input=stdin, capture_output=True, text=True,
                                  cwd=ROOT, timeout=60, check=False)

        for name, path in configurations(directory):
            for address in ("root@mail.example.net", "nosuch@mail.example.net", "postmaster@localhost",
                            "x@[192.0.2.1]", "a@nowhere.invalid"):
                theirs, ours = ask(exim, path, "-bt", address), ask([PROGRAM], path, "-bt", address)
                assert theirs.stdout and theirs.returncode == ours.returncode, (name, address, theirs, ours)
                assert theirs.stdout == ours.stdout, (name, address, theirs.stdout, ours.stdout)
            codes = []
            for program in (exim, [PROGRAM]):
                session = ask(program, path, "-bh", "192.0.2.7", stdin=DIALOGUE)
                codes.append([line[:3] for line in session.stdout.splitlines() if line[:3].isdigit() and line[3:4] == " "])
            assert len(codes[0]) == 7 and codes[0] == codes[1], (name, codes)
