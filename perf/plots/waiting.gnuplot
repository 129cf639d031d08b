# SPDX-License-Identifier: Apache-2.0
# Set by waiting.py: data (blocks of "percentile microseconds": the contestants on two CPUs, then on one),
# output, cpu.

array ways = ['spin', 'adaptive', 'block', 'bare futex']

set terminal svg size 900,460 dynamic background '#ffffff' font 'Helvetica,Arial,sans-serif,13'
set output output
set multiplot title sprintf('Round trip of 64 B, answered at once; %s', cpu) font ',14' offset 0,-0.3

# A percentile lies where its distance from 100 %, in powers of ten, is.
nines(percentile) = -log10(1 - percentile / 100.0)

# From wide to narrow: who is as fast as another stays visible.
set style line 1 lw 4.5 pt 7  ps 0.9 lc rgb '#8ecae6'
set style line 2 lw 1.8 pt 5  ps 0.5 lc rgb '#0b5394'
set style line 3 lw 2.2 pt 9  ps 0.8 lc rgb '#d55e00'
set style line 4 lw 1.8 pt 13 ps 0.7 lc rgb '#666666' dt 2

set border 3 lc rgb '#444444'
set grid xtics ytics lc rgb '#dddddd' lt 1 lw 0.7
set xtics nomirror out
set ytics nomirror out
set logscale y
set xrange [nines(45):nines(99.93)]
set yrange [0.07:20000]
set xlabel 'round trips that took less, %' offset 0,0.4
set xtics ('50' nines(50), '75' nines(75), '90' nines(90), '95' nines(95), '99' nines(99), '99.9' nines(99.9))
set ytics ('100 ns' 0.1, '1 µs' 1, '10 µs' 10, '100 µs' 100, '1 ms' 1000, '10 ms' 10000)
set tmargin at screen 0.83
set bmargin at screen 0.23
unset key

set lmargin at screen 0.085
set rmargin at screen 0.52
set title 'two CPUs, one process on each' offset 0,-0.4
plot for [i = 1:4] data index i - 1 using (nines($1)):2 with linespoints ls i

set lmargin at screen 0.56
set rmargin at screen 0.99
set ytics ('' 0.1, '' 1, '' 10, '' 100, '' 1000, '' 10000)
set title 'one CPU for both'
plot for [i = 1:4] data index i + 3 using (nines($1)):2 with linespoints ls i

# One key for both, below them.
unset border
unset grid
unset title
unset xlabel
unset xtics
unset ytics
unset logscale
set lmargin at screen 0.1
set rmargin at screen 0.97
set tmargin at screen 0.09
set bmargin at screen 0.02
set key center center horizontal maxrows 1 Left reverse samplen 2.5 width 3
plot for [i = 1:4] NaN with linespoints ls i title ways[i]
