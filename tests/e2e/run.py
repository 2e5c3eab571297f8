#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [module or test name ...]. Ends with "N passed, N failed"."""

import importlib
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


class Skipped(Exception):
    """A test cannot run here; the text says why."""


def find(wanted):
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name in sorted(vars(module)):
            full = f"{path.stem}.{name}"
            if name.startswith("test_") and (not wanted or any(w in full for w in wanted)):
                yield full, getattr(module, name)


def main():
    passed, failed, skipped = 0, [], 0
    for name, test in find(sys.argv[1:]):
        started = time.monotonic()
        try:
            test()
        except Exception as problem:  # pylint: disable=broad-except
            if type(problem).__name__ == "Skipped":
                skipped += 1
                print(f"SKIPPED {name}: {problem}", flush=True)
                continue
            failed.append(name)
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
            continue
        passed += 1
        print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
    for name in failed:
        print("failed: " + name)
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
