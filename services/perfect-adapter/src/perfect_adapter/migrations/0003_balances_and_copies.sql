-- A key whose account did not suffice for a task goes on taking what costs at most so many units; null: whatever it is.
ALTER TABLE parties ADD COLUMN affordable bigint;

-- Whether it was seen to that the vendor's copy of a task goes that gave us nothing: failed, cancelled, given up.
ALTER TABLE renders ADD COLUMN copy_settled boolean NOT NULL DEFAULT false;
CREATE INDEX renders_copies ON renders (render_id)
    WHERE state IN ('failed', 'dropped') AND task_id IS NOT NULL AND NOT copy_settled;
