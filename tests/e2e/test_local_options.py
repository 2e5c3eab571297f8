"""Main options about this host and its users, asked by commands: no daemon runs here."""

import re
import socket
import subprocess

from harness import ENVIRONMENT, Godwit, Sink

USER = 54321  # a user and a group that no system knows
DIALOGUE = ("EHLO x\nMAIL FROM:<a@test.example> SIZE=100\nRCPT TO:<b@example.com>\nDATA\nSubject: x\n\nbody\n.\nQUIT\n")


def command(godwit, main, *arguments, stdin="", user=None):
    """One command with these main options; what it printed."""
    godwit.write_config(main=main)
    done = subprocess.run([godwit.program, "-C", godwit.config, *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False, user=user, group=user, extra_groups=[] if user else None,
                          env=ENVIRONMENT, cwd="/")
    return done.stdout + done.stderr


def test_too_little_room_is_said_for_each_limit():
    with Godwit(1, start=False) as godwit:
        (godwit.dir / "spool").mkdir()
        (godwit.dir / "log").mkdir()
        for option in ("check_spool_space", "check_spool_inodes", "check_log_space", "check_log_inodes"):
            main = f"queue_only\n{option} = 9000000{'G' if option.endswith('space') else 'M'}\n"
            assert re.search(r"^452 ", command(godwit, main, "-bs", stdin=DIALOGUE), re.M), option
        main = "queue_only\ncheck_log_space = 0\ncheck_log_inodes = 0\ncheck_spool_inodes = 0\ncheck_spool_space = 0\n"
        assert not re.search(r"^452 ", command(godwit, main, "-bs", stdin=DIALOGUE), re.M)


def test_times_are_those_of_the_zone():
    with Godwit(1, start=False) as godwit:
        command(godwit, "queue_only\ntimezone = GWT-9\nlog_timezone\n", "-f", "a@test.example", "b@example.com",
                stdin="Subject: x\n\nbody\n")
        assert re.match(r"\d{4}-\d\d-\d\d [\d:]{8} \+0900 \S+ <= a@test.example", godwit.log()), godwit.log()
        shown = command(godwit, "queue_only\ntimezone = GWT-9\n", "-be", "$tod_full|$tod_zone")
        assert shown.rstrip().endswith("+0900|+0900"), shown
        shown = command(godwit, "timezone = UTC\n", "-be", "$tod_full|$tod_zone")
        assert shown.rstrip().endswith("+0000|+0000"), shown
        (godwit.dir / "log" / "mainlog").unlink()
        command(godwit, "queue_only\ntimezone = UTC\n", "-f", "a@test.example", "b@example.com", stdin="X: y\n\n")
        assert re.match(r"\d{4}-\d\d-\d\d [\d:]{8} \S{16,} <= a@test.example", godwit.log()), godwit.log()


def test_character_sets_and_lengths_of_encoded_words():
    word = "${rfc2047d:=?iso-8859-1?q?=E4?=}"
    long_word = "${rfc2047d:=?utf-8?q?" + "a" * 80 + "?=}"
    with Godwit(1, start=False) as godwit:
        assert command(godwit, "", "-be", word) == "\u00e4\n"
        godwit.write_config(main="headers_charset = ISO-8859-1\n")
        raw = subprocess.run([godwit.program, "-C", godwit.config, "-be", word], capture_output=True, check=False)
        assert raw.stdout == b"\xe4\n", raw
        assert command(godwit, "", "-be", long_word) == "=?utf-8?q?" + "a" * 80 + "?=\n"
        assert command(godwit, "no_check_rfc2047_length\n", "-be", long_word) == "a" * 80 + "\n"


def test_arguments_and_recipients_of_the_header():
    text = "To: one@example.com, two@example.com\n\nbody\n"
    with Sink() as sink, Godwit(sink.port, start=False) as godwit:
        command(godwit, "", "-odi", "-t", "two@example.com", stdin=text)
        assert sink.wait(1)[0]["recipients"] == ["one@example.com"], sink.messages
        command(godwit, "no_extract_addresses_remove_arguments\n", "-odi", "-t", "three@example.com", stdin=text)
        assert sorted(sink.wait(2)[1]["recipients"]) == ["one@example.com", "three@example.com", "two@example.com"]


REFUSING = "acl_smtp_rcpt = deny\n"


def test_the_reject_log_can_be_left_out():
    with Godwit(1, start=False) as godwit:
        config = godwit.config.read_text
        for main, written in (("no_write_rejectlog\n", False), ("", True)):
            godwit.write_config(main=main)
            godwit.config.write_text(config().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = deny"))
            subprocess.run([godwit.program, "-C", godwit.config, "-bs"], input=DIALOGUE, capture_output=True, text=True,
                           timeout=60, check=False)
            assert "rejected RCPT" in godwit.log()
            assert ("rejected RCPT" in godwit.log("reject")) == written


def syslog_lines(main):
    """The datagrams that a refused recipient makes."""
    with Godwit(1, start=False) as godwit, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(godwit.dir / "log.sock"))
        daemon.settimeout(0.5)
        godwit.write_config(main="syslog_socket = {dir}/log.sock\nlog_selector = +pid\n" + main)
        text = godwit.config.read_text().replace("%slog\n", "%slog : syslog\n", 1)
        godwit.config.write_text(text.replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = deny"))
        subprocess.run([godwit.program, "-C", godwit.config, "-bs"], input=DIALOGUE, capture_output=True, text=True,
                       timeout=60, check=False)
        lines = []
        try:
            while True:
                lines.append(daemon.recv(9000).decode())
        except TimeoutError:
            return [line for line in lines if "rejected RCPT" in line]


def test_what_syslog_gets():
    both = syslog_lines("")
    assert [line[:4] for line in both] == ["<21>", "<22>"], both
    for line in both:
        assert re.match(r"<2\d>\w{3} [ \d]\d [\d:]{8} exim\[(\d+)\]: \d{4}-\d\d-\d\d [\d:]{8} \[\1\] ", line), line
    (once,) = syslog_lines("no_syslog_duplication\nno_syslog_pid\nno_syslog_timestamp\n")
    assert re.match(r"<21>\w{3} [ \d]\d [\d:]{8} exim\[\d+\]: U=root F=<", once), once


def sender_of(godwit, main, *arguments, stdin="Subject: x\n\nbody\n", user=USER):
    """Sender and id of the message that this submits."""
    said = command(godwit, "queue_only\n" + main, *arguments, "b@example.com", stdin=stdin, user=user)
    lines = re.findall(r"(\S+) <= (\S+) ", godwit.log())
    assert not said and lines, said
    return lines[-1][1], lines[-1][0]


def header_of(godwit, main, stdin="Subject: x\n\nbody\n", user=USER):
    return godwit.cli("-Mvh", sender_of(godwit, main, stdin=stdin, user=user)[1]).stdout


def test_users_and_what_they_may_say():
    with Godwit(1, start=False) as godwit:
        godwit.dir.chmod(0o777)
        for path in ("spool", "log"):
            (godwit.dir / path).mkdir()
            (godwit.dir / path).chmod(0o777)
        login = f"uid{USER}"
        other = ("-f", "other@test.example")
        assert sender_of(godwit, "", *other)[0] == f"{login}@mx.test"
        assert sender_of(godwit, "trusted_groups = nogroup\n", *other)[0] == f"{login}@mx.test"
        assert sender_of(godwit, f"trusted_groups = nogroup : {USER}\n", *other)[0] == "other@test.example"
        listed = "untrusted_set_sender = ^$sender_ident-\n"
        assert sender_of(godwit, listed, *other)[0] == f"{login}@mx.test"
        assert sender_of(godwit, listed, "-f", f"{login}-x@test.example")[0] == f"{login}-x@test.example"
        named = header_of(godwit, "unknown_login = user$caller_uid\nunknown_username = Somebody\n")
        assert f"<user{USER}@mx.test>\n" in named and f"From: Somebody <user{USER}@mx.test>" in named, named
        sender = f"Sender: {login}@mx.test"
        own = f"From: list-{login}@mx.test\n\nbody\n"
        assert sender in header_of(godwit, "", own)
        assert sender not in header_of(godwit, "local_from_prefix = *-\n", own)
        detailed = f"From: list-{login}+mail@mx.test\n\nbody\n"
        assert sender in header_of(godwit, "local_from_prefix = *-\n", detailed)
        assert sender not in header_of(godwit, "local_from_prefix = *-\nlocal_from_suffix = -x : +*\n", detailed)
        kept = header_of(godwit, "no_local_from_check\nlocal_sender_retain\n", "Sender: s@test.example\n" + own)
        assert "Sender: s@test.example" in kept and sender not in kept, kept


def test_the_full_name_of_a_user():
    with Godwit(1, start=False) as godwit:
        assert "From: root <root@mx.test>" in header_of(godwit, "", user=None)
        text = header_of(godwit, "gecos_pattern = ^(..)\ngecos_name = The $1 user\n", user=None)
        assert "From: The ro user <root@mx.test>" in text, text


OWN_ROUTERS = """\
unreadable:
  driver = redirect
  domains = closed.test : open.test
  file = {dir}/kept/aliases
  OPTION
rest:
  driver = accept
  domains = !closed.test
  local_parts = creator : group : named : nobody
  transport = $local_part_data
"""
PIPE = "{name}:\n  driver = pipe\n  command = {script}\n  {options}\n"
RUNS = {  # options, and what the user and the group of the command are
    "creator": ("pipe_as_creator", (USER, USER)),
    "group": (f"pipe_as_creator\n  group = {USER + 1}", (USER, USER + 1)),
    "named": (f"pipe_as_creator\n  user = {USER + 2}\n  group = {USER + 3}", (USER + 2, USER + 3)),
    "nobody": ("user = nobody", (65534, 65534)),
}


def test_a_command_runs_as_who_submitted():
    with Godwit(1, start=False) as godwit:
        godwit.dir.chmod(0o777)
        for name in ("spool", "log", "who"):
            (godwit.dir / name).mkdir()
            (godwit.dir / name).chmod(0o777)
        script = godwit.dir / "script"
        script.write_text(f"#!/bin/sh\ncat > /dev/null\necho $(id -u) $(id -g) > {godwit.dir}/who/$LOCAL_PART\n")
        script.chmod(0o755)
        godwit.write_config(routers=OWN_ROUTERS.format(dir=godwit.dir).replace("  OPTION\n", ""),
                            transports="".join(PIPE.format(name=name, script=script, options=options)
                                               for name, (options, _) in RUNS.items()))
        assert not command(godwit, "queue_only\n", *(f"{name}@local.test" for name in RUNS), stdin="Subject: x\n\nx\n",
                           user=USER)
        godwit.cli("-q")
        for name, (_, wanted) in RUNS.items():
            path = godwit.dir / "who" / name
            assert path.exists() and tuple(map(int, path.read_text().split())) == wanted, (name, godwit.log())


def test_a_file_that_may_not_be_read():
    """As where there is none, or wait: what the real Exim 4.96 says to the same user."""
    with Godwit(1, start=False) as godwit:
        godwit.dir.chmod(0o755)
        (godwit.dir / "kept").mkdir()
        (godwit.dir / "kept" / "aliases").write_text("x@closed.test\n")
        (godwit.dir / "kept").chmod(0o700)
        why = f"cannot be resolved at this time: failed to open {godwit.dir}/kept/aliases: Permission denied " \
            f"(euid={USER} egid={USER})"
        for option, said in (("ignore_eacces", "router = rest, transport = nobody"), ("no_ignore_eacces", why)):
            godwit.write_config(routers=OWN_ROUTERS.format(dir=godwit.dir).replace("OPTION", option),
                                transports="".join(PIPE.format(name=name, script="/bin/true", options="") for name in RUNS))
            assert said in command(godwit, "", "-bt", "nobody@open.test", user=USER), option
