"""Every name that at least two public configurations use is known: ../shared/USAGE.md, name by name.

A name with the mark X (a foreign engine) or O (obsolete everywhere) need not be. What is known but
refused because it is not available yet stands in PENDING with its reason; a row that is not refused
any more is a failure, so the table stays true."""

import bisect
import os
import pathlib
import re
import subprocess
import tempfile

from harness import PROGRAM
from peers import Skipped

USED_BY = 2
REFUSED = re.compile(r'unknown|not available|not built in|no such|is not known|is not a (driver|log selector)|is missing after|'
                     r'F, G or H is expected|^expected "')
NOBODY = "nobodys_name"  # no form takes it, or the form would prove nothing
# Not looked at before they are used.
UNREAD = {"authenticator_driver", "authenticator_option", "ratelimit_option"}
ROOT = pathlib.Path(__file__).resolve().parents[2]

# (section, name): why it is refused.
PENDING = {
    ("transport_option", "smtp.dkim_domain"): "needs DKIM",
    ("transport_option", "smtp.hosts_require_auth"): "needs authentication as a client",
}


def usage():
    """section -> names, of ../shared/USAGE.md or $GODWIT_SHARED/USAGE.md."""
    for folder in (os.environ.get("GODWIT_SHARED"), ROOT.parent / "shared"):
        if folder and (pathlib.Path(folder) / "USAGE.md").exists():
            break
    else:
        raise Skipped("USAGE.md is not there: set GODWIT_SHARED")
    sections, names = {}, None
    for line in (pathlib.Path(folder) / "USAGE.md").read_text().splitlines():
        if line.startswith("## "):
            names = sections.setdefault(line[3:].split(" (")[0], [])
        elif names is not None:
            for name, count, mark in re.findall(r"`([^`]*)` (\d+)/\d+(?: \*\*([XDLO])\*\*)?", line):
                if int(count) >= USED_BY and mark not in ("X", "O") and name and not name.startswith("?"):
                    names.append(name)
    return sections


class Form:
    """A configuration that uses each of many names: `head`, and then a few lines for every name."""

    def __init__(self, lines, head=""):
        self.lines, self.head = lines, head

    def refused(self, path, names):
        """Those of `names` that -bV does not know or offer, each with what it says."""
        text, spans = self.head, []
        for number, name in enumerate(names):
            spans.append(text.count("\n"))
            text += self.lines(name, number) + "\n"
        path.write_text(text)
        said = subprocess.run([PROGRAM, "-C", path, "-bV"], capture_output=True, text=True, timeout=60, check=False)
        found = {}
        for at, problem in re.findall(rf"^{re.escape(str(path))}:(\d+):\d+: error: (.*)$", said.stderr, re.M):
            index = bisect.bisect_left(spans, int(at)) - 1
            if REFUSED.search(problem) and index >= 0:
                found.setdefault(names[index], problem)
        return found


def driver_option(kind, default):
    def lines(name, number):
        driver, _, option = name.rpartition(".")
        value = "smtp" if option == "protocol" else "x"
        return f"x{number}:\n  driver = {driver or default}\n  {option} = {value}"
    return [Form(lines, f"begin {kind}\n")]


def driver(kind):
    return [Form(lambda name, number: f"x{number}:\n  driver = {name}", f"begin {kind}\n")]


def in_expansion(text):
    return [Form(lambda name, _: f"  warn logwrite = {text(name)}", "begin acl\na:\n")]


CONDITIONS = {"and": "and{{def:tod_log}}", "or": "or{{def:tod_log}}", "def": "def:tod_log",
              "forany": "forany{a}{eq{$item}{a}}", "forall": "forall{a}{eq{$item}{a}}"}
ITEMS = {"if": "${if def:tod_log{a}}", "lookup": "${lookup{a}lsearch{/x}}", "run": "${run{/bin/true}}",
         "readsocket": "${readsocket{/x}{a}}", "srs_encode": "${srs_encode{a}{b}{c}}", "sg": "${sg{a}{b}{c}}",
         "listextract": "${listextract{1}{a}}", "hash": "${hash{1}{a}}", "prvs": "${prvs{a}{b}}",
         "prvscheck": "${prvscheck{a}{b}}", "acl": "${acl{x}}", "hmac": "${hmac{md5}{a}{b}}",
         "extract": "${extract{a}{b}}"}
VARIABLES = {"$h_<name>:": "$h_subject:", "$acl_m…": "$acl_m_a", "$acl_c…": "$acl_c_a", "$auth<n>": "$auth1",
             "$<number>": "$1", "$acl_arg<n>": "$acl_arg1", "$r_…": "$r_a"}


def variable(name):
    return VARIABLES.get(name) or name.replace("<name>", "subject").replace("…", "_a").replace("<n>", "1")


def in_acl(line):
    """A condition stands where it may stand: one of these ACLs takes it."""
    return [Form(lambda name, _: "  " + line(name), f"acl_smtp_{where} = a\nbegin acl\na:\n")
            for where in ("data", "rcpt", "mime", "dkim")]


def in_main(line):
    return [Form(lambda name, _: line(name))]


# Under each heading of USAGE.md: the forms of which one must take the name.
FORMS = {
    "main_option": in_main(lambda name: f"{name} = x"),
    "named_list": in_main(lambda name: f"{name} x = y"),
    "acl_verb": in_acl(str),
    "acl_condition": in_acl(lambda name: f"warn {name} = {'recipient' if name == 'verify' else 'x'}"),
    "acl_modifier": in_acl(lambda name: "accept endpass" if name == "endpass" else
                           "warn set acl_m_x = x" if name == "set" else
                           f"warn {name} = {'queue_only' if name == 'control' else 'x'}"),
    "control": in_acl(lambda name: f"warn control = {name}"),
    "control_option": in_acl(lambda name: f"warn control = {name}" + ("=x" if name.endswith("domain") else "")),
    "verify": in_acl(lambda name: f"warn verify = {name}"),
    "verify_option": in_acl(lambda name: "warn verify = recipient/" + name.replace("<time>", "5s")),
    "ratelimit_option": in_acl(lambda name: f"warn ratelimit = 1 / 1h / {name} / x"),
    "router_driver": driver("routers"),
    "router_option": driver_option("routers", "accept"),
    "transport_driver": driver("transports"),
    "transport_option": driver_option("transports", "smtp"),
    "authenticator_driver": driver("authenticators"),
    "authenticator_option": driver_option("authenticators", "plaintext"),
    "expansion_item": in_expansion(lambda name: ITEMS.get(name) or f"${{{name}{{a}}}}"),
    "expansion_condition": in_expansion(
        lambda name: "${if " + (CONDITIONS.get(name) or
                                name + ("{a}" if name.startswith("is") or name in ("bool", "exists") else "{1}{1}")) + "}"),
    "expansion_operator": in_expansion(
        lambda name: "${" + name.replace("<lookup>", "mysql").replace("length", "length_1").replace("substr", "substr_1")
        .replace("nhash", "nhash_8").replace("mask", "mask") + ":a}"),
    "expansion_operator_detail": in_expansion(lambda name: f"${{{name}:a}}"),
    "lookup": in_expansion(lambda name: f"${{lookup{{a}}{name}{{/x}}}}" if name in
                           ("lsearch", "dsearch", "nwildlsearch", "iplsearch", "wildlsearch", "cdb")
                           else f"${{lookup {name}{{a}}}}"),
    "variable": in_expansion(variable),
    "log_selector": [Form(lambda name, _: f"  +{name} \\", "log_selector = \\\n")],
    "retry_rule": [Form(lambda name, _: "* * " + (f"{name},1h,5m" if name == "F" else f"{name},1h,5m,1.5"),
                        "begin retry\n")],
    "retry_error": [Form(lambda name, _: f"* {name.replace('tls', 'tls_required')} F,1h,5m", "begin retry\n")],
    "rewrite_flag": [Form(lambda name, _: "*@a b@c " + ("" if name == "(none)" else name), "begin rewrite\n")],
}


def names_refused(path, section, names):
    """Those of `names` that every form of the section refuses."""
    nobody = "$" + NOBODY if section == "variable" else NOBODY
    refused = None
    for form in FORMS[section]:
        found = form.refused(path, [*names, nobody])
        assert nobody in found or section in UNREAD, f"{path.read_text()}\n{nobody} is not refused there"
        refused = found if refused is None else {name: why for name, why in refused.items() if name in found}
    refused.pop(nobody, None)
    return refused


def test_names_that_configurations_use_are_known():
    count, wrong, pending = 0, [], set(PENDING)
    with tempfile.TemporaryDirectory(prefix="godwit-usage-") as directory:
        path = pathlib.Path(directory) / "usage.conf"
        for section, names in usage().items():
            if not names or section not in FORMS:
                continue
            count += len(names)
            refused = names_refused(path, section, names)
            for name, why in refused.items():
                if (section, name) in PENDING:
                    pending.discard((section, name))
                else:
                    wrong.append(f"{section} {name}: {why}")
    wrong += [f"{section} {name} is not refused any more: take it out of PENDING" for section, name in sorted(pending)]
    assert count > 400, f"only {count} names were read"
    assert not wrong, "\n".join(wrong)
