"""The evaluation suite: live evals, the plugin that runs them, and what becomes of their measurements."""
