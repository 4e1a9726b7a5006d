-- The URLs that were signed. What lies where one leads is removed when the row is due: unused, or put there once more.
CREATE TABLE put_urls (
    upload_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    size_bytes bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX put_urls_due ON put_urls (due_at);
