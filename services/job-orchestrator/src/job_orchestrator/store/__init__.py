"""SQL for jobs, attempts and withdrawals of consent. Every function takes a transaction."""
