"""Mail handed over in Exim's spool format: the queuefile transport's pairs, taken in from input/ by a
daemon, ours and the real Exim's. EXIM.md 1.14, 1.19."""

import contextlib
import os
import pathlib
import pwd
import re
import subprocess
import tempfile
import time

from harness import Client, Godwit, Sink, wait_for
from peers import Exim, PACKAGES, Skipped, ROOT, fetch

ROUTER = "scan:\n  driver = accept\n  transport = scan\n"
QUEUEFILE = "scan:\n  driver = queuefile\n  directory = {dir}/pairs\n"
TEXT = "From: a@test.example\r\nSubject: pair\r\nX-Long: one\r\n two\r\n\r\n..dot\r\nFrom here\r\n\r\nend\r\n"
BODY = b"\r\n\r\n.dot\r\nFrom here\r\n\r\nend\r\n"


def exim_uid():
    """The user of the real Exim: the system's own, or that of bench/compare/enter-peer."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("Debian-exim").pw_uid
    return 64102


EXIM_UID = exim_uid()
SLOW = True  # input/ is looked at every few seconds


def make_pairs(count, recipients=("b@example.com", "c@example.com"), form="long"):
    """Messages through the queuefile transport; gives of each its id and the texts of its files."""
    with Godwit(routers=ROUTER, transports=QUEUEFILE, main=f"message_id_form = {form}", start=False) as godwit:
        pairs = godwit.dir / "pairs"
        pairs.mkdir()
        godwit.start()
        messages = [godwit.send(recipients=recipients, text=TEXT) for _ in range(count)]
        wait_for(lambda: godwit.log().count("Completed") == count, what="all pairs")
        assert {path.name for path in pairs.iterdir()} == {f"{m}-{part}" for m in messages for part in "DH"}
        return [(m, (pairs / f"{m}-H").read_bytes(), (pairs / f"{m}-D").read_bytes()) for m in messages]


def make_pair(**more):
    return make_pairs(1, **more)[0]


def drop(godwit, pair, folder="", parts="HD"):
    """Puts the pair into input/, as `mv` does."""
    message, header, data = pair
    place = godwit.dir / "spool" / "input" / folder
    place.mkdir(parents=True, exist_ok=True)
    for part, text in (("H", header), ("D", data)):
        if part in parts:
            draft = godwit.dir / f"draft-{part}"
            draft.write_bytes(text)
            draft.rename(place / f"{message}-{part}")
    return place


def left(godwit):
    return sorted(path.name for path in (godwit.dir / "spool" / "input").rglob("*") if path.is_file())


def test_a_pair_is_taken_in_by_a_running_and_by_a_starting_daemon():
    pairs = make_pairs(2)
    for running in (True, False):
        with Sink() as sink, Godwit(sink.port, start=running) as godwit:
            for pair, folder in zip(pairs, ("", pairs[1][0][5])):
                drop(godwit, pair, folder)
            if not running:
                godwit.start()
            for message in sink.wait(2):
                assert message["sender"] == "a@test.example" and message["recipients"] == ["b@example.com", "c@example.com"]
                assert message["data"].endswith(BODY), message["data"]
                assert b"\r\nX-Long: one\r\n two\r\n" in message["data"], message["data"]
            for pair in pairs:
                godwit.wait_log(f"{pair[0]} taken in from input/")
                godwit.wait_log(f"{pair[0]} Completed")
            wait_for(lambda: left(godwit) == [], 5, "an empty folder")
            time.sleep(3.2)  # looked at again
            assert len(sink.messages) == 2 and godwit.queue_count() == 0


def test_a_queue_run_takes_pairs_in_where_no_daemon_runs():
    pair = make_pair()
    for option in ("-q", "-qf"):
        with Sink() as sink, Godwit(sink.port, start=False) as godwit:
            drop(godwit, pair)
            time.sleep(2.2)  # what has just changed waits
            godwit.cli(option)
            message = sink.wait(1)[0]
            assert message["recipients"] == ["b@example.com", "c@example.com"] and message["data"].endswith(BODY), message
            godwit.wait_log(f"{pair[0]} Completed")
            assert left(godwit) == []
            godwit.cli(option)
            assert len(sink.messages) == 1 and godwit.queue_count() == 0


def test_half_a_pair_waits():
    header, data = make_pairs(2)
    with Sink() as sink, Godwit(sink.port) as godwit:
        drop(godwit, header, parts="H")
        drop(godwit, data, parts="D")
        time.sleep(5)
        assert left(godwit) == sorted((f"{header[0]}-H", f"{data[0]}-D")) and not sink.messages
        drop(godwit, header, parts="D")
        drop(godwit, data, parts="H")
        assert all(message["data"].endswith(BODY) for message in sink.wait(2))
        wait_for(lambda: left(godwit) == [], 5, "an empty folder")


def test_what_is_malformed_stays_for_a_while():
    cut, renamed, other = make_pairs(3)
    name = renamed[0].encode()
    broken = [
        (cut[0], cut[1][:100], cut[2]),
        (renamed[0], renamed[1].replace(name + b"-H", name[:-1] + b"?-H"), renamed[2]),
        (other[0], other[1], b"another first line\n" + other[2]),
    ]
    with Sink() as sink, Godwit(sink.port) as godwit:
        for pair in broken:
            drop(godwit, pair)
        for message, _, _ in broken:
            godwit.wait_log(f"{message} Format error in spool file {message}-H: ", name="panic")
        time.sleep(4)  # looked at again
        assert godwit.log().count("Format error") == 3, godwit.log()
        assert left(godwit) == sorted(f"{pair[0]}-{part}" for pair in broken for part in "DH")
        assert not sink.messages and godwit.queue_count() == 0
    with Godwit(main="keep_malformed = 1s") as godwit:
        drop(godwit, broken[0])
        godwit.wait_log(f"{broken[0][0]} malformed for longer than keep_malformed: removed")
        wait_for(lambda: left(godwit) == [], 5, "an empty folder")


def test_what_is_not_a_plain_file_of_its_own_is_left_alone():
    message, header, data = make_pair()
    with Sink() as sink, Godwit(sink.port) as godwit:
        folder = drop(godwit, (message, header, data), parts="D")
        elsewhere = godwit.dir / "elsewhere"
        elsewhere.write_bytes(header)
        (folder / f"{message}-H").symlink_to(elsewhere)
        time.sleep(5)
        (folder / f"{message}-H").unlink()
        os.link(elsewhere, folder / f"{message}-H")  # as Exim's own transport does while it has the message
        time.sleep(5)
        assert not sink.messages and len(left(godwit)) == 2
        elsewhere.unlink()
        sink.wait(1)


def test_recipients_that_are_done_get_nothing_again():
    message, header, data = make_pair(recipients=("b@example.com", "c@example.com", "d@example.com"))
    header = header.replace(b"\nXX\n", b"\nNN b@example.com\n")
    with Sink() as sink, Godwit(sink.port) as godwit:
        place = godwit.dir / "spool" / "input"
        (place / f"{message}-J").write_bytes(b"c@example.com\n")
        drop(godwit, (message, header, data))
        assert sink.wait(1)[0]["recipients"] == ["d@example.com"]
        wait_for(lambda: left(godwit) == [], 5, "an empty folder")


def test_what_a_crash_interrupted_is_finished():
    pair = make_pair()
    with Sink() as sink, Godwit(sink.port, start=False) as godwit:
        # Claimed and not yet committed: it is taken in now.
        place = drop(godwit, pair)
        (place / f"{pair[0]}-H").rename(place / f"{pair[0]}-H.taking")
        godwit.start()
        sink.wait(1)
        wait_for(lambda: left(godwit) == [], 5, "an empty folder")
    with Sink({"MAIL": b"450 later\r\n"}) as sink, Godwit(sink.port) as godwit:
        # Committed, and the files not yet removed: the message is there once.
        drop(godwit, pair)
        godwit.wait_log(f"{pair[0]} == ")
        godwit.kill()
        place = drop(godwit, pair)
        (place / f"{pair[0]}-H").rename(place / f"{pair[0]}-H.taking")
        godwit.start()
        wait_for(lambda: left(godwit) == [], 10, "an empty folder")
        assert godwit.queue_count() == 1, godwit.cli("-bp").stdout


class QueueingExim(Exim):
    """The real Exim, with a spool that is prepared before it starts."""

    def __init__(self, pairs=(), **more):
        self.pairs = pairs
        super().__init__(**more)

    def enter(self, system):
        folder = self.dir / "spool" / "input"
        folder.mkdir(parents=True)
        for message, header, data in self.pairs:
            for part, text in (("H", header), ("D", data)):
                path = folder / f"{message}-{part}"
                path.write_bytes(text)
                os.chown(path, EXIM_UID, EXIM_UID)
                path.chmod(0o640)
        for path in (folder.parent, folder):
            os.chown(path, EXIM_UID, EXIM_UID)
        super().enter(system)


def exim(config, spool, *arguments):
    """Runs the real Exim once, as enter-peer lays it out; gives what it printed."""
    if os.geteuid() != 0:
        raise Skipped("exim needs namespaces and users of its own: run as root")
    fetch()
    with tempfile.TemporaryDirectory(prefix="godwit-exim-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "exim.conf").write_text(config.format(spool=spool))
        done = subprocess.run(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer",
                               "run", str(PACKAGES), name, "/usr/sbin/exim4", "-C", folder / "exim.conf", *arguments],
                              cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_exim_reads_our_pairs():
    message, header, data = make_pair(form="short")
    with tempfile.TemporaryDirectory(prefix="godwit-spool-", dir="/var/tmp") as name:
        spool = pathlib.Path(name)
        folder = spool / "input"
        folder.mkdir()
        for part, text in (("H", header), ("D", data)):
            path = folder / f"{message}-{part}"
            path.write_bytes(text)
        for path in [spool, folder, *folder.iterdir()]:
            os.chown(path, EXIM_UID, EXIM_UID)
            path.chmod(0o750 if path.is_dir() else 0o640)
        config = "spool_directory = {spool}\nlog_file_path = {spool}/%slog\nprimary_hostname = exim.test\nkeep_environment =\n"
        listed = exim(config, spool, "-bp")
        assert re.search(rf"{message} <a@test\.example>\n +b@example\.com\n +c@example\.com\n", listed), (listed, message, header)
        assert exim(config, spool, "-Mvh", message).encode() == header
        assert exim(config, spool, "-Mvb", message).encode() == data
    with Sink() as sink, QueueingExim([(message, header, data)], relay=sink.port):
        got = sink.wait(1, 30)[0]
        assert got["sender"] == "a@test.example" and got["recipients"] == ["b@example.com", "c@example.com"], got
        assert got["data"].endswith(BODY), got["data"]


def test_we_take_in_exims_own_spool():
    with Sink() as sink, Godwit(sink.port) as godwit, QueueingExim(main="queue_only") as peer:
        with Client(peer.port) as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> RET=HDRS ENVID=abc", 250)
            client.command("RCPT TO:<b@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.com", 250)
            client.command("RCPT TO:<c@example.com>", 250)
            client.command("DATA", 354)
            client.raw(TEXT)
            client.raw(".\r\n")
            assert client.reply()[0] == 250, peer.log("panic") + peer.log()
        peer.stop()
        pairs = sorted((peer.dir / "spool" / "input").iterdir())
        assert [path.name[-2:] for path in pairs] == ["-D", "-H"], pairs
        for path in pairs:
            os.chown(path, os.geteuid(), -1)
            target = godwit.dir / "spool" / "input" / path.name
            target.write_bytes(path.read_bytes())
        got = sink.wait(1)[0]
        assert got["sender"] == "a@test.example" and got["recipients"] == ["b@example.com", "c@example.com"], got
        assert got["data"].endswith(BODY), got["data"]
        assert "RET=HDRS" in got["mail"] and "ENVID=abc" in got["mail"], got
        assert "NOTIFY=SUCCESS,FAILURE" in got["rcpts"][0] and "ORCPT=rfc822;b@example.com" in got["rcpts"][0], got
