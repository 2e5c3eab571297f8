"""What autoreply answers, option by option; the texts and decisions are those of the real Exim 4.96."""

import re
import time

from harness import Godwit, Sink, named_transports, wait_for

# The local part of the recipient is the name of the transport.
OPTIONS = {
    "whole": "return_message",
    "top": "return_message\n  headers_only",
    "bottom": "return_message\n  body_only",
    "silent": "file = /nowhere/at/all\n  file_optional",
    "missing": "file = /nowhere/at/all",
    "undecided": "once = /nowhere/at/all",
    "timeless": "once = {dir}/timeless\n  once_repeat = 2x",
    "often": "once = {dir}/often\n  once_repeat = 1s",
    "seldom": "once = {dir}/seldom\n  once_repeat = 1h",
}
COPY = "text\r\n\r\n------ This is a copy of the message"
WHAT = {
    "whole": COPY + ", including all the headers.\r\n\r\nReceived: from ",
    "top": COPY + "'s header lines.\r\n\r\nReceived: from ",
    "bottom": "text\r\n\r\n------ This is a copy of the body of the message, without the headers.\r\n\r\nbody\r\n",
    "silent": "text\r\n",
}
REFUSALS = {
    "missing": r"== missing@answer\.test R=answered T=missing defer \(2\): No such file or directory: Failed to open file "
               r"/nowhere/at/all when sending message from missing transport: No such file or directory$",
    "undecided": r"== undecided@answer\.test R=answered T=undecided defer .*\/nowhere/at/all: No such file or directory$",
    "timeless": r"\*\* timeless@answer\.test R=answered T=timeless: Invalid time value \"2x\" for \"once_repeat\" in "
                r"timeless transport$",
}


def transports():
    texts = [f"{name}:\n  driver = autoreply\n  to = $sender_address\n  from = {name}@answer.test\n  text = text\\n\n"
             f"  {options}\n"
             for name, options in OPTIONS.items()]
    return ("remote:\n  driver = smtp\n  port = {sink}\n  allow_localhost\n  hosts_avoid_tls = *\n" +
            "".join(texts))


def answers_of(sink, name):
    from_line = f"From: {name}@answer.test\r\n".encode()
    return [got["data"].decode() for got in sink.messages if from_line in got["data"]]


def test_answers():
    references = "References: <1@a>\r\n <2@a>\r\nMessage-ID: <x@y>\r\n"
    with Sink() as sink, Godwit(sink.port, main="bounce_return_size_limit = 10K\n", routers=named_transports("answered", "answer.test", OPTIONS),
                                transports=transports(), retry="* * F,2h,1h") as godwit:
        def ask(name, text=references + "Subject: x\r\n\r\nbody\r\n"):
            godwit.send(recipients=[f"{name}@answer.test"], text=text)

        def answer(name, count=1):
            return wait_for(lambda: len(answers_of(sink, name)) >= count and answers_of(sink, name), 15, godwit.log)

        for name in (*WHAT, *REFUSALS):
            ask(name)
        for name, wanted in WHAT.items():
            head, body = answer(name)[0].split("\r\n\r\n", 1)
            assert body.startswith(wanted), (name, body)
            assert "\r\nReferences: <1@a> <2@a> <x@y>\r\n" in head + "\r\n", (name, head)
        assert answers_of(sink, "whole")[0].endswith("\r\n\r\nbody\r\n"), sink.messages
        assert "body\r\n" not in answers_of(sink, "top")[0].partition("copy of")[2], sink.messages
        for name, line in REFUSALS.items():
            godwit.wait_log(line)
            assert not answers_of(sink, name), name
        # Of a long body not all comes back.
        ask("whole", "Subject: x\r\n\r\n" + 400 * ("x" * 70 + "\r\n"))
        long = answer("whole", 2)[1]
        assert ", including all the headers.\r\n------ The body of the message is 28800 characters long; only the " \
            "first\r\n------ 16000 or so are included here.\r\n\r\nReceived: " in long, long[:800]
        assert abs(long.count("x") - 10240 * 70 // 72) < 100, long.count("x")
        # Who has had an answer gets another one when the time is over.
        for name, wanted in (("often", 2), ("seldom", 1)):
            ask(name)
            answer(name)
            ask(name)
            time.sleep(1.1)
            ask(name)
            wait_for(lambda name=name: len(re.findall(f"=> {name} <", godwit.log())) == 3, 15, godwit.log)
            wait_for(lambda: godwit.queue_count() == len(REFUSALS) - 1, 15, godwit.log)
            assert len(answers_of(sink, name)) == wanted, (name, godwit.log())


# Option lines; what is sent, as recipients and lines of the message, or the line of the log.
FIELDS = {
    "short": ("from = away\n  to = Joe <joe>, bad@\n  cc = plain\n  bcc = hidden, never@no.test\n  never_mail = *@no.test\n"
              "  reply_to = back",
              (["joe@recipients.test", "plain@recipients.test", "hidden@recipients.test"],
               ["From: away@mx.test", "Reply-To: back@mx.test", "Cc: plain@recipients.test"])),
    "without": ("to = never@no.test\n  cc = good@to.test, never@no.test\n  never_mail = *@no.test",
                (["good@to.test"], ["Cc: good@to.test"])),
    "group": ("to = group: x@to.test, z;, q@to.test",
              (["x@to.test", "z@recipients.test", "q@to.test"], ["To: group: x@to.test, z@recipients.test;, q@to.test"])),
    "ready": ("to = x@to.test\n  headers = From: own@x.test\\nDate: Mon, 1 Jan 2024 00:00:00 +0000\\nMessage-ID: <mine@x>",
              (["x@to.test"], ["From: own@x.test", "Date: Mon, 1 Jan 2024 00:00:00 +0000", "Message-ID: <mine@x>"])),
    "broken": ("to = x@to.test\n  headers = X-A: b\\n\\tfold\\nbroken line\\nX-C: d",
               (["x@to.test"], ["X-A: b", "\tfold", "", "broken line", "X-C: d", "", "text"])),
    "nobody": ("to =", None),
    "unset": ("subject = x", None),
    "nonsense": ("to = a b c <", r"== nonsense@\S+ .* defer \(0\): Failed to send message from nonsense transport \(1\)$"),
    "empty": ("to = <>", r"== empty@\S+ .* defer \(0\): Failed to send message from empty transport \(1\)$"),
    "newline": ("to = x@to.test\n  from = x@y.test\\nBcc: evil@to.test",
                r'\*\* newline@\S+ .*: Expansion of "x@y\.test\\nBcc: evil@to\.test" in newline transport contains non-printing '
                r"character 10$"),
    "raw": ("to = x@to.test\n  subject = caf\\xe9",
            r"\*\* raw@\S+ .*: Expansion of \".*\" in raw transport contains non-printing character 233$"),
    "wrong": ("to = x@to.test\n  subject = ${{if eq{{a}}{{b}}{{x}}fail}}",
              r'\*\* wrong@\S+ .*: Expansion of "\$\{if eq\{a\}\{b\}\{x\}fail\}" failed in wrong transport: "if" failed and "fail" requested$'),
}


def test_fields_and_recipients():
    texts = "".join(f"{name}:\n  driver = autoreply\n  text = text\\n\n  headers_add = X-Not: here\n  {options}\n"
                    for name, (options, _) in FIELDS.items())
    transports = "remote:\n  driver = smtp\n  port = {sink}\n  allow_localhost\n  hosts_avoid_tls = *\n" + texts
    with Sink() as sink, Godwit(sink.port, main="qualify_domain = mx.test\nqualify_recipient = recipients.test\n",
                                routers=named_transports("answered", "answer.test", FIELDS), transports=transports,
                                retry="* * F,2h,1h") as godwit:
        ids = {}
        for name in FIELDS:
            ids[name] = godwit.send(recipients=[f"{name}@answer.test"], text=f"Message-ID: <{name}@q>\r\n\r\nbody\r\n")
        for name, (_, wanted) in FIELDS.items():
            if isinstance(wanted, str):
                godwit.wait_log(wanted)
            else:
                godwit.wait_log(f"{ids[name]} Completed")
            answers = [got for got in sink.messages if f"In-Reply-To: <{name}@q>".encode() in got["data"]
                       and b"X-Failed" not in got["data"]]
            if not isinstance(wanted, tuple):
                assert not answers, (name, answers)
                continue
            answer = wait_for(lambda name=name: [got for got in sink.messages
                                                 if f"<{name}@q>".encode() in got["data"]], 15, godwit.log)[0]
            data = answer["data"].decode()
            assert sorted(answer["recipients"]) == sorted(wanted[0]), (name, answer)
            assert "\r\n".join(["", *wanted[1], ""]) in data or all(f"\r\n{line}\r\n" in data for line in wanted[1]), (name, data)
            for field in ("From:", "Date:", "Message-I"):
                assert data.partition("\r\n\r\n")[0].count("\r\n" + field) == 1, (name, field, data)
            assert "Bcc" not in data and "X-Not" not in data, (name, data)
