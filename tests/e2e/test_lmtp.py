"""The lmtp transport, to a scripted server on a unix-domain socket and to a command; headers_rewrite."""

import json
import subprocess
import sys

from harness import Godwit, RETRY, Sink, wait_for

TCP = {"LHLO": b"250-sink.test\r\n250-IGNOREQUOTA\r\n250 PIPELINING\r\n"}
ROUTER = "local:\n  driver = accept\n  transport = lmtp\n"
LATER = RETRY.replace("1s", "1h")

# A server on standard input and output, or on a socket: python3 server.py REPLIES [SOCKET]
SERVER = r'''
import json, os, socket, sys
script = json.loads(sys.argv[1])
def serve(read, write, log):
    def say(text):
        write.write(text.encode() + b"\r\n")
        write.flush()
    say("220 lmtp.test LMTP")
    accepted = []
    while True:
        line = read.readline().decode()
        if not line:
            return
        log(line.rstrip("\r\n"))
        verb, _, rest = line.strip().partition(" ")
        if verb == "LHLO":
            say("250-lmtp.test")
            for extension in script.get("extensions", []):
                say("250-" + extension)
            say("250 PIPELINING")
        elif verb == "RCPT":
            address = rest[4:].split(">")[0]
            reply = script.get("RCPT " + address, "250 ok")
            if reply.startswith("2"):
                accepted.append(address)
            say(reply)
        elif verb == "DATA":
            if not accepted:
                say("503 nobody")
                continue
            say("354 go")
            while True:
                text = read.readline()
                if text in (b".\r\n", b""):
                    break
                log("| " + text.decode().rstrip("\r\n"))
            for address in accepted:
                reply = script.get(". " + address, "250 2.0.0 <" + address + "> saved")
                if reply == "close":
                    return
                if reply == "stall":
                    import time
                    time.sleep(30)
                    return
                say(reply)
            accepted = []
        elif verb == "QUIT":
            say("221 bye")
            return
        else:
            say(script.get(verb, "250 ok"))
with open(sys.argv[2], "a") as file:
    def log(line):
        file.write(line + "\n")
        file.flush()
    if len(sys.argv) == 3:
        log("run as " + str(os.getuid()))
        serve(sys.stdin.buffer, sys.stdout.buffer, log)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[3] + ".new")
        listener.listen(10)
        os.rename(sys.argv[3] + ".new", sys.argv[3])
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection.makefile("rb"), connection.makefile("wb"), log)
'''


class Lmtp(Godwit):
    """A Godwit with an lmtp transport and its server. `by`: "socket" or "command"."""

    def __init__(self, by, script, options="  batch_max = 10\n", **more):
        super().__init__(routers=ROUTER, transports="", start=False, **more)
        (self.dir / "server.py").write_text(SERVER)
        self.said_path = self.dir / "said"
        words = [sys.executable, str(self.dir / "server.py"), json.dumps(script), str(self.said_path)]
        self.server = None
        if by == "socket":
            self.server = subprocess.Popen([*words, str(self.dir / "lmtp")])
            wait_for((self.dir / "lmtp").exists, what="the LMTP server")
            own = f"  socket = {self.dir}/lmtp\n"
        else:
            (self.dir / "run").write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + "\n")
            (self.dir / "run").chmod(0o755)
            own = f"  command = {self.dir}/run\n  user = root\n"
        self.write_config(transports="lmtp:\n  driver = lmtp\n  return_path_add\n" + own + options)
        self.start()

    def said(self):
        return self.said_path.read_text().splitlines() if self.said_path.exists() else []

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        if self.server is not None:
            self.server.kill()
            self.server.wait()


def test_each_recipient_has_its_answer():
    script = {"RCPT no@example.com": "550 5.1.1 nobody", "RCPT later@example.com": "450 4.2.1 busy",
              ". full@example.com": "552 5.2.2 quota", ". slow@example.com": "451 4.3.0 wait"}
    recipients = [f"{name}@example.com" for name in ("good", "no", "later", "full", "slow", "fine")]
    for by in ("socket", "command"):
        with Lmtp(by, script, retry=LATER) as godwit:
            godwit.send(recipients=recipients, text="From: a@test.example\r\nSubject: x\r\n\r\n..dot\r\nend\r\n")
            for line in (r"=> good <good@example\.com> R=local T=lmtp C=\"250 2\.0\.0 <good@example\.com> saved\"",
                         r"\*\* no@example\.com R=local T=lmtp: LMTP error after RCPT TO:<no@example\.com>: 550 5\.1\.1 nobody",
                         r"== later@example\.com R=local T=lmtp defer \(-44\): LMTP error after RCPT TO:<later@example\.com>: 450 4\.2\.1 busy",
                         r"\*\* full@example\.com R=local T=lmtp: LMTP error after end of data: 552 5\.2\.2 quota",
                         r"== slow@example\.com R=local T=lmtp defer \(-46\): LMTP error after end of data: 451 4\.3\.0 wait",
                         r"-> fine <fine@example\.com> R=local T=lmtp C=\"250 2\.0\.0 <fine@example\.com> saved\""):
                godwit.wait_log(line)
            said = godwit.said()
            assert "LHLO mx.test" in said and "MAIL FROM:<a@test.example>" in said, said
            assert said.count("DATA") >= 1 and "| ..dot" in said and "| Return-path: <a@test.example>" in said, said
            # One transaction for all; the report about those that failed is another.
            first = said[:said.index("DATA")]
            assert [line for line in first if line.startswith("RCPT")] == [f"RCPT TO:<{r}>" for r in recipients], first


def test_a_long_message_goes_whole():
    """It is read from the spool page by page, and each page may begin with a dot or in the middle of a line."""
    lines = [f"{'.' * (n % 3)}{n:06d} {'x' * (n % 61)}" for n in range(20_000)]
    text = "Subject: long\r\n\r\n" + "\r\n".join(lines) + "\r\n"
    with Lmtp("socket", {"extensions": ["SIZE"]}, main="queue_only\n") as godwit:
        godwit.send(text=text.replace("\r\n.", "\r\n.."))
        godwit.stop()
        godwit.start()
        godwit.cli("-qf", check=False)
        godwit.wait_log("Completed", 30)
        said = godwit.said()
        body = [line[2:] for line in said if line.startswith("| ")]
        wanted = ["." + line if line.startswith(".") else line for line in lines]
        assert body[body.index("") + 1:] == wanted, (len(body), len(lines))
        size = int(next(line for line in said if line.startswith("MAIL")).partition("SIZE=")[2].split()[0])
        assert len(text) <= size <= len(text) + 1000, (size, len(text))


def test_batches_have_their_size_and_what_they_may_mix():
    for options, wanted in (("", 4), ("  batch_max = 2\n", 2), ("  batch_max = 9\n", 1)):
        with Lmtp("socket", {}, options) as godwit:
            godwit.send(recipients=["a@one.example", "b@two.example", "c@one.example", "d@one.example"])
            godwit.wait_log("Completed")
            assert godwit.said().count("DATA") == wanted, (options, godwit.said())


def test_ignore_quota_is_asked_for_where_it_is_offered():
    for extensions, wanted in ((["IGNOREQUOTA"], "RCPT TO:<b@example.com> IGNOREQUOTA"), ([], "RCPT TO:<b@example.com>")):
        with Lmtp("socket", {"extensions": extensions}, "  ignore_quota\n") as godwit:
            godwit.send()
            godwit.wait_log("Completed")
            assert wanted in godwit.said(), godwit.said()


def test_servers_that_fail():
    cases = [({". b@example.com": "close"}, "", "LMTP connection closed after end of data"),
             ({". b@example.com": "stall"}, "  timeout = 1s\n", "LMTP timeout after end of data"),
             ({"MAIL": "550 not from you"}, "", None)]
    for by in ("socket", "command"):
        for script, options, text in cases:
            with Lmtp(by, script, options, retry=LATER) as godwit:
                godwit.send()
                if text:
                    godwit.wait_log(r"== b@example\.com R=local T=lmtp defer .*" + text)
                else:
                    godwit.wait_log(r"\*\* b@example\.com R=local T=lmtp: LMTP error after .*MAIL FROM.*: 550 not from you")
    with Godwit(routers=ROUTER, transports="lmtp:\n  driver = lmtp\n  socket = /nowhere/socket\n", retry=LATER) as godwit:
        godwit.send()
        godwit.wait_log(r"== b@example\.com R=local T=lmtp defer \(-1\): Failed to connect to socket /nowhere/socket for lmtp "
                        r"transport: No such file or directory$")
    with Godwit(routers=ROUTER, transports="lmtp:\n  driver = lmtp\n  command = /nowhere/command\n  user = root\n",
                retry=LATER) as godwit:
        godwit.send()
        godwit.wait_log(r"== b@example\.com R=local T=lmtp defer \(-1\): cannot run the command: ")
    with Godwit(routers=ROUTER, retry=LATER,
                transports="lmtp:\n  driver = lmtp\n  socket = /tmp/${{local_part}}\n") as godwit:
        godwit.send()
        godwit.wait_log(r"== b@example\.com .*Tainted '/tmp/b' \(socket for lmtp transport\) not permitted")


# What the step is answered with -> what the real Exim 4.96 logs; the name of the transport is STEP + CODE.
STEPS = {"banner": ("initial connection", None), "lhlo": ("LHLO mx.test", None), "mail": ("MAIL FROM:<a@test.example>", -45),
         "rcpt": ("RCPT TO:<{who}>", -44), "data": ("DATA", -46), "dot": ("end of data", -46)}
STEP_SERVER = """\
import sys
step, reply = sys.argv[1:]
def say(name, usual):
    print(reply if name == step else usual, end="\\r\\n", flush=True)
say("banner", "220 hi")
for line in sys.stdin:
    verb = line.split()[0].lower()
    if verb == "data":
        say("data", "354 go")
        while step != "data" and sys.stdin.readline().strip("\\r\\n") != ".":
            pass
        if step != "data":
            say("dot", "250 fine")
    else:
        say(verb, "250 ok")
"""
# The classes that have retry rules wait; whatever else fails is over at once.
CLASSES = "".join(f"* {name} F,2h,1h\n" for name in ("mail_4xx", "rcpt_4xx", "data_4xx", "timeout", "lost_connection"))


def test_failures_are_those_of_exim():
    cases = {f"{step}{code}": (step, code) for step in STEPS for code in ("450", "421", "550", "xyz")}
    routers = ("box:\n  driver = accept\n  transport = $local_part_data\n  domains = local.test\n"
               f"  local_parts = {' : '.join(cases)}\ngone:\n  driver = redirect\n  data = :blackhole:\n")
    with Godwit(routers=routers, transports="", start=False) as godwit:
        (godwit.dir / "server.py").write_text(STEP_SERVER)
        godwit.write_config(retry=CLASSES, transports="".join(
            f"{name}:\n  driver = lmtp\n  user = root\n  timeout = 5s\n"
            f"  command = {sys.executable} {godwit.dir}/server.py {step} \"{code} 4.5.6 nope\"\n"
            for name, (step, code) in cases.items()))
        godwit.start()
        for name in cases:
            godwit.send(recipients=[f"{name}@local.test"])
        for name, (step, code) in cases.items():
            said, number = STEPS[step]
            said = said.format(who=f"{name}@local.test").replace(".", r"\.")
            text = f"LMTP error after {said}: {code} 4.5.6 nope"
            sign = "=="
            if code == "550":
                sign, result = r"\*\*", ": "
            elif code == "xyz":
                text, result = f"Malformed LMTP response after {said}: xyz 4.5.6 nope", f" defer \\({-1 if step == 'dot' else -19}\\): "
            else:
                result = f" defer \\({number or -1}\\): "
            godwit.wait_log(f"{sign} {name}@local.test R=box T={name}{result}{text}$")
            waits = number is not None and code in ("450", "421")
            if sign == "==" and not waits:
                godwit.wait_log(rf"\*\* {name}@local.test\b.*retry timeout exceeded$")
            elif waits:
                assert f"** {name}@" not in godwit.log(), godwit.log()


def test_headers_are_rewritten_at_transport_time():
    smtp = "  headers_rewrite = *@old.example $1@new.example fs : boss@test.example \"The Boss <boss@new.example>\" wt\n" \
           "  headers_add = X-Sender: me@old.example\\nReply-To: r@old.example\n"
    text = ("From: Me <me@old.example>\r\nTo: boss@test.example, you@old.example\r\nSubject: me@old.example\r\n"
            "Sender: s@old.example\r\n\r\nbody me@old.example\r\n")
    with Sink() as sink, Godwit(sink.port, smtp=smtp) as godwit:
        godwit.send(sender="me@old.example", text=text)
        message = sink.wait(1)[0]
        assert message["sender"] == "me@old.example", message
        data = message["data"].decode()
        for line in ("From: Me <me@new.example>", "To: The Boss <boss@new.example>, you@old.example", "Subject: me@old.example",
                     "Sender: s@new.example", "X-Sender: me@old.example", "Reply-To: r@old.example", "body me@old.example"):
            assert "\r\n" + line + "\r\n" in data, (line, data)


def test_the_smtp_transport_may_ask_to_ignore_quotas():
    for option, wanted in (("lmtp_ignore_quota", "TO:<b@example.com> IGNOREQUOTA"), ("no_lmtp_ignore_quota", "TO:<b@example.com>")):
        with Sink(dict(TCP)) as sink, Godwit(sink.port, smtp=f"  protocol = lmtp\n  {option}\n") as godwit:
            godwit.send()
            assert sink.wait(1)[0]["rcpts"] == [wanted], sink.commands
