# Sourced by scripts/bench: the three servers, their packages, their configurations, and what they
# use. Every server listens on 127.0.0.1:$server_port and relays everything to 127.0.0.1:$sink_port.

peer_packages="postfix exim4-base exim4-daemon-heavy libmariadb3 libidn12 libpq5 libspf2-2
  libopendmarc2 libnsl2 libgnutls-dane0 libunbound8 mysql-common mariadb-common libldap-2.5-0 libsasl2-2
  libperl5.36 liblmdb0 libicu72 libdb5.3 libevent-2.1-7 libhiredis0.14"

# Unpacks the packages, once, under build/peers. Nothing is installed.
fetch_peers() {
  peers=$build/peers
  [ -e "$peers/complete" ] && return
  step "packages of Postfix and Exim (unpacked under $peers, not installed)"
  mkdir -p "$peers/debs" "$peers/root"
  local package
  for package in $peer_packages; do
    # What the system has already is not needed a second time.
    case "$package" in lib*) dpkg-query -W "$package" >/dev/null 2>&1 && continue ;; esac
    (cd "$peers/debs" && apt-get download -qq "$package" 2>/dev/null) || {
      case "$package" in lib* | m*) continue ;; esac
      fail "cannot download the package $package: is apt set up, and has apt-get update been run?"
    }
  done
  for package in "$peers"/debs/*.deb; do dpkg-deb -x "$package" "$peers/root"; done
  touch "$peers/complete"
}

# One certificate for every server, where a scenario speaks TLS on both sides; $with_tls says so.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=mx.test \
    -keyout "$scratch/tls.key" -out "$scratch/tls.crt" 2>/dev/null || fail "openssl makes no certificate"
  # Postfix wants the key first.
  cat "$scratch/tls.key" "$scratch/tls.crt" >"$scratch/tls.pem"
  chmod 0644 "$scratch/tls.pem"
}

write_exim_conf() {  # FILE DIR QUEUE_ONLY
  local tls_main="tls_advertise_hosts =" tls_transport="hosts_avoid_tls = *"
  if [ -n "${with_tls:-}" ]; then
    tls_main="tls_advertise_hosts = *
tls_certificate = $scratch/tls.pem
tls_resumption_hosts = *"
    tls_transport="hosts_require_tls = *
  tls_verify_certificates =
  tls_resumption_hosts = *"
  fi
  cat >"$1" <<EOF
primary_hostname = mx.test
spool_directory = $2/spool
log_file_path = $2/log/%slog
pid_file_path = $2/server.pid
daemon_smtp_ports = $server_port
local_interfaces = 127.0.0.1
smtp_accept_max = 6000
smtp_connect_backlog = 512
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
acl_smtp_rcpt = ${recipient_acl:-accept}
host_lookup =
rfc1413_query_timeout = 0s
$tls_main
keep_environment =
split_spool_directory = true
queue_only = $3
${main_options:-}
begin routers
out:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = remote
  self = send
begin transports
remote:
  driver = smtp
  port = $sink_port
  allow_localhost
  $tls_transport
  ${transport_options:-}
begin retry
*  *  F,2h,15m; G,16h,1h,1.5; F,4d,6h
EOF
}

# Debian's defaults, with what a relay on one machine is tuned by: no input throttle, no reverse
# look-ups, no rate limits, no chroot. fsync stays as it is. Nobody reads its log, which costs it
# nothing here.
write_postfix_conf() {  # DIR QUEUE_ONLY
  mkdir -p "$1/postfix"
  local restrictions=permit_mynetworks,reject tls="smtpd_tls_security_level = none
smtp_tls_security_level = none"
  [ -z "${with_tls:-}" ] || tls="smtpd_tls_security_level = may
smtpd_tls_chain_files = $scratch/tls.pem
smtp_tls_security_level = encrypt
smtp_tls_session_cache_database = btree:$1/data/smtp_scache"
  [ "$2" = true ] && restrictions="check_client_access static:HOLD,$restrictions"
  cat >"$1/postfix/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $1/spool
data_directory = $1/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
relayhost = [127.0.0.1]:$sink_port
smtpd_recipient_restrictions = $restrictions
smtpd_peername_lookup = no
disable_dns_lookups = yes
$tls
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
default_process_limit = 100
EOF
  cat >"$1/postfix/master.cf" <<EOF
127.0.0.1:$server_port inet n - n - - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
EOF
}

# Starts a server in a control group of its own; sets $server_pid and $server_dir.
start_server() {  # SYSTEM QUEUE_ONLY
  server_dir=$(mktemp -d "$scratch/$1.XXXXXX")
  # Servers drop their rights and must still reach what is theirs.
  chmod 0755 "$server_dir"
  group_make
  case "$1" in
    godwit)
      write_exim_conf "$server_dir/godwit.conf" "$server_dir" "$2"
      (group_join; exec "$godwit" -C "$server_dir/godwit.conf" -bdf) >"$server_dir/out" 2>&1 &
      ;;
    exim)
      write_exim_conf "$server_dir/exim.conf" "$server_dir" "$2"
      (group_join; exec unshare -m -p -f --kill-child --mount-proc \
        bench/compare/enter-peer exim "$build/peers/root" "$server_dir") >"$server_dir/out" 2>&1 &
      ;;
    postfix)
      write_postfix_conf "$server_dir" "$2"
      (group_join; exec unshare -m -p -f --kill-child --mount-proc \
        bench/compare/enter-peer postfix "$build/peers/root" "$server_dir") \
        >"$server_dir/out" 2>&1 &
      ;;
  esac
  server_pid=$!
  wait_for_server "$1"
}

wait_for_server() {  # SYSTEM
  local try
  for try in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$server_port") 2>/dev/null && return
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$server_dir/out" >&2
  fail "$1 did not start; its files are in $server_dir"
}

stop_server() {
  [ -n "${server_pid:-}" ] || return 0
  kill "$server_pid" 2>/dev/null || true
  local try
  for try in $(seq 50); do
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  # Whoever is left: only this server's processes are in its group.
  local pid
  for pid in $(cat "$group/cgroup.procs"); do kill -9 "$pid" 2>/dev/null || true; done
  wait "$server_pid" 2>/dev/null || true
  server_pid=
  group_remove
  [ -n "$keep_files" ] || rm -rf "$server_dir"
}

# A control group counts the CPU of all processes of a server, also of those that ended. Version 2
# where it is there, otherwise version 1's cpuacct.
group_make() {
  group=
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/godwit-bench.$$
  elif [ -d /sys/fs/cgroup/cpuacct ]; then
    group=/sys/fs/cgroup/cpuacct/godwit-bench.$$
  fi
  [ -n "$group" ] && mkdir -p "$group" 2>/dev/null || fail "no control group can be made: CPU cannot be counted"
}
group_join() { echo "$BASHPID" >"$group/cgroup.procs"; }
group_cpu_micros() {
  if [ -e "$group/cpuacct.usage" ]; then
    echo $(($(cat "$group/cpuacct.usage") / 1000))
  else
    awk '$1 == "usage_usec" { print $2 }' "$group/cpu.stat"
  fi
}
# Memory of all processes, shared pages counted once (PSS), in KiB.
group_memory_kib() {
  local pid
  for pid in $(cat "$group/cgroup.procs"); do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done |
    awk '$1 == "Pss:" { sum += $2 } END { print sum + 0 }'
}
group_remove() {
  local try
  for try in $(seq 20); do
    rmdir "$group" 2>/dev/null && return 0
    sleep 0.1
  done
}
