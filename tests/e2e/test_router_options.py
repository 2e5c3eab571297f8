"""Generic options of routers and transports that show in the log or in what arrives. The lines are those
of the real Exim 4.96. One daemon and one message: every case is a recipient."""

from harness import Godwit, Sink, wait_for

ROUTERS = """\
silent:
  driver = accept
  local_parts = silent
  disable_logging
  transport = box
silentfail:
  driver = redirect
  local_parts = silentfail
  disable_logging
  allow_fail
  data = :fail: not told
silentdefer:
  driver = redirect
  local_parts = silentdefer
  disable_logging
  allow_defer
  data = :defer: not told
as_local:
  driver = accept
  local_parts = aslocal
  transport = box
not_local:
  driver = accept
  local_parts = notlocal
  no_log_as_local
  transport = box
hosts:
  driver = manualroute
  local_parts = manual
  route_list = * 192.0.2.1
  transport = box
hosts_local:
  driver = manualroute
  local_parts = manuallocal
  route_list = * 192.0.2.1
  log_as_local
  transport = box
affixes:
  driver = accept
  local_part_prefix = pre-
  local_part_suffix = -suf
  local_parts = off : on
  transport = bsmtp_$local_part_data
home:
  driver = accept
  local_parts = home
  transport = where
  transport_home_directory = /usr
places:
  driver = accept
  local_parts = places
  transport = where
  transport_home_directory = /usr
  transport_current_directory = /usr/lib
overridden:
  driver = accept
  local_parts = overridden
  transport = where_else
  transport_home_directory = /usr
  transport_current_directory = /usr/lib
nohome:
  driver = accept
  local_parts = nohome
  transport = where
  transport_current_directory = /usr/lib
directories:
  driver = redirect
  local_parts = directory
  data = {dir}/maildir/
  directory_transport = directories
last_hop:
  driver = manualroute
  domains = last.test
  route_list = * 127.0.0.1
  transport = remote
  self = send
  dsn_lasthop
no_last_hop:
  driver = manualroute
  domains = next.test : test.example
  route_list = * 127.0.0.1
  transport = remote
  self = send
"""
TRANSPORTS = """\
box:
  driver = appendfile
  file = {dir}/box
directories:
  driver = appendfile
  maildir_format
bsmtp_off:
  driver = appendfile
  file = {dir}/off
  use_bsmtp
bsmtp_on:
  driver = appendfile
  file = {dir}/on
  use_bsmtp
  rcpt_include_affixes
where:
  driver = pipe
  command = {dir}/where
  log_output
where_else:
  driver = pipe
  command = {dir}/where
  log_output
  home_directory = /
  current_directory = /usr/share
remote:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_avoid_tls = *
"""
LINES = """\
=> aslocal <aslocal@y.test> R=as_local T=box$
=> notlocal@y.test R=not_local T=box$
=> manual@y.test R=hosts T=box H=192.0.2.1$
=> manuallocal <manuallocal@y.test> R=hosts_local T=box H=192.0.2.1$
=> off <pre-off-suf@y.test> R=affixes T=bsmtp_off$
=> pre-on-suf <pre-on-suf@y.test> R=affixes T=bsmtp_on$
<home@y.test>: where transport output: /usr /usr$
<places@y.test>: where transport output: /usr /usr/lib$
<overridden@y.test>: where_else transport output: / /usr/share$
<nohome@y.test>: where transport output:  /usr/lib$
=> .*/maildir/ <directory@y.test> R=directories T=directories$
> x@last.test R=last_hop T=remote H=
> x@next.test R=no_last_hop T=remote H=
"""


def test_options_of_routers():
    local_parts = ("silent silentfail silentdefer aslocal notlocal manual manuallocal pre-off-suf pre-on-suf home places "
                   "overridden nohome directory").split()
    with Sink() as sink, Godwit(sink.port, main="dsn_advertise_hosts = *\n", start=False) as godwit:
        where = godwit.dir / "where"
        where.write_text("#!/bin/sh\necho \"$HOME $(/bin/pwd)\"\ncat > /dev/null\n")
        where.chmod(0o755)
        godwit.write_config(routers=ROUTERS.format(dir=godwit.dir), retry="* * F,2h,1h",
                            transports=TRANSPORTS.format(dir=godwit.dir, sink=sink.port))
        godwit.start()
        with godwit.client() as client:
            client.command("EHLO client.test", 250)
            client.command("MAIL FROM:<a@test.example> ENVID=e1", 250)
            for local_part in local_parts:
                client.command(f"RCPT TO:<{local_part}@y.test>", 250)
            for domain in ("last", "next"):
                client.command(f"RCPT TO:<x@{domain}.test> NOTIFY=SUCCESS ORCPT=rfc822;y@z.test", 250)
            client.command("DATA", 354)
            client.raw("Subject: x\r\n\r\nbody\r\n")
            client.command(".", 250)
        for line in LINES.splitlines():
            godwit.wait_log(line.replace(".test", r"\.test"), 30)
        # Mail that its routers do not speak of.
        wait_for(lambda: (godwit.dir / "box").read_text().count("Subject: x\n") == 5, 10, godwit.log)
        wait_for(lambda: len([m for m in sink.messages if m["sender"] == ""]) == 2, 10, godwit.log)
        assert "silent" not in godwit.log(), godwit.log()
        assert "RCPT TO:<off@y.test>\n" in (godwit.dir / "off").read_text()
        assert "RCPT TO:<pre-on-suf@y.test>\n" in (godwit.dir / "on").read_text()
        assert len(list((godwit.dir / "maildir" / "new").iterdir())) == 1
        # A last hop tells the sender itself.
        rcpts = {line[4:].split(">")[0]: line for m in sink.messages for line in m["rcpts"]}
        assert "NOTIFY" not in rcpts["x@last.test"] and "ORCPT" not in rcpts["x@last.test"], rcpts
        assert "NOTIFY=SUCCESS" in rcpts["x@next.test"] and "ORCPT=rfc822;y@z.test" in rcpts["x@next.test"], rcpts
        reports = [m["data"].decode() for m in sink.messages if m["sender"] == ""]
        assert any("Action: delivered" in text or "Action: relayed" in text for text in reports), reports
