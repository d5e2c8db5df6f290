# SPDX-License-Identifier: MIT
# Draws one picture per algorithm from the blocks of trace.cpp: gnuplot -c trace.gnuplot BLOCKS FOLDER
blocks = ARG1
folder = ARG2

set terminal svg size 800,320 font "sans-serif,12" background "white"
set yrange [-3.5:22]
set ytics 0, 5, 20
set grid xtics ytics linecolor "#dddddd"
set key outside bottom center horizontal samplen 2
limit(x) = 10

names = "tokenbucket leakybucket fixed fixed-aligned sliding sliding-approx quota concurrent"
titles = "'TOKENBUCKET 10 10 10s' 'LEAKYBUCKET 10 10 10s' 'FIXED 10 10s' 'FIXED 10 10s ALIGNED' 'SLIDING 10 10s' 'SLIDING 10 10s APPROX' 'QUOTA 10 DAY TZ Europe/Berlin, the same calls 8640 times as slow' 'CONCURRENT 10 10s; two of three holders release after 3 s'"
used = "used used used used used used used held"
leave(name) = name eq "leakybucket" ? "its turn" : "lease ends"

do for [i = 1:8] {
  name = word(names, i)
  if (name eq "quota") {
    set xrange [0:4]
    set xtics ("30 March" 0, "31 March: 23 hours" 1, "1 April" 47.0/24, "2 April" 71.0/24, "3 April" 95.0/24)
    set mxtics 1
    set xlabel "midnight in Berlin"
  } else {
    set xrange [0:40]
    set xtics 10
    set mxtics 10
    set xlabel "seconds"
  }
  has_leave = name eq "leakybucket" || name eq "concurrent"
  set yrange [has_leave ? -4.7 : -3.5 : 22]
  set output folder."/".name.".svg"
  set title word(titles, i) noenhanced
  plot blocks index 2 * i - 2 using 1:3 with steps lw 3 lc "#e69f00" title (name eq "quota" ? "granted in the last 24 h" : "granted in the last 10 s"), \
       blocks index 2 * i - 2 using 1:2 with steps lw 1.5 lc "#0072b2" title word(used, i), \
       limit(x) with lines dashtype 2 lc "#666666" title "limit", \
       blocks index 2 * i - 1 using 1:($2 == 1 ? -1.2 : NaN) with points pt 7 ps 0.3 lc "#009e73" title "call granted", \
       blocks index 2 * i - 1 using 1:($2 == 0 ? -2.4 : NaN) with points pt 2 ps 0.35 lc "#cc3311" title "call denied", \
       blocks index 2 * i - 1 using (has_leave && $2 == 1 ? $3 : NaN):(-3.6) with points pt 13 ps 0.4 lc "#7a3b9e" title (has_leave ? leave(name) : "")
  unset output
}
