# SPDX-License-Identifier: MIT
# A horizontal bar chart as SVG, started by bench/results.py, which sets
#   data        a file of lines: label, value, kind, separated by tabs; the last one comes on top
#   picture     where the chart goes
#   heading     what the bars are
#   reference   a value that gets a line through all bars; 0: none
#   rows        how many bars there are
# There is no background, and the grey of the text has enough contrast to white and to black alike.

kinds = "server floor Lua ours redis-cell"
titles = "'the server itself' 'empty module command' 'Lua script' 'this module' 'redis-cell'"
array colour[5] = [0x8b949e, 0x6e7681, 0xd29922, 0x2f81f7, 0xa371f7]
array place[5] = [0.06, 0.25, 0.49, 0.63, 0.80]
grey = 0x7d8590

height = 70 + 22 * rows
set terminal svg size 860, height font "sans-serif,13"
set output picture
set datafile separator tab

stats data using 2 nooutput

set title heading textcolor rgb grey
set tmargin 4
set border 0
unset key
set lmargin 34
set rmargin 9
unset xtics
set ytics nomirror scale 0 textcolor rgb grey
set yrange [-0.6 : rows - 0.4]
set xrange [0 : STATS_max * 1.02]
set style fill solid noborder
if (reference > 0) set arrow from reference, graph 0 to reference, graph 1 nohead front dashtype 2 linecolor rgb grey

# One row above the bars says what the colours are, of those that there are.
is_there(kind) = system(sprintf("cut -f3 '%s' | grep -cx -- '%s' || true", data, kind)) + 0 > 0
do for [i = 1 : 5] {
  if (is_there(word(kinds, i))) {
    set label "■ " . word(titles, i) at screen place[i], screen 1 - 17.0 / height textcolor rgb colour[i]
  }
}

is_kind(i) = strcol(3) eq word(kinds, i)
plot for [i = 1 : 5] data using (is_kind(i) ? $2 / 2 : NaN):0:(0):2:($0 - 0.38):($0 + 0.38):ytic(1) \
       with boxxyerror linecolor rgb colour[i], \
     data using 2:0:(sprintf("%.0f", $2)) with labels left offset 0.5, 0 textcolor rgb grey
