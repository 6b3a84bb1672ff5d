"""What a job will take: time, GPU hours, disk and money of each stage, and the machines that meet a deadline.

`corpus` reads the beginning of some files. `measure` puts that through the run's own functions with a stopwatch, or
`profiles` has the rates of named hardware: both give `rates`. `stages` is the model, pure arithmetic on these and on
what there is to do (`work`). `cluster` has the machines, their price and the smallest set of them that is fast enough.
`plan` puts it together, `text` prints it.
"""
