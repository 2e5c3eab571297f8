"""PRDR: a verdict for each recipient after the data. EXIM.md 1.1; swaks and Exim as the clients."""

import re

from harness import Client, Godwit, Sink, wait_for
from peers import Exim, swaks
from test_acls import policy

VERDICTS = """\
recipients:
  deny    local_parts = bad : worse
          message     = $local_part wants no such thing
          log_message = content of $domain
  defer   local_parts = busy : busier
  discard local_parts = nothing : naught
  accept
"""
DATA = """\
data:
  deny    condition = ${if eq{$h_subject:}{all bad}}
          message   = bad for everybody
  warn    add_header = X-Prdr: $prdr_requested for $recipients
  accept
"""
TEXT = "Subject: x\r\nFrom: a@test.example\r\n\r\nbody\r\n"


class Verdicts(Godwit):
    """A Godwit with PRDR and ACLs for it; `spelling` of the option that names the one for recipients."""

    def __init__(self, sink, spelling="acl_smtp_data_prdr", **more):
        main = policy(VERDICTS + DATA, extra=f"prdr_enable\n{spelling} = recipients\nacl_smtp_data = data")
        super().__init__(sink, main=main, **more)

    def say(self, recipients, text=TEXT, parameter=" PRDR", ending=None):
        """Sends a message; gives the code and text of each reply after its end."""
        with self.client() as client:
            assert "250-PRDR" in client.command("EHLO client.test", 250)
            reply = client.command(f"MAIL FROM:<a@test.example>{parameter}", 250)
            assert reply == ("250 2.1.0 OK, PRDR Requested" if parameter else "250 2.1.0 OK"), reply
            for recipient in recipients:
                client.command(f"RCPT TO:<{recipient}>", 250)
            if ending:
                client.raw(f"BDAT {len(text)} LAST\r\n{text}")
            else:
                client.command("DATA", 354)
                client.raw(text + ".\r\n")
            replies = [client.reply()]
            while replies[0][0] == 353 and len(replies) < len(recipients) + 2:
                replies.append(client.reply())
            client.command("NOOP", 250)
        return [(code, re.sub(r"id=\S+", "id=ID", re.sub(r"^(\d{3}[ -])\d\.\d\.\d ", r"\1", text, flags=re.M))) for code, text in replies]


def test_each_recipient_has_its_answer():
    with Sink() as sink, Verdicts(sink.port) as godwit:
        recipients = ["good@example.com", "bad@example.com", "busy@example.com", "nothing@example.com", "fine@example.com"]
        for count, ending in enumerate((None, "BDAT"), 1):
            got = godwit.say(recipients, ending=ending)
            assert got[:6] == [
                (353, "353 PRDR content analysis beginning"),
                (250, "250 PRDR R=<good@example.com> acceptance"),
                (550, "550 bad wants no such thing"),
                (450, "450 PRDR R=<busy@example.com> temporary refusal"),
                (250, "250 PRDR R=<nothing@example.com> acceptance"),
                (250, "250 PRDR R=<fine@example.com> acceptance")], got
            assert got[6][0] == 250 and got[6][1].endswith("250 id=ID message accepted for some recipients"), got
            message = sink.wait(count)[-1]
            assert message["recipients"] == ["good@example.com", "fine@example.com"], message
            assert b"\r\nX-Prdr: yes for good@example.com, fine@example.com\r\n" in message["data"], message
        log = godwit.log()
        for line in ("PRDR R=<good@example.com> acceptance", "PRDR bad@example.com content of example.com",
                     "PRDR R=<busy@example.com> temporary refusal"):
            assert len(re.findall(r"^\S+ \S+ \S{23} " + re.escape(line) + "$", log, re.M)) == 2, (line, log)
        assert " P=esmtp PRDR S=" in log and " P=esmtp PRDR K S=" in log, log


def test_nobody_left_is_no_acceptance():
    cases = [
        (["bad@example.com", "worse@example.com"], 550, "550 id=ID message rejected for all recipients"),
        (["busy@example.com", "busier@example.com"], 450, "450 id=ID message temporarily rejected for all recipients"),
        (["bad@example.com", "busy@example.com"], 450, "450 id=ID message temporarily rejected for all recipients"),
        (["nothing@example.com", "naught@example.com"], 250, "250 id=ID message accepted"),
        (["nothing@example.com", "bad@example.com"], 250, "250 id=ID message accepted for some recipients"),
    ]
    with Sink() as sink, Verdicts(sink.port, spelling="acl_data_smtp_prdr") as godwit:
        for recipients, code, text in cases:
            got = godwit.say(recipients)
            assert len(got) == 4 and got[-1] == (code, text), got
        wait_for(lambda: godwit.log().count("=> blackhole (PRDR ACL discarded recipients)") == 2, 5, godwit.log)
        assert "<=" not in godwit.log() and not sink.messages
        assert godwit.queue_count() == 0


def test_prdr_is_not_used_where_it_has_no_use():
    with Sink() as sink, Verdicts(sink.port) as godwit:
        # One recipient; no PRDR parameter: the ACL does not run.
        for recipients, parameter in ((["bad@example.com"], " PRDR"), (["bad@example.com", "b@example.com"], "")):
            got = godwit.say(recipients, parameter=parameter)
            assert got == [(250, "250 OK id=ID")], got
        assert b"\r\nX-Prdr: no for bad@example.com\r\n" in sink.wait(2)[0]["data"]
        assert " PRDR" not in godwit.log()
        # The ACL for the whole message has the last word.
        got = godwit.say(["b@example.com", "c@example.com"], text=TEXT.replace("Subject: x", "Subject: all bad"))
        assert [code for code, _ in got] == [353, 250, 250, 550] and got[-1][1] == "550 bad for everybody", got
    with Godwit(main="prdr_enable = false") as godwit, godwit.client() as client:
        # Not enabled: the parameter is taken and has no effect, as with Exim.
        assert "PRDR" not in client.command("EHLO client.test", 250)
        assert client.command("MAIL FROM:<a@test.example> PRDR", 250) == "250 2.1.0 OK"


def test_swaks_uses_prdr():
    with Sink() as sink, Verdicts(sink.port) as godwit:
        transcript = swaks(godwit.port, "--prdr", "--from", "a@test.example",
                           "--to", "good@example.com,bad@example.com,fine@example.com")
        for line in ("353 PRDR content analysis beginning", "250 2.0.0 PRDR R=<good@example.com> acceptance",
                     "550 5.7.1 bad wants no such thing", "message accepted for some recipients"):
            assert line in transcript, transcript
        assert sink.wait(1)[0]["recipients"] == ["good@example.com", "fine@example.com"]


def test_exim_uses_prdr():
    with Sink() as sink, Verdicts(sink.port) as godwit, \
            Exim(relay=godwit.port, smtp="  hosts_avoid_tls = *\n  hosts_try_prdr = *") as exim:
        with Client(exim.port) as client:
            client.command("EHLO client.test", 250)
            client.message("a@test.example", ["good@example.com", "bad@example.com", "busy@example.com"], TEXT)
        assert sink.wait(1)[0]["recipients"] == ["good@example.com"]
        wait_for(lambda: "busy@example.com" in exim.log() and " ** bad@example.com" in exim.log(), 20, exim.log)
        log = exim.log()
        assert re.search(r"=> good@example\.com .* PRDR ", log), log
        assert re.search(r"\*\* bad@example\.com .*550 5\.7\.1 bad wants no such thing", log), log
        assert re.search(r"== busy@example\.com .*450 4\.\d\.\d PRDR R=<busy@example\.com> temporary refusal", log), log
