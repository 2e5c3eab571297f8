# Medians of the runs of scripts/bench compare, and their ratios to Godwit, as a table for people.
# The gawk-only sort is not used: any awk will do.
BEGIN {
  FS = "\t"
  title["direct"] = "4 KiB, 20 sessions, connections reused, generator -> sink with nothing between"
  title["new"] = "4 KiB, 20 sessions, a new connection each message, relayed to the sink"
  title["pipelined"] = "4 KiB, 20 sessions, a new connection each message with MAIL, RCPT and DATA at once, relayed"
  title["reused"] = "4 KiB, 20 sessions, connections reused, accepted and synced, not delivered"
  title["large"] = "64 KiB, 20 sessions, a new connection each message, relayed to the sink"
  title["tls"] = "4 KiB, 20 sessions, TLS on both sides, a new connection each message, relayed to the sink"
  title["single"] = "4 KiB, one session, one message at a time, accepted and synced"
}
{
  key = $1 SUBSEP $2
  if (!($1 in seen)) { seen[$1] = 1; scenarios[++scenario_count] = $1 }
  if (!(key in runs)) of_scenario[$1] = of_scenario[$1] (of_scenario[$1] == "" ? "" : " ") $2
  run = ++runs[key]
  for (i = 5; i <= 12; ++i) value[key, i, run] = $i
}
function median(key, column,    n, i, j, t, list) {
  n = runs[key]
  for (i = 1; i <= n; ++i) list[i] = value[key, column, i] + 0
  for (i = 2; i <= n; ++i)
    for (j = i; j > 1 && list[j - 1] > list[j]; --j) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
function ratio(a, b) { return b > 0 && a > 0 ? sprintf("%.1fx", a / b) : "-" }
function or_dash(number, format) { return number > 0 ? sprintf(format, number) : "-" }
END {
  for (s = 1; s <= scenario_count; ++s) {
    scenario = scenarios[s]
    printf "\n%s\n", title[scenario]
    printf "%-9s%11s%8s%12s%8s%14s%8s%9s%10s%10s\n", "", "accepted/s", "ours/x", "delivered/s",
      "ours/x", "CPU us/msg", "x/ours", "MiB", "dot p50", "dot p99"
    count = split(of_scenario[scenario], names, " ")
    ours = scenario SUBSEP "godwit"
    for (i = 1; i <= count; ++i) {
      key = scenario SUBSEP names[i]
      printf "%-9s%11.0f%8s%12s%8s%14s%8s%9s%10s%10s\n", names[i], median(key, 5),
        ratio(median(ours, 5), median(key, 5)), or_dash(median(key, 6), "%.0f"),
        ratio(median(ours, 6), median(key, 6)), or_dash(median(key, 7), "%.0f"),
        ratio(median(key, 7), median(ours, 7)), or_dash(median(key, 10), "%.1f"),
        sprintf("%.2f ms", median(key, 11) / 1000), sprintf("%.2f ms", median(key, 12) / 1000)
    }
    printf "(generator %.0f us, sink %s us of CPU a message, beside %s)\n",
      median(scenario SUBSEP names[1], 8), or_dash(median(scenario SUBSEP names[1], 9), "%.0f"), names[1]
  }
}
