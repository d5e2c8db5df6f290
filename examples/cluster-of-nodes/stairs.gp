# SPDX-License-Identifier: MIT
# Requests admitted over time, started by report.py, which sets data, picture, count, title[] and
#   limit    a line across: what one window allows
# The background is white, so that the picture can be read on light and on dark pages alike.
array colour[4] = [0xd29922, 0x6e7681, 0x2f81f7, 0xa371f7]
grey = 0x57606a

set terminal svg size 860, 380 font "sans-serif,13" noenhanced background "white"
set output picture
set datafile separator tab
set border 3 linecolor rgb grey
set tics nomirror textcolor rgb grey
set key left top reverse Left textcolor rgb grey
set xlabel "seconds since the window of the clock changed" textcolor rgb grey
set ylabel "admitted per caller, in all" textcolor rgb grey
set yrange [0:]
set arrow from graph 0, first limit to graph 1, first limit nohead dashtype 2 linecolor rgb grey
set arrow from 0, graph 0 to 0, graph 1 nohead dashtype 3 linecolor rgb grey
set label sprintf("limit: %d a window", limit) at graph 0.99, first limit offset 0, 0.6 right textcolor rgb grey

plot for [i = 1 : count] data index (i - 1) using 1:2 with steps linewidth 2.5 linecolor rgb colour[i] title title[i]
