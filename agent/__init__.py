"""A small local coding agent: one request in, one validated file out.

The agent knows nothing of the evals and never imports pytest. ``model.py`` alone imports openai, ``mem0_backend.py`` alone
imports mem0, when a store is opened; importing any other module costs neither.
"""
