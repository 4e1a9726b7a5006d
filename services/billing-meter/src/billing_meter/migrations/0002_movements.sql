-- Original: sha256 c0a81da067fb2cc04249f5f8c6c075c13000d75215ccf98305930ffa52382432
-- What each movement answers: what became of it, how many credits moved, and the balance after it.
-- The movements themselves are functions: see functions/.
CREATE TYPE movement AS (outcome text, credits bigint, balance bigint, held bigint, version bigint);
