"""--explain, explain_sample and -d: what was done, and why."""

import json

from harness import Godwit, Sink, wait_for

# The harness expands braces; DIR becomes the directory of the test.
MAIN = """\
acl_smtp_mail = check_mail
domainlist local = a.test
begin acl
check_mail:
  accept set acl_m0 = ${lookup{$sender_address_domain}lsearch{DIR/keys}{$value}{none}}
check:
  deny domains = !+local
       message = no relay
  accept condition = ${if eq{$acl_m0}{gold}}
         condition = ${if eq{${lookup{$sender_address_domain}lsearch{DIR/keys}}}{gold}}
"""


def configured(more="", sink=1):
    main = more + MAIN.replace("{", "{{").replace("}", "}}").replace("DIR", "{dir}")
    godwit = Godwit(main=main, sink=sink, start=False)
    (godwit.dir / "keys").write_text("b.test: gold\n")
    text = godwit.config.read_text().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = check")
    godwit.config.write_text(text)
    return godwit


def test_a_dialogue_is_explained_to_its_transport():
    with configured() as godwit:
        query = "MAIL FROM:<x@b.test> RCPT TO:<c@a.test> RCPT TO:<c@q.test> from 192.0.2.1 helo me.test"
        text = godwit.cli("--explain", query).stdout
        for wanted in ("EHLO me.test: 250", "MAIL FROM:<x@b.test>: 250", "ACL check_mail: ACCEPT",
                       '= "gold": yes', 'lookup lsearch "b.test"', "(from the cache)",
                       "RCPT TO:<c@q.test>: 550", "no relay", "router out: accepted",
                       "address c@a.test: transport remote, hosts 127.0.0.1 [127.0.0.1]"):
            assert wanted in text, (wanted, text)
        assert "address c@q.test" not in text, text
        tree = json.loads(godwit.cli("--json", "--explain", query).stdout)
        assert [step["kind"] for step in tree] == ["command"] * 6 + ["address"], tree
        assert tree[3]["steps"][0]["kind"] == "acl" and tree[3]["micros"] >= 0, tree[3]
        assert not (godwit.dir / "spool").exists()


def test_a_message_of_a_dialogue_reaches_the_data_acl():
    with Godwit(main="acl_smtp_data = deny message = $h_subject:\n", start=False) as godwit:
        (godwit.dir / "m").write_text("Subject: well\n\n.dot\n")
        text = godwit.cli("--explain", f"MAIL FROM:<> RCPT TO:<c@a.test> from 192.0.2.1 data {godwit.dir}/m").stdout
        assert ".: 550" in text and "well" in text, text


def test_what_is_wrong_with_a_query_is_said():
    with Godwit(start=False) as godwit:
        done = godwit.cli("--explain", "MAIL FROM:<> RCPT TO:<a@b>", check=False)
        assert done.returncode == 1 and "which client" in done.stderr, done
        done = godwit.cli("--explain", "1xUjFt-08ixiEYtwKL-2j45", check=False)
        assert done.returncode == 1 and "explain_sample is not set" in done.stderr, done
        done = godwit.cli("-d+rouet", "-bt", "a@b", check=False)
        assert done.returncode == 1 and 'did you mean "route"' in done.stderr, done
    with Godwit(main="explain_sample = often\n", start=False) as godwit:
        done = godwit.cli("-bV", check=False)
        assert done.returncode == 1 and "explain_sample" in done.stderr, done


def test_a_sampled_message_is_explained_from_its_client_to_its_delivery():
    with Sink() as sink, configured("explain_sample = 100%\n", sink.port) as godwit:
        godwit.start()
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            ids = [client.message(sender, ["c@a.test"], "Subject: s\r\n\r\nbody") for sender in ("x@b.test", "y@b.test")]
        for message_id, sender in zip(ids, ("x@b.test", "y@b.test")):
            def kept():
                text = godwit.cli("--explain", message_id, check=False).stdout
                return text if "delivery of" in text else None
            text = wait_for(kept, what="a record")
            for wanted in ("connection: greeted", f"MAIL FROM:<{sender}>", "ACL check: ACCEPT", f"OK id={message_id}",
                           f"delivery of {message_id}: completed", "router out: accepted",
                           "transport remote c@a.test: delivered"):
                assert wanted in text, (wanted, text)
            assert text.count("MAIL FROM") == 1, text


def test_debugging_shows_what_is_selected():
    with configured() as godwit:
        shown = godwit.cli("-d-all+route", "-bt", "c@a.test").stderr
        assert "router out c@a.test: accepted" in shown and "expanding" not in shown, shown
        shown = godwit.cli("-d-all+expand+lookup", "-be", "${lookup{b.test}lsearch{" + f"{godwit.dir}/keys" + "}}").stderr
        assert "expanding: ${lookup" in shown and 'lookup lsearch "b.test"' in shown, shown
        shown = godwit.cli("-d-all+acl+receive", "-bh", "192.0.2.1", stdin="EHLO x.y\nMAIL FROM:<x@b.test>\nQUIT\n").stderr
        assert 'using ACL "check_mail"' in shown and "SMTP<< MAIL FROM" in shown, shown


def explained(godwit, message_id, wanted="delivery of"):
    def kept():
        text = godwit.cli("--explain", message_id, check=False).stdout
        return text if wanted in text else None
    return wait_for(kept, what="a record")


def submitted(godwit, *arguments):
    """A message from the command line; its id is that of the last arrival."""
    godwit.cli(*arguments, "-f", "x@b.test", "c@a.test", stdin="Subject: s\n\nbody\n")
    return [line.split()[2] for line in godwit.log().splitlines() if " <= " in line][-1]


def test_messages_of_the_command_line_are_sampled():
    main = "explain_sample = 100%\nacl_not_smtp = accept set acl_m1 = ${{uc:local}}\n"
    with Sink() as sink, configured(main, sink.port) as godwit:
        lookup = "${lookup{$domain}lsearch{" + f"{godwit.dir}/keys" + "}{$value}{none}}"
        godwit.write_config(transports=godwit.settings["transports"] + f"  headers_add = X-Key: {lookup}\n",
                            main=godwit.settings["main"] + "")
        text = godwit.config.read_text().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = check")
        godwit.config.write_text(text)
        here = submitted(godwit, "-odi")
        text = explained(godwit, here)
        for wanted in ("local submission: accepted", "LOCAL", f"delivery of {here}: completed",
                       "transport remote c@a.test: delivered", 'lookup lsearch "a.test"'):
            assert wanted in text, (wanted, text)
        godwit.start()
        adopted = submitted(godwit, "-odb")
        text = explained(godwit, adopted)
        assert "local submission: accepted" in text and f"delivery of {adopted}: completed" in text, text


def test_debugging_has_what_its_selectors_stand_for():
    with configured("smtp_load_reserve = 10000\nacl_smtp_helo = accept ratelimit = 5 / 1h / per_conn\n") as godwit:
                    "") as godwit:
        shown = godwit.cli("-d-all+exec", "-be", "${run{/bin/false}{yes}{no}}").stderr
        assert "child process /bin/false: exited with 1" in shown, shown
        text = "EHLO x.y\nMAIL FROM:<x@b.test>\nRCPT TO:<c@a.test>\nQUIT\n"
        shown = godwit.cli("-d-all+load+hints_lookup", "-bh", "192.0.2.1", stdin=text).stderr
        assert "load average " in shown and "(smtp_load_reserve)" in shown, shown
        assert "hints for 1h/per_conn" in shown, shown
    with configured() as godwit:
        text = godwit.config.read_text().replace("  deny domains = !+local\n", "  warn verify = recipient\n  deny domains = !+local\n")
        godwit.config.write_text(text)
        text = "EHLO x.y\nMAIL FROM:<x@b.test>\nRCPT TO:<c@a.test>\nQUIT\n"
        shown = godwit.cli("-d-all+verify", "-bh", "192.0.2.1", stdin=text).stderr
        assert "verify recipient c@a.test: verified" in shown, shown
