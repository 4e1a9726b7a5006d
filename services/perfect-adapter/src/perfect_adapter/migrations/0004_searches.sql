-- Searches for a lost task that told nothing, since the last that was whole, and when the vendor was last asked: an order
-- is given up for want of searches only if they were tried, not because nobody was there to try.
ALTER TABLE renders ADD COLUMN in_vain integer NOT NULL DEFAULT 0;
ALTER TABLE renders ADD COLUMN tried_at timestamptz;

-- What looks have shown: how often the vendor said that the task took too long, and whether it had succeeded by then. What
-- has succeeded is paid for: it is never ordered anew because of what a later look says.
ALTER TABLE renders ADD COLUMN timeouts integer NOT NULL DEFAULT 0;
ALTER TABLE renders ADD COLUMN is_made boolean NOT NULL DEFAULT false;
