"""From run directories to tables, figures and a page; no torch.

    load            what one seed says: settings, search, retrainings
    experiments     seeds of one experiment; experiments that a table may compare
    measurements    every measured value as a line of one frame, and the values of a table's cells
    specs           what tables look like before they are filled, read from numbers/*.toml
    tables, table   specs filled with values and tested; what stands below is legend and caveats
    search_frames   searches as frames, figures draws them; searches is their own table
    render, page    tables as text; tables and figures as a page

To add a column to a table, say F1 to Table 2: the value is measured by `retraining` and kept in its
record; `measurements._of_test` gives it a line, `numbers/quantities.toml` a heading and decimals,
`numbers/layouts.toml` a place among the columns of `table2` (and `combinations`, which is Table 2
for other data sets). All formats follow.
"""
