-- What may be forgotten is found by its age, not by reading every session.
CREATE INDEX sessions_created_at ON sessions (created_at);
