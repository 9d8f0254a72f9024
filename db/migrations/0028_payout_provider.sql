-- The provider that the server brings for trying things offline has accounts of its own, never to be mistaken for real ones.
ALTER TABLE billing.payout_accounts DROP CONSTRAINT payout_accounts_provider_check;
ALTER TABLE billing.payout_accounts ADD CONSTRAINT payout_accounts_provider_check CHECK (provider IN ('stripe', 'stripe_offline'));
