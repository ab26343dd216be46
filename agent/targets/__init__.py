"""Where the model runs: Ollama, the embedded engine, or any OpenAI-compatible URL."""
