"""Offline tests of the checkers of obedience; their cases stand in tables, one file a preference."""
