# Draws one picture per algorithm from the columns of trace.cpp: gnuplot -c trace.gnuplot COLUMNS FOLDER
columns = ARG1
folder = ARG2

set terminal svg size 800,320 font "sans-serif,12" background "white"
set xrange [0:40]
set yrange [-3.5:22]
set xtics 10
set mxtics 10
set ytics 0, 5, 20
set xlabel "seconds"
set grid xtics ytics linecolor "#dddddd"
set key outside bottom center horizontal samplen 2
limit(x) = 10

names = "tokenbucket fixed fixed-aligned sliding"
titles = "'TOKENBUCKET 10 10 10s' 'FIXED 10 10s' 'FIXED 10 10s ALIGNED' 'SLIDING 10 10s'"
do for [i = 1:4] {
  set output folder."/".word(names, i).".svg"
  set title word(titles, i) noenhanced
  plot columns index 0 using 1:(column(2 * i + 1)) with steps lw 3 lc "#e69f00" title "granted in the last 10 s", \
       columns index 0 using 1:(column(2 * i)) with steps lw 1.5 lc "#0072b2" title "used", \
       limit(x) with lines dashtype 2 lc "#666666" title "limit", \
       columns index 1 using 1:(column(i + 1) == 1 ? -1.2 : NaN) with points pt 7 ps 0.3 lc "#009e73" title "call granted", \
       columns index 1 using 1:(column(i + 1) == 0 ? -2.4 : NaN) with points pt 2 ps 0.35 lc "#cc3311" title "call denied"
  unset output
}
