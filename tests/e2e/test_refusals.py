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
