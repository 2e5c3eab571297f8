"""The appendfile transport: quotas, maildirsize, warnings, mailstore and plain files, links and pipes."""

import os
import pathlib
import threading

from harness import Sink, wait_for
from test_transport_options import TEXT
from test_transports import start, with_transport

MAILDIR = "  driver = appendfile\n  maildir_format\n  directory = {dir}/m\n"
LATER = "* * F,2h,1h"


def new(godwit, folder="m"):
    return sorted((godwit.dir / folder / "new").iterdir())


def deliver(godwit, count=1, text=TEXT, recipient="b@local.test"):
    done = godwit.log().count("Completed")
    for _ in range(count):
        godwit.send(recipients=[recipient], text=text)
    wait_for(lambda: godwit.log().count("Completed") >= done + count, 15, godwit.log)


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


def test_formats_that_are_not_there_are_refused():
    for option in ("mbx_format", "use_mbx_lock", "file_format = From : local"):
        with with_transport(f"  driver = appendfile\n  file = {{dir}}/box\n  {option}\n") as godwit:
            godwit.write_config()
            done = godwit.cli("-bV", check=False)
            assert done.returncode != 0 and "is not available" in done.stderr, (option, done)
