"""Generic transport options, batches of recipients, and what the pipe transport may run."""

import os

from harness import Godwit, Sink, wait_for
from test_transports import REMOTE, ROUTERS, script, start, with_transport

FILE = "  driver = appendfile\n  file = {dir}/box\n  message_prefix =\n  message_suffix =\n"
# As SMTP carries it.
TEXT = "From: a@test.example\r\nSubject: x\r\n\r\nline\r\n..dot\r\n"


def box(godwit, name="box"):
    path = godwit.dir / name
    return path.read_text() if path.exists() else ""


def parts_of(text, header):
    lines = text.splitlines()
    return [line for line in lines if line.startswith(header)]


def test_parts_of_a_message():
    for option, has_header, has_body in (("body_only", False, True), ("headers_only", True, False)):
        with Sink() as sink, with_transport(FILE + f"  {option}\n  return_path_add\n", sink.port) as godwit:
            start(godwit)
            godwit.send(recipients=["b@local.test"], text=TEXT)
            godwit.wait_log("=> b <b@local.test>|=> b@local.test")
            text = box(godwit)
            assert ("Subject: x\n" in text) == has_header and ("line\n.dot\n" in text) == has_body, text
            assert text.endswith("\n\n" if option == "headers_only" else "line\n.dot\n"), text
            assert text.startswith("Return-path: <a@test.example>\n") == has_header, text


def test_lines_on_top_name_the_envelope():
    options = FILE + "  return_path_add\n  envelope_to_add\n  delivery_date_add\n  batch_max = 10\n"
    routers = "alias:\n  driver = redirect\n  data = ${{if eq{{$local_part}}{{alias}}{{b@local.test}}}}\n" + ROUTERS
    with with_transport(options) as godwit:
        start(godwit, routers=routers.replace("{{", "{").replace("}}", "}"))
        godwit.send(recipients=["alias@local.test", "c@local.test"], text=TEXT)
        godwit.wait_log("Completed")
        text = box(godwit)
        assert text.startswith("Return-path: <a@test.example>\nEnvelope-to: c@local.test,\n alias@local.test\n"
                               "Delivery-date: "), text
        assert text.count("Subject: x\n") == 1, text


def test_a_size_limit_fails():
    with Sink() as sink, with_transport(FILE + "  message_size_limit = ${{if eq{{$local_part}}{{big}}{{100K}}{{200}}}}\n",
                                        sink.port) as godwit:
        start(godwit)
        godwit.send(recipients=["b@local.test"], text=TEXT + "x" * 300 + "\r\n")
        godwit.wait_log(r"\*\* b@local\.test R=local T=local: message is too big \(transport limit = 200\)")
        godwit.send(recipients=["big@local.test"], text=TEXT + "x" * 300 + "\r\n")
        godwit.wait_log(r"=> big")


def test_a_shadow_gets_a_copy():
    shadow = "shadow:\n  driver = appendfile\n  file = {dir}/copy\n  message_prefix =\n  message_suffix =\n  headers_only\n"
    options = FILE + "  shadow_transport = shadow\n  shadow_condition = ${{if !eq{{$local_part}}{{quiet}}}}\n" + shadow
    with with_transport(options) as godwit:
        start(godwit)
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"=> b <b@local\.test> R=local T=local ST=shadow$")
        godwit.send(recipients=["quiet@local.test"], text=TEXT)
        godwit.wait_log(r"=> quiet <quiet@local\.test> R=local T=local$")
        assert box(godwit, "copy").count("Subject: x") == 1 and box(godwit).count("Subject: x") == 2
    failing = shadow.replace("{dir}/copy", "/proc/none/copy")
    with with_transport(FILE + "  shadow_transport = shadow\n" + failing) as godwit:
        start(godwit)
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"=> b <b@local\.test> R=local T=local ST=shadow \(.*/proc/none.*\)$")
        godwit.wait_log("Completed")


def filter_script(godwit, body):
    path = godwit.dir / "change"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)


def test_a_filter_changes_the_message():
    body = "echo \"X-Args: $*\"\ntr 'l' 'L'\n"
    line = "  transport_filter = {dir}/change $local_part ${{lc:$domain}} $pipe_addresses\n"
    with with_transport(FILE + line + "  return_path_add\n") as godwit:
        filter_script(godwit, body)
        start(godwit)
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log("Completed")
        text = box(godwit)
        assert text.startswith("X-Args: b local.test b@local.test\nReturn-path: <a@test.exampLe>\n"), text
        assert text.endswith("\n\nLine\n.dot\n"), text
    with Sink() as sink, Godwit(sink.port, start=False,
                                smtp="  transport_filter = {dir}/change $host $host_address\n") as godwit:
        filter_script(godwit, 'echo "X-Host: $*"\ncat\n')
        start(godwit, transports=godwit.settings["transports"].replace("{dir}", str(godwit.dir)))
        godwit.send(text=TEXT)
        message = sink.wait(1)[0]
        assert message["data"].startswith(b"X-Host: 127.0.0.1 127.0.0.1\r\n"), message["data"]
        assert message["data"].endswith(b"\r\n\r\nline\r\n.dot\r\n"), message["data"]


def test_a_large_message_through_a_filter():
    with Sink() as sink, Godwit(sink.port, start=False, smtp="  transport_filter = /bin/cat\n") as godwit:
        start(godwit)
        lines = "".join(f"line {n} of a message that is larger than a pipe\r\n" for n in range(60000))
        godwit.send(text="Subject: x\r\n\r\n" + lines)
        data = sink.wait(1, 40)[0]["data"]
        assert data.split(b"\r\n\r\n", 1)[1].decode() == lines


def test_filters_that_fail():
    cases = [("exit 3\n", "", r"== b@local\.test R=local T=local defer \(-24\): transport filter process failed \(3\)$"),
             ("sleep 30\n", "  transport_filter_timeout = 1s\n", r"== b@local\.test .*defer \(110\): transport filter timeout")]
    for body, more, wanted in cases:
        with with_transport(FILE + "  transport_filter = {dir}/change\n" + more) as godwit:
            filter_script(godwit, body)
            start(godwit, retry="* * F,2h,1h")
            godwit.send(recipients=["b@local.test"], text=TEXT)
            godwit.wait_log(wanted)
            assert not (godwit.dir / "box").exists()
    with with_transport(FILE + "  transport_filter = /nowhere/filter\n") as godwit:
        start(godwit, retry="* * F,2h,1h")
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"defer \(-24\): transport filter process failed \(127\): unable to execute command")
    with Sink() as sink, with_transport("  driver = pipe\n  command = /bin/cat\n  transport_filter = {dir}/change\n"
                                        "  transport_filter_timeout = 1s\n", sink.port) as godwit:
        filter_script(godwit, "sleep 30\n")
        start(godwit)
        godwit.send(recipients=["b@local.test"], text=TEXT)
        godwit.wait_log(r"\*\* b@local\.test R=local T=local: transport filter timeout")


def test_places_of_a_transport():
    slow = "  driver = pipe\n  command = {dir}/filter.sh\n  max_parallel = 1\n"
    with with_transport(slow) as godwit:
        script(godwit, "sleep 3")
        start(godwit)
        godwit.send(recipients=["b@local.test"])
        wait_for(lambda: (godwit.dir / "got").exists())
        godwit.send(recipients=["c@local.test"])
        godwit.wait_log(r"== c@local\.test R=local T=local defer \(-57\): concurrency limit reached for transport")
        godwit.wait_log(r"=> b ", 20)
        godwit.wait_log(r"=> c ", 30)


def test_directories_of_a_command():
    options = "  driver = pipe\n  command = {dir}/change\n"
    for more, wanted in (("", "/ \n"), ("  home_directory = {dir}\n", "{dir} {dir}\n"),
                         ("  home_directory = {dir}\n  current_directory = /usr\n", "/usr {dir}\n")):
        with with_transport(options + more) as godwit:
            filter_script(godwit, f'echo "$(pwd) $HOME" >> {godwit.dir}/got\n')
            start(godwit)
            godwit.send(recipients=["b@local.test"])
            godwit.wait_log("Completed")
            assert (godwit.dir / "got").read_text() == wanted.format(dir=godwit.dir)
    with with_transport(options + "  current_directory = /nowhere\n") as godwit:
        filter_script(godwit, "true\n")
        start(godwit, retry="* * F,2h,1h")
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log(r"== b@local\.test .*failed to change to directory /nowhere")


def test_who_and_how_a_command_runs():
    options = "  driver = pipe\n  command = {dir}/change\n  user = nobody\n  umask = 027\n  initgroups\n"
    with with_transport(options) as godwit:
        os.chmod(godwit.dir, 0o755)
        os.mkdir(godwit.dir / "who")
        os.chmod(godwit.dir / "who", 0o777)
        filter_script(godwit, f"(id; umask) > {godwit.dir}/who/is\n")
        start(godwit)
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log("Completed")
        text = (godwit.dir / "who" / "is").read_text()
        assert "uid=65534(nobody)" in text and "groups=65534(nogroup)" in text and text.endswith("\n0027\n"), text


def test_batches():
    recipients = ["a@local.test", "b@local.test", "c@local.test"]
    by_address = "  batch_max = 9\n  batch_id = ${{if eq{{$original_local_part}}{{b}}{{b}}{{x}}}}\n"
    cases = [("", 3), ("  batch_max = 2\n", 2), ("  batch_max = 9\n", 1), (by_address, 2),
             (by_address.replace("original_local", "local"), 3)]
    for options, wanted in cases:
        with with_transport("  driver = pipe\n  command = {dir}/filter.sh $pipe_addresses\n" + options) as godwit:
            script(godwit)
            start(godwit)
            godwit.send(recipients=recipients)
            godwit.wait_log("Completed")
            got = (godwit.dir / "got").read_text()
            assert got.count("Subject: x") == wanted, (options, got)
            log = godwit.log()
            assert log.count("R=local T=local") == 3, log
            if wanted == 1:
                assert "|a@local.test|b@local.test\n" in got and log.count("-> ") == 2, (got, log)


def test_batched_smtp():
    options = "  use_bsmtp\n  batch_max = 9\n  return_path_add\n"
    for driver in (FILE, "  driver = pipe\n  command = {dir}/change\n"):
        for crlf in ("", "  use_crlf\n"):
            with with_transport(driver + options + crlf) as godwit:
                filter_script(godwit, f"cat > {godwit.dir}/box\n")
                start(godwit)
                godwit.send(recipients=["b@local.test", "c@local.test"], text=TEXT)
                godwit.wait_log("Completed")
                end = "\r\n" if crlf else "\n"
                text = (godwit.dir / "box").read_bytes().decode()
                head = ["MAIL FROM:<a@test.example>", "RCPT TO:<b@local.test>", "RCPT TO:<c@local.test>", "DATA",
                        "Return-path: <a@test.example>", ""]
                assert text.startswith(end.join(head)), text
                assert text.endswith(f"{end}{end}line{end}..dot{end}.{end}"), text


def test_commands_that_are_permitted():
    redirect = "pipes:\n  driver = redirect\n  data = |$local_part\n  pipe_transport = local\n"
    cases = [("allow_commands = cat : /bin/true", "true", False), ("allow_commands = cat", "cat", True),
             ("restrict_to_path", "cat", True), ("restrict_to_path", "/bin/cat", False),
             ("restrict_to_path\n  allow_commands = /bin/cat", "/bin/cat", True),
             ("allow_commands = cat", "nothing-like-it", False)]
    for options, command, is_permitted in cases:
        with Sink() as sink, with_transport(f"  driver = pipe\n  {options}\n", sink.port) as godwit:
            start(godwit, routers=redirect.replace("$local_part", command).replace("redirect\n", "redirect\n  domains = local.test\n")
                  + ROUTERS)
            godwit.send(recipients=["b@local.test"])
            if is_permitted:
                godwit.wait_log("=> .*R=pipes T=local")
            else:
                godwit.wait_log(r"\*\* .*R=pipes T=local: .*(not permitted by local transport|for security reasons)")
    with with_transport("  driver = pipe\n  force_command\n  command = {dir}/change first $address_pipe\n") as godwit:
        filter_script(godwit, f'echo "$@" > {godwit.dir}/got\n')
        start(godwit, routers="pipes:\n  driver = redirect\n  domains = local.test\n  data = \"|/bin/run 'one two' three\"\n"
              "  pipe_transport = local\n" + ROUTERS)
        godwit.send(recipients=["b@local.test"])
        godwit.wait_log("Completed")
        assert (godwit.dir / "got").read_text() == "first /bin/run one two three\n"


def test_commands_that_freeze():
    for body, option, wanted in (("kill -9 $$", "freeze_signal", "was terminated by signal 9"),
                                 ("exit 127", "freeze_exec_fail", "pipe process failed to exec")):
        with with_transport(f"  driver = pipe\n  command = {{dir}}/filter.sh\n  {option}\n") as godwit:
            script(godwit, body)
            start(godwit)
            godwit.send(recipients=["b@local.test"])
            godwit.wait_log(r"== b@local\.test R=local T=local defer \(0\): .*" + wanted)
            wait_for(lambda: "frozen" in godwit.cli("-bp").stdout)
