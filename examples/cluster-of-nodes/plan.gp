# SPDX-License-Identifier: MIT
# Requests admitted over time while a plan changes, started by report.py, which sets data, picture, count, title[] and
#   lowered, raised    when, in seconds
# The first plot is what is allowed. The colours are those of stairs.gp.
array colour[2] = [0x6e7681, 0x2f81f7]
grey = 0x57606a

set terminal svg size 860, 340 font "sans-serif,13" noenhanced background "white"
set output picture
set datafile separator tab
set border 3 linecolor rgb grey
set tics nomirror textcolor rgb grey
set key left top reverse Left textcolor rgb grey
set xlabel "seconds since the load began" textcolor rgb grey
set ylabel "admitted per caller, in all" textcolor rgb grey
set xrange [0:]
set yrange [0:]
set arrow from lowered, graph 0 to lowered, graph 1 nohead dashtype 3 linecolor rgb grey
set arrow from raised, graph 0 to raised, graph 1 nohead dashtype 3 linecolor rgb grey
set label "lowered" at lowered, graph 0.06 offset 0.6, 0 textcolor rgb grey
set label "raised again" at raised, graph 0.06 offset 0.6, 0 textcolor rgb grey

plot data index 0 using 1:2 with lines dashtype 2 linewidth 1.5 linecolor rgb colour[1] title title[1], \
  data index 1 using 1:2 with steps linewidth 2.5 linecolor rgb colour[2] title title[2]
