-- Two changes of one payout may be of the same millisecond; their order is told by a number.
ALTER TABLE billing.payout_events ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
