"""The real servers: NATS, PostgreSQL, S3."""
