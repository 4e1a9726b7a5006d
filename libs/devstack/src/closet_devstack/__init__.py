"""Real NATS, PostgreSQL and S3 as child processes, and the vendor's sandbox, for development and tests."""
