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
# retry_include_ip_address, and how many addresses of one host are tried: where the hint is about the host
# alone, the second one must wait.
INCLUDED = {
    "ip": ("true", 2), "noip": ("false", 1), "byaddress": ("${if match_ip{$host_address}{127.0.0.0/8}{no}{yes}}", 1),
    "byname": ("${if eq{$host}{two.test}{no}{yes}}", 1), "bydomain": ("${if eq{$domain}{bydomain.test}{no}{yes}}", 1),
    "others": ("${if eq{$domain}{other.test}{no}{yes}}", 2), "forced": ("${if eq{$domain}{other.test}{no}fail}", 2),
}
NO_BOOLEAN = r"== x@maybe.test R=maybe T=maybe defer \(-1\): \"perhaps\" is not a valid value for the " \
    r"\"retry_include_ip_address\" option in the maybe transport"


def test_what_is_remembered_of_failures():
    remote = "{name}:\n  driver = manualroute\n  domains = {name}.test\n  route_list = * 127.0.0.1\n  self = send\n  transport = {name}\n"
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  hosts_avoid_tls = *\n  {option}\n"
    pipe = "{name}:\n  driver = pipe\n  command = /bin/sh -c \"exit 75\"\n  {option}\n"
    with Sink({"RCPT": b"451 later\r\n"}) as sink:
        transports = (pipe.format(name="failing", option="") +
                      pipe.format(name="failing_by_domain", option="retry_use_local_part = false") +
                      smtp.format(name="sender", port=sink.port, option="") +
                      smtp.format(name="nosender", port=sink.port, option="no_address_retry_include_sender") +
                      smtp.format(name="maybe", port=sink.port,
                                  option="retry_include_ip_address = ${if eq{$domain}{maybe.test}{perhaps}{yes}}"))
        routers = REMEMBERED + "".join(remote.format(name=name)
                                       for name in ("sender", "nosender", "maybe"))
        keys = dict(KEYS)
        keys |= {"x@sender.test": "R:x@sender.test:<a@test.example>", "x@nosender.test": "R:x@nosender.test"}
        transports = transports.replace("{", "{{").replace("}", "}}")
        with Godwit(routers=routers, transports=transports, retry="soon.test * F,2h,2s\n" + LATER) as godwit:
            recipients = [*keys, "x@maybe.test", "x@soon.test"]
            godwit.send(recipients=recipients)
            for recipient in recipients:
                godwit.wait_log(f"== {recipient} ")
            godwit.wait_log(NO_BOOLEAN)
            godwit.stop()
            time.sleep(2)  # one of them is due
            shown = godwit.cli("-d-all+retry", "-q").stderr
            for key in keys.values():
                assert f"retry data for {key}: waits\n" in shown, (key, shown)


def test_hints_about_hosts_and_about_addresses():
    remote = "{name}:\n  driver = manualroute\n  domains = {name}.test\n  route_list = * two.test bydns\n  self = send\n" \
             "  transport = {name}\n"
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  retry_include_ip_address = {option}\n"
    closed = {name: free_port() for name in INCLUDED}
    transports = "".join(smtp.format(name=name, port=closed[name], option=option) for name, (option, _) in INCLUDED.items())
    with FakeDns("two.test A 127.0.0.1\ntwo.test A 127.0.0.2") as dns:
        with Godwit(main=f"dns_servers = 127.0.0.1:{dns.port}\nlog_selector = +outgoing_port\n", retry=LATER,
                    routers="".join(remote.format(name=name) for name in INCLUDED),
                    transports=transports.replace("{", "{{").replace("}", "}}")) as godwit:
            godwit.send(recipients=[f"x@{name}.test" for name in INCLUDED])
            for name, (_, tries) in INCLUDED.items():
                godwit.wait_log(f"== x@{name}.test ")
                refusals = re.findall(rf"H=two\.test \[127\.0\.0\.[12]\]:{closed[name]} Connection refused", godwit.log())
                assert len(refusals) == tries, (name, godwit.log())


def test_how_long_a_hint_about_a_host_holds():
    again = r"(?s)(Connection refused.*){%d}"
    with contextlib.ExitStack() as stack:
        def failing(main, rule):
            return stack.enter_context(Godwit(free_port(), main=main, retry=rule))

        # It is forgotten; it holds; the rule says an hour, and the longest time is short.
        forgets = failing("retry_data_expire = 1s\n", LATER)
        keeps = failing("retry_data_expire = 1h\n", LATER)
        shortens = failing("retry_interval_max = 1s\n", "* * F,2h,1h")
        for godwit in (forgets, keeps, shortens):
            godwit.send()
            godwit.wait_log("== b@example.com ")
        time.sleep(1.1)
        for godwit in (forgets, keeps):
            godwit.send(recipients=["c@example.com"])
            godwit.wait_log("== c@example.com ")
        assert "== c@example.com R=out T=remote defer (111): Connection refused" in forgets.log(), forgets.log()
        assert "== c@example.com R=out T=remote defer (-54): retry time not reached for any host" in keeps.log(), keeps.log()
        shortens.wait_log(again % 4)  # twice in two attempts


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


UNKNOWN = "${lookup{x}lsearch{/nowhere/at/all}}"
NO_FILE = r".*/nowhere/at/all.*No such file or directory"
# Where an option has no value the host is left alone for now; the first three as the real Exim 4.96 says it.
UNFIT = {
    "helo_data": (UNKNOWN, r"defer \(-27\) H=127.*: failed to expand helo_data: " + NO_FILE),
    "interface": ("nonsense", r'defer \(-1\): "nonsense" is not a valid IP address for the "interface" option for '
                              r"interface transport$"),
    "return_path": (UNKNOWN, r"defer \(-1\): Failed to expand return path .*" + NO_FILE),
    "headers_add": (UNKNOWN, r"defer \(-25\): failed to expand headers_add or headers_remove: " + NO_FILE),
    "message_size_limit": ("ten", r'defer \(-1\): invalid message_size_limit in message_size_limit transport: '
                                  'integer expected but "ten" found$'),
    "hosts_require_tls": (UNKNOWN, "defer .*hosts_require_tls cannot be asked: " + NO_FILE),
    "hosts_require_dane": (UNKNOWN, "defer .*hosts_require_dane cannot be asked: " + NO_FILE),
    "hosts_try_dane": (UNKNOWN, "defer .*hosts_try_dane cannot be asked: " + NO_FILE),
    "hosts_require_ocsp": (UNKNOWN, "defer .*hosts_require_ocsp cannot be asked: " + NO_FILE),
    "hosts_require_alpn": (UNKNOWN, "defer .*hosts_require_alpn cannot be asked: " + NO_FILE),
    "tls_verify_hosts": (UNKNOWN, "defer .*tls_verify_hosts cannot be asked: " + NO_FILE),
}


def test_options_without_a_value():
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  {option}\n"
    routers = "all:\n  driver = manualroute\n  local_parts = {names}\n  route_list = * 127.0.0.1\n  self = send\n" \
              "  transport = $local_part_data\n"
    # A hint is about one port of a host.
    transports = "".join(smtp.format(name=name, port=free_port(), option=f"{name} = {value}")
                         for name, (value, _) in UNFIT.items())
    with Godwit(routers=routers.format(names=" : ".join(UNFIT)), retry=LATER,
                transports=transports.replace("{", "{{").replace("}", "}}")) as godwit:
        for name in UNFIT:
            godwit.send(recipients=[f"{name}@unfit.test"])
        for name, (_, line) in UNFIT.items():
            godwit.wait_log(f"== {name}@unfit.test R=all T={name} {line}")


LOCAL_ENDS = {
    "names": "interface = 127.0.0.3\n  helo_data = ${if eq{$sending_ip_address}{127.0.0.3}{three.test}{other.test}}",
    "plain": "helo_data = [$sending_ip_address]",
    "port": "helo_data = $sending_port.test",
    "lines": "headers_add = X-Sent: $sending_ip_address $host_address $recipients_count <$recipients>",
    "told": "event_action = ${if match{$event_name}{^(smtp:connect|tcp:)}{${acl{tell}}}}",
    "message": "helo_data = $sending_ip_address.$sender_address_domain",
    "fails": "helo_data = ${if eq{$sending_ip_address}{127.0.0.1}{${lookup{x}lsearch{/nowhere/at/all}}}{x}}",
    "forced": "interface = 127.0.0.4\n  helo_data = ${if eq{a}{b}{x}fail}",
}


def test_the_local_end_of_a_connection():
    """As the real Exim 4.96."""
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  hosts_avoid_tls = *\n  {option}\n"
    routers = f"all:\n  driver = manualroute\n  local_parts = {' : '.join(LOCAL_ENDS)}\n  route_list = * 127.0.0.1\n  self = send\n" \
              "  transport = $local_part_data\n"
    acl = "begin acl\ntell:\n  accept logwrite = EV $event_name $sending_ip_address to $host_address\n"
    with Sink() as sink:
        transports = "".join(smtp.format(name=name, port=sink.port, option=option) for name, option in LOCAL_ENDS.items())
        with Godwit(routers=routers, retry=LATER, main=acl.replace("{", "{{").replace("}", "}}"),
                    transports=transports.replace("{", "{{").replace("}", "}}")) as godwit:
            def greeted(name):
                before = len(sink.commands)
                godwit.send(recipients=[f"{name}@local.test"])
                godwit.wait_log(rf"(=>|==) {name}@local\.test")
                return [argument for verb, argument in sink.commands[before:] if verb == "EHLO"]

            assert greeted("names") == ["three.test"]
            assert greeted("plain") == ["[127.0.0.1]"]
            assert re.fullmatch(r"[1-9]\d+\.test", greeted("port")[0])
            assert greeted("message") == ["127.0.0.1.test.example"]
            assert greeted("lines") == ["mx.test"]
            assert b"\r\nX-Sent: 127.0.0.1 127.0.0.1 1 <>\r\n" in sink.messages[-1]["data"], sink.messages[-1]
            greeted("told")
            godwit.wait_log(r"EV tcp:connect  to 127\.0\.0\.1$")
            godwit.wait_log(r"EV smtp:connect 127\.0\.0\.1 to 127\.0\.0\.1$")
            godwit.wait_log(r"EV tcp:close 127\.0\.0\.1 to 127\.0\.0\.1$")
            assert greeted("fails") == [] == greeted("forced")
            godwit.wait_log(r"== fails@local\.test .* defer \(-27\).*: failed to expand helo_data: .*/nowhere/at/all")
            godwit.wait_log(r'== forced@local\.test .* defer \(-27\).*: failed to expand helo_data: "if" failed and "fail" requested')


def test_a_hint_about_a_host_is_about_the_way_from_one_interface():
    """As the real Exim 4.96: its key of the hint ends in the address that `interface` gives."""
    interfaces = {"none": "", "four": "interface = 127.0.0.2", "again": "interface = 127.0.0.2", "six": "interface = <; ::1",
                  "expr": "interface = ${if eq{$domain}{a.test}{127.0.0.3}{127.0.0.4}}", "wrong": "interface = 192.0.2.77"}
    closed = free_port()
    smtp = "{name}:\n  driver = smtp\n  port = {port}\n  allow_localhost\n  {option}\n"
    routers = f"all:\n  driver = manualroute\n  local_parts = {' : '.join(interfaces)}\n  route_list = * 127.0.0.1\n  self = send\n" \
              "  transport = $local_part_data\n"
    transports = "".join(smtp.format(name=name, port=closed, option=option) for name, option in interfaces.items())
    refused, too_early = r"\(111\): Connection refused", r"\(-54\): retry time not reached for any host"
    with Godwit(routers=routers, retry=LATER, transports=transports.replace("{", "{{").replace("}", "}}")) as godwit:
        for recipient, wanted in (("none@a.test", refused), ("none@c.test", too_early), ("four@a.test", refused),
                                  ("again@a.test", too_early), ("expr@a.test", refused), ("expr@b.test", refused),
                                  ("expr@c.test", too_early), ("wrong@a.test", r"\(99\): Cannot assign requested address"),
                                  ("wrong@b.test", too_early)):
            godwit.send(recipients=[recipient])
            godwit.wait_log(rf"== {recipient.replace('.', '[.]')} R=all T=\w+ defer {wanted}")
        assert re.search(r" H=127\.0\.0\.1 \[127\.0\.0\.1\] Cannot assign requested address$", godwit.log(), re.M), godwit.log()
