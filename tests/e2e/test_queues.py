"""Named queues, -R and ETRN."""

import contextlib
import itertools
import os
import re
import signal
import time

from harness import Godwit, Sink, wait_for

MAIN = """\
acl_smtp_mail = check_mail
acl_smtp_etrn = accept
begin acl
check_mail:
  accept queue = ${{if eq{{$sender_address_local_part}}{{later}}{{held}}}}
         control = queue_only
"""


def holding(sink):
    return Godwit(main=MAIN, sink=sink)


def listed(godwit, *how):
    return int(godwit.cli("-bpc", *how).stdout)


def test_a_named_queue_is_listed_and_run_by_its_name():
    with Sink() as sink, holding(sink.port) as godwit:
        now = godwit.send("now@test.example")
        later = godwit.send("later@test.example")
        godwit.wait_log(rf"{later} <= .* Q=held")
        assert (listed(godwit), listed(godwit, "-qGheld"), listed(godwit, "-qGother")) == (1, 1, 0)
        assert later in godwit.cli("-bp", "-qGheld").stdout and now in godwit.cli("-bp").stdout
        godwit.cli("-q")
        godwit.wait_log(rf"{now} Completed")
        assert listed(godwit, "-qGheld") == 1
        godwit.cli("-qGheld")
        godwit.wait_log(rf"{later} => .* Q=held .*R=")
        godwit.wait_log(rf"{later} Completed")
        godwit.wait_log(r"Start 'held' queue run: pid=")


def test_a_named_queue_is_known_after_a_restart_and_messages_move():
    with Sink() as sink, holding(sink.port) as godwit:
        message_id = godwit.send("later@test.example")
        godwit.stop()
        godwit.start()
        assert (listed(godwit), listed(godwit, "-qGheld")) == (0, 1)
        godwit.cli("-MG", "other", message_id)
        assert (listed(godwit, "-qGheld"), listed(godwit, "-qGother")) == (0, 1)
        godwit.cli("-qGother")
        godwit.wait_log(rf"{message_id} => .* Q=other ")


def test_a_run_for_a_text_takes_only_its_recipients():
    with Sink() as sink, holding(sink.port) as godwit:
        wanted = godwit.send("a@test.example", ["b@One.example"])
        other = godwit.send("a@test.example", ["b@two.example"])
        godwit.cli("-R", "one.ex")
        godwit.wait_log(rf"{wanted} Completed")
        assert f"{other} =>" not in godwit.log() and listed(godwit) == 1


def test_etrn_runs_the_queue():
    with Sink() as sink, holding(sink.port) as godwit:
        wanted = godwit.send("a@test.example", ["b@one.example"])
        other = godwit.send("a@test.example", ["b@two.example"])
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("ETRN one.example", 501)
            client.command("ETRN #one.example", 250)
            godwit.wait_log(rf"{wanted} Completed")
        assert f"{other} =>" not in godwit.log()
        godwit.wait_log(r"ETRN #one.example received from \(client.test\) \[127.0.0.1\]")


def test_etrn_runs_its_command_once_at_a_time():
    godwit = Godwit(main="acl_smtp_etrn = accept\nsmtp_etrn_command = {dir}/command $domain\n", start=False)
    command = godwit.dir / "command"
    command.write_text(f"#!/bin/sh\necho $1 >> {godwit.dir}/ran\nsleep 2\n")
    command.chmod(0o755)
    godwit.start()
    with godwit, godwit.client() as client:
        client.command("EHLO client.test", 250)
        client.command("ETRN one", 250)
        client.command("ETRN one", 458)
        client.command("ETRN two", 250)
        ran = godwit.dir / "ran"
        wait_for(lambda: ran.exists() and sorted(ran.read_text().split()) == ["one", "two"], what="the commands")
        godwit.write_config(main="no_smtp_etrn_serialize\n" + godwit.settings["main"])
        os.kill(godwit.process.pid, signal.SIGHUP)
        godwit.wait_log("new workers start with the new configuration")

        names = itertools.count()

        def runs_twice():
            # The worker of before may still take it, and ends the session when it goes.
            command, codes = f"ETRN again{next(names)}\r\n", []
            with contextlib.suppress(ConnectionError), godwit.client() as again:
                for line in ("EHLO client.test\r\n", command, command):
                    again.raw(line)
                    codes.append(again.reply()[0])
            return codes == [250, 250, 250]

        wait_for(runs_twice, what="two commands at a time")


def test_etrn_is_serialized_over_all_workers():
    godwit = Godwit(main="acl_smtp_etrn = accept\nsmtp_etrn_command = {dir}/command $domain\n", workers=3, start=False)
    command = godwit.dir / "command"
    command.write_text(f"#!/bin/sh\necho $1 >> {godwit.dir}/ran\nsleep 3\n")
    command.chmod(0o755)
    godwit.start()
    with godwit:
        clients = [godwit.client() for _ in range(12)]
        codes = []
        for client in clients:
            client.command("EHLO client.test", 250)
            client.raw("ETRN one\r\n")
            codes.append(client.reply()[0])
        assert codes == [250] + [458] * 11, codes
        for client in clients:
            client.close()
        wait_for((godwit.dir / "ran").exists, what="the command")
        assert (godwit.dir / "ran").read_text().split() == ["one"]


def test_queue_only_file_holds_mail_while_the_file_is_there():
    with Sink() as sink, Godwit(sink.port, main="queue_only_file = {dir}/hold") as godwit:
        (godwit.dir / "hold").write_text("")
        godwit.send()
        godwit.cli("b@example.com", stdin="Subject: x\n\nlocal\n")
        (godwit.dir / "hold").unlink()
        godwit.send(sender="now@test.example")
        assert sink.wait(1)[0]["sender"] == "now@test.example"
        assert godwit.queue_count() == 2 and len(sink.messages) == 1
        godwit.cli("-q")
        sink.wait(3)


def test_queue_smtp_domains_wait_for_a_queue_run():
    with Sink() as sink, Godwit(sink.port, main="queue_smtp_domains = slow.test : *.slow.test") as godwit:
        godwit.send(recipients=["a@slow.test", "b@fast.test", "c@very.slow.test"])
        assert sink.wait(1)[0]["recipients"] == ["b@fast.test"]
        godwit.wait_log(r"== a@slow.test R=out T=remote defer .*domain is in queue_smtp_domains")
        assert godwit.queue_count() == 1 and len(sink.messages) == 1
        godwit.cli("-q")
        assert sink.wait(2)[1]["recipients"] == ["a@slow.test", "c@very.slow.test"]


def test_a_queue_run_tells_what_it_is_and_when_it_has_ended():
    def slow(_):
        time.sleep(0.5)

    with Sink({".": slow}) as sink, Godwit(sink.port, main="queue_only\n", retry="* * F,2h,1h") as godwit:
        for run, flags in ((["-qf"], " -qf"), (["-Rf", "example"], " -qf -R example"), (["-qff"], " -qff"), (["-q"], "")):
            message = godwit.send()
            frozen = godwit.send(recipients=["f@other.test"])
            godwit.cli("-Mf", frozen)
            godwit.cli(*run)
            lines = wait_for(lambda end=flags: re.search(rf"Start queue run: pid=\d+{end}\n(?:.*\n)*?.*End queue run: pid=\d+{end}\n",
                                                         godwit.log()), 15, godwit.log).group(0)
            assert f" {message} => b@example.com " in lines and f" {message} Completed" in lines, (run, lines)
            forced = "-qff" in run
            assert (f" {frozen} Unfrozen by forced delivery" in lines) == forced, (run, lines)
            assert (f" {frozen} Completed" in lines) == forced, (run, lines)
            assert (f" {frozen} Message is frozen" in lines) == (run[0] in ("-q", "-qf")), (run, lines)
            if not forced:
                godwit.cli("-Mrm", frozen)
