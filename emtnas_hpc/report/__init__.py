"""From run directories to tables, figures and a page; no torch.

    data_sets       what a data set is called, and which it is
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

To add a metric, say F1 to Table 2: a field of `retraining.record.TestResult` with a default, as
records from before lack it, measured by `retraining.trainer.measure`, and a line in `METRICS`, by
which tables, `inspect`, `retrain` and `export` show it, and nothing does where a network diverged
(`retraining.stage.retraining_differences` must skip it where one record lacks it). Then
`paper/quantities.toml` gives it a heading and decimals (`optional`: left out where no run has it),
`paper/layouts.toml` a place among the columns of `table2` (and `combinations`, which is Table 2 for
other data sets). The formats need no change. Any other column is the same, but for what yields its
values: `measurements._of_test` for a network, `_of_search` for a search.
"""
