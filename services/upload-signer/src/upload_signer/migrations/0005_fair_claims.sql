-- Tenants take turns, and of one tenant's uploads small ones overtake.
ALTER TABLE uploads ADD COLUMN size_bytes bigint NOT NULL DEFAULT 0;
CREATE INDEX uploads_due_by_tenant ON uploads (tenant_id, due_at) WHERE state = 'unchecked';
