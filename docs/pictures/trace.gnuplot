# SPDX-License-Identifier: MIT
# Draws one picture per algorithm, and one of three beside each other, from the blocks of trace.cpp: gnuplot -c trace.gnuplot BLOCKS FOLDER
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

# Burst, queue and window: how many calls of one caller went through, who asks five times a second.
do for [i = 1:3] {  # a granted call leaves at once, or at its turn: the third column
  set table sprintf("%s.granted%d", blocks, i)
  plot blocks index 15 + 2 * i using 3:(1) with table if ($2 == 1)
  unset table
}
set output folder."/at-a-glance.svg"
set terminal svg size 900,330 font "sans-serif,12" background "white"
set multiplot layout 1,3 margins 0.065,0.985,0.28,0.80 spacing 0.045 \
  title "A caller who asks five times a second, under 10 units per 10 s; dashed: one call a second" font ",13"
unset key
set xrange [0:30]
set yrange [0:42]
set xtics 10
set mxtics 10
set ytics 10
set xlabel "seconds"
at_once(x) = x < 1 ? NaN : x - 1
titles = "'a burst: TOKENBUCKET' 'a queue: LEAKYBUCKET' 'a window: SLIDING'"
notes = "'10 at once, then one a second' 'one a second: each waits for its turn' '10, then none until 10 s are over'"
do for [i = 1:3] {
  set title word(titles, i) noenhanced offset 0, -0.5
  set label 1 word(notes, i) at screen 0.065 + (i - 1) * 0.3217, screen 0.07 textcolor "#444444"
  if (i == 1) { set ylabel "calls that went through" offset 1, 0 } else { unset ylabel }
  plot at_once(x) with lines dashtype 2 lc "#666666", \
       sprintf("%s.granted%d", blocks, i) using 1:2 smooth cumulative with steps lw 2.5 lc "#0072b2"
}
unset multiplot
unset output
