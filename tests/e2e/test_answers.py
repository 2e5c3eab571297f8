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
    texts = [f"{name}:\n  driver = autoreply\n  from = {name}@answer.test\n  text = text\\n\n  {options}\n"
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
