"""Main options of the SMTP server that need a daemon; what a session alone shows is in
tests/differential/dialogues/server.txt."""

import subprocess
import time

from harness import Client, Godwit, Sink, free_port, wait_for
from test_acls import Policy, policy


def told(godwit, number):
    """The greeting of a client at 127.0.0.<number>: its code, and the client."""
    client = Client(godwit.port, greet=False, source=f"127.0.0.{number}")
    return client.reply()[0], client


def test_places_are_kept_for_some_hosts():
    main = "smtp_accept_max = 3\nsmtp_accept_reserve = 2\nsmtp_reserve_hosts = 127.0.0.2\n"
    with Godwit(main=main) as godwit:
        held = []
        for number, code in ((1, 220), (1, 421), (3, 421), (2, 220), (2, 220), (2, 421)):
            got, client = told(godwit, number)
            assert got == code, (number, code, got, godwit.log())
            if code == 220:
                held.append(client)
            else:
                client.close()
        godwit.wait_log(r"Connection from \[127\.0\.0\.3\] refused: too many connections")
        for client in held:
            client.close()


def test_connections_of_some_hosts_are_not_logged():
    with Godwit(main="log_selector = +smtp_connection\nhosts_connection_nolog = 127.0.0.2\n") as godwit:
        for number in (2, 3):
            _, client = told(godwit, number)
            client.command("QUIT", 221)
            client.close()
        godwit.wait_log(r"SMTP connection from \[127\.0\.0\.3\]\S* \(TCP/IP connection count = 1\)")
        godwit.wait_log(r"SMTP connection from \[127\.0\.0\.3\]\S* closed by QUIT")
        assert "127.0.0.2" not in godwit.log(), godwit.log()


def test_mail_waits_where_there_are_many_connections():
    with Sink() as sink, Godwit(sink.port, main="smtp_accept_queue = 1\n") as godwit:
        godwit.send("first@test.example")
        sink.wait(1)
        with godwit.client():
            godwit.send("second@test.example")
        godwit.wait_log(r"no immediate delivery: too many connections \(2, max 1\)")
        assert len(sink.messages) == 1 and godwit.queue_count() == 1


def timers(port):
    """What the kernel says of the server's side of connections to `port`."""
    done = subprocess.run(["ss", "-Htno", "state", "established", "sport", "=", f":{port}"], capture_output=True,
                          text=True, check=False)
    return done.stdout


def test_accepted_connections_are_kept_alive():
    for setting, is_alive in (("", True), ("no_smtp_accept_keepalive", False)):
        with Godwit(main=setting) as godwit, godwit.client():
            assert ("keepalive" in timers(godwit.port)) == is_alive, (setting, timers(godwit.port))


def test_a_port_that_is_taken_is_asked_for_again():
    main = "daemon_startup_retries = 20\ndaemon_startup_sleep = 1s\n"
    with Godwit() as first, Godwit(main=main, start=False) as second:
        second.port = first.port
        second.write_config()
        second.stderr = open(second.dir / "stderr", "ab")
        second.process = subprocess.Popen([second.program, "-C", second.config, "-bdf"], stdout=second.stderr,
                                          stderr=second.stderr, start_new_session=True)
        second.wait_log(rf"socket bind\(\) to port {first.port} for address 127\.0\.0\.1 failed: Address already in use: "
                        r"waiting 1s before trying again \(20 more tries\)")
        first.stop()
        wait_for(second.accepts, 10, "the second daemon")
        with second.client() as client:
            client.command("QUIT", 221)


def ask_for(godwit, local_part, code):
    with godwit.client() as client:
        client.command("EHLO client.test", 250)
        client.command("MAIL FROM:<a@test.example>", 250)
        client.command(f"RCPT TO:<{local_part}@example.com>", code)


# What expires, the local part that is asked for, what the host says of it.
EXPIRES = (
    ("callout_positive_expire", "good", 250),
    ("callout_negative_expire", "bad", 550),
)


def test_answers_of_callouts_are_forgotten_in_their_time():
    acls = "check:\n  accept verify = recipient/callout=5s\n"
    script = {"RCPT": lambda argument: b"550 5.1.1 nobody here\r\n" if "bad" in argument else None}
    for option, local_part, code in EXPIRES:
        for life, times in (("1s", 2), ("1h", 1)):
            with Sink(script) as sink, Policy(sink.port, policy(acls, extra=f"{option} = {life}\n"), rcpt="check") as godwit:
                for pause in (0, 1.1 if times == 2 else 0):
                    time.sleep(pause)
                    ask_for(godwit, local_part, code)
                recipients = [argument for verb, argument in sink.commands if verb == "RCPT"]
                assert len(recipients) == times, (option, life, sink.commands)


def test_what_a_whole_domain_says_is_forgotten_in_its_time():
    # The host refuses MAIL FROM:<>: nobody of the domain has to be asked again.
    acls = "check:\n  accept verify = recipient/callout=5s,random\n"
    refusing = {"MAIL": b"550 5.7.1 no bounces here\r\n"}
    catching = {}
    for option, script, code in (("callout_domain_negative_expire", refusing, 550),
                                 ("callout_domain_positive_expire", catching, 250)):
        for life, is_asked_again in (("1s", True), ("1h", False)):
            with Sink(script) as sink, Policy(sink.port, policy(acls, extra=f"{option} = {life}\n"), rcpt="check") as godwit:
                ask_for(godwit, "one", code)
                time.sleep(1.1 if is_asked_again else 0)
                ask_for(godwit, "two", code)
                assert sink.connections == (2 if is_asked_again else 1), (option, life, sink.commands)


def test_a_local_message_that_takes_too_long_is_given_up():
    with Godwit(main="receive_timeout = 1s\n") as godwit:
        process = subprocess.Popen([godwit.program, "-C", godwit.config, "b@example.com"], stdin=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        process.stdin.write("Subject: x\n\nhalf\n")
        process.stdin.flush()
        started = time.monotonic()
        assert process.wait(10) == 1
        assert 0.8 < time.monotonic() - started < 5
        said = process.stderr.read()
        process.stdin.close()
        process.stderr.close()
        assert "timed out while reading - message abandoned" in said, said
        godwit.wait_log("timed out while reading local message")
        assert godwit.queue_count() == 0


def test_limits_are_told_to_some_hosts():
    with Godwit(main="limits_advertise_hosts = 127.0.0.2\nrecipients_max = 7\n") as godwit:
        for number, is_told in ((2, True), (3, False)):
            _, client = told(godwit, number)
            with client:
                assert ("LIMITS" in client.command("EHLO client.test", 250)) == is_told, number


def test_the_name_of_a_client_is_found_as_the_options_say():
    nobody = f"dns_servers = 127.0.0.1:{free_port()}\ndns_retrans = 1s\ndns_retry = 1\n"
    for main, name in (
            ("helo_lookup_domains = client.test\nhost_lookup_order = byaddr\n", "localhost"),
            ("helo_lookup_domains = other.test\nhost_lookup_order = byaddr\n", "client.test"),
            ("helo_lookup_domains = client.test\nhost_lookup_order = bydns\n" + nobody, "client.test")):
        with Godwit(main=main, start=False) as godwit:
            said = godwit.cli("-bh", "127.0.0.1", stdin="EHLO client.test\nQUIT\n").stdout
            assert f" Hello {name} [127.0.0.1]" in said, (main, said)
