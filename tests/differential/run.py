#!/usr/bin/env python3
"""Compares the expansion language of godwit with the real Exim's; see README.md.

    run.py [--seed N] [--count N] [--show] [theme ...]

Ends with "N passed, N failed, N skipped"; a test is a theme or the generated lines."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import dialogues  # noqa: E402
import generator  # noqa: E402
import peers  # noqa: E402

GODWIT = pathlib.Path(os.environ.get("GODWIT_BINARY", ROOT / "build" / "dev" / "godwit"))
MARK = "@@{}@@"
PROMPT = "> "


# What lists in lines/matching.txt and in dialogues look into.
FILES = {
    "keys": "a.b: data of a.b\nkey: k\nkey.ex: whole\n*.part.ex: wild\n*.key.ex: sub\nempty:\n",
    "domains": "# comment\n\n  a.b  # more\n!no.c\n*.c\n^x[0-9]$\n",
    "wild": "*.wild.ex: star\n^x\\d$: regex\n\"quoted key\": q\n",
    "locals": "abc\n!def # no\n^d.f$\n",
    "addresses": "joe@a.b: whole\n*@key.ex: domain\n",
    "locals_by_domain": "a.b: joe : !bob : *x\nat.ex: sam : ^x[0-9]{8}$ : >more\nmore: zed : >*\n*: who\n",
    "addresslist": "joe@a.b\n!bob@a.b\n*@a.b # all\na#b@c.d\n",
    "ips": "10.1.1.1: one\n192.0.2.0/24: net\n198.51.100.7/32: host\n2001.0db8.0000.0000.0000.0000.0000.0001: six\n",
    "iplist": "10.0.0.0/8: ten\n192.0.2.9: nine\n\"2001:db8::/32\": six\n",
    "nets": "10.0.0.0/8\n!192.0.2.9\n192.0.2.0/24 # net\n2001:db8::/32\n",
}


class Line:
    def __init__(self, text, theme):
        self.text, self.theme = text, theme
        self.exim = self.godwit = None

    def differs(self):
        if self.exim == self.godwit:
            return False
        if self.exim is None:  # it crashed
            return self.godwit is None
        return self.theme == "errors" or not (self.failed(self.exim) and self.failed(self.godwit))

    @staticmethod
    def failed(answer):
        return answer is not None and answer.startswith(PROMPT + "Failed: ")


def read_lines(path):
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.strip() and not line.startswith("#"):
            yield Line(line, path.stem)


def answers(output, count):
    """The output between the marks that follow each line; None where a mark is missing."""
    found, position = [], 0
    for number in range(count):
        mark = PROMPT + MARK.format(number) + "\n"
        at = output.find(mark, position)
        if at < 0:
            found.append(None)
            continue
        found.append(output[position:at])
        position = at + len(mark)
    return found


def ask_through(command, lines):
    """As ask(), but goes on behind a line that made the program end (Exim does, at times)."""
    found = []
    while len(found) < len(lines):
        part = ask(command, lines[len(found):])
        answered = next((i for i, answer in enumerate(part) if answer is None), len(part))
        found += part[:answered]
        if answered < len(part):
            found.append(None)
    return found


def ask(command, lines):
    text = "".join(line.text + "\n" + MARK.format(number) + "\n" for number, line in enumerate(lines))
    done = subprocess.run(command, input=text.encode("latin-1"), capture_output=True, cwd=ROOT, timeout=120,
                          check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    output = done.stdout.decode("latin-1")
    # What Exim says of the message file before the first prompt.
    return answers(output[max(output.find(PROMPT), 0):], len(lines))


class Runner:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.chmod(0o755)
        text = (HERE / "configuration.conf").read_text().replace("DIR", directory)
        (self.dir / "exim.conf").write_text(text)
        (self.dir / "message.eml").write_bytes((HERE / "message.eml").read_bytes())
        (self.dir / "lines.txt").write_text("one two\nthree\n\nlast")
        (self.dir / "dir").mkdir()
        (self.dir / "dir" / "file").write_text("")
        for name, content in FILES.items():
            (self.dir / name).write_text(content)
        self.called = dialogues.CalledHost()
        for name in ("spool", "log"):
            (self.dir / name).mkdir()
            (self.dir / name).chmod(0o777)

    def compare(self, lines, message=False):
        how = ["-bem", str(self.dir / "message.eml")] if message else ["-be"]
        config = ["-C", str(self.dir / "exim.conf")]
        exim = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
                str(peers.PACKAGES), str(self.dir), "/usr/sbin/exim4", *config, *how]
        for line in lines:
            line.text = line.text.replace("DIR", str(self.dir))
        if ask(exim, [Line("x", "")]) != [PROMPT + "x\n"]:
            raise peers.Skipped("Exim gives no answers here")
        asked = ask_through(exim, lines)
        for line, theirs, ours in zip(lines, asked, ask([str(GODWIT), *config, *how], lines)):
            line.exim, line.godwit = theirs, ours


    def compare_dialogue(self, case):
        name = re.sub(r"\W+", "-", case.name)
        path = self.dir / f"{name}.conf"
        base = (HERE / "dialogues.conf").read_text().replace("PORT", str(self.called.port))
        path.write_text(case.configuration(base).replace("DIR", str(self.dir)))
        exim = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bench/compare/enter-peer", "run",
                str(peers.PACKAGES), str(self.dir), "/usr/sbin/exim4", "-C", str(path)]
        return dialogues.compare(exim, [str(GODWIT), "-C", str(path)], case, ROOT)


class Intended:
    """Rows "theme<TAB>pattern<TAB>reason": a line that the pattern matches may differ, and of all
    lines of the theme that it matches at least one must."""

    def __init__(self):
        self.rows = []
        for line in (HERE / "intended.txt").read_text(encoding="latin-1").splitlines():
            if line and not line.startswith("#"):
                theme, pattern, reason = line.split("\t")
                self.rows.append([theme, re.compile(pattern), reason, 0])

    def covers(self, line):
        for row in self.rows:
            if row[0] in (line.theme, "*") and row[1].search(line.text):
                row[3] += 1
                return True
        return False

    def idle(self, themes):
        return [row for row in self.rows if row[3] == 0 and (row[0] in themes or row[0] == "*")]


def report(name, lines, intended, show):
    differences = [line for line in lines if line.differs()]
    bad = [line for line in differences if not intended.covers(line)]
    for line in bad[: None if show else 20]:
        print(f"   {line.text}\n      Exim   {line.exim!r}\n      godwit {line.godwit!r}")
    crashes = sum(1 for line in lines if line.exim is None)
    words = sum(1 for line in lines if line.exim != line.godwit and not line.differs()) - crashes
    print(f"{'FAILED ' if bad else 'ok     '} {name}: {len(lines)} lines, {len(bad)} wrong, "
          f"{len(differences) - len(bad)} differ as intended, {words} fail in other words, "
          f"{crashes} crash Exim", flush=True)
    return not bad


def compare_dialogues(runner, path, show):
    """True where all cases of the file are alike, or differ as they say they do."""
    cases = dialogues.read_cases(path)
    bad = intended = 0
    for case in cases:
        found = runner.compare_dialogue(case)
        if found is not None and case.reason is None:
            bad += 1
            if show or bad <= 20:
                print(f"   {case.name}")
                for left, right in zip(*(side + [None] * 40 for side in found)):
                    if left != right:
                        print(f"      Exim   {left!r}\n      godwit {right!r}")
                        break
        elif found is None and case.reason is not None:
            bad += 1
            print(f"   {case.name} does not differ: {case.reason}")
        intended += found is not None and case.reason is not None
    print(f"{'FAILED ' if bad else 'ok     '} dialogues {path.stem}: {len(cases)} dialogues, {bad} wrong, "
          f"{intended} differ as intended", flush=True)
    return bad == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("themes", nargs="*")
    options = parser.parse_args()
    themes = {path.stem: path for path in sorted((HERE / "lines").glob("*.txt"))}
    talks = {"dialogues-" + path.stem: path for path in sorted((HERE / "dialogues").glob("*.txt"))}
    wanted = options.themes or [*themes, "generated", *talks]
    try:
        peers.fetch()
        if os.geteuid() != 0:
            raise peers.Skipped("namespaces for Exim need root")
        with tempfile.TemporaryDirectory(prefix="godwit-differential-", dir="/var/tmp") as directory:
            passed, failed = compare_all(Runner(directory), themes, talks, wanted, options)
    except peers.Skipped as reason:
        print(f"SKIPPED differential: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def compare_all(runner, themes, talks, wanted, options):
    intended = Intended()
    passed = failed = total = 0
    for name in wanted:
        if name in talks:
            good = compare_dialogues(runner, talks[name], options.show)
            passed += good
            failed += not good
            continue
        if name == "generated":
            lines = [Line(text, name) for text in generator.lines(options.seed, options.count)]
        else:
            lines = list(read_lines(themes[name]))
        runner.compare(lines, message=name == "message")
        good = report(name, lines, intended, options.show)
        total += len(lines)
        passed += good
        failed += not good
    # What a generator makes need not have a case of every difference.
    checked = [name for name in wanted if name != "generated"]
    for theme, pattern, reason, _ in intended.idle(checked if options.themes else [*checked, "*"]):
        print(f"FAILED  intended difference that is none: {theme} {pattern.pattern} ({reason})")
        failed += 1
    print(f"{total} lines compared")
    return passed, failed


if __name__ == "__main__":
    sys.exit(main())
