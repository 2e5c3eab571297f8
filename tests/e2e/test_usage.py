"""Every name that at least two public configurations use is known: ../shared/USAGE.md, name by name.

A name with the mark X (a foreign engine) or O (obsolete everywhere) need not be. What is known but
refused because it is not available yet stands in PENDING with its reason; a row that is not refused
any more is a failure, so the table stays true."""

import os
import pathlib
import re
import subprocess
import tempfile

from harness import PROGRAM
from peers import Skipped

USED_BY = 2
REFUSED = re.compile(r"unknown|not available|no such|is not known")
ROOT = pathlib.Path(__file__).resolve().parents[2]

# (section, name): why it is refused.
CONTENT = "needs an engine of its own, and is refused at load until it is there"
PENDING = {
    **{("acl_condition", name): CONTENT
       for name in ("spam", "malware", "spf", "decode", "dkim_status", "dmarc_status")},
    ("verify", "csa"): "SRV records of client authorisation are hardly published any more",
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


def driver_option(kind, default):
    def make(name):
        driver, _, option = name.rpartition(".")
        value = "smtp" if option == "protocol" else "x"
        return f"begin {kind}\nx:\n  driver = {driver or default}\n  {option} = {value}\n"
    return make


def in_expansion(text):
    return lambda name: f"acl_smtp_rcpt = ${{if eq{{}}{{}}{{accept}}}}\nqualify_domain = x\nsmtp_banner = {text(name)}\n"


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


def in_acl(line, where="data"):
    return lambda name: f"acl_smtp_{where} = a\nbegin acl\na:\n  {line(name)}\n"


def wheres(line):
    """A condition stands where it may stand: one of these ACLs takes it."""
    return [in_acl(line, where) for where in ("data", "rcpt", "mime", "dkim")]


MAKERS = {
    "main_option": lambda name: f"{name} = x\n",
    "named_list": lambda name: f"{name} x = y\n",
    "acl_verb": in_acl(str),
    "acl_condition": wheres(lambda name: f"warn {name} = x"),
    "acl_modifier": wheres(lambda name: "accept endpass" if name == "endpass" else
                           "warn set acl_m_x = x" if name == "set" else
                           f"warn {name} = {'queue_only' if name == 'control' else 'x'}"),
    "control": wheres(lambda name: f"warn control = {name}"),
    "control_option": wheres(lambda name: f"warn control = {name}" + ("=x" if name.endswith("domain") else "")),
    "verify": wheres(lambda name: f"warn verify = {name}"),
    "verify_option": wheres(lambda name: "warn verify = recipient/" + name.replace("<time>", "5s")),
    "ratelimit_option": wheres(lambda name: f"warn ratelimit = 1 / 1h / {name} / x"),
    "router_driver": lambda name: f"begin routers\nx:\n  driver = {name}\n",
    "router_option": driver_option("routers", "accept"),
    "transport_driver": lambda name: f"begin transports\nx:\n  driver = {name}\n",
    "transport_option": driver_option("transports", "smtp"),
    "authenticator_driver": lambda name: f"begin authenticators\nx:\n  driver = {name}\n",
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
    "log_selector": lambda name: f"log_selector = +{name}\n",
    "retry_rule": lambda name: "begin retry\n* * " + (f"{name},1h,5m" if name == "F" else f"{name},1h,5m,1.5") + "\n",
    "retry_error": lambda name: f"begin retry\n* {name.replace('tls', 'tls_required')} F,1h,5m\n",
    "rewrite_flag": lambda name: "begin rewrite\n*@a b@c " + ("" if name == "(none)" else name) + "\n",
}


def refusals(path, maker, name):
    """What -bV has against the configuration of `name`, where it does not know or offer it."""
    path.write_text(maker(name))
    said = subprocess.run([PROGRAM, "-C", path, "-bV"], capture_output=True, text=True, timeout=30, check=False).stderr
    return [line for line in said.splitlines() if "error:" in line and REFUSED.search(line)]


def test_names_that_configurations_use_are_known():
    count, wrong, pending = 0, [], set(PENDING)
    with tempfile.TemporaryDirectory(prefix="godwit-usage-") as directory:
        path = pathlib.Path(directory) / "usage.conf"
        for section, names in usage().items():
            makers = MAKERS.get(section, [])
            for name in names if makers else []:
                count += 1
                attempts = [refusals(path, maker, name) for maker in (makers if isinstance(makers, list) else [makers])]
                is_known = any(not lines for lines in attempts)
                if is_known or (section, name) in PENDING:
                    if not is_known:
                        pending.discard((section, name))
                    continue
                wrong.append(f"{section} {name}: {attempts[0][0]}")
    wrong += [f"{section} {name} is not refused any more: take it out of PENDING" for section, name in sorted(pending)]
    assert count > 400, f"only {count} names were read"
    assert not wrong, "\n".join(wrong)
