# What the router of program.conf asks.
case "$1" in
  accept) echo ACCEPT ;;
  hosts) echo "ACCEPT transport=far hosts=192.0.2.1:192.0.2.200::26" ;;
  mx) echo "ACCEPT transport=far hosts=\"<; 192.0.2.7 ; 192.0.2.8\" lookup=byname" ;;
  transport) echo 'accept TRANSPORT="later"' ;;
  badtransport) echo "ACCEPT transport=nowhere" ;;
  decline) echo DECLINE ;;
  pass) echo Pass ;;
  fail) echo "FAIL we do not like you" ;;
  failbare) echo FAIL ;;
  defer) echo "DEFER come back" ;;
  freeze) echo "FREEZE very cold" ;;
  redirect) echo "redirect a@other.test" ;;
  list) echo "redirect a@other.test, B <b@other.test>, c@p.test" ;;
  empty) echo redirect ;;
  black) echo "redirect :blackhole:" ;;
  special) echo "redirect :fail: no such thing" ;;
  file) echo "redirect /tmp/x" ;;
  nothing) ;;
  bad) echo "WHAT is this" ;;
  status) echo ACCEPT; exit 3 ;;
  killed) kill -9 $$ ;;
  data) echo 'ACCEPT data="some data" transport=dropped' ;;
  lookup) echo "ACCEPT transport=far hosts=192.0.2.3 lookup=bydns" ;;
  badlookup) echo "ACCEPT hosts=192.0.2.3 lookup=other" ;;
  arguments) echo "FAIL [$1] [$2] [$3] [$4] [$#] $(pwd)" ;;
  long) printf 'DEFER %02000d\n' 7 ;;
  upper) echo "  AcCePt   " ;;
  tabs) printf 'fail\tone\ttwo  \n\n' ;;
  *) echo "DECLINE" ;;
esac
