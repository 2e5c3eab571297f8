"""What the options of the pipe transport do, each beside a command that needs it. The texts are those of
the real Exim 4.96. One daemon and one message: every case is a recipient with a transport of its own."""

import re

from harness import Godwit, Sink, named_transports, wait_for
from test_transports import REMOTE

FAILED = r"\*\* {name}@local\.test R=all T={name}: "
LATER = r"== {name}@local\.test R=all T={name} defer \(0\): "
DONE = r"=> {name} <{name}@local\.test> R=all T={name}$"
OUTPUT = r"<{name}@local\.test>: {name} transport output: "
RETURNED = r"Child process of {name} transport returned "

# name, options, script, what the log must have, what it must not have
CASES = [
    ("status", "", "exit 3", [FAILED + RETURNED + "3 from command: .*/status$"], []),
    ("ignored", "ignore_status", "exit 3", [DONE], []),
    ("signal", "", "kill -9 $$", [FAILED + r".* \(running command \".*/signal\"\) was terminated by signal 9 \(Killed\)$"], []),
    ("ignoredsignal", "ignore_status", "kill -9 $$", [DONE], []),
    ("temporary", "", "exit 75", [LATER + RETURNED + r"75 \(could mean temporary error\) from command: "], []),
    ("cantcreate", "", "exit 73", [LATER + RETURNED + r"73 \(could mean can't create output file\) from"], []),
    ("listed", "temp_errors = 3 : 4", "exit 4", [LATER + RETURNED + "4 from command: "], []),
    ("unlisted", "temp_errors = 3 : 4", "exit 75", [FAILED + RETURNED + "75 "], []),
    ("any", "temp_errors = *", "exit 137", [LATER + RETURNED + r"137 \(could mean shell command ended by signal 9 \(Killed\)\)"], []),
    ("quiet", "", "echo quiet; exit 0", [DONE], [OUTPUT]),
    ("logged", "log_output", "echo one; echo two; exit 0", [OUTPUT + "one$", DONE], [OUTPUT + "two"]),
    ("loggedlater", "log_output", "echo one; exit 75", [OUTPUT + "one$", LATER], []),
    ("deferlogged", "log_defer_output", "echo one; exit 75", [OUTPUT + "one$", LATER], []),
    ("deferdone", "log_defer_output", "echo one; exit 0", [DONE], [OUTPUT]),
    ("faillogged", "log_fail_output", "echo one; exit 9", [OUTPUT + "one$", FAILED], []),
    ("faillater", "log_fail_output", "echo one; exit 75", [LATER], [OUTPUT]),
    ("returned", "return_output", "echo returned to sender; exit 0", [FAILED + "return message generated$"], []),
    ("silent", "return_output", "exit 0", [DONE], []),
    ("failreturned", "return_fail_output", "echo returned for failure; exit 9", [FAILED + RETURNED + "9 "], []),
    ("faildone", "return_fail_output", "echo nothing to return; exit 0", [DONE], []),
    ("short", "max_output = 1K", "head -c 900 /dev/zero; exit 0", [DONE], []),
    ("long", "max_output = 1K", "head -c 9000 /dev/zero; sleep 60", [FAILED + ".* was terminated by signal 9"], []),
    ("forbidden", "user = games\n  group = games", "exit 0", [LATER + r"User \d+ set for forbidden transport is on the never_users list"], []),
    ("permitted", "user = root\n  group = root", "exit 0", [DONE], []),
    ("cores", "permit_coredump\n  use_classresources", "exit 0", [DONE], []),
]
WORDS = [  # options with a command of their own
    ("plain", "command = /bin/echo $primary_hostname \\$DOMAIN ; exit 5\n  log_output", [OUTPUT + r"mx\.test \$DOMAIN ; exit 5$", DONE]),
    ("shell", "command = echo x-\\$DOMAIN ; exit 5\n  use_shell\n  log_output", [OUTPUT + r"x-local\.test$", FAILED + RETURNED + "5 "]),
]


def test_options_of_commands():
    names = [case[0] for case in CASES + WORDS]
    with Sink() as sink, Godwit(sink.port, start=False) as godwit:
        transports = REMOTE.format(sink=sink.port)
        for name, options, script, *_ in CASES:
            path = godwit.dir / name
            path.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
            path.chmod(0o755)
            transports += f"{name}:\n  driver = pipe\n  command = {path}\n  {options}\n"
        for name, options, _ in WORDS:
            transports += f"{name}:\n  driver = pipe\n  {options}\n"
        godwit.write_config(main="never_users = games", routers=named_transports("all", "local.test", names), transports=transports, retry="* * F,2h,1h")
        godwit.start()
        godwit.send(recipients=[name + "@local.test" for name in names])
        for name, wanted, unwanted in [(c[0], c[3], c[4]) for c in CASES] + [(w[0], w[2], []) for w in WORDS]:
            for pattern in wanted:
                godwit.wait_log(pattern.format(name=name), 30)
            for pattern in unwanted:
                assert not re.search(pattern.format(name=name), godwit.log()), (name, godwit.log())
        report = wait_for(lambda: next((m for m in sink.messages if m["sender"] == ""), None), 30)["data"].decode()
        assert "returned to sender" in report and "returned for failure" in report, report
        assert "nothing to return" not in report and "quiet" not in report, report
