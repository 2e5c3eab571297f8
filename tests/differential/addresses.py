#!/usr/bin/env python3
"""Compares -bt and -bv of godwit, or -brt, with the real Exim's: every configuration in addresses/,
every address that its first line names. Ends with "N passed, N failed, N skipped"; a test is an address."""

import sys

from oracle import GODWIT, HERE, run, with_exim

MODES = {"# addresses": ("-bt", "-bv"), "# retries": ("-brt",)}


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
        mark, addresses = config.read_text().splitlines()[0].split(": ")
        for address in addresses.split():
            for mode in MODES[mark]:
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
