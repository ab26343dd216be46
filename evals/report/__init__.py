"""The report: what a run, or two of them, amount to, as a page and as Markdown."""
