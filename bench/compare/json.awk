# The runs of scripts/bench compare as a JSON array.
BEGIN {
  FS = "\t"
  split("scenario system round messages accepted_per_s delivered_per_s server_cpu_us_per_message " \
        "source_cpu_us_per_message sink_cpu_us_per_message memory_mib dot_p50_us dot_p99_us", name, " ")
  print "["
}
{
  printf("%s{", (NR > 1 ? ",\n" : ""))
  for (i = 1; i <= NF; ++i) {
    quote = i <= 2 ? "\"" : ""
    printf("%s\"%s\":%s%s%s", (i > 1 ? "," : ""), name[i], quote, $i, quote)
  }
  printf "}"
}
END { print "\n]" }
