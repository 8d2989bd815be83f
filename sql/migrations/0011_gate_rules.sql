-- By which rule and margins a gate decided, and which slices were too small to be judged; NULL in earlier ones.

ALTER TABLE gate_decision
ADD COLUMN rule text CHECK (rule IN ('refute', 'prove')),
ADD COLUMN slice_margin double precision,
ADD COLUMN unjudged jsonb;
