# The best rates of scripts/bench compare as bars, in SVG. The scale is logarithmic: a hundredfold
# difference would leave nothing to see of the small ones.
BEGIN {
  FS = "\t"
  colour["direct"] = "#888888"; colour["godwit"] = "#1b7f5c"
  colour["postfix"] = "#c77d2e"; colour["exim"] = "#4a6fa5"
}
{
  key = $1 SUBSEP $2
  rate = $6 + 0 > 0 ? $6 : $5
  if (!(key in best)) order[++bars] = key
  if (rate + 0 > best[key] + 0) best[key] = rate
}
function text(x, y, size, anchor, words) {
  printf "<text x=\"%d\" y=\"%d\" font-size=\"%d\" text-anchor=\"%s\">%s</text>\n", x, y, size, anchor, words
}
END {
  height = 26 * bars + 90
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\">\n", height
  print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
  text(20, 30, 16, "start", "Messages a second (delivered where relayed, else accepted), logarithmic")
  y = 60
  for (i = 1; i <= bars; ++i) {
    split(order[i], part, SUBSEP)
    if (part[1] != last) { y += i > 1 ? 10 : 0; last = part[1] }
    width = best[order[i]] > 1 ? log(best[order[i]]) / log(10) * 105 : 1
    text(150, y + 14, 12, "end", part[1] " " part[2])
    printf "<rect x=\"160\" y=\"%d\" width=\"%.1f\" height=\"18\" fill=\"%s\"/>\n", y, width, colour[part[2]]
    text(168 + width, y + 14, 12, "start", sprintf("%.0f", best[order[i]]))
    y += 24
  }
  print "</svg>"
}
