-- A mask is kept as grey values in its own size; the first job that names an upload says whether it is one.
ALTER TABLE uploads ADD COLUMN is_mask boolean NOT NULL DEFAULT false;
