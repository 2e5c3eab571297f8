#!/usr/bin/env python3
"""Compares -bP of godwit with the real Exim's over one configuration and the words below. Ends with
"N passed, N failed, N skipped"; a test is a row. The rest of what they print differs as intended:
options that only one of them has are left out."""

import sys

from oracle import GODWIT, run, with_exim

CONFIG = """\
MYMACRO = hello world
primary_hostname = mx.example.org
spool_directory = DIR/spool
log_file_path = DIR/log/%slog
keep_environment = PATH
acl_smtp_rcpt = check_rcpt
trusted_users = root
auto_thaw = 90m
message_size_limit = 10M
hide smtp_banner = MYMACRO
domainlist local = example.org : x.y
hide hostlist secret = 10.0.0.1
begin acl
check_rcpt:
  accept
begin routers
r1:
  driver = accept
  domains = example.org
  hide local_parts = a : b
  no_verify
  transport = t1
r2:
  driver = redirect
  data = x@y.z
  local_part_suffix = -*
r3:
  driver = manualroute
  route_list = * 192.0.2.9
  transport = t3
r4:
  driver = dnslookup
  transport = t3
begin transports
t1:
  driver = appendfile
  file = /dev/null
t2:
  driver = appendfile
  directory = /var/x
  maildir_format
t3:
  driver = smtp
"""
WORDS = ["primary_hostname", "primary_hostname qualify_domain auto_thaw", "nosuch", "no_such +local", "+local", "+secret", "+nope",
         "macro MYMACRO", "macro NOPE", "macro", "router r1", "router r2", "router r3", "router r4", "router nope",
         "router", "routers", "router_list", "transport t1", "transport t2", "transport nope", "transport",
         "transport_list", "authenticators", "authenticator_list", "authenticator x", "acl_smtp_rcpt", "trusted_users",
         "admin_groups", "never_users", "message_size_limit", "smtp_banner", "log_selector", "hosts_require_helo",
         "spool_directory", "log_file_path", "named_lists", "bounce_return_size_limit", "keep_environment", "acl",
         "environment", "all", "", "-n primary_hostname", "-n +local", "-n macro MYMACRO", "-n trusted_users", "-n transport t2",
         "-n router_list", "-n smtp_banner", "-n nosuch", "primary_hostname -n", "transports", "macros", "macro_list", "-n macros"]
# These print what each of the two has: only what both have is compared.
OF_BOTH = ("routers", "transports", "router", "transport", "all", "", "macros", "macro_list")
# Options that one of the two does not have, or whose default is a fact of the program.
LEFT_OUT = ("translate_ip_address", "*expand_maildir_use_size_file")


def answer(command):
    done = run(command)
    return done.stdout.splitlines() + [f"exit status {done.returncode}"]


def names_of(lines):
    return {line.split("=")[0].strip().removeprefix("no_") for line in lines}


def compare(directory, exim):
    config = directory / "exim.conf"
    config.write_text(CONFIG.replace("DIR", str(directory)))
    config.chmod(0o644)
    passed, failed = 0, 0
    for words in WORDS:
        options = words.removeprefix("-n ").split()
        values_only = ["-n"] if words.startswith("-n ") else []
        arguments = ["-C", str(config), *values_only, "-bP", *options]
        theirs, ours = answer(exim + arguments), answer([str(GODWIT)] + arguments)
        if words == "-n transport t2":
            theirs, ours = ([line for line in lines if line in ("/var/x", "maildir_format")] for lines in (theirs, ours))
        if words == "-n macros":
            theirs, ours = (sorted(set(lines) & {"y", "hello world"}) for lines in (theirs, ours))
        if words in OF_BOTH or words.split()[0] in OF_BOTH:
            both = names_of(theirs) & names_of(ours)
            theirs, ours = ([line for line in lines if names_of([line]) <= both and not line.startswith(LEFT_OUT)]
                            for lines in (theirs, ours))
        if theirs == ours and theirs:
            passed += 1
            continue
        failed += 1
        print(f"FAILED -bP {words}")
        for line in theirs:
            if line not in ours:
                print(f"  Exim:   {line}")
        for line in ours:
            if line not in theirs:
                print(f"  Godwit: {line}")
    return passed, failed


if __name__ == "__main__":
    sys.exit(with_exim(compare))
