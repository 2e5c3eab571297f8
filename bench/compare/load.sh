# Sourced by scripts/bench: the loads. A run is one scenario through one server with a fresh spool.

# name: sessions, body bytes, an option of smtp-source (-: none; pipelined: MAIL, RCPT and DATA at
# once, as mail servers send), queue_only, and messages for each server. The counts differ, so that slow ones finish; rates are compared.
scenario_row() {
  case "$1" in
    direct) echo "20 4096 -d false direct=40000" ;;
    new)    echo "20 4096 - false direct=20000 godwit=30000 postfix=4000 exim=600" ;;
    pipelined) echo "20 4096 pipelined false direct=20000 godwit=30000 postfix=4000 exim=600" ;;
    reused) echo "20 4096 -d true direct=40000 godwit=60000 postfix=4000 exim=1500" ;;
    large)  echo "20 65536 - false godwit=6000 postfix=1500 exim=400" ;;
    tls)    echo "20 4096 - false godwit=10000 postfix=2000" ;;
    single) echo "1 4096 -d true godwit=2000 postfix=500 exim=150" ;;
    *) fail "unknown scenario $1" ;;
  esac
}
systems_of() {
  scenario_row "$1" | tr ' ' '\n' | sed -n 's/=.*//p'
}
scenario_count() {  # SCENARIO SYSTEM
  local count
  count=$(scenario_row "$1" | tr ' ' '\n' | sed -n "s/^$2=//p")
  echo $(((count * scale + 99) / 100))
}

now_micros() { echo $(($(date +%s%N) / 1000)); }
json_number() {  # FILE KEY: a number of the outermost object
  sed -n "s/.*\"$2\":\(-\{0,1\}[0-9.]*\).*/\1/p" "$1"
}
json_percentile() {  # FILE PHASE NAME
  sed -n "s/.*\"$2\":{\([^}]*\)}.*/\1/p" "$1" | sed -n "s/.*\"$3\":\([0-9]*\).*/\1/p"
}

start_sink() {  # MESSAGES FILES
  rm -f "$2.ledger" "$2.json"
  "$tools/smtp-sink" -m 5000 -M "$1" --link-delay "${link_delay:-0}" ${sink_options:-} ${with_tls:+--tls} --idle-exit 20 --time-limit 900 --ledger "$2.ledger" \
    --json "$2.json" "127.0.0.1:$sink_port" 1024 &
  sink_pid=$!
  local try
  for try in $(seq 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$sink_port") 2>/dev/null && return
    sleep 0.05
  done
  fail "smtp-sink does not listen"
}
wait_for_sink() {  # SECONDS
  local try
  for try in $(seq $(($1 * 20))); do
    kill -0 "$sink_pid" 2>/dev/null || break
    sleep 0.05
  done
  kill "$sink_pid" 2>/dev/null || true
  wait "$sink_pid" 2>/dev/null || true
  sink_pid=
}

wait_for_lines() {  # FILE LINES
  local try
  for try in $(seq 600); do
    [ "$(wc -l <"$1")" -ge "$2" ] && return
    sleep 0.1
  done
  fail "only $(wc -l <"$1") of $2 messages arrived within a minute"
}

# The ledger is appended to.
send_load() {  # PORT MESSAGES SESSIONS BYTES OPTIONS FILES
  local options=()
  case "$5" in
    -) ;;
    pipelined) options=(--pipeline 4) ;;
    *) options=("$5") ;;
  esac
  [ -z "${with_tls:-}" ] || options+=(--tls)
  "$tools/smtp-source" -s "$3" -m "$2" -l "$4" "${options[@]}" -f a@source.test -t b@sink.test \
    -M source.test --time-limit 300 --ledger "$6.ledger" --json "$6.json" "127.0.0.1:$1" \
    >"$6.txt" || { cat "$6.txt" >&2; fail "the load had trouble"; }
}

# Prints a line: scenario, system, round, messages, accepted/s, delivered/s, CPU us a message of
# the server, of the source, of the sink, memory MiB, p50 and p99 of dot to reply in us.
measure() {  # SCENARIO SYSTEM ROUND
  local sessions bytes options queue_only count warm=100 with_tls=
  [ "$1" != tls ] || with_tls=yes
  [ -z "$with_tls" ] || [ -e "$scratch/tls.pem" ] || make_certificate
  read -r sessions bytes options queue_only _ < <(scenario_row "$1")
  count=$(scenario_count "$1" "$2")
  local files=$scratch/run cpu=0 memory=0 port=$server_port delivered=0
  rm -f "$files".*
  if [ "$2" = direct ]; then
    start_sink "$count" "$files.sink"
    port=$sink_port
  else
    start_server "$2" "$queue_only"
    # Processes are forked, connections and files are made: not what a busy server spends.
    [ "$queue_only" = true ] || start_sink $((warm + count)) "$files.sink"
    send_load "$port" "$warm" "$sessions" "$bytes" "$options" "$files.source"
    [ "$queue_only" = true ] || wait_for_lines "$files.sink.ledger" "$warm"
    sleep 0.5
    cpu=$(group_cpu_micros)
  fi
  send_load "$port" "$count" "$sessions" "$bytes" "$options" "$files.source"
  [ "$2" = direct ] || memory=$(group_memory_kib)
  local sink_cpu=0 checked=
  if [ "$2" = direct ] || [ "$queue_only" = false ]; then
    wait_for_sink 600
    "$tools/smtp-ledger" "$files.source.ledger" "$files.sink.ledger" >"$files.check" ||
      { cat "$files.check" >&2; fail "$2 lost or changed messages"; }
    checked=yes
  fi
  [ "$2" = direct ] || cpu=$(($(group_cpu_micros) - cpu))
  [ -z "$checked" ] || sink_cpu=$(json_number "$files.sink.json" cpu_micros)
  local started ended last
  started=$(json_number "$files.source.json" started_micros)
  ended=$(json_number "$files.source.json" ended_micros)
  [ -z "$checked" ] || last=$(json_number "$files.sink.json" last_message_micros)
  [ -z "$checked" ] || delivered=$((last - started))
  awk -v OFS='\t' -v scenario="$1" -v server="$2" -v round="$3" -v n="$count" \
    -v accepted="$((ended - started))" -v delivered="$delivered" -v cpu="$cpu" \
    -v source_cpu="$(json_number "$files.source.json" cpu_micros)" -v sink_cpu="$sink_cpu" \
    -v memory="$memory" -v p50="$(json_percentile "$files.source.json" dot p50)" \
    -v p99="$(json_percentile "$files.source.json" dot p99)" 'BEGIN {
      rate = delivered > 0 ? n / delivered * 1e6 : 0
      print scenario, server, round, n, sprintf("%.1f", n / accepted * 1e6), sprintf("%.1f", rate),
        sprintf("%.1f", cpu / n), sprintf("%.1f", source_cpu / n), sprintf("%.1f", sink_cpu / n),
        sprintf("%.1f", memory / 1024), p50, p99 }'
  [ "$2" = direct ] || stop_server
}
