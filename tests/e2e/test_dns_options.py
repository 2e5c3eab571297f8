"""Main options about the DNS and about hosts: what is asked, and what becomes of the answers. -bt shows it,
so that no daemon is needed."""

import time

from fake_dns import FakeDns
from harness import Godwit

ROUTERS = """\
dns:
  driver = dnslookup
  transport = remote
  {options}
rest:
  driver = accept
  transport = box
"""
TRANSPORTS = """\
remote:
  driver = smtp
box:
  driver = appendfile
  file = /dev/null
"""
ZONE = """\
a.test MX 10 mx.a.test
mx.a.test A 192.0.2.1
mx.a.test AAAA 2001:db8::1
literal.test MX 10 192.0.2.9
one.test CNAME two.test
two.test CNAME three.test
three.test CNAME four.test
four.test CNAME a.test
silent.test MX TIMEOUT
broken.test MX SERVFAIL
slow.a.test MX 10 mx.a.test
local.test MX 10 here.local.test
here.local.test A 192.0.2.7
"""
V6 = "  host mx.a.test [2001:db8::1] MX=10\n"
V4 = "  host mx.a.test [192.0.2.1]   MX=10\n"
ALONE = "  host mx.a.test [192.0.2.1] MX=10\n"
TAKEN = "  router = dns, transport = remote\n"
LEFT = "  router = rest, transport = box\n"


def routed(address, main="", options="", **flags):
    """What -bt says of the address, without its first line, and the server that was asked."""
    with FakeDns(ZONE, **flags) as dns, Godwit(
            main=f"dns_servers = 127.0.0.1:{dns.port}\n{main}",
            routers=ROUTERS.format(options=options), transports=TRANSPORTS, start=False) as godwit:
        out = godwit.cli("-bt", address, check=False).stdout
        return out.partition("\n")[2] if "router =" in out else out, dns


def test_addresses_of_the_other_kind():
    assert routed("x@a.test")[0] == TAKEN + V6 + V4
    for main in ("disable_ipv6\n", "dns_ipv4_lookup = *\n", "dns_ipv4_lookup = mx.a.test\n"):
        text, dns = routed("x@a.test", main)
        assert text == TAKEN + ALONE and dns.names("AAAA") == [], (main, text, dns.asked)
    text, dns = routed("x@a.test", "dns_ipv4_lookup = other.test\n")
    assert text == TAKEN + V6 + V4 and dns.names("AAAA") == ["mx.a.test"], (text, dns.asked)


def test_an_exchanger_that_is_an_address():
    assert routed("x@literal.test")[0] == LEFT
    assert routed("x@literal.test", "allow_mx_to_ip\n")[0] == TAKEN + "  host 192.0.2.9 [192.0.2.9] MX=10\n"


def test_aliases_of_aliases():
    for count, is_followed in ((1, False), (4, True), (0, False)):
        text, dns = routed("x@one.test", f"dns_cname_loops = {count}\n")
        assert (text == TAKEN + V6 + V4) == is_followed, (count, text, dns.asked)
        assert len([name for name in dns.names("MX") if name != "a.test"]) == min(count + 1, 4), (count, dns.asked)


def test_what_a_query_carries():
    for main, edns, signatures in (("", True, False), ("dns_use_edns0 = 0\n", False, False),
                                   ("dns_use_edns0 = 1\n", True, False), ("dns_dnssec_ok = 1\n", True, True)):
        _, dns = routed("x@a.test", main)
        assert {tuple(asked[2:]) for asked in dns.asked} == {(edns, signatures)}, (main, dns.asked)


def test_how_often_and_how_long_is_asked():
    for retry, retrans, seconds in ((1, 1, 1), (2, 1, 3)):
        began = time.monotonic()
        text, dns = routed("x@silent.test", f"dns_retry = {retry}\ndns_retrans = {retrans}s\n")
        took = time.monotonic() - began
        assert "host lookup did not complete" in text, text
        assert dns.names("MX").count("silent.test") == retry, dns.asked
        assert seconds <= took < seconds + 6, (retry, took)


def test_slow_answers_are_logged():
    main = "dns_servers = 127.0.0.1:{}\nslow_lookup_log = 100\nacl_smtp_mail = accept verify = sender\n"
    with FakeDns(ZONE) as dns, Godwit(main=main.format(dns.port), routers=ROUTERS.format(options=""),
                                      transports=TRANSPORTS) as godwit, godwit.client() as client:
        client.command("EHLO client.test", 250)
        client.command("MAIL FROM:<x@a.test>", 250)
        client.command("RSET", 250)
        client.command("MAIL FROM:<x@slow.a.test>", 250)
        took = int(godwit.wait_log(r" Long MX lookup for 'slow.a.test': (\d+) msec$")[1])
        assert 300 <= took < 3000 and godwit.log().count("Long ") == 1, godwit.log()


def test_who_vouches_for_an_answer():
    required = "dnssec_require_domains = *"
    insecure = "x@a.test cannot be resolved at this time: host lookup done insecurely\n"
    assert routed("x@a.test", options=required)[0] == insecure
    assert routed("x@a.test", options=required, authentic=True)[0] == TAKEN + V6 + V4
    assert routed("x@a.test", "dns_dnssec_ok = 0\n", required, authentic=True)[0] == insecure
    # dns_trust_aa
    assert routed("x@a.test", options=required, authoritative=True)[0] == insecure
    assert routed("x@a.test", "dns_trust_aa = a.test\n", required, authoritative=True)[0] == insecure, "not its host"
    assert routed("x@a.test", "dns_trust_aa = *\n", required, authoritative=True)[0] == TAKEN + V6 + V4


def test_hosts_that_count_as_this_one():
    assert routed("x@local.test", options="self = fail\n  no_more")[0] == TAKEN + "  host here.local.test [192.0.2.7] MX=10\n"
    for main in ("hosts_treat_as_local = here.local.test\n", "hosts_treat_as_local = *.local.test\n"):
        text, _ = routed("x@local.test", main, "self = fail\n  no_more")
        assert "lowest numbered MX record points to local host" in text, text
    text, _ = routed("x@local.test", "extra_local_interfaces = 192.0.2.7\n", "self = fail\n  no_more")
    assert "lowest numbered MX record points to local host" in text, text


def test_literals_in_addresses():
    for option, codes in (("", (501, 501)), ("allow_domain_literals\n", (250, 250))):
        with Godwit(main=option + "queue_only\n") as godwit, godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@[192.0.2.1]>", codes[0])
            client.command("RSET", 250)
            client.command("MAIL FROM:<a@b.test>", 250)
            client.command("RCPT TO:<x@[192.0.2.1]>", codes[1])


def test_names_that_are_not_asked_for_and_answers_that_do_not_count():
    waits = "x@broken.test cannot be resolved at this time: host lookup did not complete\n"
    assert routed("x@broken.test", "dns_retry = 1\n")[0] == waits
    assert routed("x@broken.test", "dns_retry = 1\ndns_again_means_nonexist = other.test\n")[0] == waits
    assert routed("x@broken.test", "dns_retry = 1\ndns_again_means_nonexist = *.test\n")[0] == LEFT
    for main, is_asked in (("", True), ("dns_check_names_pattern = ^[b-z]\n", False), ("dns_check_names_pattern =\n", True)):
        text, dns = routed("x@a.test", main)
        assert text == (TAKEN + V6 + V4 if is_asked else LEFT), (main, text)
        assert ("a.test" in dns.names("MX")) == is_asked, (main, dns.asked)
