-- Until then the vendor is given nothing: it has told us to wait, it is away, or an order's fate is to be known first.
ALTER TABLE capacity ADD COLUMN stopped_until timestamptz;
