"""Which hosts are looked up, how, and how many are tried: options of the smtp transport, with a DNS of our own."""

import contextlib
import os
import pathlib
import re
import socket
import tempfile
import time

from fake_dns import FakeDns
from harness import PROGRAM, Godwit, Sink, free_port
from peers import Skipped

DNSLOOKUP = "out:\n  driver = dnslookup\n  transport = remote\n  self = send\n"
# Four preferences; nobody listens.
PREFERENCES = {2: 10, 3: 20, 4: 20, 5: 20, 6: 30, 7: 30, 8: 40}
LATER = "* * F,2h,1h"


def tried(godwit):
    return [int(last) for last in re.findall(r" H=h\d\.test \[127\.0\.0\.(\d)\]", godwit.log())]


def test_one_host_of_each_preference_is_tried():
    """As the real Exim 4.96 does; which hosts of one preference is a matter of chance."""
    zone = "".join(f"m.test MX {preference} h{n}.test\nh{n}.test A 127.0.0.{n}\n" for n, preference in PREFERENCES.items())
    for limits, wanted in (("hosts_max_try = 2", [10, 20, 30, 40]), ("hosts_max_try = 1", [10, 20, 30, 40]),
                           ("hosts_max_try = 3", [10, 20, 20, 30, 40]), ("hosts_max_try = 7", sorted(PREFERENCES.values())),
                           ("hosts_max_try = 2\n  hosts_max_try_hardlimit = 2", [10, 20]),
                           ("hosts_max_try = 7\n  hosts_max_try_hardlimit = 3", [10, 20, 20])):
        with FakeDns(zone) as dns, Godwit(free_port(), main=f"dns_servers = 127.0.0.1:{dns.port}\n", routers=DNSLOOKUP,
                                          smtp=limits, retry=LATER) as godwit:
            godwit.send(recipients=["x@m.test"])
            godwit.wait_log(r"== x@m\.test R=out T=remote defer \(111\)")
            assert [PREFERENCES[n] for n in tried(godwit)] == wanted, (limits, godwit.log())


def test_names_that_the_system_knows():
    accept = "out:\n  driver = accept\n  transport = remote\n"
    for option, wanted in (("gethostbyname", "=> b@example.com R=out T=remote H=localhost"),
                           ("no_gethostbyname", r"== b@example.com R=out T=remote defer \(-32\): failed to lookup IP address "
                            "for localhost")):
        with Sink() as sink, FakeDns("localhost A SERVFAIL\nlocalhost AAAA SERVFAIL") as dns:
            with Godwit(sink.port, main=f"dns_servers = 127.0.0.1:{dns.port}\ndns_retry = 1\n", routers=accept,
                        smtp=f"hosts = localhost\n  {option}", retry=LATER) as godwit:
                godwit.send()
                godwit.wait_log(wanted)


def test_a_host_that_does_not_answer_is_left_in_time():
    with socket.socket() as hole, contextlib.ExitStack() as stack:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(3):  # they fill its queue
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(hole.getsockname())
        with Godwit(hole.getsockname()[1], smtp="connect_timeout = 1s", retry=LATER) as godwit:
            godwit.send()
            godwit.wait_log(r"H=127\.0\.0\.1 \[127\.0\.0\.1\] Connection timed out", 10)
            godwit.wait_log(r"== b@example\.com R=out T=remote defer \(110\): Connection timed out")


REMEMBERED = """\
box:
  driver = accept
  domains = whole.test
  transport = failing
domainbox:
  driver = accept
  domains = domain.test
  transport = failing_by_domain
routing:
  driver = redirect
  domains = router.test : soon.test
  allow_defer
  data = :defer: later
routing_whole:
  driver = redirect
  domains = whole-router.test
  allow_defer
  retry_use_local_part
  data = :defer: later
"""
KEYS = {
    "x@whole.test": "T:x@whole.test", "x@domain.test": "T:domain.test", "x@router.test": "R:router.test",
    "x@whole-router.test": "R:x@whole-router.test",
}


def test_what_is_remembered_of_failures():
    remote = "{name}:\n  driver = manualroute\n  domains = {name}.test\n  route_list = * 127.0.0.1\n  self = send\n  transport = {name}\n"
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  hosts_avoid_tls = *\n  {option}\n"
    pipe = "{name}:\n  driver = pipe\n  command = /bin/sh -c \"exit 75\"\n  {option}\n"
    with Sink({"RCPT": b"451 later\r\n"}) as sink:
        closed = free_port()
        transports = (pipe.format(name="failing", option="") +
                      pipe.format(name="failing_by_domain", option="retry_use_local_part = false") +
                      smtp.format(name="sender", port=sink.port, option="") +
                      smtp.format(name="nosender", port=sink.port, option="no_address_retry_include_sender") +
                      smtp.format(name="ip", port=closed, option="") +
                      smtp.format(name="noip", port=closed, option="retry_include_ip_address = false"))
        routers = REMEMBERED + "".join(remote.format(name=name) for name in ("sender", "nosender", "ip", "noip"))
        keys = dict(KEYS)
        keys |= {"x@sender.test": "R:x@sender.test:<a@test.example>", "x@nosender.test": "R:x@nosender.test"}
        with Godwit(routers=routers, transports=transports, retry="soon.test * F,2h,2s\n" + LATER) as godwit:
            recipients = [*keys, "x@ip.test", "x@noip.test", "x@soon.test"]
            godwit.send(recipients=recipients)
            for recipient in recipients:
                godwit.wait_log(f"== {recipient} ")
            godwit.stop()
            time.sleep(2)  # one of them is due
            shown = godwit.cli("-d-all+retry", "-q").stderr
            for key in keys.values():
                assert f"retry data for {key}: waits\n" in shown, (key, shown)


COMPLETED = "plain.full.test A 127.0.0.1\nmx2.full.test A 127.0.0.1\nother.test A 127.0.0.1\n"
COMPLETING = """\
rewrites:
  driver = dnslookup
  domains = plain
  transport = remote
  self = send
  widen_domains = nothere.test : full.test
leaves:
  driver = dnslookup
  domains = mx2
  transport = remote
  self = send
  widen_domains = full.test
  no_rewrite_headers
"""


def test_a_completed_domain_gets_into_header_lines():
    """As the real Exim does it; what is delivered later has the line as well, also after a crash."""
    is_busy = [True]
    script = {"RCPT": lambda argument: b"451 later\r\n" if "full" not in argument and is_busy[0] else b"250 ok\r\n"}
    text = "From: Me <me@mx2>\r\nTo: a@plain, b@mx2,\r\n d@third.test\r\nSubject: a@plain\r\n\r\na@plain\r\n"
    with FakeDns(COMPLETED) as lab, Sink(script) as sink:
        with Godwit(sink.port, routers=COMPLETING + DNSLOOKUP.replace("out:", "dns:"),
                    main=f"dns_servers = 127.0.0.1:{lab.port}\n") as godwit:
            godwit.send(recipients=["a@plain", "b@mx2", "c@other.test"], text=text)
            godwit.wait_log(r"=> a@plain\.full\.test <a@plain> R=dns T=remote H=plain\.full\.test ")
            godwit.wait_log(r"=> b@mx2\.full\.test <b@mx2> R=dns T=remote H=mx2\.full\.test ")
            godwit.wait_log(r"== c@other\.test R=dns T=remote .*451 later")
            godwit.kill()
            is_busy.clear()
            is_busy.append(False)
            godwit.start()
            godwit.wait_log(r"=> c@other\.test R=dns", 30)
            messages = [message for message in sink.messages if message["recipients"]]
            assert {m["recipients"][0] for m in messages} == {"a@plain.full.test", "b@mx2.full.test", "c@other.test"}
            for message in messages:
                head, _, body = message["data"].partition(b"\r\n\r\n")
                assert b"From: Me <me@mx2>\r\nTo: a@plain.full.test, b@mx2,\r\n d@third.test\r\nSubject: a@plain" in head, head
                assert body == b"a@plain\r\n"


WITH_SEARCH_LIST = """\
#!/bin/sh
exec unshare -m /bin/sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' {dir}/resolv.conf {program} "$@"
"""


def test_names_are_completed_by_the_search_list():
    """By that of the system, which is in /etc/resolv.conf: this Godwit sees another one."""
    if os.geteuid() != 0:
        raise Skipped("only root can give a program a resolv.conf of its own")
    zone = "host.full.test A 127.0.0.1\nhost.sub.full.test A 127.0.0.1\n"
    accept = "out:\n  driver = accept\n  transport = remote\n"
    full, sub = r"=> b@example\.com .* H=host\.full\.test \[", r"=> b@example\.com .* H=host\.sub\.full\.test \["
    none = r"== b@example\.com R=out T=remote defer \(-32\): failed to lookup IP address for host"
    with tempfile.TemporaryDirectory() as name, FakeDns(zone) as dns:
        wrapper = pathlib.Path(name) / "godwit"
        wrapper.write_text(WITH_SEARCH_LIST.format(dir=name, program=PROGRAM))
        wrapper.chmod(0o755)
        (wrapper.parent / "resolv.conf").write_text("nameserver 127.0.0.1\nsearch full.test\n")
        for options, wanted in (("hosts = host", full), ("hosts = host\n  no_dns_qualify_single", none),
                                ("hosts = host.sub", none), ("hosts = host.sub\n  dns_search_parents", sub)):
            with Sink() as sink, Godwit(sink.port, main=f"dns_servers = 127.0.0.1:{dns.port}\n", routers=accept, smtp=options,
                                        retry=LATER, program=wrapper) as godwit:
                godwit.send()
                godwit.wait_log(wanted)
        for options, address, wanted in (("", "x@host", "x@host.full.test\n    <-- x@host\n"), ("  no_qualify_single\n", "x@host", ""),
                                         ("", "x@host.sub", ""),
                                         ("  search_parents\n", "x@host.sub", "x@host.sub.full.test\n    <-- x@host.sub\n")):
            with Godwit(main=f"dns_servers = 127.0.0.1:{dns.port}\n", routers=DNSLOOKUP + options, start=False,
                        program=wrapper) as godwit:
                shown = godwit.cli("-bt", address, check=False).stdout
                assert shown.startswith(wanted or f"{address} is undeliverable"), (options, shown)
