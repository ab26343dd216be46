"""Offline tests of the report, one file a module."""
