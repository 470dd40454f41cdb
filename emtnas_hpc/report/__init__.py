"""From run directories to tables, figures and a page; no torch.

    load            what one seed says: settings, search, retrainings
    experiments     seeds of one experiment; experiments that a table may compare
    measurements    every measured value as a line of one frame, and the values of a table's cells
    specs           what tables look like before they are filled, read from paper/*.toml
    tables, table   specs filled with values and tested; what stands below is legend and caveats
    sweeps          experiments that differ in one setting, found for a table and a curve
    claims          what the paper claims, and which experiments are compared to answer it
    contrasts       a table of these comparisons; the statistics are contrast_stats
    search_frames   searches as frames; figures, comparisons draw them; searches: their own table
    render, page    tables as text; tables and figures as a page

To add a column to a table, say F1 to Table 2: the value is measured by `retraining` and kept in its
record, by a field with a default (records from before lack it; its `result` blanks what a diverged
network must not show, and `stage.retraining_differences` must skip it where one record lacks it);
`measurements._of_test` yields it, `paper/quantities.toml` gives it a heading and decimals
(`optional`: left out where no run has it), `paper/layouts.toml` a place among the columns of
`table2` (and `combinations`, which is Table 2 for other data sets). The formats need no change.
"""
