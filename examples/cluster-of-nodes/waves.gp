# SPDX-License-Identifier: MIT
# Requests that arrived in each tenth of a second, one chart below the other, started by report.py, which sets data,
# picture, count and title[]. The colours are those of stairs.gp.
array colour[4] = [0x6e7681, 0xd29922, 0xa371f7, 0x2f81f7]
grey = 0x57606a

set terminal svg size 860, 180 * count font "sans-serif,13" noenhanced background "white"
set output picture
set datafile separator tab
set border 3 linecolor rgb grey
set tics nomirror textcolor rgb grey
unset key
set style fill solid noborder
set boxwidth 0.08

stats data using 1 nooutput
last = STATS_max / 10 + 0.3
stats data using ($1 >= 5 ? $2 : 0) nooutput
most = STATS_max
set xrange [-0.2 : last]
set yrange [0 : most * 1.1]
set lmargin 9
set tmargin 1.8
set bmargin 3
set ytics 200
set ylabel "per 100 ms" textcolor rgb grey
set multiplot layout count, 1
do for [i = 1 : count] {
  set title title[i] textcolor rgb grey offset 0, -0.8
  if (i == count) { set xlabel "seconds since the first request; the first wave is cut off" textcolor rgb grey }
  plot data index (i - 1) using ($1 / 10 + 0.05):2 with boxes linecolor rgb colour[i]
}
unset multiplot
