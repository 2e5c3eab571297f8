"""What an administrator is told: logs of single messages, syslog, freeze_tell, warnings of -bV."""

import re
import socket

from harness import TRANSPORTS, Godwit, Sink, free_port, wait_for


def test_message_logs_live_as_long_as_their_message():
    port = free_port()
    with Godwit(port, main="message_logs\npreserve_message_logs") as godwit:
        message_id = godwit.send()
        own = godwit.dir / "spool" / "msglog" / message_id
        wait_for(lambda: own.exists() and " defer " in own.read_text(), 15, "the log of the message")
        shown = godwit.cli("-Mvl", message_id).stdout
        assert "<= a@test.example" in shown and " defer " in shown and message_id not in shown, shown
        with Sink(port=port) as sink:
            godwit.cli("-qf")
            sink.wait(1)
            kept = godwit.dir / "spool" / "msglog.OLD" / message_id
            wait_for(kept.exists, 15, "the log to be kept")
        assert kept.read_text().rstrip().endswith("Completed")
        assert not own.exists()
        assert "Completed" in godwit.cli("-Mvl", message_id).stdout


def test_without_message_logs_the_main_log_is_shown():
    with Sink() as sink, Godwit(sink.port) as godwit:
        message_id = godwit.send()
        godwit.wait_log("Completed")
        assert "Completed" in godwit.cli("-Mvl", message_id).stdout
        assert not (godwit.dir / "spool" / "msglog").exists()


def test_syslog_beside_files():
    with Sink() as sink, Godwit(sink.port, start=False) as godwit, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(godwit.dir / "log.sock"))
        daemon.settimeout(10)
        godwit.write_config(main="workers = 1\nsyslog_socket = {dir}/log.sock\nsyslog_facility = local3\n"
                                 "syslog_processname = mta\nno_syslog_timestamp")
        text = godwit.config.read_text().replace("%slog\n", "%slog : syslog\n", 1)
        godwit.config.write_text(text)
        godwit.start()
        message_id = godwit.send()
        while True:
            line = daemon.recv(9000).decode()
            assert re.match(r"<158>\w{3} [ \d]\d [\d:]{8} mta\[\d+\]: ", line), line
            if line.endswith(message_id + " Completed"):
                break
        godwit.wait_log("Completed")


def test_the_subject_is_shown_decoded():
    with Sink() as sink, Godwit(sink.port, main="log_selector = +subject +received_recipients") as godwit:
        godwit.send(text='Subject: hi "you"\r\n =?utf-8?q?there?=\r\n\r\nbody\r\n')
        godwit.wait_log(r'<= a@test.example .* T="hi \\"you\\"\\n there" for b@example.com$')


def test_transactions_that_end_too_early_are_told_where_selected():
    with Godwit(free_port(), main="log_selector = +smtp_incomplete_transaction\nqueue_only") as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
            client.command("RSET", 250)
            client.command("MAIL FROM:<a@b.test>", 250)
            client.command("RCPT TO:<c@d.test>", 250)
            client.command("RCPT TO:<e@d.test>", 250)
            client.command("RSET", 250)
            client.command("MAIL FROM:<second@b.test>", 250)
            client.command("QUIT", 221)
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<third@b.test>", 250)
        who = r"H=\(client.test\) \[127.0.0.1\] incomplete transaction"
        godwit.wait_log(who + r" \(RSET\) from <a@b.test> for c@d.test e@d.test$")
        godwit.wait_log(who + r" \(QUIT\) from <second@b.test>$")
        godwit.wait_log(who + r" \(connection lost\) from <third@b.test>$")
        assert godwit.log().count("incomplete transaction") == 3, godwit.log()


def test_freeze_tell_tells_of_frozen_messages_once():
    with Sink() as sink, Godwit(sink.port, start=False) as godwit:
        routers = godwit.settings["routers"] + ("begin acl\nfreezing:\n  accept senders = bad@test.example\n"
                                                "    control = freeze\n  accept\n")
        godwit.write_config(main="workers = 1\nacl_smtp_data = freezing\n"
                                 "freeze_tell = postmaster@mx.test, root@mx.test", routers=routers)
        godwit.start()
        message_id = godwit.send(sender="bad@test.example")
        (told,) = sink.wait(1)
        assert told["sender"] == "" and sorted(told["recipients"]) == ["postmaster@mx.test", "root@mx.test"], told
        assert b"Subject: Message frozen" in told["data"] and message_id.encode() in told["data"], told
        assert b"<bad@test.example>" in told["data"], told
        wait_for(lambda: godwit.queue_count() == 1, 10, "the frozen message alone")


def test_version_warns_of_driver_options_that_do_not_act():
    with Godwit(1, start=False) as godwit:
        godwit.write_config(routers="out:\n  driver = redirect\n  data = :blackhole:\n  forbid_filter_run\n  allow_freeze\n",
                            main="deliver_drop_privilege\n",
                            transports=TRANSPORTS.format(sink=1, smtp="  dkim_canon = relaxed\n  keepalive = true\n"))
        done = godwit.cli("-bV")
        text = done.stdout + done.stderr
        assert re.search(r"godwit\.conf:\d+.*\n?.*router out: forbid_filter_run does not act yet", text), text
        assert "transport remote: dkim_canon does not act yet" in text and "keepalive" not in text, text
        assert "router out: allow_freeze has no effect here" in text and "deliver_drop_privilege has no effect here" in text, text


def test_mua_wrapper_is_refused():
    with Godwit(1, start=False) as godwit:
        godwit.write_config(main="mua_wrapper")
        done = godwit.cli("-bV", check=False)
        assert done.returncode == 1 and "mua_wrapper is not available" in done.stderr, done
