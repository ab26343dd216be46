"""Benchmarks of the suite itself: what it adds to a call, how true its times are, and what a long run costs.

They print ratios against a reference of the same run, and assert nothing. Run them on an idle machine: ``tox run -e bench``.
"""
