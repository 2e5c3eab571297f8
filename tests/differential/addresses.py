#!/usr/bin/env python3
"""Compares -bt and -bv of godwit with the real Exim's: every configuration in addresses/, every
address that its first line names. Ends with "N passed, N failed, N skipped"; a test is an address."""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import peers  # noqa: E402

GODWIT = pathlib.Path(os.environ.get("GODWIT_BINARY", ROOT / "build" / "dev" / "godwit"))
MARK = "# addresses: "


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    return done.stdout + f"exit status {done.returncode}\n"


def compare(directory):
    enter = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
             str(peers.PACKAGES), str(directory), "/usr/sbin/exim4"]
    passed, failed = 0, 0
    for path in sorted((HERE / "addresses").glob("*.conf")):
        config = directory / path.name
        first = config.read_text().splitlines()[0]
        for address in first.removeprefix(MARK).split():
            for mode in ("-bt", "-bv"):
                arguments = ["-C", str(config), "-f", "me@s.test", mode, address]
                theirs, ours = run(enter + arguments), run([str(GODWIT)] + arguments)
                if theirs == ours:
                    passed += 1
                    continue
                failed += 1
                print(f"FAILED {path.stem} {mode} {address}\n  Exim:   {theirs!r}\n  Godwit: {ours!r}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main():
    with tempfile.TemporaryDirectory(prefix="godwit-addresses-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        for path in (HERE / "addresses").iterdir():
            (directory / path.name).write_text(path.read_text().replace("DIR", name))
            (directory / path.name).chmod(0o644)
        for below in ("spool", "log"):
            (directory / below).mkdir()
            (directory / below).chmod(0o777)
        try:
            peers.fetch()
        except peers.Skipped as why:
            print(f"SKIPPED: {why}\n0 passed, 0 failed, 1 skipped")
            return 0
        return compare(directory)


if __name__ == "__main__":
    sys.exit(main())
