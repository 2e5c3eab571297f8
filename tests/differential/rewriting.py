#!/usr/bin/env python3
"""Compares -brw of godwit with the real Exim's: every configuration in rewriting/, every address that
its first line names ("%20" is a blank). Ends with "N passed, N failed, N skipped"; a test is an
address."""

import sys

from oracle import GODWIT, HERE, run, with_exim

MAIN = """\
primary_hostname = mail.example.org
qualify_domain = example.org
qualify_recipient = rcpt.example.org
spool_directory = DIR/spool
log_file_path = DIR/log/%slog
keep_environment = PATH
addresslist lists = list@list.example
"""


def answer(command):
    lines = run(command).stdout.splitlines()
    # Why an address is none is worded differently.
    if len(lines) > 1 and lines[-2].startswith("Syntax error in "):
        lines.pop()
    return lines


def compare(directory, exim):
    (directory / "rewritten").write_text("lookup: found@look.example\n")
    passed, failed = 0, 0
    for path in sorted((HERE / "rewriting").glob("*.conf")):
        text = path.read_text()
        config = directory / path.name
        config.write_text((MAIN + text).replace("DIR", str(directory)))
        config.chmod(0o644)
        for word in text.splitlines()[0].removeprefix("# ").split():
            address = word.replace("%20", " ")
            arguments = ["-C", str(config), "-brw", address]
            theirs, ours = answer(exim + arguments), answer([str(GODWIT)] + arguments)
            if theirs == ours:
                passed += 1
                continue
            failed += 1
            print(f"FAILED {path.stem} {address}\n  Exim:   {theirs!r}\n  Godwit: {ours!r}")
    return passed, failed


if __name__ == "__main__":
    sys.exit(with_exim(compare))
