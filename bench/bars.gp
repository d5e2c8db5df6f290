# SPDX-License-Identifier: MIT
# A horizontal bar chart as SVG, started by bench/write.py, which sets
#   data        a file of lines: label, kind, value, and a value of a second server, separated by tabs; the last line
#               comes on top
#   picture     where the chart goes
#   heading     what the bars are
#   reference   a value that gets a line through all bars; 0: none
#   rows        how many lines there are
#   widest      how many characters the longest label has
#   servers     one or two: how many bars a row has
# The background is white, so that the picture can be read on light and on dark pages alike.

kinds = "server floor Lua ours redis-cell"
titles = "'the server itself' 'empty module command' 'Lua script' 'this module' 'redis-cell'"
array colour[5] = [0x8b949e, 0x6e7681, 0xd29922, 0x2f81f7, 0xa371f7]
array place[5] = [0.06, 0.25, 0.49, 0.63, 0.80]
grey = 0x57606a

height = 70 + (servers == 2 ? 32 : 22) * rows
set terminal svg noenhanced size 860, height font "sans-serif,13" background "white"
set output picture
set datafile separator tab

largest = 0
do for [column = 3 : 2 + servers] {
  stats data using column nooutput
  if (STATS_max > largest) { largest = STATS_max }
}

set label heading at screen place[1], screen 1 - 45.0 / height textcolor rgb grey
set tmargin 4
set border 0
unset key
set lmargin widest + 1
set rmargin 9
unset xtics
set ytics nomirror scale 0 textcolor rgb grey
set yrange [-0.6 : rows - 0.4]
set xrange [0 : largest * 1.02]
set style fill solid noborder
if (reference > 0) set arrow from reference, graph 0 to reference, graph 1 nohead front dashtype 2 linecolor rgb grey

# One row above the bars says what the colours are, of those that there are.
is_there(kind) = system(sprintf("cut -f2 '%s' | grep -cx -- '%s' || true", data, kind)) + 0 > 0
do for [i = 1 : 5] {
  if (is_there(word(kinds, i))) {
    set label "■" at screen place[i], screen 1 - 17.0 / height textcolor rgb colour[i]
    set label word(titles, i) at screen place[i] + 0.02, screen 1 - 17.0 / height textcolor rgb grey
  }
}

# The second server's bars are paler.
is_kind(i) = strcol(2) eq word(kinds, i)
low(server) = servers == 1 ? -0.38 : server == 1 ? 0.02 : -0.42
high(server) = servers == 1 ? 0.38 : server == 1 ? 0.42 : -0.02
plot for [i = 1 : 5] data using (is_kind(i) ? $3 / 2 : NaN):0:(0):3:($0 + low(1)):($0 + high(1)):ytic(1) \
       with boxxyerror linecolor rgb colour[i], \
     for [i = 1 : (servers == 2 ? 5 : 0)] data using (is_kind(i) ? $4 / 2 : NaN):0:(0):4:($0 + low(2)):($0 + high(2)) \
       with boxxyerror fillstyle transparent solid 0.55 noborder linecolor rgb colour[i], \
     data using 3:($0 + (low(1) + high(1)) / 2):(sprintf("%.0f", $3)) with labels left offset 0.5, 0 textcolor rgb grey, \
     for [i = 1 : servers - 1] data using 4:($0 + (low(2) + high(2)) / 2):(sprintf("%.0f", $4)) \
       with labels left offset 0.5, 0 textcolor rgb grey
