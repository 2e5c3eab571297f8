"""Transports beside smtp and appendfile: pipe, autoreply, queuefile."""

import os
import pathlib

from harness import Godwit, Sink, named_transports, wait_for

ROUTERS = """\
local:
  driver = accept
  domains = local.test
  transport = local
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
REMOTE = """\
remote:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_avoid_tls = *
"""
SCRIPT = """\
#!/bin/sh
echo "$LOCAL_PART|$DOMAIN|$SENDER|$1|$2" >> {log}
cat >> {log}
{more}
"""


def with_transport(options, sink=1, **more):
    return Godwit(sink, routers=ROUTERS, transports=REMOTE + "local:\n" + options, start=False, **more)


def script(godwit, more=""):
    path = godwit.dir / "filter.sh"
    path.write_text(SCRIPT.format(log=godwit.dir / "got", more=more))
    path.chmod(0o755)
    return path


def start(godwit, **changes):
    godwit.write_config(**changes)
    godwit.start()


def test_a_command_gets_the_message():
    options = "  driver = pipe\n  command = {dir}/filter.sh \"$local_part one\" ${{lc:$domain}}\n  return_path_add\n"
    with with_transport(options) as godwit:
        script(godwit)
        start(godwit)
        godwit.send(recipients=['"some;one"@local.test'])
        godwit.wait_log("=> .*some;one.* R=local T=local")
        got = (godwit.dir / "got").read_text()
        assert "|local.test|a@test.example|" in got and got.count("some;one") == 3 and "\nFrom a@test.example " in got, got
        assert "\nReturn-path: <a@test.example>\n" in got and got.endswith("\nbody\n\n"), got


def test_exit_statuses_decide():
    options = "  driver = pipe\n  command = {dir}/filter.sh\n  log_fail_output\n  return_fail_output\n"
    with Sink() as sink, with_transport(options, sink.port) as godwit:
        path = script(godwit, "exit 75")
        start(godwit)
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log(r"== b@local.test R=local T=local defer \(0\): Child process of local transport returned 75")
        path.write_text("#!/bin/sh\necho no such mailbox here\nexit 67\n")
        godwit.send(recipients=["c@local.test"])
        godwit.wait_log(r" <c@local\.test>: local transport output: no such mailbox here$")
        godwit.wait_log(r"\*\* c@local\.test .* returned 67 \(could mean user nonexistent\) from command: ")
        report = sink.wait(1)[0]
        assert report["sender"] == "" and b"no such mailbox here" in report["data"], report


def test_a_command_that_runs_for_too_long_is_killed():
    options = "  driver = pipe\n  command = {dir}/filter.sh\n  timeout = 1s\n  timeout_defer\n"
    with with_transport(options) as godwit:
        script(godwit, "sleep 60")
        start(godwit)
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log("== b@local.test .*pipe delivery process timed out")


def test_an_answer_is_sent_once():
    options = """\
  driver = autoreply
  from = Away <away@local.test>
  to = $sender_address
  subject = Re: ${{sg{{$h_subject:}}{{\\\\n}}{{ }}}}
  text = I am not here.\\n
  once = {dir}/once
  never_mail = *@never.test
"""
    with Sink() as sink, with_transport(options.replace("${{sg{{$h_subject:}}{{\\\\n}}{{ }}}}", "Re: your mail"), sink.port) as godwit:
        start(godwit)
        for sender in ("a@test.example", "a@test.example", "b@never.test"):
            godwit.send(sender=sender, recipients=["me@local.test"], text="Message-ID: <x@y>\r\nSubject: hi\r\n\r\nbody\r\n")
        answer = sink.wait(1)[0]
        assert answer["sender"] == "" and answer["recipients"] == ["a@test.example"], answer
        for line in (b"From: Away <away@local.test>\r\n", b"To: a@test.example\r\n", b"In-Reply-To: <x@y>\r\n",
                     b"Auto-Submitted: auto-replied\r\n", b"\r\n\r\nI am not here.\r\n"):
            assert line in answer["data"], (line, answer["data"])
        wait_for(lambda: godwit.log().count("Completed") == 4)
        assert len(sink.messages) == 1


def test_a_pair_of_spool_files():
    options = "  driver = queuefile\n  directory = {dir}/pairs\n"
    with with_transport(options, main="message_id_form = short") as godwit:
        pairs = pathlib.Path(godwit.dir / "pairs")
        os.mkdir(pairs)
        start(godwit)
        message_id = godwit.send(recipients=["b@local.test", "c@local.test"])
        godwit.wait_log(f"{message_id} Completed")
        assert sorted(p.name for p in pairs.iterdir()) == [f"{message_id}-D", f"{message_id}-H"]
        assert (pairs / f"{message_id}-D").read_text() == f"{message_id}-D\nbody\n"
        header = (pairs / f"{message_id}-H").read_text()
        assert header.startswith(f"{message_id}-H\n") and "\n2\nb@local.test\nc@local.test\n" in header, header
        assert godwit.log().count("R=local T=local") == 2, godwit.log()


def test_a_directory_that_is_not_there_defers():
    options = "  driver = queuefile\n  directory = {dir}/none\n"
    with with_transport(options) as godwit:
        start(godwit)
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log(r"== b@local.test R=local T=local defer \(2\): No such file or directory: local transport accessing directory: .*/none failed with error: No such file or directory")


def test_answers_are_logged_and_their_file_is_expanded():
    options = "  driver = autoreply\n  from = away@local.test\n  to = $sender_address\n  subject = gone\n" \
              "  file = {dir}/text\n  file_expand\n  log = {dir}/answers\n  mode = 0640\n"
    with Sink() as sink, with_transport(options, sink.port) as godwit:
        (godwit.dir / "text").write_text("Dear $sender_address,\n${uc:gone} away\n")
        start(godwit)
        godwit.send(recipients=["me@local.test"])
        data = sink.wait(1)[0]["data"]
        assert data.endswith(b"\r\n\r\nDear a@test.example,\r\nGONE away\r\n"), data
        lines = wait_for(lambda: (godwit.dir / "answers").exists() and (godwit.dir / "answers").read_text()).splitlines()
        assert lines[1:] == ["  From: away@local.test", "  To: a@test.example", "  Subject: gone"], lines
        assert (godwit.dir / "answers").stat().st_mode & 0o777 == 0o640
        (godwit.dir / "text").write_text("${nothing:x}\n")
        godwit.send(recipients=["me@local.test"])
        godwit.wait_log(r"== me@local\.test .*defer .*\(file\) failed")


RETURNED = r"Child process of {name} transport returned 127 \(could mean unable to exec or command does not exist\) from command: "
# What a command that cannot be executed comes to; as with the real Exim 4.96.
UNABLE = {
    "absent": ("command = /nowhere/prog", r"\*\* absent@local\.test R=named T=absent: " + RETURNED + "/nowhere/prog$"),
    "refused": ("command = /etc/passwd", r"\*\* refused@local\.test R=named T=refused: " + RETURNED + "/etc/passwd$"),
    "later": ("command = /nowhere/prog\n  temp_errors = *", r"== later@local\.test R=named T=later defer \(0\): " + RETURNED),
    "listed": ("command = /nowhere/prog\n  temp_errors = 75 : 127", r"== listed@local\.test R=named T=listed defer \(0\): " + RETURNED),
    "ignored": ("command = /nowhere/prog\n  ignore_status", r"=> ignored <ignored@local\.test> R=named T=ignored$"),
    "frozen": ("command = /nowhere/prog\n  freeze_exec_fail", r"== frozen@local\.test .*pipe process failed to exec \"/nowhere/prog\"$"),
}
# Options, and lines that the command gets as its environment and as its text.
GIVEN = {
    "plain": ("", ["HOME=", "SHELL=/bin/sh", "From me"]),
    "environment": ("environment = ONE=1 : TWO=two words", ["ONE=1", "TWO=two words", "SHELL=/bin/sh"]),
    "path": ("path = {dir}/tools:/bin:/usr/bin", ["PATH={dir}/tools:/bin:/usr/bin"]),
    "checked": ("check_string = \"From \"\n  escape_string = \"] \"", ["] me", "not From me"]),
    "home": ("home_directory = /var", ["HOME=/var", "From me"]),
}


def test_commands_that_cannot_run_and_what_the_others_get():
    script_of = {name: "command = {dir}/tools/show\n  user = root\n  " + options for name, (options, _) in GIVEN.items()}
    script_of["path"] = script_of["path"].replace("{dir}/tools/show", "show")
    options = {**{name: "user = root\n  " + options for name, (options, _) in UNABLE.items()}, **script_of}
    routers = named_transports("named", "local.test", options)
    transports = REMOTE + "".join(f"{name}:\n  driver = pipe\n  {text}\n" for name, text in options.items())
    with Godwit(routers=routers, transports=transports, retry="* * F,2h,1h", start=False) as godwit:
        (godwit.dir / "tools").mkdir()
        show = godwit.dir / "tools" / "show"
        show.write_text(f"#!/bin/sh\n(env; cat) > {godwit.dir}/got.$LOCAL_PART\n")
        show.chmod(0o755)
        start(godwit)
        for name in options:
            godwit.send(recipients=[f"{name}@local.test"], text="Subject: x\r\n\r\nFrom me\r\nnot From me\r\n")
        for name, (_, line) in UNABLE.items():
            godwit.wait_log(line.format(name=name) if "{name}" in line else line)
        for name, (_, wanted) in GIVEN.items():
            godwit.wait_log(f"=> {name} <")
            lines = (godwit.dir / f"got.{name}").read_text().splitlines()
            missing = [line for line in wanted if line.format(dir=godwit.dir) not in lines]
            assert not missing, (name, missing, lines)
