#!/usr/bin/env python3
"""Judges results of Google Benchmark (JSON on standard input): what matches a list of 10, 1,000 and
100,000 items may cost no more than in proportion to them. Ends with "N passed, N failed"."""

import collections
import json
import sys

# An item of a list that does not fit into the caches costs several times more; quadratic would be 100.
SLACK = 10


def main():
    times = collections.defaultdict(dict)
    for run in json.load(sys.stdin)["benchmarks"]:
        name, _, items = run["run_name"].partition("/")
        if run.get("run_type") == "iteration" and items.isdigit():
            times[name][int(items)] = run["cpu_time"]
    failed = 0
    for name, by_items in sorted(times.items()):
        sizes = sorted(by_items)
        worst = max((by_items[b] / by_items[a] / (b / a) for a, b in zip(sizes, sizes[1:])), default=0)
        is_linear = len(sizes) == 3 and worst <= SLACK
        failed += not is_linear
        shown = ", ".join(f"{items:,}: {by_items[items]:,.0f} ns" for items in sizes)
        print(f"{'ok     ' if is_linear else 'FAILED '} {name}: {shown}; at most {worst:.2f} of linear")
    print(f"{len(times) - failed} passed, {failed} failed")
    return 1 if failed or not times else 0


if __name__ == "__main__":
    sys.exit(main())
