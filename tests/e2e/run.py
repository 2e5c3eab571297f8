#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [-j JOBS] [module or test name ...]. Ends with "N passed, N failed".

Tests run side by side, each job a process of its own: most of their time they wait. A module whose
tests must have the machine for themselves says ALONE = True; these run after all others. A module
that waits for long says SLOW = True and is begun first, so that nobody waits for it at the end."""

import argparse
import contextlib
import importlib
import io
import multiprocessing
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def find(wanted):
    """(module name, test name) of all that is wanted, slow modules first, those to run alone last."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        rank = 2 if getattr(module, "ALONE", False) else 0 if getattr(module, "SLOW", False) else 1
        for name in sorted(vars(module)):
            if name.startswith("test_") and (not wanted or any(w in f"{path.stem}.{name}" for w in wanted)):
                found.append((rank, path.stem, name))
    found.sort(key=lambda row: row[0])
    return ([(module, name) for rank, module, name in found if rank < 2],
            [(module, name) for rank, module, name in found if rank == 2])


def run(test):
    """One test; gives "passed", "failed" or "skipped", its name and what is to be printed."""
    full = ".".join(test)
    started = time.monotonic()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            getattr(importlib.import_module(test[0]), test[1])()
    except Exception as problem:  # pylint: disable=broad-except
        if type(problem).__name__ == "Skipped":
            return "skipped", full, f"{said.getvalue()}SKIPPED {full}: {problem}"
        return "failed", full, f"{said.getvalue()}FAILED  {full}\n{traceback.format_exc()}"
    return "passed", full, f"{said.getvalue()}ok      {full} ({time.monotonic() - started:.1f} s)"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", type=int, default=2 * (os.cpu_count() or 1), help="tests at a time")
    parser.add_argument("wanted", nargs="*")
    options = parser.parse_args()
    together, alone = find(options.wanted)
    names = {"passed": [], "failed": [], "skipped": []}
    # A pool of one for what runs alone too, so that a test finds the same world either way.
    for tests, jobs in ((together, min(options.j, len(together))), (alone, 1)):
        if not tests:
            continue
        with multiprocessing.Pool(jobs) as pool:
            for verdict, name, text in pool.imap_unordered(run, tests):
                names[verdict].append(name)
                print(text, flush=True)
    for name in names["failed"]:
        print("failed: " + name)
    print(f"{len(names['passed'])} passed, {len(names['failed'])} failed, {len(names['skipped'])} skipped")
    return 1 if names["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
