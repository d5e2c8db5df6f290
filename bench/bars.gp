# A horizontal bar chart as SVG, started by bench/results.py, which sets
#   data        a file of lines: label, value, kind, separated by tabs; the last one comes on top
#   picture     where the chart goes
#   heading     what the bars are
#   reference   a value that gets a line through all bars; 0: none
#   rows        how many bars there are
# There is no background, and the grey of the text has enough contrast to white and to black alike.

kinds = "server floor Lua ours redis-cell"
titles = "'the server' 'an empty module command' 'Lua' 'this module' 'redis-cell'"
array colour[5] = [0x8b949e, 0x6e7681, 0xd29922, 0x2f81f7, 0xa371f7]
grey = 0x7d8590

set terminal svg size 860, 70 + 22 * rows font "sans-serif,13"
set output picture
set datafile separator tab

stats data using 2 nooutput

set title heading textcolor rgb grey
set border 0
set key top center outside horizontal maxrows 1 samplen 1 textcolor rgb grey
set lmargin 34
set rmargin 9
unset xtics
set ytics nomirror scale 0 textcolor rgb grey
set yrange [-0.6 : rows - 0.4]
set xrange [0 : STATS_max * 1.02]
set style fill solid noborder
if (reference > 0) set arrow from reference, graph 0 to reference, graph 1 nohead front dashtype 2 linecolor rgb grey

is_kind(i) = strcol(3) eq word(kinds, i)
has_kind(i) = system(sprintf("cut -f3 '%s' | grep -cx -- '%s' || true", data, word(kinds, i))) + 0 > 0
plot for [i = 1 : 5] data using (is_kind(i) ? $2 / 2 : NaN):0:(0):2:($0 - 0.38):($0 + 0.38):ytic(1) \
       with boxxyerror linecolor rgb colour[i] title (has_kind(i) ? word(titles, i) : ""), \
     data using 2:0:(sprintf("%.0f", $2)) with labels left offset 0.5, 0 textcolor rgb grey notitle
