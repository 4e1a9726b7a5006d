"""The vendor's quota: API keys, the log of calls, and admission of new ones."""
