"""What comes of hosts that refuse, say odd things or hang up, case by case over one daemon: the class of the
failure, its number and its lines in the log. The lines are those of the real Exim 4.96."""

import contextlib
import re

from harness import Godwit, Sink, wait_for

AWAY, NOT_NOW = {"connect": b"554 go away\r\n"}, {"connect": b"451 not now\r\n"}
NO_HELO = {"EHLO": b"550 no\r\n", "HELO": b"550 not you\r\n"}
LATER, FULL = {"RCPT": b"451 later\r\n"}, {"RCPT": b"552 5.2.2 mailbox full\r\n"}
GOOD, DEAD = {}, None

BANNER = "SMTP error from remote mail server after initial connection: 554 go away"
MAIL = "pipelined MAIL FROM:<a@test.example>"
RCPT = "RCPT TO:<{0}@{0}.test>"
ERROR = "SMTP error from remote mail server after "
MALFORMED = "Malformed SMTP reply in response to "
CLOSED = "Remote host closed connection in response to "
WAITS = "== ", "H"  # deferred, and the host has a line of its own

# name: what each host of the list says, lines about hosts (their number and text), the line about the address.
CASES = {
    # 5yz to the greeting or HELO is about the host as long as there is another one.
    "other": ([AWAY, GOOD], [(1, ": " + BANNER)], "=> {0}@{0}.test R={0} T={0} H=127.0.0.2 [127.0.0.2]"),
    "both": ([AWAY, AWAY], [(1, ": " + BANNER), (2, ": " + BANNER)],
             "** {0}@{0}.test R={0} T={0} H=127.0.0.2 [127.0.0.2]: " + BANNER),
    "last": ([DEAD, AWAY], [(1, " Connection refused"), (2, ": " + BANNER)],
             "** {0}@{0}.test R={0} T={0} H=127.0.0.2 [127.0.0.2]: " + BANNER),
    "first": ([AWAY, NOT_NOW], [(1, ": " + BANNER), (2, ": " + BANNER.replace("554 go away", "451 not now"))],
              "== {0}@{0}.test R={0} T={0} defer (0) H=127.0.0.2 [127.0.0.2]: " +
              BANNER.replace("554 go away", "451 not now")),
    "after": ([LATER, AWAY], [(1, ": " + ERROR + RCPT + ": 451 later"), (2, ": " + BANNER)],
              "** {0}@{0}.test R={0} T={0} H=127.0.0.2 [127.0.0.2]: " + BANNER),
    "single": ([AWAY], [(1, ": " + BANNER)], "** {0}@{0}.test R={0} T={0} H=127.0.0.1 [127.0.0.1]: " + BANNER),
    "helo": ([NO_HELO], [(1, ": " + ERROR + "HELO mx.test: 550 not you")],
             "** {0}@{0}.test R={0} T={0} H=127.0.0.1 [127.0.0.1]: " + ERROR + "HELO mx.test: 550 not you"),
    "few": ([AWAY, GOOD], [(1, ": " + BANNER)],
            "== {0}@{0}.test R={0} T={0} defer (0) H=127.0.0.1 [127.0.0.1]: " + BANNER),
    "full": ([FULL, GOOD], [], "** {0}@{0}.test R={0} T={0} H=127.0.0.1 [127.0.0.1]: " + ERROR + RCPT +
             ": 552 5.2.2 mailbox full"),
}
# name: (command, what is said, number, text): deferred, with a line about the host unless that is about RCPT.
ONE_HOST = {
    "mail3": ("MAIL", b"354 hm\r\n", 0, ERROR + MAIL + ": 354 hm"),
    "rcpt3": ("RCPT", b"354 hm\r\n", -44, ERROR + RCPT + ": 354 hm"),
    "dot3": (".", b"354 hm\r\n", 0, ERROR + "end of data: 354 hm"),
    "mail4": ("MAIL", b"450 hm\r\n", -45, ERROR + MAIL + ": 450 hm"),
    "data4": ("DATA", b"450 hm\r\n", -46, ERROR + "pipelined DATA: 450 hm"),
    "dot4": (".", b"450 hm\r\n", -46, ERROR + "end of data: 450 hm"),
    "ehlox": ("EHLO", b"xyz hm\r\n", -19, MALFORMED + "EHLO mx.test: xyz hm"),
    "mailx": ("MAIL", b"xyz hm\r\n", -19, MALFORMED + MAIL + ": xyz hm"),
    "rcptx": ("RCPT", b"xyz hm\r\n", -19, MALFORMED + "pipelined " + RCPT + ": xyz hm"),
    "dotx": (".", b"xyz hm\r\n", -19, MALFORMED + "end of data: xyz hm"),
    "rcptc": ("RCPT", "close", -18, CLOSED + "pipelined " + RCPT),
    "dotc": (".", "close", -18, CLOSED + "end of data"),
    "datas": ("DATA", "stall", 110, "SMTP timeout after pipelined DATA"),
}
for _name, (_command, _said, _number, _text) in ONE_HOST.items():
    _silent = ": Connection timed out" if _number == 110 else ""
    _lines = [] if _name == "rcpt3" else [(1, ": " + _text + _silent)]
    CASES[_name] = ([{_command: _said}], _lines, "== {0}@{0}.test R={0} T={0} defer (" + str(_number) + ")" + _silent +
                    " H=127.0.0.1 [127.0.0.1]: " + _text)

OPTIONS = {"few": "hosts_max_try = 1", "datas": "command_timeout = 1s"}


@contextlib.contextmanager
def hosts_of(cases):
    """The hosts of every case as the route list has them."""
    with contextlib.ExitStack() as stack:
        out = {}
        for name, (scripts, _, _) in cases.items():
            sinks = [script if script is None else stack.enter_context(Sink(script, ("PIPELINING",), address=f"127.0.0.{n}"))
                     for n, script in enumerate(scripts, 1)]
            out[name] = " : ".join(f"127.0.0.{n}::{sink.port if sink else 1}" for n, sink in enumerate(sinks, 1))
        yield out


def route(name, hosts):
    return (f"{name}:\n  driver = manualroute\n  domains = {name}.test\n  route_list = * \"{hosts}\"\n  self = send\n"
            f"  transport = {name}\n")


def deliver(name):
    return (f"{name}:\n  driver = smtp\n  hosts_avoid_tls = *\n  {OPTIONS.get(name, '')}\n")


BLACK = "bounces:\n  driver = redirect\n  senders = :\n  data = :blackhole:\n"


def test_refusals_and_odd_answers():
    with hosts_of(CASES) as hosts:
        routers = BLACK + "".join(route(name, text) for name, text in hosts.items())
        with Godwit(1, routers=routers, transports="".join(map(deliver, CASES)), retry="* * F,2h,1h") as godwit:
            for name in CASES:
                godwit.send(recipients=[f"{name}@{name}.test"])
            for name, (_, about_hosts, line) in CASES.items():
                found = godwit.wait_log(r"^\S+ \S+ (\S+) " + re.escape(line.format(name)) + "(?= C=|$)")
                own = [text.split(" ", 3)[3] for text in godwit.log().splitlines()
                       if text.split(" ", 3)[2] == found.group(1) and text.split(" ", 3)[3].startswith("H=")]
                assert own == [f"H=127.0.0.{n} [127.0.0.{n}]" + text.format(name) for n, text in about_hosts], (name, own)
            # Hints are kept as of any failure of a host: the next message waits.
            godwit.send(recipients=["single@single.test"])
            godwit.wait_log(r"== single@single\.test R=single T=single defer \(-54\): retry time not reached for any host "
                            r"for 'single\.test'$")


ROUTERS = BLACK + """\
affixes:
  driver = manualroute
  local_part_prefix = pre-
  local_part_suffix = +*
  domains = less.test : whole.test
  route_list = * 127.0.0.1
  transport = ${if eq{$domain}{whole.test}{whole}{remote}}
  self = send
redirected:
  driver = redirect
  domains = red.test
  data = Some.One@Out.Test
late:
  driver = redirect
  domains = late.test
  allow_defer
  data = :defer: not now
piped:
  driver = accept
  domains = pipe.test : soon.test
  transport = piped
own_hosts:
  driver = accept
  domains = own.test
  transport = own
fallback:
  driver = manualroute
  domains = fallback.test
  route_list = * 127.0.0.1::1
  self = send
  transport = fallback
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
TRANSPORTS = """\
remote:
  driver = smtp
  port = {sink}
  hosts_avoid_tls = *
whole:
  driver = smtp
  port = {sink}
  rcpt_include_affixes
  hosts_avoid_tls = *
own:
  driver = smtp
  hosts = 127.0.0.1
  port = {sink}
fallback:
  driver = smtp
  fallback_hosts = 127.0.0.1
  port = {sink}
piped:
  driver = pipe
  command = /bin/false
  temp_errors = *
  user = root
"""
LINES = {
    "Q@Y.Test": "=> q@y.test <Q@Y.Test> F=<a@test.example> P=<a@test.example> R=out T=remote H=127.0.0.1 [127.0.0.1] C=",
    "Later@y.test": "== later@y.test <Later@y.test> R=out T=remote defer (-44) H=127.0.0.1 [127.0.0.1]: SMTP error",
    "Bad@y.test": "** bad@y.test <Bad@y.test> F=<a@test.example> P=<a@test.example> R=out T=remote H=127.0.0.1 [127.0.0.1]: SMTP error",
    "pre-Loc+x@less.test": "=> loc@less.test <pre-Loc+x@less.test> F=<a@test.example> P=<a@test.example> R=affixes T=remote ",
    "pre-later+x@less.test": "== later@less.test <pre-later+x@less.test> R=affixes T=remote defer (-44) ",
    "pre-Loc+x@whole.test": "=> pre-loc+x@whole.test <pre-Loc+x@whole.test> F=<a@test.example> P=<a@test.example> R=affixes T=whole ",
    "x@Red.test": "=> some.one@out.test <x@Red.test> F=<a@test.example> P=<a@test.example> R=out T=remote ",
    "x@late.test": "== x@late.test R=late defer (-1): not now",
    "x@Plain.test": "=> x@plain.test F=<a@test.example> P=<a@test.example> R=out T=remote ",
    # Only hosts of the transport's own must not be local, unless it says so.
    "x@own.test": "== x@own.test R=own_hosts T=own defer (-50): own transport found host 127.0.0.1 to be local\n",
    "x@fallback.test": "== x@fallback.test R=fallback T=fallback defer (-50): fallback transport found host 127.0.0.1 to be local\n",
}


def test_addresses_and_numbers_of_log_lines():
    def to(recipient):
        return b"451 later\r\n" if "later" in recipient.lower() else b"550 no\r\n" if "Bad" in recipient else None

    main = "log_selector = +retry_defer +sender_on_delivery +return_path_on_delivery"
    rules = "soon.test * F,2h,1s\n* * F,2h,1h"
    with Sink({"RCPT": to}) as sink, Godwit(sink.port, main, ROUTERS, TRANSPORTS, retry=rules) as godwit:
        waiting = godwit.send(recipients=["x@soon.test", "x@pipe.test", "X@late.test"])
        for recipient, line in LINES.items():
            message = godwit.send(recipients=[recipient])
            wait_for(lambda text=f" {message} {line}": text in godwit.log(), 15, lambda text=line: text + "\n" + godwit.log())
        # One of the recipients is due; the others are not.
        for line in ("== x@pipe.test R=piped T=piped defer (-53): Retry time not yet reached\n",
                     "== x@late.test <X@late.test> routing defer (-52): retry time not reached\n"):
            wait_for(lambda text=f" {waiting} {line}": text in godwit.log(), 15, lambda text=line: text + "\n" + godwit.log())
