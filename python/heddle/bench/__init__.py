"""`heddle-bench`: time `heddle.attend` beside whatever rival is installed, in one process, and check it first.

A figure is only given for a result that was compared with float64 and that four runs gave bit for bit. FLOPs are those of the
visible pairs, whatever a candidate computes. Candidates take turns in random order; the figure is the median.
"""
