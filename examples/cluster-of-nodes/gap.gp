# SPDX-License-Identifier: MIT
# Requests admitted in each tenth of a second around the death of the primary, started by report.py, which sets data,
# picture, count and title[]. The colours are those of stairs.gp.
array colour[3] = [0x2f81f7, 0xd29922, 0xa371f7]
grey = 0x57606a

set terminal svg size 860, 340 font "sans-serif,13" noenhanced background "white"
set output picture
set datafile separator tab
set border 3 linecolor rgb grey
set tics nomirror textcolor rgb grey
set key above reverse Left textcolor rgb grey
set xlabel "seconds since the primary was killed" textcolor rgb grey
set ylabel "admitted per 100 ms" textcolor rgb grey
set yrange [0:]
set arrow from 0, graph 0 to 0, graph 1 nohead dashtype 3 linecolor rgb grey

plot for [i = 1 : count] data index (i - 1) using 1:2 with lines linewidth 2 linecolor rgb colour[i] title title[i]
