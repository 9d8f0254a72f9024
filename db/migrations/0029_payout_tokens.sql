-- Earned tokens that are turned into money: the ledger gives them back to the platform.
ALTER TABLE billing.pending_entries DROP CONSTRAINT pending_entries_purpose_check;
ALTER TABLE billing.pending_entries ADD CONSTRAINT pending_entries_purpose_check CHECK (purpose IN ('generation', 'sign_up_grant',
  'plan_grant', 'addon_purchase', 'ticket_purchase', 'pack_purchase', 'prompt_purchase', 'adjustment', 'clawback', 'reversal', 'payout_conversion'));

-- What of an asset an account has free: neither held nor about to leave. Locks what holds lock, so that it stays so in this transaction.
CREATE FUNCTION billing.free_tokens(p_account uuid, p_asset text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  s billing.spending;
  v_balance bigint;
  v_leaving bigint;
BEGIN
  SELECT * INTO s FROM billing.spending x WHERE x.account_id = p_account FOR UPDATE;
  IF NOT FOUND THEN RETURN 0; END IF;
  SELECT coalesce(sum(b.balance), 0) INTO v_balance FROM billing.account_balances b WHERE b.account_id = p_account AND b.asset = p_asset;
  -- What has a hold is counted by it.
  SELECT coalesce(sum(p.token_amount), 0) INTO v_leaving FROM billing.pending_entries p
  WHERE p.from_account = p_account AND p.asset = p_asset AND p.hold_id IS NULL AND p.refused IS NULL;
  RETURN greatest(0, v_balance - v_leaving - CASE p_asset WHEN 'token' THEN s.held_tokens ELSE s.held_addon_tokens END);
END $$;

-- Sets tokens aside until the entry that names this hold is booked. Never expires. The caller has asked for `free_tokens` before.
CREATE FUNCTION billing.set_aside(p_hold uuid, p_account uuid, p_asset text, p_amount bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE billing.spending x SET held_tokens = x.held_tokens + CASE p_asset WHEN 'token' THEN p_amount ELSE 0 END,
    held_addon_tokens = x.held_addon_tokens + CASE p_asset WHEN 'token' THEN 0 ELSE p_amount END
  WHERE x.account_id = p_account;
  INSERT INTO billing.holds (id, account_id, tokens, addon_tokens, state, expires_at)
  VALUES (p_hold, p_account, CASE p_asset WHEN 'token' THEN p_amount ELSE 0 END, CASE p_asset WHEN 'token' THEN 0 ELSE p_amount END,
    'settling', now() + interval '1 hour');
END $$;
