"""The report: a run, or a comparison of two, as one page of HTML."""
