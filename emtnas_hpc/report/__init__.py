"""From commits to numbers and tables; reads small files only, and never imports torch."""
