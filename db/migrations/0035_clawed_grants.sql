-- Which purchase took a plan's tokens back with its money. An upgrade within a month makes two purchases of one month; their tokens go
-- back once, whichever of the two is paid back first.
ALTER TABLE billing.plan_grants ADD COLUMN clawed_by uuid REFERENCES billing.purchases (id);
CREATE INDEX plan_grants_clawed_by_idx ON billing.plan_grants (clawed_by) WHERE clawed_by IS NOT NULL;
GRANT UPDATE (clawed_by) ON billing.plan_grants TO tsumugi_app;
-- As it was counted until now: the month that the purchase was made in.
UPDATE billing.plan_grants g SET clawed_by = p.id
FROM billing.plan_clawbacks c
  JOIN billing.purchases p ON p.id = c.purchase_id
  JOIN billing.payments y ON y.id = p.payment_row_id
  JOIN billing.subscriptions s ON s.provider = y.provider AND s.provider_subscription_id = y.subscription_id
WHERE NOT c.restored AND g.subscription_id = s.id AND g.user_id = p.user_id
  AND g.period_start <= p.created_at + interval '1 day' AND g.period_end > p.created_at + interval '1 day';
