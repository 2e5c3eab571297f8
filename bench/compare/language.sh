# Sourced by scripts/bench: what expanding a string costs, through -be of Exim and of Godwit.
#
# Two files of a hundred thousand lines: `repeated` goes through the strings of language.txt again
# and again, as a server does with those of its configuration; in `distinct` no line comes twice.
# A third, of plain words, shows what reading and printing a line costs each of them. CPU is user
# and system time of the process; the answers of both must be the same.

language_files() {  # DIR LINES
  awk -v lines="$2" '{ text[NR] = $0 }
    END { for (i = 0; i < lines; ++i) print text[i % NR + 1] }' bench/compare/language.txt >"$1/repeated"
  awk -v lines="$2" 'BEGIN {
    n = split("${if eq{${lc:User%@Example.ORG}}{user%@example.org}{yes}{no}}|" \
      "${sg{a%,b,c,d}{,}{:}}|${map{a%:b:c:d}{<$item>}}|${extract{name}{id=% name=\"J. Doe\" shell=sh}}|" \
      "${local_part:user%@example.org} at ${domain:user%@example.org}|${length_5:${md5:%}}|" \
      "${if and{{>{%}{5}}{!eq{$primary_hostname}{}}}{big}{small}}|" \
      "${substr_1_3:abc%} ${uc:tail} ${strlen:word%}|${reduce{1:2:3:%}{0}{${eval:$value+$item}}}", form, "|")
    for (i = 0; i < lines; ++i) { text = form[i % n + 1]; gsub("%", i, text); print text } }' >"$1/distinct"
  awk -v lines="$2" 'BEGIN { for (i = 0; i < lines; ++i) print "a plain word " i % 40 }' >"$1/plain"
}

# Microseconds of CPU for all of FILE; what is printed goes to FILE.SYSTEM.
language_micros() {  # SYSTEM DIR FILE
  local out=$2/$3.$1
  case "$1" in
    godwit) set -- "$godwit" -C "$2/language.conf" -be "$2/$3" ;;
    exim) set -- unshare -m -p -f --kill-child --mount-proc bench/compare/enter-peer run \
      "$build/peers/root" "$2" /usr/sbin/exim4 -C "$2/language.conf" -be "$2/$3" ;;
  esac
  local input=${*: -1}
  # The shell inside measures the program alone, not the way into its namespace.
  local words=("${@:1:$#-1}") program=4
  for program in "${!words[@]}"; do case "${words[$program]}" in */exim4 | "$godwit") break ;; esac; done
  "${words[@]:0:$program}" bash -c 'TIMEFORMAT="%U %S"; { time "$@" <"$0" >&3 2>/dev/null; } 2>&1' \
    "$input" "${words[@]:$program}" 3>"$out" | awk '{ printf "%.0f\n", ($1 + $2) * 1e6 }'
}

# Microseconds of CPU for one evaluation of a string that was compiled before.
evaluation_micros() {
  "$tools/godwit-bench" --benchmark_filter='^BM_ConfigurationStrings$' --benchmark_min_time=1 \
    --benchmark_format=json 2>/dev/null | sed -n 's/.*"us_each": \([0-9.e+-]*\).*/\1/p' |
    awk '{ printf "%.4f\n", $1 }'
}

# Microseconds of CPU of the server for one RCPT through SMTP, with the ACL of daemon/gateway.conf or
# with one that is only `accept`.
recipient_micros() {  # SYSTEM ACL
  local count=20000 cpu refused=5
  [ "$1" != godwit ] || count=100000
  [ "$2" != accept ] || refused=0
  recipient_acl=$2
  main_options="domainlist local_domains = godwit.test : @
hostlist relay_from_hosts = 127.0.0.1
smtp_accept_max_nonmail_hosts =
$(sed -n '/^begin acl/,/^begin routers/{/^begin routers/d;p}' daemon/gateway.conf)"
  start_server "$1" true >&2
  bench/compare/recipients.py "$server_port" 1 1000 "$refused"
  sleep 0.3
  cpu=$(group_cpu_micros)
  bench/compare/recipients.py "$server_port" 4 "$count" "$refused"
  sleep 0.3
  echo $(($(group_cpu_micros) - cpu)) "$count" | awk '{ printf "%.3f\n", $1 / $2 }'
  stop_server
}

run_language() {
  local lines=${1:-100000} kind system round
  fetch_peers
  scratch=$(mktemp -d /var/tmp/godwit-bench.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$results"
  printf 'primary_hostname = mx.test\n' >"$scratch/language.conf"
  : >"$scratch/nothing"
  language_files "$scratch" "$lines"
  for round in 1 2 3; do
    for kind in nothing plain repeated distinct; do
      for system in exim godwit; do
        printf '%s\t%s\t%s\n' "$kind" "$system" "$(language_micros "$system" "$scratch" "$kind")"
      done
    done
    printf 'evaluated\tgodwit\t%s\n' "$(evaluation_micros)"
  done >"$scratch/runs"
  for kind in plain repeated distinct; do
    # Only the version differs.
    diff <(sed 's/(Exim [^)]*)//' "$scratch/$kind.exim") <(sed 's/(Exim [^)]*)//' "$scratch/$kind.godwit") \
      >"$scratch/difference" || { head -5 "$scratch/difference" >&2; fail "$kind: the answers differ"; }
  done
  describe_machine | sed -n 1p
  awk -F '\t' -v lines="$lines" -f bench/compare/language.awk "$scratch/runs" | tee "$results/language.txt"
  rm -rf "$scratch"
  run_recipients | tee -a "$results/language.txt"
}

run_recipients() {
  prepare
  local system acl
  printf '\n%-34s %10s %10s\n' "CPU a RCPT through SMTP, us" "accept" "gateway.conf"
  for system in exim godwit; do
    printf '%-34s' "  $system"
    for acl in accept check_rcpt; do printf ' %10s' "$(recipient_micros "$system" "$acl")"; done
    printf '\n'
  done
}
