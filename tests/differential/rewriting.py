#!/usr/bin/env python3
"""Compares -brw of godwit with the real Exim's: every configuration in rewriting/, every address that
its first line names ("%20" is a blank). Ends with "N passed, N failed, N skipped"; a test is an
address."""

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
MAIN = """\
primary_hostname = mail.example.org
qualify_domain = example.org
qualify_recipient = rcpt.example.org
spool_directory = DIR/spool
log_file_path = DIR/log/%slog
keep_environment = PATH
addresslist lists = list@list.example
"""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    lines = done.stdout.splitlines()
    # Why an address is none is worded differently.
    if len(lines) > 1 and lines[-2].startswith("Syntax error in "):
        lines.pop()
    return lines


def compare(directory, enter):
    passed, failed = 0, 0
    for path in sorted((HERE / "rewriting").glob("*.conf")):
        text = path.read_text()
        config = directory / path.name
        config.write_text((MAIN + text).replace("DIR", str(directory)))
        config.chmod(0o644)
        for word in text.splitlines()[0].removeprefix("# ").split():
            address = word.replace("%20", " ")
            arguments = ["-C", str(config), "-brw", address]
            theirs, ours = run(enter + arguments), run([str(GODWIT)] + arguments)
            if theirs == ours:
                passed += 1
                continue
            failed += 1
            print(f"FAILED {path.stem} {address}\n  Exim:   {theirs!r}\n  Godwit: {ours!r}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main():
    with tempfile.TemporaryDirectory(prefix="godwit-rewriting-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        (directory / "rewritten").write_text("lookup: found@look.example\n")
        for below in ("spool", "log"):
            (directory / below).mkdir()
            (directory / below).chmod(0o777)
        try:
            peers.fetch()
        except peers.Skipped as why:
            print(f"SKIPPED: {why}\n0 passed, 0 failed, 1 skipped")
            return 0
        return compare(directory, ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                                   "bench/compare/enter-peer", "run", str(peers.PACKAGES), str(directory),
                                   "/usr/sbin/exim4"])


if __name__ == "__main__":
    sys.exit(main())
