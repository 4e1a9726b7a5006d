-- Skin analysis is sold by how much of it is asked for, 2 credits for a unit of the vendor's: a new version of the prices in
-- force, from now on. Where the operator has already made the price another than the one we began with, that stays.
INSERT INTO price_books (version, effective_from, book)
SELECT '2026-11', now(), book || '{
    "version": "2026-11",
    "tiers": {"skin-analysis": {
        "sd": [{"upTo": 4, "credits": 18}, {"upTo": 8, "credits": 24}, {"upTo": 12, "credits": 28}, {"upTo": 16, "credits": 32}],
        "hd": [{"upTo": 4, "credits": 24}, {"upTo": 8, "credits": 32}, {"upTo": 12, "credits": 40}, {"upTo": 16, "credits": 44}]
    }}
}' || jsonb_build_object('credits', book -> 'credits' || '{"skin-analysis": 18}')
FROM (SELECT book FROM price_books WHERE effective_from <= now() ORDER BY effective_from DESC LIMIT 1) AS in_force
WHERE book -> 'credits' -> 'skin-analysis' = '4'
ON CONFLICT DO NOTHING;
