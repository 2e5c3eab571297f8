#!/usr/bin/env python3
"""Compares -bt and -bv of godwit with the real Exim's: every configuration in addresses/, every
address that its first line names. Ends with "N passed, N failed, N skipped"; a test is an address."""

import sys

from oracle import GODWIT, HERE, run, with_exim

MARK = "# addresses: "


def answer(command):
    done = run(command)
    return done.stdout + f"exit status {done.returncode}\n"


def compare(directory, exim):
    for path in (HERE / "addresses").iterdir():
        (directory / path.name).write_text(path.read_text().replace("DIR", str(directory)))
        (directory / path.name).chmod(0o644)
    passed, failed = 0, 0
    for path in sorted((HERE / "addresses").glob("*.conf")):
        config = directory / path.name
        for program in (exim, [str(GODWIT)]):
            loaded = run(program + ["-C", str(config), "-bV"])
            if loaded.returncode != 0:  # or they would agree in giving no answer
                failed += 1
                print(f"FAILED {path.stem}: {program[-1]} does not load it\n{loaded.stdout[-500:]}{loaded.stderr}")
        first = config.read_text().splitlines()[0]
        for address in first.removeprefix(MARK).split():
            for mode in ("-bt", "-bv"):
                arguments = ["-C", str(config), "-f", "me@s.test", mode, address]
                theirs, ours = answer(exim + arguments), answer([str(GODWIT)] + arguments)
                if theirs == ours:
                    passed += 1
                    continue
                failed += 1
                print(f"FAILED {path.stem} {mode} {address}\n  Exim:   {theirs!r}\n  Godwit: {ours!r}")
    return passed, failed


if __name__ == "__main__":
    sys.exit(with_exim(compare))
