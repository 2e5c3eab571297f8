# The best of the rounds: kind, system, microseconds. Starting is taken off; "expanding" is what is
# left without reading and printing a line. The kind "evaluated" is microseconds of one string.
{ key = $1 SUBSEP $2; if (!(key in best) || $3 < best[key]) best[key] = $3 }
function each(kind, program) { return (best[kind, program] - best["nothing", program]) / lines }
function row(title, exim, godwit) {
  printf "%-34s %10.3f %10.3f %8.1f\n", title, exim, godwit, (godwit > 0 ? exim / godwit : 0)
}
END {
  printf "%-34s %10s %10s %8s\n", "CPU a line, microseconds", "Exim", "Godwit", "ratio"
  row("plain words (reading, printing)", each("plain", "exim"), each("plain", "godwit"))
  row("strings of a configuration", each("repeated", "exim"), each("repeated", "godwit"))
  row("  expanding alone", each("repeated", "exim") - each("plain", "exim"),
      each("repeated", "godwit") - each("plain", "godwit"))
  row("  evaluated as a server does (*)", each("repeated", "exim") - each("plain", "exim"),
      best["evaluated", "godwit"])
  row("no line twice (compiled each time)", each("distinct", "exim"), each("distinct", "godwit"))
  print "(*) In one process. Exim parses a string at each evaluation, also in its daemon; Godwit compiles it"
  print "    when it reads its configuration, and this is the evaluation alone, without reading and printing."
}
