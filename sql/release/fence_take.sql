-- Gives whoever has just taken the lock on a model's releases a number. What holds an older number is refused from now.
-- params: model text
-- returns: number bigint, one row
INSERT INTO release_fence (model, number)
VALUES (%(model)s::text, 1)
ON CONFLICT (model) DO UPDATE SET number = release_fence.number + 1
RETURNING number
