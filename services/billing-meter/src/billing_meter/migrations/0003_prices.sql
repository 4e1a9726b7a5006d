-- Versions of the prices. What has been sold by a version is checked against it, so a version never changes.
CREATE TABLE price_books (
    version text PRIMARY KEY,
    effective_from timestamptz NOT NULL UNIQUE,
    book jsonb NOT NULL CHECK (book ->> 'version' = version)
);
CREATE TRIGGER price_books_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_books
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO price_books (version, effective_from, book) VALUES ('2026-01', '2026-01-01T00:00:00Z', '{
    "version": "2026-01",
    "credits": {"text2img": 3, "tryon": 5, "edit": 4, "batch": 2, "hairstyle": 5, "skin-analysis": 4},
    "highResolutionAbovePixels": 1048576,
    "highResolutionPercent": 150,
    "usdCentsPerCredit": 10,
    "maxVariants": 8
}');

CREATE TABLE quotes (
    quote_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    item jsonb NOT NULL,
    credits bigint NOT NULL CHECK (credits > 0),
    usd_cents bigint NOT NULL,
    book_version text NOT NULL REFERENCES price_books,
    quoted_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX quotes_expired ON quotes (expires_at);
