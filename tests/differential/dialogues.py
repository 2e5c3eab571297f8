"""SMTP dialogues through -bh of both programs with the same ACLs; see README.md.

A case of dialogues/*.txt:

    === name
    host 192.0.2.1              the client; this one where there is no such line
    how -bhc                    with callouts, to a host that knows good...@r.test and slow...@r.test
    main option = value         a line of the main section
    rewrite pattern new flags   a rewriting rule
    acl rcpt                    indented lines follow: the ACL of acl_smtp_rcpt
      deny domains = a.b
    offers 8BITMIME AUTH        extensions that both offer, with the same words, or neither
    > RCPT TO:<joe@a.b>         what the client says; without such lines DEFAULT
    ! reason                    differs as intended

Compared are the replies, the log lines and which statements succeeded and failed."""

import os
import re
import socket
import subprocess
import threading

EXTENSION = (r"250[ -](SIZE|PIPELINING|PIPECONNECT|CHUNKING|HELP|LIMITS|PRDR|8BITMIME|DSN|SMTPUTF8|VRFY|EXPN|ETRN"
             r"|STARTTLS|ENHANCED)")
DEFAULT = ["EHLO client.test", "MAIL FROM:<sender@x.y>", "RCPT TO:<joe@a.b>", "RCPT TO:<nobody@a.b>", "QUIT"]
WORDS = {"rcpt": "rcpt", "mail": "mail", "data": "data", "connect": "connect", "helo": "helo", "predata": "predata",
         "quit": "quit", "auth": "auth", "vrfy": "vrfy", "expn": "expn", "etrn": "etrn", "notquit": "notquit"}


class CalledHost:
    """Answers callouts: good... exists, slow... is told later, no... refuses bounces as senders, others do not exist."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    @staticmethod
    def _talk(connection):
        with connection, connection.makefile("rwb") as stream:
            def say(text):
                stream.write(text.encode() + b"\r\n")
                stream.flush()

            say("220 called.test ESMTP")
            for line in stream:
                command = line.decode().strip()
                who = command[command.find("<") + 1:command.find(">")]
                if command.upper().startswith("RCPT"):
                    say("250 ok" if who.startswith("good") else "450 try later" if who.startswith("slow")
                        else f"550 5.1.1 <{who}> does not exist")
                else:
                    say("221 bye" if command.upper() == "QUIT" else "250 ok")


class Case:
    def __init__(self, name):
        self.name, self.host, self.main, self.acls, self.said, self.reason = name, "192.0.2.1", [], {}, [], None
        self.rewrites, self.offers = [], []
        self.how = "-bh"

    def configuration(self, base):
        heads = [f"acl_smtp_{WORDS[name]} = acl_{name}" for name in self.acls if name in WORDS]
        lines = [line for name, body in self.acls.items()
                 for line in [f"acl_{name}:" if name in WORDS else f"{name}:", *body]]
        return base.replace("MAIN", "\n".join([*heads, *self.main])).replace("ACLS", "\n".join(lines)) \
            + "\nbegin rewrite\n" + "\n".join(self.rewrites) + "\n"


def read_cases(path):
    cases, acl = [], None
    for line in path.read_text().splitlines():
        if line.startswith("=== "):
            cases.append(Case(line[4:]))
            continue
        if not line or line.startswith("#"):
            continue
        case = cases[-1]
        word, _, rest = line.partition(" ")
        if line.startswith("  "):
            acl.append(line)
        elif word == "acl":
            acl = case.acls.setdefault(rest, [])
        elif word == "host":
            case.host = rest
        elif word == "how":
            case.how = rest
        elif word == "offers":
            case.offers = rest.split()
        elif word == "main":
            case.main.append(rest)
        elif word == "rewrite":
            case.rewrites.append(rest)
        elif word == ">":
            case.said.append(rest)
        elif word == "!":
            case.reason = rest
        else:
            raise ValueError(f"{path}: {line}")
    return cases


def replies(output):
    """What both must say alike: without dates, message ids and the words that name the program."""
    found = []
    for line in output.splitlines():
        line = re.sub(r" (Exim|Godwit) [0-9.]+ .*", " PROGRAM", line)
        line = re.sub(r"[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}", "ID", line)
        # Exim 4.96 gives enhanced codes only where the configuration does.
        line = re.sub(r"^([0-9]{3}[ -])[0-9]\.[0-9]{1,3}\.[0-9]{1,3} ", r"\1", line)
        if re.match(r"[0-9]{3}[ -]", line) and not re.match(EXTENSION, line):
            found.append(line)
    return found


def offered(output, case):
    """The lines of the named extensions, in the order of their names."""
    lines = [re.sub(r"^250[ -]", "offers ", line) for line in output.splitlines()]
    return sorted(line for line in lines if line.startswith("offers ") and line.split()[1] in case.offers)


def decisions(output):
    """Log lines, then outcomes: the order of the two among each other is the program's affair."""
    found, logs = [], []
    for line in output.splitlines():
        line = re.sub(r"[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}", "ID", line)
        line = re.sub(r" S=[0-9]+| space=[0-9]+| inodes=[0-9]+| read=[0-9]+", "", line)
        if line.startswith("LOG:") and "no MAIL in" not in line and "unexpected disconnection" not in line:
            logs.append(line)
        elif match := re.search(r"(\w+): condition test (\w+)", line):
            found.append(match.group(1) + " " + match.group(2))
    return logs + found


def say(command, case, cwd):
    said = case.said or DEFAULT
    text = "".join(line + "\r\n" for line in said)
    done = subprocess.run([*command, case.how, case.host], input=text.encode(), capture_output=True, cwd=cwd, timeout=60,
                          check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    return done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


def compare(exim, godwit, case, cwd):
    """Two lists of lines where they differ; nothing where they do not."""
    theirs, their_trace = say(exim, case, cwd)
    ours, our_trace = say(godwit, case, cwd)
    left = replies(theirs) + offered(theirs, case) + decisions(their_trace)
    right = replies(ours) + offered(ours, case) + decisions(our_trace)
    if not right:
        right = our_trace.splitlines()[-5:]
    return None if left == right else (left, right)
