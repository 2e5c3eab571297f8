"""What users and the world do to a server: full disks, limits, rude clients, broken files."""

import json
import os
import re
import resource
import signal
import subprocess
import time

from harness import ENVIRONMENT, Client, Godwit, Sink, free_port, wait_for


class Skipped(Exception):
    """The machine cannot do it; run.py counts it."""


class SmallDisk:
    """A tmpfs of a few megabytes over the spool directory."""

    def __init__(self, path, megabytes):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skipped("no tmpfs can be mounted here: " + done.stderr.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


def test_a_full_disk_gives_452_and_recovers():
    port = free_port()
    # The whole disk has hardly more than check_spool_space wants to be free.
    with Godwit(port, start=False, main="check_spool_space = 0\n") as godwit, \
            SmallDisk(godwit.dir / "spool", 24) as disk:
        godwit.start()
        accepted = []
        refused = False
        text = "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * 4000
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            for _ in range(200):
                client.raw("MAIL FROM:<a@test.example>\r\n")
                code, reply = client.reply()
                if code == 452:
                    refused = True
                    break
                client.command("RCPT TO:<b@example.com>", 250)
                client.command("DATA", 354)
                client.raw(text)
                client.raw(".\r\n")
                code, reply = client.reply()
                if code == 452:
                    refused = True
                    break
                assert code == 250, reply
                accepted.append(reply.split("id=")[1])
        assert refused and len(accepted) > 10, len(accepted)
        godwit.wait_log("not accepted: no space left on device|cannot be written")
        with Sink(port=port) as sink:
            godwit.cli("-qf")
            sink.wait(len(accepted), 40)
            wait_for(lambda: godwit.queue_count() == 0, 20, "the queue to empty")

            wait_for(lambda: try_to_send(godwit, text), 20, "mail to be accepted again")
            sink.wait(len(accepted) + 1, 20)
        godwit.stop()
        del disk


def test_limits_on_connections():
    with Godwit(1, main="smtp_accept_max = 3") as godwit:
        held = [godwit.client() for _ in range(3)]
        with Client(godwit.port, greet=False) as client:
            assert "Too many concurrent SMTP connections" in client.expect(421)
        held.pop().close()

        def admitted():
            with Client(godwit.port, greet=False) as client:
                return client.reply()[0] == 220

        wait_for(admitted, 5, "a place to become free")
        for client in held:
            client.close()
    with Godwit(1, main="smtp_accept_max_per_host = 2", workers=2) as godwit:
        held = [godwit.client() for _ in range(2)]
        with Client(godwit.port, greet=False) as client:
            assert "from this IP address" in client.expect(421)
        for client in held:
            client.close()


def test_limits_on_a_session():
    main = ("recipients_max = 2\nmessage_size_limit = 2000\nsmtp_accept_max_per_connection = 2\n"
            "smtp_max_unknown_commands = 1\nreceived_headers_max = 2")
    with Godwit(1, main=main) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> SIZE=3000", 552)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            client.command("RCPT TO:<c@example.com>", 250)
            client.command("RCPT TO:<d@example.com>", 452)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\n" + "y" * 70 + "\r\n" + ("z" * 70 + "\r\n") * 40)
            client.command(".", 552)
            client.command("MAIL FROM:<a@test.example>", 421)
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            client.command("DATA", 354)
            client.raw("Received: a\r\n" * 3 + "\r\nx\r\n")
            client.command(".", 550)
        with godwit.client() as client:
            client.raw("FOO\r\n")
            client.expect(500)
            client.raw("GET / HTTP/1.1\r\n")
            assert "Too many unrecognized commands" in client.expect(500)
            assert client.file.read() == b""
        assert godwit.queue_count() == 0


def test_early_talkers_are_refused():
    with Godwit(1, start=False) as godwit:
        godwit.write_config(main="workers = 1\nacl_smtp_connect = wait\npipelining_connect_advertise_hosts =",
                            routers="out:\n  driver = manualroute\n  route_list = * 127.0.0.1\n"
                                    "  transport = remote\nbegin acl\nwait:\n  accept delay = 1s\n")
        godwit.start()
        with Client(godwit.port, greet=False) as client:
            client.raw("EHLO client.test\r\n")
            assert "synchronization error" in client.expect(554)
        godwit.wait_log("input sent without waiting for greeting.*input=\"EHLO client.test", name="reject")


def test_a_client_that_pipelines_without_asking_is_refused():
    with Godwit(1, main="pipelining_connect_advertise_hosts =") as godwit, godwit.client() as client:
        client.raw("HELO client.test\r\nMAIL FROM:<a@test.example>\r\n")
        while True:
            code, _ = client.reply()
            if code == 554:
                break
            assert code == 250


def test_silence_times_out():
    with Godwit(1, main="smtp_receive_timeout = 1s") as godwit, godwit.client() as client:
        assert "SMTP command timeout" in client.expect(421)
        godwit.wait_log(r"SMTP command timeout on connection from \[127.0.0.1\]")


def test_a_client_that_leaves_in_the_middle_of_a_message_leaves_nothing():
    with Godwit(1) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@example.com>", 250)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\nhalf")
        godwit.wait_log("SMTP connection from .* lost while reading message data")
        assert godwit.queue_count() == 0


def test_out_of_descriptors_is_said_and_survived():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    with Sink() as sink, Godwit(sink.port, start=False, main="smtp_accept_max = 0") as godwit:
        godwit.stderr = open(godwit.dir / "stderr", "ab")
        godwit.process = subprocess.Popen([godwit.program, "-C", godwit.config, "-bdf"], stdout=godwit.stderr,
                                          stderr=godwit.stderr, start_new_session=True, preexec_fn=few, env=ENVIRONMENT)
        wait_for(godwit.accepts, 20, "the daemon")
        clients = []
        for _ in range(80):
            try:
                clients.append(Client(godwit.port, greet=False))
            except OSError:
                break
        time.sleep(1)
        for client in clients:
            client.close()
        wait_for(lambda: try_to_send(godwit), 20, "the daemon to take mail again")
        sink.wait(1)


def try_to_send(godwit, text="Subject: x\r\n\r\nbody\r\n"):
    try:
        return godwit.send(text=text)
    except (OSError, AssertionError, ConnectionError):
        return None


def test_the_json_stream_tells_the_same():
    with Sink() as sink, Godwit(sink.port, main="log_json_path = {dir}/log/events.json") as godwit:
        message_id = godwit.send()
        godwit.wait_log("Completed")
        path = godwit.dir / "log" / "events.json"
        wait_for(lambda: "completed" in path.read_text(), 5, "the event")
        events = [json.loads(line) for line in path.read_text().splitlines()]
        kinds = {e["event"]: e for e in events if e.get("id") == message_id}
        assert set(kinds) == {"arrival", "delivery", "completed"}, kinds
        assert kinds["delivery"]["recipient"] == "b@example.com" and kinds["arrival"]["sender"] == "a@test.example"


def test_logs_are_opened_anew():
    with Sink() as sink, Godwit(sink.port) as godwit:
        godwit.send()
        godwit.wait_log("Completed")
        (godwit.dir / "log" / "mainlog").rename(godwit.dir / "log" / "mainlog.1")
        os.kill(godwit.process.pid, signal.SIGUSR1)
        time.sleep(0.2)
        godwit.send()
        godwit.wait_log("Completed")


def test_a_second_daemon_says_that_the_port_is_taken():
    with Godwit(1, main="daemon_startup_retries = 0") as godwit:
        done = godwit.cli("-bdf", check=False)
        assert done.returncode == 1 and "Address already in use" in done.stderr, done


def test_background_start_returns_when_mail_is_accepted():
    with Godwit(1, start=False) as godwit:
        godwit.cli("-bd")
        try:
            with godwit.client() as client:
                client.command("QUIT", 221)
        finally:
            os.kill(int((godwit.dir / "godwit.pid").read_text()), signal.SIGTERM)
            wait_for(lambda: "daemon ended" in godwit.log(), 15, "the end")
        assert not (godwit.dir / "godwit.pid").exists()


def test_a_worker_that_cannot_be_started_is_tried_again():
    with Sink() as sink, Godwit(sink.port, workers=2) as godwit:
        wait_for(lambda: len(godwit.workers()) == 2, 10, "both workers")
        supervisor = godwit.process.pid
        before = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        # One descriptor is left, for the log; a worker needs two.
        used = {int(name) for name in os.listdir(f"/proc/{supervisor}/fd")}
        room = min(set(range(len(used) + 1)) - used) + 1
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (room, before[1]))
        os.kill(godwit.workers()[0], signal.SIGKILL)
        godwit.wait_log(r"cannot start worker \d: Too many open files; it is tried again")
        time.sleep(1)
        assert len(godwit.workers()) == 1
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, before)
        wait_for(lambda: len(godwit.workers()) == 2, 10, "both workers")
        assert len(re.findall("cannot start worker", godwit.log())) == 1
