"""The memory evals: what memory finds, keeps apart, corrects and survives. Live: ``pytest evals/ -m live -k memory``."""
