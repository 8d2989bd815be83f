-- How a canary step ends: a verdict of three, and what followed from it.
ALTER TABLE release_step DROP CONSTRAINT release_step_verdict_check;
UPDATE release_step SET verdict = 'inconclusive'
WHERE verdict = 'no_data';
ALTER TABLE release_step
ADD CONSTRAINT release_step_verdict_check CHECK (verdict IN ('passed', 'failed', 'inconclusive')),
ADD COLUMN goes_on boolean, -- NULL until the step has ended
ADD COLUMN looked_at timestamptz, -- when it was last judged
ADD COLUMN paused_seconds double precision NOT NULL DEFAULT 0; -- of its time in which nobody could judge it
UPDATE release_step SET goes_on = (verdict = 'passed')
WHERE ended_at IS NOT NULL;
