"""Main options about what local processes and broken clients hand over: "From " lines, names, numbers of
hosts. What is expected is what the real Exim 4.96 does, but for docs/differences.md."""

import re

from harness import Godwit, Sink

MAIN = """\
SENDER = $1
uucp_from_sender = SENDER
.ifdef PATTERN
uucp_from_pattern = PATTERN
.endif
.ifdef LOCAL
ignore_fromline_local
.endif
.ifdef NUMBER
localhost_number = NUMBER
.endif
"""
ANN = "From ann@a.test Fri Jan  5 12:55 GMT 1997\n"
CEE = "From cee@c.test Fri Jan  5 12:55 GMT 1997\n"
TEXT = "Subject: x\n\nbody\n"
OWN = "root@mx.test"

# name, arguments, before the header section, sender, From: that is made; None: the line is none
LINES = [
    ("a trusted caller", [], ANN, "ann@a.test", "ann@a.test"),
    ("two lines", [], ANN + CEE, "cee@c.test", "cee@c.test"),
    ("folded", [], ANN.replace(" Fri", "\n Fri"), "ann@a.test", "ann@a.test"),
    ("no domain", [], "From ann Fri, 7 Jan 97 14:00:00 GMT\n", "ann@mx.test", "ann@mx.test"),
    ("-f", ["-f", "z@z.test"], ANN, "z@z.test", "z@z.test"),
    ("-f and -F", ["-f", "z@z.test", "-F", "Full Name"], ANN, "z@z.test", "Full Name <z@z.test>"),
    ("-F", ["-F", "Full Name"], ANN, "ann@a.test", "ann@a.test"),
    ("uucp_from_sender", ["-DSENDER=x-$1"], ANN, "x-ann@a.test", "x-ann@a.test"),
    ("a bounce", ["-DSENDER=<>"], ANN, "<>", None),
    ("no address", ["-DSENDER=a@@b"], ANN, OWN, "root <root@mx.test>"),
    ("forced to fail", ["-DSENDER=${if eq{a}{b}{x}fail}"], ANN, OWN, "root <root@mx.test>"),
    ("uucp_from_pattern", ["-DPATTERN=^FROM:(.*)"], "FROM:x@y.test\n", "x@y.test", "x@y.test"),
]
NO_LINES = [  # name, fields before it, the line, with which the body begins
    ("no date", "", "From ann@a.test nonsense\n"),
    ("quoted", "", ">" + ANN),
    ("lower case", "", ANN.lower()),
    ("behind a field", "X: y\n", ANN),
]


class Submissions:
    """Messages of local processes, each to a recipient of its own, which a daemon delivers."""

    def __init__(self, godwit):
        self.godwit = godwit
        self.checks = []  # by recipient

    def add(self, name, *arguments, stdin, check, recipients=()):
        """`stdin` may have {to}. `check` is asked when all have come. Gives the match of the arrival line: the sender."""
        recipient = f"r{len(self.checks)}@example.com"
        self.checks.append((name, check))
        before = self.godwit.log()
        self.godwit.cli(*arguments, *[recipient for _ in recipients], stdin=stdin.replace("{to}", recipient))
        return re.search(r" <= (\S+) .*", self.godwit.log()[len(before):])

    def check(self, sink):
        sink.wait(len(self.checks), 60)
        messages = {m["recipients"][0]: m["data"].decode().replace("\r", "") for m in sink.messages}
        for n, (name, check) in enumerate(self.checks):
            head, _, body = messages[f"r{n}@example.com"].partition("\n\n")
            assert check(head + "\n", body), (name, head, body)


TO = ["{to}"]


def test_from_lines_of_submissions():
    with Sink() as sink, Godwit(sink.port, main=MAIN) as godwit:
        all_of_them = Submissions(godwit)
        for name, arguments, line, sender, from_field in LINES:
            wanted = "" if from_field is None else f"\nFrom: {from_field}\n"
            match = all_of_them.add(name, *arguments, stdin=line + TEXT, recipients=TO, check=lambda head, body, wanted=wanted:
                                    body == "body\n" and "\nSubject: x\n" in head and wanted in head)
            assert match.group(1) == sender, (name, match.group())
        assert "expansion of \"${if eq{a}{b}{x}fail}\" failed after matching \"From \" line: " in godwit.log("panic")
        for name, fields, line in NO_LINES:
            match = all_of_them.add(name, stdin=fields + line + TEXT, recipients=TO,
                                    check=lambda _, body, line=line: body == line + TEXT)
            assert match.group(1) == OWN, (name, match.group())
        dialogue = f"HELO x\nMAIL FROM:<m@m.test>\nRCPT TO:<{{to}}>\nDATA\n{ANN}{TEXT}.\nQUIT\n"
        for mode in ("-bs", "-bS"):
            for arguments, left in (([], ANN + TEXT), (["-DLOCAL"], "body\n")):
                match = all_of_them.add(mode, *arguments, mode, stdin=dialogue, check=lambda _, body, left=left: body == left)
                assert match.group(1) == "m@m.test", (mode, match.group())
        all_of_them.check(sink)
        done = godwit.cli("-bV", "-DPATTERN=^(x", check=False)
        assert done.returncode == 1 and "uucp_from_pattern: " in done.stderr, done


def test_from_lines_of_hosts():
    with Sink() as sink, Godwit(sink.port, main="ignore_fromline_hosts = 127.0.0.2") as godwit:
        for source, left in (("127.0.0.1", ANN + TEXT), ("127.0.0.2", "body\n")):
            with godwit.client(source=source) as client:
                client.command("EHLO client.test", 250)
                client.message("m@m.test", ["b@example.com"], (ANN + TEXT).replace("\n", "\r\n"))
            message = sink.wait(1 if source == "127.0.0.1" else 2)[-1]
            assert message["sender"] == "m@m.test", message
            assert message["data"].decode().replace("\r", "").endswith("\n\n" + left), message["data"]


BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_numbers_of_hosts():
    with Godwit(1, main=MAIN, start=False) as godwit:
        for number, value in (("0", 0), ("16", 16), (" 010 ", 8), ("0x3", 3), ("${eval:1+2}", 3)):
            assert godwit.cli(f"-DNUMBER={number}", "-be", "$localhost_number").stdout == f"{value}\n", number
        assert godwit.cli("-be", "$localhost_number").stdout == "0\n"
        for number, text in (("17", "localhost_number is greater than the maximum allowed value (16)"),
                             ("x", "localhost_number value is not a number: x"),
                             ("1k", "localhost_number value is not a number: 1k"),
                             ("-1", "localhost_number is less than 0")):
            done = godwit.cli("-bV", f"-DNUMBER={number}", check=False)
            assert done.returncode == 1 and text in done.stderr, done
        for number in (1, 16):
            godwit.cli("-odq", f"-DNUMBER={number}", "b@example.com", stdin=TEXT)
            message_id = re.search(r"(\S+) <= .*\n\Z", godwit.log()).group(1)
            fraction = 0
            for digit in message_id.rpartition("-")[2]:
                fraction = fraction * 62 + BASE62.index(digit)
            assert fraction // 500_000 == number, message_id
