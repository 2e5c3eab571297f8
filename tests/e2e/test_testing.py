"""-bh: a session as if from a host, with the steps of its ACLs."""

import re

from harness import Godwit

ACLS = """\
domainlist local = a.test : b.test
acl_smtp_data = accept
begin acl
sub:
  accept condition = ${if eq{$acl_arg1}{x}}
check:
  warn set acl_m_x = hello $local_part
       logwrite = note $acl_m_x
  accept domains = +local
         local_parts = bob : !eve
  accept acl = sub x
         hosts = 127.0.0.1
  deny message = no thanks
       log_message = logged $domain
"""
DIALOGUE = """\
EHLO client.test
MAIL FROM:<a@b.test>
RCPT TO:<bob@a.test>
RCPT TO:<eve@a.test>
DATA
Subject: x

body
.
QUIT
"""


def test_a_session_shows_its_acls_and_keeps_nothing():
    with Godwit(main=ACLS.replace("{", "{{").replace("}", "}}"), start=False) as godwit:
        godwit.config.write_text(godwit.config.read_text().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = check"))
        done = godwit.cli("-bh", "192.0.2.7", stdin=DIALOGUE)
        replies = [line[:3] for line in done.stdout.splitlines() if line[3:4] == " "]
        assert replies == ["220", "250", "250", "250", "550", "354", "250", "221"], done.stdout
        steps = done.stderr
        for wanted in ('>>> using ACL "check"', ">>> check domains = +local", '>>> a.test in "a.test : b.test"? yes (matched "a.test")',
                       '>>> eve in "bob : !eve"? no (matched "!eve")', '>>>  using ACL "sub"', ">>>                  = true",
                       '>>> deny: condition test succeeded in ACL "check"', '>>> end of ACL "check": DENY',
                       ">>>                   = hello bob", "LOG: note hello bob", ">>> host in host_reject_connection? no (option unset)",
                       "LOG: H=(client.test) [192.0.2.7] F=<a@b.test> rejected RCPT <eve@a.test>: logged a.test",
                       "**** SMTP testing: that is not a real message id!"):
            assert wanted in steps, (wanted, steps)
        assert re.search(r'>>> processing "warn" \(.*godwit.conf \d+\)', steps), steps
        assert not (godwit.dir / "spool").exists() and godwit.log() == ""


def test_a_session_needs_an_address():
    with Godwit(start=False) as godwit:
        done = godwit.cli("-bh", "nobody", check=False)
        assert done.returncode == 1 and "-bh needs an IP address" in done.stderr, done


DEBUG = """\
never:
  driver = accept
  local_parts = other
  debug_print = not shown
  transport = remote
first:
  driver = redirect
  debug_print = first sees $local_part at $router_name\\nin two lines\\n
  data = ${if eq{$domain}{none.test}{x@y.test}}
skipped:
  driver = accept
  debug_print = before conditions
  condition = false
  transport = remote
fails:
  driver = accept
  debug_print = ${readfile{/no/such/file}}
  local_parts = a
  transport = remote
"""
SHOWN = "first sees a at first\nin two lines\nbefore conditions\nfailed to expand debug_output \"${readfile{/no/such/file}}\": "


def test_routers_show_what_debug_print_says():
    with Godwit(start=False) as godwit:
        godwit.write_config(routers=DEBUG)
        assert godwit.cli("-bt", "a@b.test").stderr.startswith(SHOWN), godwit.cli("-bt", "a@b.test").stderr
        assert godwit.cli("-bv", "a@b.test").stderr == ""
        shown = godwit.cli("-d-all", "-bv", "a@b.test").stderr
        for line in SHOWN.splitlines():
            assert line in shown, (line, shown)
        assert "not shown" not in shown
