-- Retrainings that failed hold the next ones by a cause of their own: another than the gate's has to be mended.

ALTER TABLE decision
DROP CONSTRAINT decision_cause_check,
ADD CONSTRAINT decision_cause_check CHECK (cause IN ('upstream', 'pause', 'failures', 'budget'));

ALTER TABLE hold
DROP CONSTRAINT hold_cause_check,
ADD CONSTRAINT hold_cause_check CHECK (cause IN ('upstream', 'pause', 'failures', 'budget'));
