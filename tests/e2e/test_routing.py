"""Redirection: aliases, forwarding, copies, duplicates, and what is remembered of them."""

from harness import Godwit, Sink, wait_for

ROUTERS = """\
copy:
  driver = accept
  local_parts = seen
  domains = local.test
  unseen
  transport = box
aliases:
  driver = redirect
  domains = local.test
  allow_fail
  allow_defer
  data = ${lookup{$local_part}lsearch{@DIR@/aliases}}
  file_transport = file
  pipe_transport = pipe
  headers_add = X-Alias: $local_part
users:
  driver = accept
  domains = local.test
  local_parts = user : bob : seen : ann
  transport = box
out:
  driver = manualroute
  domains = ! local.test
  route_list = * 127.0.0.1
  transport = remote
  self = send
  headers_remove = X-Secret
"""
TRANSPORTS = """\
box:
  driver = appendfile
  file = {dir}/box-$local_part_data
file:
  driver = appendfile
pipe:
  driver = pipe
remote:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_avoid_tls = *
"""


def godwit_with(aliases, sink=1, main="", retry="* * F,2h,1s", routers=ROUTERS):
    godwit = Godwit(sink, main="qualify_domain = local.test\n" + main, transports=TRANSPORTS, start=False, retry=retry)
    (godwit.dir / "aliases").write_text(aliases.replace("@DIR@", str(godwit.dir)))
    godwit.write_config(routers=routers.replace("@DIR@", str(godwit.dir)))
    godwit.start()
    return godwit


def box(godwit, name):
    path = godwit.dir / f"box-{name}"
    return path.read_text() if path.exists() else ""


def test_an_alias_goes_to_mailboxes_and_other_hosts():
    with Sink() as sink, godwit_with("team: user, bob, far@out.test\n", sink.port) as godwit:
        godwit.send(recipients=["team@local.test"], text="Subject: x\r\nX-Secret: s\r\n\r\nbody\r\n")
        godwit.wait_log("Completed")
        godwit.wait_log("=> user <team@local.test> R=users T=box$")
        godwit.wait_log("=> bob <team@local.test> R=users T=box$")
        godwit.wait_log("=> far@out.test <team@local.test> R=out T=remote H=")
        assert "X-Alias: team\n" in box(godwit, "user") and "X-Secret: s\n" in box(godwit, "user")
        data = sink.wait(1)[0]["data"]
        assert b"X-Secret" not in data and b"X-Alias: team\r\n" in data, data
        assert godwit.log().count("Completed") == 1


def test_fail_defer_blackhole_and_files():
    aliases = ("gone: :fail: no such person\nlater: :defer: come back\nhole: :blackhole:\n"
               "file: @DIR@/saved, /dev/null\nunknown: :unknown:\npipe: \"|/bin/sh -c 'cat > @DIR@/piped'\"\n")
    with Sink() as sink, godwit_with(aliases, sink.port) as godwit:
        godwit.send(recipients=["gone@local.test", "hole@local.test", "file@local.test", "unknown@local.test",
                                "pipe@local.test"])
        godwit.wait_log(r"\*\* gone@local.test R=aliases: no such person")
        godwit.wait_log("=> :blackhole: <hole@local.test> R=aliases")
        godwit.wait_log("=> .*/saved <file@local.test> R=aliases T=file")
        godwit.wait_log(r"=> /dev/null <file@local.test> R=aliases T=\*\*bypassed\*\*")
        godwit.wait_log(r"\*\* unknown@local.test: Unrouteable address")
        godwit.wait_log(r"=> \|/bin/sh -c '.*' <pipe@local.test> R=aliases T=pipe")
        godwit.wait_log("Completed")
        assert "body" in (godwit.dir / "saved").read_text() and "body" in (godwit.dir / "piped").read_text()
        report = sink.wait(1)[0]
        assert report["sender"] == "" and b"no such person" in report["data"]
        godwit.send(recipients=["later@local.test"])
        godwit.wait_log(r"== later@local.test R=aliases defer \(-1\): come back")


def test_duplicates_loops_and_copies():
    aliases = "a: user, user, b\nb: user, a\nself: self\nloop1: loop2\nloop2: loop1\nuser: user\n"
    with godwit_with(aliases) as godwit:
        godwit.send(recipients=["a@local.test", "b@local.test", "User@local.test"])
        godwit.wait_log("Completed")
        assert box(godwit, "user").count("Subject: x\n") == 1, godwit.log()
        godwit.send(recipients=["seen@local.test"])
        wait_for(lambda: godwit.log().count("Completed") == 2)
        assert box(godwit, "seen").count("Subject: x\n") == 2, godwit.log()
        assert "=> seen <seen@local.test> R=copy T=box" in godwit.log()
        assert "=> seen <seen@local.test> R=users T=box" in godwit.log()
        godwit.send(sender="", recipients=["self@local.test", "loop1@local.test"])
        godwit.wait_log(r"\*\* loop1@local.test: Unrouteable address|\*\* loop1@local.test .*Unrouteable address")


def test_what_is_delivered_is_not_delivered_again():
    """One child waits; the others stay done over a crash and over changes of the list."""
    script = {"RCPT": [b"451 later\r\n", b"451 later\r\n", b"250 ok\r\n"]}
    with Sink(script) as sink, godwit_with("team: user, far@out.test, bob\n", sink.port) as godwit:
        godwit.send(recipients=["team@local.test"])
        godwit.wait_log("== far@out.test <team@local.test> R=out T=remote .*451 later")
        wait_for(lambda: "=> bob <team@local.test>" in godwit.log())
        godwit.kill()
        (godwit.dir / "aliases").write_text("team: bob, far@out.test, user, ann\n")
        godwit.start()
        godwit.wait_log("=> far@out.test <team@local.test>", 30)
        godwit.wait_log("Completed", 30)
        for name in ("user", "bob", "ann"):
            assert box(godwit, name).count("Subject: x\n") == 1, (name, godwit.log())


def test_rewriting_on_arrival():
    routers = ROUTERS + "begin rewrite\n*@old.test $1@new.test\nshort@* \"Long Name <long@new.test>\" fw\n"
    with Sink() as sink, godwit_with("x: far@old.test\n", sink.port, routers=routers) as godwit:
        godwit.send(sender="me@old.test", recipients=["x@local.test", "you@old.test"],
                    text="From: Me <me@old.test>\r\nTo: (all) you@old.test, other@else.test\r\nSubject: x\r\n\r\nme@old.test\r\n")
        godwit.wait_log("Completed")
        godwit.wait_log("<= me@new.test ")
        sink.wait(1)
        message = next(m for m in sink.messages if "you@new.test" in m["recipients"])
        assert message["sender"] == "me@new.test", message
        assert b"From: Me <me@new.test>\r\nTo: (all) you@new.test, other@else.test\r\n" in message["data"], message
        assert b"\r\n\r\nme@old.test\r\n" in message["data"]
        godwit.wait_log("=> far@new.test <x@local.test>")
        godwit.send(sender="s@t.test", recipients=["q@new.test"], text="From: short@t.test\r\n\r\nx\r\n")
        wait_for(lambda: any(b"From: Long Name <long@new.test>\r\n" in m["data"] for m in sink.messages))


def test_domains_are_held_back():
    with Sink() as sink, godwit_with("x: y\n", sink.port, main="hold_domains = held.test\nqueue_domains = run.test\n") as godwit:
        godwit.send(recipients=["a@held.test", "b@run.test", "c@out.test"])
        godwit.wait_log("=> c@out.test")
        godwit.wait_log(r"== a@held.test defer \(0\): domain is held")
        godwit.wait_log(r"== b@run.test defer \(0\): domain is in queue_domains")
        wait_for(lambda: godwit.cli("-q") and "=> b@run.test" in godwit.log())
        assert "=> a@held.test" not in godwit.log()


def test_one_time_expands_a_list_once():
    routers = ("list:\n  driver = redirect\n  domains = list.example\n"
               "  data = ${{lookup{{$local_part}}lsearch{{{dir}/aliases}}}}\n  one_time\n  forbid_file\n  forbid_pipe\n"
               "out:\n  driver = manualroute\n  route_list = * 127.0.0.1\n  transport = remote\n  self = send\n")
    busy = {"slow@x.example"}
    script = {"RCPT": lambda argument: b"450 later\r\n" if argument[4:].split(">")[0] in busy else b"250 ok\r\n"}
    with Sink(script) as sink, Godwit(sink.port, start=False) as godwit:
        aliases = godwit.dir / "aliases"
        aliases.write_text("all: fast@x.example, slow@x.example\n")
        godwit.write_config(routers=routers.format(dir=godwit.dir))
        godwit.start()
        message = godwit.send(recipients=["all@list.example"])
        godwit.wait_log(rf"{message} == slow@x\.example")
        aliases.write_text("all: fast@x.example, slow@x.example, new@x.example\n")
        busy.clear()
        godwit.wait_log(rf"{message} Completed")
        delivered = [address for got in sink.messages for address in got["recipients"]]
        assert sorted(delivered) == ["fast@x.example", "slow@x.example"], delivered
        # Without it the list is read again, and whoever joined it gets the message too.
    with Sink(script) as sink, Godwit(sink.port, start=False) as godwit:
        busy.add("slow@x.example")
        aliases = godwit.dir / "aliases"
        aliases.write_text("all: fast@x.example, slow@x.example\n")
        godwit.write_config(routers=routers.replace("  one_time\n", "").format(dir=godwit.dir))
        godwit.start()
        message = godwit.send(recipients=["all@list.example"])
        godwit.wait_log(rf"{message} == slow@x\.example")
        aliases.write_text("all: fast@x.example, slow@x.example, new@x.example\n")
        busy.clear()
        godwit.wait_log(rf"{message} Completed")
        delivered = [address for got in sink.messages for address in got["recipients"]]
        assert sorted(delivered) == ["fast@x.example", "new@x.example", "slow@x.example"], delivered


def test_somebody_is_told_of_wrong_items():
    routers = ROUTERS.replace("  pipe_transport = pipe\n", "  pipe_transport = pipe\n  skip_syntax_errors\n"
                              "  syntax_errors_to = owner-$local_part@example.com\n  syntax_errors_text = Mend the list.\n")
    with Sink() as sink, godwit_with("list: bob@local.test, bad@@item, ann@local.test\nempty: @@\n", sink.port, routers=routers) as godwit:
        godwit.send(recipients=["list@local.test"])
        message = sink.wait(1)[0]
        assert message["sender"] == "" and message["recipients"] == ["owner-list@example.com"], message
        text = message["data"].decode()
        assert "\r\nSubject: error(s) in forwarding or filtering\r\n" in text, text
        body = text.split("\r\n\r\n", 1)[1]
        assert body.startswith("Mend the list.\r\n\r\nThe aliases router encountered the following error(s):\r\n\r\n  "), body
        assert "bad@@item" in body and body.endswith("Other addresses were processed normally.\r\n"), body
        wait_for(lambda: box(godwit, "bob") and box(godwit, "ann"))
        godwit.wait_log(r"aliases router: skipped error: .*bad@@item")
        godwit.send(recipients=["empty@local.test"])
        wait_for(lambda: any(b"No valid addresses were found.\r\n" in got["data"] for got in sink.messages))


def test_a_generated_address_can_be_hidden():
    for option in ("", "  hide_child_in_errmsg\n"):
        routers = ROUTERS.replace("  pipe_transport = pipe\n", "  pipe_transport = pipe\n" + option)
        with Sink({"RCPT": lambda argument: b"550 no\r\n" if "secret" in argument else b"250 ok\r\n"}) as sink:
            with godwit_with("list: secret@example.com\n", sink.port, routers=routers) as godwit:
                godwit.send(recipients=["list@local.test"])
                report = wait_for(lambda: next((m for m in sink.messages if m["sender"] == "" and m["data"]), None))
                text = report["data"].decode()
                assert ("  an address generated from list@local.test\r\n" in text) == bool(option), text
                assert ("  secret@example.com\r\n" in text) != bool(option), text
                assert f"Final-Recipient: rfc822;{'list@local.test' if option else 'secret@example.com'}" in text, text
