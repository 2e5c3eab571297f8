"""-bP, -bV, built-in macros: what the program says about a configuration."""

import re

from harness import Godwit

MAIN = """\
FOO = bar
SHOWN = FOO baz
domainlist local = a.test : b.test
hide hostlist friends = 192.0.2.0/24
auto_thaw = 8d3h
.ifdef _OPT_MAIN_AUTO_THAW
message_size_limit = 20M
.endif
.ifdef _HAVE_PERL
perl_startup = nothing
.endif
"""


def test_options_are_printed_as_exim_prints_them():
    with Godwit(main=MAIN, start=False) as godwit:
        wanted = {
            ("primary_hostname",): "primary_hostname = mx.test\n",
            ("auto_thaw",): "auto_thaw = 1w1d3h\n",
            ("message_size_limit", "split_spool_directory"): "message_size_limit = 20M\nno_split_spool_directory\n",
            ("+local",): "domainlist local = a.test : b.test\n",
            ("router_list",): "out\n",
            ("transport_list",): "remote\n",
            ("macro", "SHOWN"): "SHOWN=bar baz\n",
            ("configure_file",): f"{godwit.config}\n",
        }
        for words, expected in wanted.items():
            assert godwit.cli("-bP", *words).stdout == expected, words
        every = godwit.cli("-bP").stdout.splitlines()
        assert every == sorted(every, key=lambda l: l.removeprefix("no_").split(" ")[0]) and len(every) > 250
        router = godwit.cli("-bP", "router", "out").stdout.splitlines()
        assert "driver = manualroute" in router and "route_list = * 127.0.0.1" in router, router
        text = godwit.cli("-bP", "config").stdout
        assert "SHOWN = bar baz\n" in text and "begin routers\n\n  out:\n    driver = manualroute\n" in text, text
        assert "perl_startup" not in text, text


def test_unknown_words_are_said():
    with Godwit(start=False) as godwit:
        for words, said in ((("umask",), "umask is not a known option"),
                            (("transport", "none"), "transport none not found"),
                            (("macro", "NONE"), "macro NONE not found"),
                            (("+none",), 'no address, domain, host, or local part list called "none" exists')):
            done = godwit.cli("-bP", *words, check=False)
            assert done.returncode == 1 and done.stdout == said + "\n", done


def test_expressions_that_do_not_compile_are_errors():
    with Godwit(start=False) as godwit:
        rest = re.sub(r"(?m)^keep_environment\b.*\n", "", godwit.config.read_text())
        for line in ("gecos_pattern = ^(", "keep_environment = PATH : !^(", "keep_environment = ^[a"):
            godwit.config.write_text(f"{line}\n{rest}")
            done = godwit.cli("-bV", check=False)
            name = line.split(" ")[0]
            assert done.returncode == 1 and f"error: {name}: " in done.stderr and f"  {line}" in done.stderr, done
