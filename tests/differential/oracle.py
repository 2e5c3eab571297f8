"""The real Exim beside godwit, for the comparisons that run a command for each case: where they are,
a directory that both may use, and how a command is run in either."""

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


def run(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})


def with_exim(compare):
    """Calls compare(directory, command of Exim); its (passed, failed) becomes the summary and exit
    status."""
    with tempfile.TemporaryDirectory(prefix="godwit-differential-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        for below in ("spool", "log"):
            (directory / below).mkdir()
            (directory / below).chmod(0o777)
        try:
            peers.fetch()
        except peers.Skipped as why:
            print(f"SKIPPED: {why}\n0 passed, 0 failed, 1 skipped")
            return 0
        passed, failed = compare(directory, ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                                             "bench/compare/enter-peer", "run", str(peers.PACKAGES),
                                             str(directory), "/usr/sbin/exim4"])
        print(f"{passed} passed, {failed} failed, 0 skipped")
        return 1 if failed else 0
