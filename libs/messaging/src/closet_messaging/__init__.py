"""NATS JetStream with an outbox and an inbox: events that are neither lost nor handled twice."""
