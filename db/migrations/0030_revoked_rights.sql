-- Why a right ended: its money went back, and it may come back with the money; or somebody decided so, and no money brings it back.
ALTER TABLE billing.user_entitlements
  ADD COLUMN revoke_cause text CHECK (revoke_cause IN ('money', 'decision')),
  ADD COLUMN revoked_by uuid REFERENCES identity.users (id);
UPDATE billing.user_entitlements SET revoke_cause = CASE WHEN revoke_reason IN ('refund', 'dispute') THEN 'money' ELSE 'decision' END
WHERE revoked_at IS NOT NULL;
ALTER TABLE billing.user_entitlements
  ADD CHECK ((revoked_at IS NULL) = (revoke_cause IS NULL)),
  ADD CHECK (revoked_by IS NULL OR revoke_cause = 'decision');
CREATE INDEX user_entitlements_revoked_by_idx ON billing.user_entitlements (revoked_by);
GRANT UPDATE (revoke_cause, revoked_by) ON billing.user_entitlements TO tsumugi_app;
