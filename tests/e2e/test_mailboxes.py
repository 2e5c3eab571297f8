"""Delivery into mailboxes, and the shipped configuration."""

import pathlib
import subprocess

from harness import ENVIRONMENT, PROGRAM, ROOT, Godwit, Sink, free_port, wait_for

LOCAL = """\
local:
  driver = accept
  domains = local.test
  transport = box
""" + """\
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
BOX = """\
box:
  driver = appendfile
  {options}
remote:
  driver = smtp
  port = {sink}
  allow_localhost
"""


def transports(options, sink=1):
    return BOX.replace("{options}", options.replace("{", "{{").replace("}", "}}").replace("{{dir}}", "{dir}"))


def test_maildir():
    with Godwit(1, routers=LOCAL, transports=transports(
            "maildir_format\n  directory = {dir}/mail/$local_part\n  create_directory\n  return_path_add\n"
            "  envelope_to_add\n  delivery_date_add")) as godwit:
        godwit.send(recipients=["User@local.test", "other@local.test"], text="Subject: x\r\n\r\nFrom me\r\n.\r\n"[:-3] + "")
        godwit.wait_log("Completed")
        files = list((godwit.dir / "mail" / "user" / "new").iterdir())
        assert len(files) == 1
        text = files[0].read_text()
        assert text.startswith("Return-path: <a@test.example>\nEnvelope-to: ") and "\r" not in text, text
        assert text.endswith("Subject: x\n\nFrom me\n"), text
        assert list((godwit.dir / "mail" / "other" / "new").iterdir())
        godwit.wait_log("=> user <User@local.test> R=local T=box$")


def test_mbox():
    with Godwit(1, routers=LOCAL, transports=transports("file = {dir}/mbox-$local_part")) as godwit:
        for _ in range(2):
            godwit.send(recipients=["user@local.test"], text="Subject: x\r\n\r\nFrom me\r\n")
        wait_for(lambda: godwit.log().count("Completed") == 2, 10, "both deliveries")
        text = (godwit.dir / "mbox-user").read_text()
        assert text.count("\nSubject: x\n") == 2 and text.count("\n>From me\n\n") == 2 and text.startswith("From a@test.example "), text


def test_a_local_part_never_leaves_its_directory():
    with Godwit(1, routers=LOCAL, transports=transports(
            "maildir_format\n  directory = {dir}/mail/$local_part\n  create_directory")) as godwit:
        godwit.send(recipients=['"../../evil"@local.test'])
        godwit.wait_log(r"evil.*(defer|\*\*)|\*\* .*evil")
        assert not (godwit.dir.parent / "evil").exists() and not (godwit.dir / "evil").exists()


def test_the_shipped_configuration_runs():
    port = free_port()
    with Sink() as sink, Godwit(1, start=False) as godwit:
        arguments = [PROGRAM, "-C", ROOT / "daemon" / "gateway.conf", f"-DBASE={godwit.dir}",
                     f"-DLISTEN_PORT={port}", f"-DRELAY_PORT={sink.port}"]
        done = subprocess.run([*arguments, "-bV"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        godwit.port = port
        godwit.stderr = open(godwit.dir / "stderr", "ab")
        godwit.process = subprocess.Popen([*arguments, "-bdf"], stdout=godwit.stderr, stderr=godwit.stderr,
                                          start_new_session=True, env=ENVIRONMENT)
        wait_for(godwit.accepts, 20, "the daemon")
        godwit.send(recipients=["me@godwit.test", "you@example.com"])
        assert sink.wait(1)[0]["recipients"] == ["you@example.com"]
        wait_for(lambda: list((pathlib.Path(godwit.dir) / "mail" / "me" / "new").glob("*")), 10, "the mailbox")
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<a/b@godwit.test>", 550)
