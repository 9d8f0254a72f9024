-- A greater plan within a month, or another cap of an organisation, is another cap to be warned of.
ALTER TABLE billing.quota_warnings
  DROP CONSTRAINT quota_warnings_account_id_period_start_percent_key,
  DROP CONSTRAINT quota_warnings_organization_id_period_start_percent_key,
  ADD UNIQUE (account_id, period_start, percent, cap_tokens),
  ADD UNIQUE (organization_id, period_start, percent, cap_tokens);
