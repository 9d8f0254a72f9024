-- A call of an operator that changes something is entered before it is carried out, so that no death in between hides it. What came of
-- it is an entry of its own that names the first one.
ALTER TABLE ops.admin_events DROP CONSTRAINT admin_events_outcome_check;
ALTER TABLE ops.admin_events
  ADD CONSTRAINT admin_events_outcome_check CHECK (outcome IN ('begun', 'done', 'refused', 'failed')),
  ADD COLUMN begun_id uuid REFERENCES ops.admin_events (id),
  ADD CHECK (begun_id IS NULL OR outcome IN ('done', 'failed'));
-- One end for each.
CREATE UNIQUE INDEX admin_events_begun_id_key ON ops.admin_events (begun_id) WHERE begun_id IS NOT NULL;
