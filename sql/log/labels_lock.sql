-- Waits for its turn at the labels of some ids, and keeps it until the transaction ends.
-- So labels of one id are compared, numbered and committed in one order. Ids share 64 turns, because Postgres has room
-- for some thousand locks and a request may bring as many ids. All take their turns in the same order.
-- params: model text, labels jsonb: [{id, …}, …]
-- returns: nothing of interest
SELECT pg_advisory_xact_lock(hashtext('cyclone labels of ' || %(model)s::text), turns.turn)
FROM (
    SELECT DISTINCT hashtext(entry ->> 'id') & 63 AS turn
    FROM jsonb_array_elements(%(labels)s::jsonb) AS entry
    ORDER BY turn
) AS turns
