"""Offline tests of the suite itself: one file a module, black-box where possible."""
