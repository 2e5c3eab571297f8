"""verify = recipient/quota, beside the real Exim: the same policy, mailboxes and dialogue."""

import re

from harness import Client, Godwit, wait_for
from peers import Exim, Peer

QUOTA = 2048
ACL = """\
begin acl
check:
  warn    local_parts = watched
         !verify = recipient/quota=no_cache
          set acl_m_said = $recipient_verify_failure: $acl_verify_message
          log_message = watched <$acl_verify_message>
  deny    local_parts = watched
          message = said $acl_m_said
  deny    local_parts = worded
         !verify = recipient/quota=no_cache
          message = words <$acl_verify_message>
          log_message = logged <$acl_verify_message>
  accept  local_parts = given
          verify = recipient/quota=no_cache
          message = given <$address_data>
  require verify = recipient/quota=cachepos=10m,cacheneg=2h
  accept
"""
ROUTERS = """\
aliases:
  driver = redirect
  local_parts = one : several : gone : later
  allow_fail
  allow_defer
  data = ${if eq{$local_part}{one}{full@local.test}{${if eq{$local_part}{several}{full@local.test,half@local.test}\\
         {${if eq{$local_part}{gone}{:fail: gone away}{:defer: not now}}}}}}
copied:
  driver = accept
  local_parts = twice
  transport = folder
  unseen
folders:
  driver = accept
  local_parts = folder
  transport = folder
lost:
  driver = accept
  local_parts = lost
  transport = lost
piped:
  driver = accept
  local_parts = piped
  transport = pipe
boxes:
  driver = accept
  local_parts = full : half : watched : worded : given : kept : roomy : other : edge : new : twice : odd
  address_data = data
  transport = box
"""
TRANSPORTS = """\
box:
  driver = appendfile
  file = {dir}/mail/$local_part_data
  quota = 2K
  mode = 0666
  check_owner = false
  user = 64102
  group = 64102
folder:
  driver = appendfile
  maildir_format
  directory = {dir}/mail/folder
  quota = 1M
  quota_filecount = 1
  user = 64102
  group = 64102
lost:
  driver = appendfile
  file = {dir}/none/here
  create_directory = false
  quota = 2K
  user = 64102
  group = 64102
pipe:
  driver = pipe
  command = /bin/cat
"""
PLAIN = "550 Administrative prohibition"
LATER = "451 Temporary local problem - please try later"
GOOD = "250 Accepted"
# SIZE of MAIL, recipient, reply, what the log says of it.
TABLE = [
    (None, "full", PLAIN, "Over quota"),
    (None, "half", GOOD, None),
    (None, "one", PLAIN, "Over quota"),
    (None, "several", GOOD, None),
    (None, "gone", PLAIN, "gone away"),
    (None, "later", LATER, "not now"),
    (None, "nobody", PLAIN, "Unrouteable address"),
    (None, "watched", "550 said quota: Over quota", "said quota: Over quota"),
    (None, "worded", "550 words <>", "logged <Over quota>: Over quota"),
    (None, "given", "250 given <>", None),
    (None, "folder", PLAIN, "Over quota"),
    (None, "lost", GOOD, None),
    (None, "piped", GOOD, None),
    (None, "odd", GOOD, None),
    (None, "new", GOOD, None),
    (3000, "new", GOOD, None),  # what is known does not depend on the size
    (1025, "other", PLAIN, "Over quota"),
    (1024, "edge", GOOD, None),
    (None, "twice", PLAIN, "Over quota"),
    (None, "kept", PLAIN, "Over quota"),
    (None, "roomy", GOOD, None),
    ("swap", None, None, None),
    (None, "kept", PLAIN, "Previous (cached) quota verification failure"),
    (None, "roomy", GOOD, None),
]


def fill(directory):
    directory.chmod(0o755)  # deliveries run as somebody else
    mail = directory / "mail"
    mail.mkdir(exist_ok=True)
    mail.chmod(0o777)
    sizes = {"full": 3000, "watched": 3000, "worded": 3000, "kept": 3000, "half": 1024, "other": 1024, "edge": 1024, "roomy": 10, "given": 10}
    for name, size in sizes.items():
        (mail / name).write_bytes(b"x" * size)
        (mail / name).chmod(0o666)
    (mail / "odd").mkdir()
    for name in ("", "cur", "tmp", "new"):
        (mail / "folder" / name).mkdir(exist_ok=True)
        (mail / "folder" / name).chmod(0o777)
    (mail / "folder" / "new" / "1").write_bytes(b"x")


def swap(directory):
    for name, size in (("kept", 0), ("roomy", 3000)):
        (directory / "mail" / name).write_bytes(b"x" * size)


def talk(server):
    """The reply for each row of TABLE, without extended codes."""
    fill(server.dir)
    replies = []
    with Client(server.port) as client:
        client.command("EHLO client.test", 250)
        for size, name, _, _ in TABLE:
            if size == "swap":
                swap(server.dir)
                continue
            client.command("MAIL FROM:<a@test.example>" + (f" SIZE={size}" if size else ""), 250)
            client.raw(f"RCPT TO:<{name}@local.test>\r\n")
            replies.append(re.sub(r"^(\d+) \d\.\d\.\d ", r"\1 ", client.reply()[1]))
            client.command("RSET", 250)
    return replies


def refusals(log):
    return re.findall(r"F=<a@test.example> (?:temporarily )?rejected RCPT <(\S+)@local.test>: (.*)", log)


class EximWithQuotas(Exim):
    def __init__(self):
        Peer.__init__(self)
        (self.dir / "exim.conf").write_text(
            f"primary_hostname = mx.test\nspool_directory = {self.dir}/spool\nlog_file_path = {self.dir}/log/%slog\n"
            f"pid_file_path = {self.dir}/server.pid\ndaemon_smtp_ports = {self.port}\nlocal_interfaces = 127.0.0.1\n"
            "host_lookup =\nsmtp_accept_max_nonmail = 100\nrfc1413_query_timeout = 0s\nkeep_environment =\ntls_advertise_hosts =\nacl_smtp_rcpt = check\n"
            f"{ACL}begin routers\n{ROUTERS}begin transports\n{TRANSPORTS.format(dir=self.dir)}")
        self.enter("exim")


class GodwitWithQuotas(Godwit):
    def __init__(self, **more):
        super().__init__(1, main="smtp_accept_max_nonmail = 100\n" + ACL.replace("{", "{{").replace("}", "}}"), routers=ROUTERS, transports=TRANSPORTS, start=False, **more)
        self.config.write_text(self.config.read_text().replace("acl_smtp_rcpt = accept", "acl_smtp_rcpt = check"))


def test_what_is_answered():
    with GodwitWithQuotas() as godwit:
        godwit.start()
        assert talk(godwit) == [reply for _, name, reply, _ in TABLE if name]
        refused = [(name, said) for _, name, _, said in TABLE if said]
        wait_for(lambda: refusals(godwit.log()) == refused, 10, godwit.log)
        assert "Warning: watched <Over quota>" in godwit.log()
        assert not (godwit.dir / "mail" / "new").exists()  # a question makes no mailbox


def test_exim_answers_the_same():
    with EximWithQuotas() as exim:
        assert talk(exim) == [reply for _, name, reply, _ in TABLE if name]
        assert refusals(exim.log()) == [(name, said) for _, name, _, said in TABLE if said]
        assert "Warning: watched <Over quota>" in exim.log()


def test_a_session_of_bh_looks_too():
    with GodwitWithQuotas() as godwit:
        fill(godwit.dir)
        lines = "EHLO client.test\r\nMAIL FROM:<a@test.example>\r\nRCPT TO:<full@local.test>\r\nRCPT TO:<half@local.test>\r\nQUIT\r\n"
        done = godwit.cli("-bh", "127.0.0.5", stdin=lines)
        codes = re.findall(r"^(\d+) ", done.stdout, re.M)
        assert codes == ["220", "250", "250", "550", "250", "221"], done
        assert "rejected RCPT <full@local.test>: Over quota" in done.stderr, done.stderr
