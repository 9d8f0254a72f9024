-- Corrections of the token ledger by operators (000-Q2): asked for with a reason, agreed to by another operator above a limit, and
-- then booked as entries of their own.

CREATE TABLE billing.reversal_requests (
  id uuid PRIMARY KEY,
  entry_id uuid NOT NULL REFERENCES billing.token_ledger (id),
  asset text NOT NULL CHECK (asset IN ('token', 'addon_token')),
  token_amount bigint NOT NULL CHECK (token_amount > 0),
  reason_code text NOT NULL CHECK (reason_code IN ('duplicate', 'wrong_amount', 'outage', 'goodwill', 'misuse', 'other')),
  -- In the operator's words; nothing about persons belongs here.
  reason text NOT NULL CHECK (char_length(reason) BETWEEN 3 AND 500),
  -- Decided when it is asked for, and never relaxed afterwards.
  needs_second boolean NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'declined')),
  -- No foreign keys, as in ops.admin_events: an operator's account may be erased, what he did stays.
  requested_by uuid NOT NULL,
  requested_at timestamptz NOT NULL,
  decided_by uuid,
  decided_at timestamptz,
  CHECK ((state = 'waiting') = (decided_by IS NULL)),
  CHECK ((state = 'waiting') = (decided_at IS NULL)),
  -- Two persons, whatever the server believes.
  CHECK (NOT (needs_second AND state = 'approved' AND decided_by = requested_by)),
  CHECK (needs_second OR state <> 'waiting')
);
CREATE INDEX reversal_requests_entry_id_idx ON billing.reversal_requests (entry_id);
-- An entry is taken back once; what was declined may be asked for again.
CREATE UNIQUE INDEX reversal_requests_open_idx ON billing.reversal_requests (entry_id) WHERE state <> 'declined';
CREATE INDEX reversal_requests_state_idx ON billing.reversal_requests (state, id);
CREATE INDEX reversal_requests_requested_by_idx ON billing.reversal_requests (requested_by, requested_at);

-- What was decided stays decided.
CREATE FUNCTION billing.keep_decided_reversals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'waiting' THEN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'This reversal is decided.';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reversal_requests_keep BEFORE UPDATE ON billing.reversal_requests
  FOR EACH ROW EXECUTE FUNCTION billing.keep_decided_reversals();
CREATE TRIGGER reversal_requests_stay BEFORE DELETE OR TRUNCATE ON billing.reversal_requests
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE billing.reversal_requests ENABLE ALWAYS TRIGGER reversal_requests_keep;
ALTER TABLE billing.reversal_requests ENABLE ALWAYS TRIGGER reversal_requests_stay;

ALTER TABLE billing.reversal_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing.reversal_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY reversal_requests_service ON billing.reversal_requests FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
CREATE POLICY reversal_requests_admin ON billing.reversal_requests FOR SELECT TO tsumugi_app USING ((SELECT app.is_admin()));
GRANT SELECT, INSERT ON billing.reversal_requests TO tsumugi_app;
GRANT UPDATE (state, decided_by, decided_at) ON billing.reversal_requests TO tsumugi_app;
