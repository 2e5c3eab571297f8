"""What ACLs do to messages: header lines, hooks outside SMTP, rates."""

import time

from databases import Database
from harness import Godwit, Sink, wait_for


def policy(acls, rcpt="check", extra=""):
    """Main options and an ACL section; braces are doubled for the harness."""
    return (extra + "\nbegin acl\n" + acls).replace("{", "{{").replace("}", "}}")


class Policy(Godwit):
    """A Godwit whose acl_smtp_rcpt is `rcpt`."""

    def __init__(self, sink, main, rcpt="accept", **more):
        super().__init__(sink, main=main, start=False, **more)
        self.config.write_text(self.config.read_text().replace("acl_smtp_rcpt = accept", f"acl_smtp_rcpt = {rcpt}"))
        self.start()


def test_header_lines_are_added_and_removed():
    acls = """\
data:
  warn add_header = X-End: 1\\nX-Folded: a\\n b
       add_header = :at_start:X-Top: 1
       add_header = :at_start:X-Topmost: 1
       add_header = :after_received:X-Below: 1
       remove_header = Subject : ^X-Secret-
  warn message = X-Old: style
  accept
"""
    with Sink() as sink, Policy(sink.port, policy(acls, extra="acl_smtp_data = data")) as godwit:
        godwit.send(text="Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: gone\r\nFrom: a@b.test\r\n"
                         "X-Secret-1: gone\r\nX-Kept: 1\r\n\r\nbody\r\n")
        head = sink.wait(1)[0]["data"].decode().partition("\r\n\r\n")[0].split("\r\n")
        names = [line.partition(":")[0] for line in head if line[:1] not in " \t"]
        assert names == ["X-Topmost", "X-Top", "Received", "Received", "X-Below", "From", "X-Kept", "X-End",
                         "X-Folded", "X-Old"], head


def test_messages_that_do_not_come_by_smtp_have_their_acl():
    acls = """\
local:
  deny message = no mail for nobody
       condition = ${if eq{$recipients}{nobody@example.com}}
  warn add_header = X-Local: $sender_address
  accept
"""
    with Sink() as sink, Policy(sink.port, policy(acls, extra="acl_not_smtp = local")) as godwit:
        done = godwit.cli("-oep", "-f", "me@test.example", "nobody@example.com", stdin="Subject: x\n\nbody\n", check=False)
        assert done.returncode == 1 and "no mail for nobody" in done.stderr, done
        godwit.wait_log("rejected by non-SMTP ACL: no mail for nobody")
        godwit.cli("-odi", "-f", "me@test.example", "b@example.com", stdin="Subject: x\n\nbody\n")
        assert b"\r\nX-Local: me@test.example\r\n" in sink.wait(1)[0]["data"]


def test_the_end_without_quit_has_its_acl():
    acls = "gone:\n  warn logwrite = left: $smtp_notquit_reason\n"
    with Policy(1, policy(acls, extra="acl_smtp_notquit = gone")) as godwit:
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
        godwit.wait_log("left: connection-lost")
        with godwit.client() as client:
            client.command("QUIT", 221)
        assert godwit.log().count("left:") == 1


def test_rates_are_shared_by_workers():
    acls = "slow:\n  deny ratelimit = 3 / 1h / per_cmd / strict / all\n       message = $sender_rate/$sender_rate_period\n  accept\n"
    with Policy(1, policy(acls), rcpt="slow", workers=2) as godwit:
        codes = []
        for _ in range(6):
            with godwit.client() as client:
                client.command("EHLO client.test", 250)
                client.command("MAIL FROM:<a@test.example>", 250)
                client.raw("RCPT TO:<b@example.com>\r\n")
                codes.append(client.reply()[0])
        assert codes == [250, 250, 250, 550, 550, 550] or codes == [250, 250, 550, 550, 550, 550], codes


def test_rates_are_shared_by_machines_where_redis_keeps_them():
    acls = "slow:\n  deny ratelimit = 3 / 1h / per_cmd / strict / all\n  accept\n"
    with Database("redis") as redis:
        for store, allowed in (("redis", 3), ("local", 6)):
            extra = f"{redis.servers}\nratelimit_store = {store}\n"
            with Policy(1, policy(acls, extra=extra), rcpt="slow") as one, Policy(1, policy(acls, extra=extra), rcpt="slow") as two:
                codes = []
                for _ in range(4):
                    for machine in (one, two):
                        with machine.client() as client:
                            client.command("EHLO client.test", 250)
                            client.command("MAIL FROM:<a@test.example>", 250)
                            client.raw("RCPT TO:<b@example.com>\r\n")
                            codes.append(client.reply()[0])
                assert codes == [250] * allowed + [550] * (8 - allowed), (store, codes)


def test_submission_mode_completes_the_header_section():
    acls = """\
check:
  warn domains = fixed.test
       control = submission/domain=d.test/name=A Name
  warn domains = kept.test
       control = submission/sender_retain
  accept
"""
    text = "Subject: x\r\nSender: liar@b.test\r\n\r\nbody\r\n"
    with Sink() as sink, Policy(sink.port, policy(acls), rcpt="check") as godwit:
        for index, domain in enumerate(("fixed.test", "kept.test", "plain.test")):
            godwit.send(recipients=(f"b@{domain}",), text=text)
            head = sink.wait(index + 1)[index]["data"].decode().partition("\r\n\r\n")[0].split("\r\n")
            names = [line.partition(":")[0] for line in head if line[:1] not in " \t"]
            added = ["Message-Id", "From", "Date"] if domain != "plain.test" else []
            kept = ["Received", "Subject"] + (["Sender"] if domain != "fixed.test" else [])
            assert names == kept + added, (domain, head)
            if domain == "fixed.test":
                assert any(line.startswith("From: A Name <") for line in head), head


def test_commands_of_some_hosts_wait():
    extra = "smtp_ratelimit_hosts = 127.0.0.1\nsmtp_ratelimit_mail = 1,0.3s,1,1s\nsmtp_ratelimit_rcpt = 2,0.2s,2,1s\n"
    with Policy(1, policy("unused:\n  accept\n", extra=extra)) as godwit, godwit.client() as client:
        client.command("EHLO client.test", 250)
        times = []
        for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>", "RCPT TO:<b@b.test>", "RCPT TO:<c@b.test>",
                     "RCPT TO:<d@b.test>", "RSET", "MAIL FROM:<a@b.test>"):
            started = time.monotonic()
            client.command(line, 250)
            times.append(time.monotonic() - started)
        assert times[3] >= 0.19 and times[4] >= 0.39 and times[6] >= 0.29, times
        assert times[2] < 0.19, times


HOOKS = ("connect", "helo", "mail", "rcpt", "predata", "data", "data_prdr", "etrn", "expn", "vrfy",
         "quit", "notquit")


def test_every_hook_runs_in_its_place():
    options = "".join(f"acl_smtp_{hook} = say_{hook}\n" for hook in HOOKS if hook != "rcpt")
    options += "acl_not_smtp_start = say_start\nacl_not_smtp = say_not_smtp\nprdr_enable\n"
    sections = "begin acl\n" + "".join(
        f"say_{hook}:\n  accept logwrite = HOOK {hook}\n" for hook in (*HOOKS, "start", "not_smtp"))
    with Godwit(main=options + sections, start=False) as godwit:
        text = godwit.config.read_text().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = say_rcpt")
        godwit.config.write_text(text.replace("queue_only = false", "queue_only = true"))
        godwit.start()

        def hooks():
            return [line.split("HOOK ")[1] for line in godwit.log().splitlines() if "HOOK " in line]
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            for inquiry in ("VRFY postmaster@test.example", "EXPN staff", "ETRN #nothing"):
                client.raw(inquiry + "\r\n")
                client.reply()
            client.command("MAIL FROM:<a@test.example>", 250)
            client.command("RCPT TO:<b@test.example>", 250)
            client.command("DATA", 354)
            client.command("Subject: s\r\n\r\nbody\r\n.", 250)
            client.command("QUIT", 221)
        wait_for(lambda: "quit" in hooks(), what="the hook of QUIT")
        expected = ["connect", "helo", "vrfy", "expn", "etrn", "mail", "rcpt", "predata", "data", "quit"]
        assert hooks() == expected, hooks()
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> PRDR", 250)
            client.command("RCPT TO:<b@test.example>", 250)
            client.command("RCPT TO:<c@test.example>", 250)
            client.command("DATA", 354)
            client.raw("Subject: s\r\n\r\nbody\r\n.\r\n")
            replies = [client.reply() for _ in range(4)]
            assert [code for code, _ in replies] == [353, 250, 250, 250], replies
        wait_for(lambda: "notquit" in hooks(), what="the hook of a lost connection")
        assert hooks().count("data_prdr") == 2, hooks()
        godwit.cli("-odq", "-f", "a@test.example", "b@test.example", stdin="Subject: s\n\nbody\n")
        assert hooks()[-2:] == ["start", "not_smtp"], hooks()


def test_a_claimed_submitter_is_believed_where_the_acl_says_so():
    acls = ("begin acl\nbelieve:\n  deny condition = ${if match{$authenticated_sender}{bad}}\n"
            "  defer condition = ${if match{$authenticated_sender}{wait}}\n"
            "  accept logwrite = mailauth <$authenticated_sender>\n")
    for option, lines in (
            ("acl_smtp_mailauth = believe", ["mailauth <good@x>", "ignoring AUTH=bad@x from H=(client.test) [127.0.0.1] (rejected by ACL)",
                                             "temporarily rejected MAILAUTH AUTH=wait@x"]),
            ("", ["ignoring AUTH=good@x from H=(client.test) [127.0.0.1] (client not authenticated)"])):
        with Godwit(main=f"queue_only\n{option}", retry="* * F,2h,1h\n" + acls) as godwit, godwit.client() as client:
            client.command("EHLO client.test", 250)
            for claim in ("good@x", "bad@x", "wait@x", "<>"):
                client.command(f"MAIL FROM:<a@b.test> AUTH={claim}", 451 if option and claim == "wait@x" else 250)
                client.command("RSET", 250)
            client.command("MAIL FROM:<a@b.test> AUTH=good@x", 250)
            client.command("RCPT TO:<c@d.test>", 250)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\nbody\r\n")
            reply = client.command(".", 250)
            header = godwit.cli("-Mvh", reply.split("id=")[1]).stdout
            assert ("-auth_sender good@x" in header) == bool(option), header
            for line in lines:
                assert line in godwit.log(), (line, godwit.log())
