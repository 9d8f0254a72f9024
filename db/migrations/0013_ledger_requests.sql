-- Requests that are answered once, and a lighter outbox.

-- Whoever enqueues has the accounts from `billing.open_account`, and booking moves their balances, whose foreign key refuses an
-- account that is none, as the ledger's own refuses a correction of nothing. Three checks and two indexes less for each entry that waits a few milliseconds.
ALTER TABLE billing.pending_entries
  DROP CONSTRAINT pending_entries_from_account_fkey,
  DROP CONSTRAINT pending_entries_to_account_fkey,
  DROP CONSTRAINT pending_entries_reverses_id_fkey;
DROP INDEX billing.pending_entries_from_account_idx;
DROP INDEX billing.pending_entries_to_account_idx;

-- Keys are compared byte by byte: nobody sorts them for people, and the rules of a language cost more than all else in an index.
ALTER TABLE billing.token_ledger DISABLE TRIGGER token_ledger_refuse_change;
ALTER TABLE billing.token_ledger ALTER COLUMN idempotency_key TYPE text COLLATE "C";
ALTER TABLE billing.token_ledger ENABLE ALWAYS TRIGGER token_ledger_refuse_change;
ALTER TABLE billing.pending_entries ALTER COLUMN idempotency_key TYPE text COLLATE "C";

-- As before, with two changes. Every look-up is by key, and the arrays are short, but what the planner knows of tables that grow from
-- nothing, or are filled and emptied all day, is old: it must not come to read them whole. And it answers only what somebody needs:
-- how much of a cap is used. (What the names of the result mean has changed, hence the drop.)
DROP FUNCTION billing.book;
CREATE FUNCTION billing.book(p_shards smallint[], p_epochs bigint[], p_seqs bigint[], p_hashes text[], p_new_seqs bigint[],
  p_new_hashes text[], p_ids uuid[], p_row_shards smallint[], p_row_seqs bigint[], p_row_hashes text[], p_row_prevs text[],
  p_hash_version smallint)
RETURNS TABLE (kind text, subject uuid, used bigint, cap bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_count integer;
  v_holds uuid[];
  v_spent uuid[];
  v_spent_tokens bigint[];
  v_spent_at timestamptz[];
  v_spent_organizations uuid[];
  v_held_accounts uuid[];
  v_held_organizations uuid[];
  v_held_tokens bigint[];
  v_held_addon bigint[];
BEGIN
  PERFORM 1 FROM billing.ledger_heads h WHERE h.shard = ANY (p_shards) ORDER BY h.shard FOR UPDATE;
  UPDATE billing.ledger_heads h SET seq = t.new_seq, hash = decode(t.new_hash, 'hex')
  FROM unnest(p_shards, p_epochs, p_seqs, p_hashes, p_new_seqs, p_new_hashes) AS t (shard, epoch, seq, hash, new_seq, new_hash)
  WHERE h.shard = t.shard AND h.epoch = t.epoch AND h.seq = t.seq AND h.hash = decode(t.hash, 'hex');
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_count <> cardinality(p_shards) THEN
    RAISE EXCEPTION USING ERRCODE = 'TL001', MESSAGE = 'Another writer leads a chain, or has moved its end.';
  END IF;

  WITH gone AS (
    DELETE FROM billing.pending_entries p
    USING unnest(p_ids, p_row_shards, p_row_seqs, p_row_hashes, p_row_prevs) AS t (id, shard, seq, hash, prev_hash)
    WHERE p.shard = t.shard AND p.id = t.id
    RETURNING p.*, t.seq, t.hash, t.prev_hash),
  added AS (
    INSERT INTO billing.token_ledger (shard, seq, hash, prev_hash, hash_version, id, from_account, to_account, asset, token_amount,
      unit_price_micro, purpose, conv_id, msg_id, generation_id, status, reverses_id, idempotency_key, created_at)
    SELECT shard, seq, decode(hash, 'hex'), decode(prev_hash, 'hex'), p_hash_version, id, from_account, to_account, asset, token_amount,
      unit_price_micro, purpose, conv_id, msg_id, generation_id, CASE WHEN reverses_id IS NULL THEN 'settled' ELSE 'reversed' END,
      reverses_id, idempotency_key, created_at
    FROM gone ORDER BY shard, seq),
  moved AS (
    INSERT INTO billing.account_balances AS b (account_id, asset, balance)
    SELECT m.account_id, m.asset, sum(m.change)::bigint FROM (
      SELECT from_account AS account_id, gone.asset, -token_amount AS change FROM gone
      UNION ALL SELECT to_account, gone.asset, token_amount FROM gone) AS m
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (account_id, asset) DO UPDATE SET balance = b.balance + excluded.balance),
  summed AS (
    SELECT count(*) AS count, array_agg(hold_id) FILTER (WHERE hold_id IS NOT NULL) AS holds,
      array_agg(CASE WHEN reverses_id IS NULL THEN from_account ELSE to_account END) FILTER (WHERE spent_at IS NOT NULL) AS spent,
      array_agg(CASE WHEN reverses_id IS NULL THEN token_amount ELSE -token_amount END) FILTER (WHERE spent_at IS NOT NULL) AS spent_tokens,
      array_agg(spent_at) FILTER (WHERE spent_at IS NOT NULL) AS spent_at,
      array_agg(organization_id) FILTER (WHERE spent_at IS NOT NULL) AS spent_organizations
    FROM gone),
  organizations AS (
    INSERT INTO billing.organization_entries (entry_id, organization_id, account_id, tokens, spent_at)
    SELECT id, organization_id, CASE WHEN reverses_id IS NULL THEN from_account ELSE to_account END,
      CASE WHEN reverses_id IS NULL THEN token_amount ELSE -token_amount END, spent_at
    FROM gone WHERE organization_id IS NOT NULL AND spent_at IS NOT NULL)
  SELECT r.count, r.holds, r.spent, r.spent_tokens, r.spent_at, r.spent_organizations
  INTO v_count, v_holds, v_spent, v_spent_tokens, v_spent_at, v_spent_organizations
  FROM summed r;
  IF v_count <> cardinality(p_ids) THEN
    RAISE EXCEPTION USING ERRCODE = 'TL002', MESSAGE = 'An entry is not pending any more.';
  END IF;
  IF v_holds IS NOT NULL THEN
    WITH closed AS (DELETE FROM billing.holds h WHERE h.id = ANY (v_holds) RETURNING h.*)
    SELECT array_agg(c.account_id), array_agg(c.organization_id), array_agg(c.tokens), array_agg(c.addon_tokens)
    INTO v_held_accounts, v_held_organizations, v_held_tokens, v_held_addon FROM closed c;
  END IF;
  IF array_remove(v_spent_organizations || v_held_organizations, NULL) <> '{}' THEN
    PERFORM 1 FROM billing.organization_spending x WHERE x.organization_id = ANY (v_spent_organizations || v_held_organizations)
    ORDER BY x.organization_id FOR UPDATE;
    RETURN QUERY WITH counted AS (UPDATE billing.organization_spending x
    SET used_tokens = greatest(0, x.used_tokens + c.used), held_tokens = x.held_tokens - c.held
    FROM (
      SELECT m.id, sum(CASE WHEN m.spent_at >= y.period_start AND m.spent_at < y.period_end THEN m.used ELSE 0 END)::bigint AS used,
        sum(m.held)::bigint AS held
      FROM (
        SELECT t.id, t.used, 0 AS held, t.spent_at FROM unnest(v_spent_organizations, v_spent_tokens, v_spent_at) AS t (id, used, spent_at)
        UNION ALL SELECT t.id, 0, t.held, NULL FROM unnest(v_held_organizations, v_held_tokens) AS t (id, held)) AS m
      JOIN billing.organization_spending y ON y.organization_id = m.id GROUP BY m.id) AS c
    WHERE x.organization_id = c.id
    RETURNING x.organization_id, x.used_tokens, x.cap_tokens)
    SELECT 'organization', n.organization_id, n.used_tokens, n.cap_tokens FROM counted n WHERE n.cap_tokens IS NOT NULL;
  END IF;
  IF v_spent IS NOT NULL OR v_held_accounts IS NOT NULL THEN
    RETURN QUERY WITH counted AS (UPDATE billing.spending x
    SET used_tokens = greatest(0, x.used_tokens + (
        SELECT coalesce(sum(t.used), 0) FROM unnest(c.used, c.spent_at) AS t (used, spent_at)
        WHERE t.spent_at >= x.period_start AND t.spent_at < x.period_end)::bigint),
      held_tokens = x.held_tokens - c.held, held_addon_tokens = x.held_addon_tokens - c.held_addon
    FROM (
      -- The period is judged when the row is locked, above: another transaction may just have moved it on.
      SELECT m.id, array_agg(m.used) AS used, array_agg(m.spent_at) AS spent_at, sum(m.held)::bigint AS held, sum(m.held_addon)::bigint AS held_addon
      FROM (
        SELECT t.id, t.used, t.spent_at, 0::bigint AS held, 0::bigint AS held_addon FROM unnest(v_spent, v_spent_tokens, v_spent_at) AS t (id, used, spent_at)
        UNION ALL SELECT t.id, 0, NULL, t.held, t.held_addon FROM unnest(v_held_accounts, v_held_tokens, v_held_addon) AS t (id, held, held_addon)) AS m
      GROUP BY m.id ORDER BY m.id) AS c
    WHERE x.account_id = c.id
    RETURNING x.account_id, x.used_tokens, x.cap_tokens)
    SELECT 'account', n.account_id, n.used_tokens, n.cap_tokens FROM counted n WHERE n.cap_tokens IS NOT NULL;
  END IF;
END $$;

-- What accounts had spent in their month when their rows were made.
UPDATE billing.spending SET used_tokens = billing.used_between(account_id, period_start, period_end);
CREATE OR REPLACE FUNCTION billing.open_account(p_user uuid, p_new_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  account uuid;
  first timestamptz := billing.period_start(now(), 'Asia/Tokyo', now());
  last timestamptz := billing.period_end(now(), 'Asia/Tokyo', now());
BEGIN
  INSERT INTO billing.accounts (id, owner_type, owner_id) VALUES (p_new_id, 'user', p_user) ON CONFLICT (owner_type, owner_id) DO NOTHING;
  SELECT id INTO STRICT account FROM billing.accounts WHERE owner_type = 'user' AND owner_id = p_user;
  INSERT INTO billing.spending (account_id, period_anchor, period_start, period_end, used_tokens)
  VALUES (account, now(), first, last, CASE WHEN account = p_new_id THEN 0 ELSE billing.used_between(account, first, last) END)
  ON CONFLICT (account_id) DO NOTHING;
  RETURN account;
END $$;

-- A request that costs something, by account and key: what was asked (a digest) and what was answered. Kept for a while.
CREATE TABLE billing.idempotency_keys (
  account_id uuid NOT NULL REFERENCES billing.accounts (id),
  -- SHA-256 of what the client made up: it may be anything.
  key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
  request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'answered')),
  answer_json jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- While it runs: from when on another may take it over. Afterwards: how long the answer is kept.
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (account_id, key_hash),
  CHECK ((state = 'answered') = (answer_json IS NOT NULL))
);
CREATE INDEX idempotency_keys_expires_at_idx ON billing.idempotency_keys (expires_at);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['idempotency_keys'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT app.is_admin()))', name || '_admin', name);
  END LOOP;
END
$$;
GRANT SELECT, INSERT, DELETE ON billing.idempotency_keys TO tsumugi_app;
GRANT UPDATE (request_hash, state, answer_json, created_at, expires_at) ON billing.idempotency_keys TO tsumugi_app;

-- Where an answer stands in the ledger is asked of the ledger.
ALTER TABLE chat.generations DROP COLUMN ledger_shard, DROP COLUMN ledger_seq, DROP COLUMN ledger_hash;
