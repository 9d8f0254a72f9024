-- The amount that a request for a refund named; NULL where it asked for what was left. So the same key with another request is told
-- apart from the same request again, also where both come to the same sum. Of older ones nobody knows: they count as having named it.
ALTER TABLE billing.refunds ADD COLUMN asked_minor bigint CHECK (asked_minor > 0);
UPDATE billing.refunds SET asked_minor = amount_minor WHERE origin = 'operator';
