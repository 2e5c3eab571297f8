"""Where log lines go beside the main log: the logs of single messages, syslog."""

import re
import socket

from harness import Godwit, Sink, free_port, wait_for


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
