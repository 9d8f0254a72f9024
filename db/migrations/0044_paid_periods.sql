-- What of a plan goes back with its money, and what comes back with it.

-- The period that an invoice was for, and whether it paid for a greater plan within one. NULL: heard of before this was kept.
ALTER TABLE billing.payments
  ADD COLUMN period_start timestamptz,
  ADD COLUMN period_end timestamptz,
  ADD COLUMN is_change boolean NOT NULL DEFAULT false,
  ADD CHECK ((period_start IS NULL) = (period_end IS NULL)),
  ADD CHECK (period_start < period_end);

ALTER TABLE billing.subscriptions
  -- A greater plan whose money went back while the lesser one stays paid: not given, until the provider does not name it any more.
  ADD COLUMN withheld_plan_code text REFERENCES billing.plans (code),
  -- Money that is disputed may stay after all: only what was refunded, or lost, is ended at the provider.
  ADD COLUMN revoke_cause text CHECK (revoke_cause IN ('refund', 'dispute')),
  ADD CHECK (revoke_cause IS NULL OR revoked_at IS NOT NULL);
CREATE INDEX subscriptions_withheld_plan_code_idx ON billing.subscriptions (withheld_plan_code) WHERE withheld_plan_code IS NOT NULL;
GRANT UPDATE (withheld_plan_code, revoke_cause) ON billing.subscriptions TO tsumugi_app;
