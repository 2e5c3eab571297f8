"""The appendfile transport: quotas, maildirsize, warnings, mailstore and plain files, links and pipes."""

import contextlib
import fcntl
import os
import pathlib
import re
import threading
import time

from harness import Godwit, Sink, wait_for
from test_transport_options import TEXT
from test_transports import start, with_transport

MAILDIR = "  driver = appendfile\n  maildir_format\n  directory = {dir}/m\n"
LATER = "* * F,2h,1h"


def new(godwit, folder="m"):
    return sorted((godwit.dir / folder / "new").iterdir())


def deliver(godwit, count=1, text=TEXT, recipient="b@local.test"):
    # One after the other: two workers that deliver at once may both count what is there.
    for done in range(godwit.log().count("Completed"), godwit.log().count("Completed") + count):
        godwit.send(recipients=[recipient], text=text)
        wait_for(lambda: godwit.log().count("Completed") > done, 15, godwit.log)


def test_a_size_file_is_kept():
    with with_transport(MAILDIR + "  maildir_use_size_file\n  quota = 10K\n  quota_filecount = 3\n") as godwit:
        start(godwit, retry=LATER)
        deliver(godwit, 2)
        size = new(godwit)[0].stat().st_size
        lines = (godwit.dir / "m" / "maildirsize").read_text().splitlines()
        assert lines == ["10240S,3C", "0 0", f"{size} 1", f"{size} 1"], lines
        # What the file says counts, even where it is wrong.
        (godwit.dir / "m" / "maildirsize").write_text("10240S,3C\n10200 1\n")
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"== b@local\.test R=local T=local defer \(-22\): mailbox is full \(MTA-imposed quota exceeded")
        # Made for another quota: counted anew.
        (godwit.dir / "m" / "maildirsize").write_text("99S,3C\n10200 1\n")
        deliver(godwit)
        lines = (godwit.dir / "m" / "maildirsize").read_text().splitlines()
        assert lines == ["10240S,3C", f"{2 * size} 2", f"{size} 1"], lines


def test_folders_belong_to_the_maildir_above():
    options = MAILDIR.replace("{dir}/m\n", "{dir}/m/.Box\n") + \
        "  maildir_use_size_file\n  quota = 1M\n  maildirfolder_create_regex = /\\\\.[^/]+$\\n"
    options = options.replace("\\\\", "\\").replace("$\\n", "$\n")
    with with_transport(options) as godwit:
        start(godwit)
        deliver(godwit, 2)
        assert (godwit.dir / "m" / ".Box" / "maildirfolder").exists()
        lines = (godwit.dir / "m" / "maildirsize").read_text().splitlines()
        assert lines[0] == "1048576S,0C" and len(lines) == 4, lines
    excluded = options + "  maildir_quota_directory_regex = ^(?:cur|new|\\.(?!Box).*)$\n"
    with with_transport(excluded) as godwit:
        start(godwit)
        deliver(godwit)
        assert not (godwit.dir / "m" / "maildirsize").exists()


def test_sizes_in_names_and_from_elsewhere():
    tagged = MAILDIR + "  maildir_tag = ,S=$message_size\n  quota = 100K\n  quota_size_regex = ,S=(\\d+)\n"
    with with_transport(tagged) as godwit:
        start(godwit, retry=LATER)
        deliver(godwit)
        os.rename(new(godwit)[0], godwit.dir / "m" / "new" / "x,S=999999")
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"defer \(-22\): mailbox is full")
    for options, is_full in (("  quota = 1K\n  mailbox_size = 1000\n", True), ("  quota = 1K\n  mailbox_size = 10\n", False),
                             ("  quota = 1K/no_check\n  mailbox_size = 1000\n", False),
                             ("  quota = 1M\n  quota_filecount = 5\n  mailbox_filecount = 5\n", True),
                             ("  quota = 1M\n  quota_filecount = 5\n  mailbox_filecount = 4\n", False)):
        with with_transport(MAILDIR + options) as godwit:
            start(godwit, retry=LATER)
            godwit.send(recipients=["b@local.test"], text=TEXT)
            godwit.wait_log(r"defer \(-22\)" if is_full else "Completed")


def test_a_full_mailbox_is_warned_of_once():
    own = "  quota_warn_message = \"To: owner@test.example\\nSubject: full\\nFrom: w@test.example\\n\\nalmost\\n\"\n"
    for driver in (MAILDIR, "  driver = appendfile\n  file = {dir}/box\n"):
        for more, to in (("", "b@local.test"), (own, "owner@test.example")):
            with Sink() as sink, with_transport(driver + "  quota = 2K\n  quota_warn_threshold = 50%\n" + more, sink.port) as godwit:
                routers = godwit.settings["routers"].replace("domains = local.test", "domains = local.test\n  condition = ${if def:sender_address}")
                start(godwit, routers=routers, retry=LATER)
                body = TEXT + "x" * 900 + "\r\n"
                deliver(godwit)
                godwit.send(recipients=["b@local.test"], text=body)
                warning = sink.wait(1)[0]
                assert warning["sender"] == "" and warning["recipients"] == [to], warning
                assert b"Auto-Submitted: auto-replied\r\n" in warning["data"], warning
                assert (b"\r\nSubject: full\r\n" if more else b"\r\nSubject: Your mailbox\r\n") in warning["data"], warning
                assert warning["data"].endswith(b"\r\n\r\nalmost\r\n" if more else b"set by the system administrator.\r\n")
                deliver(godwit)
                assert len(sink.messages) == 1


def test_mailstore_files():
    options = "  driver = appendfile\n  mailstore_format\n  directory = {dir}/m\n  batch_max = 9\n" \
              "  mailstore_prefix = before $mailstore_basename\n  mailstore_suffix = after\n"
    with with_transport(options) as godwit:
        start(godwit)
        message_id = godwit.send(recipients=["b@local.test", "c@local.test"], text=TEXT)
        godwit.wait_log("Completed")
        names = sorted(path.name for path in (godwit.dir / "m").iterdir())
        assert len(names) == 2 and names[0].startswith(message_id) and names[0].endswith(".env"), names
        base = names[0][:-4]
        assert names[1] == base + ".msg"
        assert (godwit.dir / "m" / names[0]).read_text() == \
            f"before {godwit.dir}/m/{base}\na@test.example\nb@local.test\nc@local.test\nafter\n"
        text = (godwit.dir / "m" / names[1]).read_text()
        assert text.startswith("Received: ") and text.endswith("\n\nline\n.dot\n"), text


def test_plain_files():
    for name, pattern in (("", r"q\w{6}-\d+$"), ("  directory_file = $message_exim_id-$inode\n", r"\S+-\d+$")):
        with with_transport("  driver = appendfile\n  directory = {dir}/m\n" + name) as godwit:
            start(godwit)
            deliver(godwit, 2)
            paths = list((godwit.dir / "m").iterdir())
            assert len(paths) == 2, paths
            for path in paths:
                assert __import__("re").match(pattern, path.name), path
                assert path.name.endswith(f"-{path.stat().st_ino}"), path
                assert path.read_text().endswith("\n\nline\n.dot\n")


def test_where_files_are_made():
    cases = [("inhome", "{dir}/home", "{dir}/home/box", True), ("belowhome", "{dir}/home", "{dir}/other/box", False),
             ("{dir}/root", "{dir}/home", "{dir}/root/a/box", True), ("{dir}/root", "{dir}/home", "{dir}/home/box", False)]
    for where, home, path, is_made in cases:
        options = f"  driver = appendfile\n  file = {path}\n  home_directory = {home}\n  create_file = {where}\n"
        with with_transport(options) as godwit:
            for folder in ("home", "other", "root"):
                os.mkdir(godwit.dir / folder)
            start(godwit, retry=LATER)
            godwit.send(recipients=["b@local.test"], text=TEXT)
            godwit.wait_log("Completed" if is_made else r"defer \(-34\): .*create_file")
            assert pathlib.Path(path.format(dir=godwit.dir)).exists() == is_made


def test_links_and_named_pipes():
    box = "  driver = appendfile\n  file = {dir}/box\n"
    with with_transport(box + "  allow_symlink\n") as godwit:
        os.symlink(godwit.dir / "real", godwit.dir / "box")
        start(godwit)
        deliver(godwit, 2)
        assert (godwit.dir / "real").read_text().count("Subject: x\n") == 2
    with with_transport(box) as godwit:
        os.symlink(godwit.dir / "real", godwit.dir / "box")
        start(godwit, retry=LATER)
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"defer \(-4\): .*symbolic link")
    with with_transport(box + "  allow_fifo\n") as godwit:
        os.mkfifo(godwit.dir / "box")
        start(godwit, retry="* * F,2h,1s")
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log("could mean no process is reading it")
        got = []
        reader = threading.Thread(target=lambda: got.append((godwit.dir / "box").read_text()))
        reader.start()
        godwit.wait_log("Completed", 20)
        reader.join(10)
        assert "Subject: x\n" in got[0], got


MBX = """\
mbx:
  driver = appendfile
  file = {dir}/box
  message_prefix =
  message_suffix =
  mbx_format
"""


def test_a_file_goes_on_in_its_format():
    """What the real Exim 4.96 writes."""
    options = ("  driver = appendfile\n  file = {dir}/box\n"
               "  file_format = \"From : local : *mbx* : mbx\"\n" + MBX)
    with with_transport(options) as godwit:
        start(godwit, retry=LATER)
        box = godwit.dir / "box"

        def send(before, wanted):
            box.unlink(missing_ok=True)
            if before is not None:
                box.write_bytes(before)
                box.chmod(0o600)
            message = godwit.send(recipients=["b@local.test"], text=TEXT)
            godwit.wait_log(message + wanted)
            return box.read_bytes() if box.exists() else b""

        by = r" => b <b@local\.test> R=local T="
        assert send(None, by + "local$").startswith(b"From a@test.example ")
        assert send(b"", by + "local$").startswith(b"From a@test.example ")
        assert send(b"From x\n\ny\n\n", by + "local$").startswith(b"From x\n\ny\n\nFrom a@test.example ")
        head = b"*mbx*\r\n6b01d2cb00000000\r\n" + b"\r\n" * 30
        head += bytes(2048 - len(head))
        text = send(head, by + "mbx$")
        line, _, message = text[2048:].partition(b"\r\n")
        size = re.fullmatch(rb"\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d [+-]\d{4},(\d+);000000000000-00000000", line)
        assert text.startswith(head) and size and int(size[1]) == len(message), text[2048:]
        assert message.startswith(b"Received: ") and message.endswith(b"\r\n\r\nline\r\n.dot\r\n"), message
        assert send(b"other\n", r" == b@local\.test R=local T=local defer \(-33\): mailbox file format unrecognized") == b"other\n"


def test_an_mbx_file_is_made():
    with with_transport(MBX.replace("mbx:\n", "")) as godwit:
        start(godwit)
        deliver(godwit, 2)
        text = (godwit.dir / "box").read_bytes()
        assert re.match(rb"\*mbx\*\r\n[0-9a-f]{8}00000000\r\n(\r\n){30}\0+\d\d-", text), text[:100]
        assert text[2047:2048] == b"\0" and text.count(b";000000000000-00000000\r\nReceived: ") == 2


LOCKING = {
    "fcntl": "file = {dir}/fcntl\n  no_use_lockfile\n  lock_retries = 0",
    "flock": "file = {dir}/flock\n  no_use_lockfile\n  no_use_fcntl_lock\n  use_flock_lock\n  lock_retries = 0",
    "unaware": "file = {dir}/unaware\n  no_use_lockfile\n  use_flock_lock = false\n  lock_retries = 0",
    "patient": "file = {dir}/patient\n  no_use_lockfile\n  lock_fcntl_timeout = 9s\n  lock_interval = 9s\n  lock_retries = 1",
    "patientflock": "file = {dir}/patientflock\n  no_use_lockfile\n  no_use_fcntl_lock\n  use_flock_lock\n"
                    "  lock_flock_timeout = 9s\n  lock_interval = 9s\n  lock_retries = 1",
    "lockmode": "file = {dir}/lockmode\n  allow_fifo\n  lockfile_mode = 0640",
    "full": "directory = {dir}/all/full\n  quota = 1M\n  quota_directory = {dir}/all",
    "fits": "directory = {dir}/all/fits\n  quota = 1M",
}


def test_locks_and_what_is_measured():
    routers = ("all:\n  driver = accept\n  local_parts = " + " : ".join(LOCKING) + "\n  transport = $local_part_data\n")
    transports = "".join(f"{name}:\n  driver = appendfile\n  {options}\n" for name, options in LOCKING.items())
    with Godwit(routers=routers, transports=transports, retry=LATER, start=False) as godwit, contextlib.ExitStack() as stack:
        held = {}
        for name in ("fcntl", "flock", "unaware", "patient", "patientflock"):
            held[name] = stack.enter_context(open(godwit.dir / name, "wb"))
            os.chmod(godwit.dir / name, 0o600)
            lock = fcntl.flock if name in ("flock", "unaware", "patientflock") else fcntl.lockf
            lock(held[name], fcntl.LOCK_EX)
        os.mkfifo(godwit.dir / "lockmode")
        slow = os.open(godwit.dir / "lockmode", os.O_RDONLY | os.O_NONBLOCK)
        (godwit.dir / "all" / "full").mkdir(parents=True)
        (godwit.dir / "all" / "other").write_bytes(b"x" * 1000000)
        godwit.start()
        godwit.send(recipients=[name + "@local.test" for name in LOCKING], text=TEXT + "more text\r\n" * 20000)
        godwit.wait_log(r"== fcntl@\S+ R=all T=fcntl defer \(-9\): failed to lock mailbox \S+/fcntl \(fcntl\)", 30)
        godwit.wait_log(r"== flock@\S+ R=all T=flock defer \(-9\): failed to lock mailbox \S+/flock \(flock\)")
        godwit.wait_log(r"=> unaware ")
        began = time.monotonic()
        fcntl.lockf(held["patient"], fcntl.LOCK_UN)
        godwit.wait_log(r"=> patient ")
        fcntl.flock(held["patientflock"], fcntl.LOCK_UN)
        godwit.wait_log(r"=> patientflock ")
        assert time.monotonic() - began < 7, "they waited for lock_interval"
        lock = godwit.dir / "lockmode.lock"
        assert wait_for(lambda: lock.exists() and lock.stat().st_mode & 0o777, 15, godwit.log) == 0o640
        os.set_blocking(slow, True)
        while os.read(slow, 65536):
            pass
        os.close(slow)
        godwit.wait_log(r"=> lockmode ")
        assert not lock.exists()
        godwit.wait_log(r"== full@\S+ R=all T=full defer \(-22\): mailbox is full .* \S+/all")
        godwit.wait_log(r"=> fits ")
