-- The ledger's leased writers, the outbox of entries to come, what may be spent, and holds (000-R13, R14, R28, R29).

-- Who may lengthen a chain: the leader whose epoch stands here. By the database's clock. A leader that was replaced finds another
-- epoch, and everything it still tries is refused.
ALTER TABLE billing.ledger_heads
  ADD COLUMN leader text,
  ADD COLUMN epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  ADD COLUMN lease_until timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE billing.ledger_heads SET (fillfactor = 50);
GRANT UPDATE (leader, epoch, lease_until) ON billing.ledger_heads TO tsumugi_app;

-- An entry is only ever made by `billing.book`, which moves the head of the chain and the balances of both accounts in the same
-- statement: the shard is one that has a head, the accounts are ones that a balance may stand for (its foreign key says so), and
-- nobody may delete either. To check each row again would cost more than the row.
ALTER TABLE billing.token_ledger
  DROP CONSTRAINT token_ledger_shard_fkey,
  DROP CONSTRAINT token_ledger_from_account_fkey,
  DROP CONSTRAINT token_ledger_to_account_fkey,
  DROP CONSTRAINT token_ledger_reverses_id_key,
  ADD CONSTRAINT token_ledger_shard_check CHECK (shard BETWEEN 0 AND 7);
-- Few entries take another one back: the others need no place in this index.
CREATE UNIQUE INDEX token_ledger_reverses_id_key ON billing.token_ledger (reverses_id) WHERE reverses_id IS NOT NULL;
ALTER TABLE billing.account_balances SET (fillfactor = 70);

-- Entries that are decided and not yet in their chain. Written with the rows they belong to, in one transaction; the writer of
-- the shard takes them over into the ledger, whoever dies in between.
CREATE TABLE billing.pending_entries (
  shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 7),
  -- The entry's id to be: UUID version 7, the order of time.
  id uuid NOT NULL,
  from_account uuid NOT NULL REFERENCES billing.accounts (id),
  to_account uuid NOT NULL REFERENCES billing.accounts (id),
  asset text NOT NULL CHECK (asset IN ('token', 'addon_token')),
  token_amount bigint NOT NULL CHECK (token_amount > 0),
  unit_price_micro bigint NOT NULL DEFAULT 0 CHECK (unit_price_micro >= 0),
  purpose text NOT NULL CHECK (purpose IN ('generation', 'sign_up_grant', 'plan_grant', 'addon_purchase', 'ticket_purchase',
    'pack_purchase', 'prompt_purchase', 'adjustment', 'clawback', 'reversal')),
  conv_id uuid,
  msg_id uuid,
  generation_id uuid,
  reverses_id uuid REFERENCES billing.token_ledger (id),
  idempotency_key text NOT NULL UNIQUE CHECK (char_length(idempotency_key) BETWEEN 1 AND 200),
  -- The database's clock; what the hash will cover.
  created_at timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()) CHECK (created_at = date_trunc('milliseconds', created_at)),
  -- Counts against the cap of the period that this instant lies in: of who pays, or, for a correction, of who had paid.
  spent_at timestamptz,
  organization_id uuid,
  -- Closed when this is booked.
  hold_id uuid,
  -- Why it cannot be booked, where it was tried on its own. An operator has to look at it.
  refused text,
  PRIMARY KEY (shard, id),
  CHECK (from_account <> to_account),
  CHECK ((purpose = 'reversal') = (reverses_id IS NOT NULL))
);
CREATE INDEX pending_entries_from_account_idx ON billing.pending_entries (from_account);
CREATE INDEX pending_entries_to_account_idx ON billing.pending_entries (to_account);
CREATE UNIQUE INDEX pending_entries_reverses_id_key ON billing.pending_entries (reverses_id) WHERE reverses_id IS NOT NULL;

-- What an account may spend: its period (the user's month), the cap of it, what is used and what is held for answers under way.
CREATE TABLE billing.spending (
  account_id uuid PRIMARY KEY REFERENCES billing.accounts (id),
  period_anchor timestamptz NOT NULL,
  time_zone text NOT NULL DEFAULT 'Asia/Tokyo',
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  -- NULL: none. Counts `token` only: what was bought is not capped.
  cap_tokens bigint CHECK (cap_tokens >= 0),
  used_tokens bigint NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
  held_tokens bigint NOT NULL DEFAULT 0 CHECK (held_tokens >= 0),
  held_addon_tokens bigint NOT NULL DEFAULT 0 CHECK (held_addon_tokens >= 0),
  at_cap text NOT NULL DEFAULT 'stop' CHECK (at_cap IN ('stop', 'use_bought')),
  -- Whose cap counts as well.
  organization_id uuid,
  CHECK (period_start < period_end)
) WITH (fillfactor = 70);
CREATE INDEX spending_organization_id_idx ON billing.spending (organization_id) WHERE organization_id IS NOT NULL;

CREATE TABLE billing.organization_spending (
  organization_id uuid PRIMARY KEY,
  period_anchor timestamptz NOT NULL,
  time_zone text NOT NULL DEFAULT 'Asia/Tokyo',
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  cap_tokens bigint CHECK (cap_tokens >= 0),
  used_tokens bigint NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
  held_tokens bigint NOT NULL DEFAULT 0 CHECK (held_tokens >= 0),
  CHECK (period_start < period_end)
) WITH (fillfactor = 70);

-- Which organisation's cap an entry counted against; a correction with the opposite sign.
CREATE TABLE billing.organization_entries (
  entry_id uuid PRIMARY KEY REFERENCES billing.token_ledger (id),
  organization_id uuid NOT NULL,
  account_id uuid NOT NULL REFERENCES billing.accounts (id),
  tokens bigint NOT NULL,
  spent_at timestamptz NOT NULL
);
CREATE INDEX organization_entries_organization_id_idx ON billing.organization_entries (organization_id, spent_at);
CREATE INDEX organization_entries_account_id_idx ON billing.organization_entries (account_id);

-- Tokens set aside for an answer that is being written: its prompt and all that it may still say. The row goes when it is settled
-- or released, so every row here is open. Its account exists: `billing.hold` has locked its row of `spending`.
CREATE TABLE billing.holds (
  -- The generation's.
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  organization_id uuid,
  tokens bigint NOT NULL CHECK (tokens >= 0),
  addon_tokens bigint NOT NULL CHECK (addon_tokens >= 0),
  -- 'settling': its entries are in the outbox, and booking them closes it. Such a one never expires.
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settling')),
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (tokens + addon_tokens > 0)
) WITH (fillfactor = 80);
CREATE INDEX holds_expires_at_idx ON billing.holds (expires_at);

-- The month of a person that `at` lies in: counted from the anchor in local time, so that the 31st is followed by the last day of
-- a shorter month and comes back afterwards.
CREATE FUNCTION billing.period_start(anchor timestamptz, zone text, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  local_anchor timestamp := anchor AT TIME ZONE zone;
  local_at timestamp := at AT TIME ZONE zone;
  months integer := (extract(year FROM local_at) - extract(year FROM local_anchor)) * 12
    + extract(month FROM local_at) - extract(month FROM local_anchor);
BEGIN
  -- At most one step in each direction, but for clocks that were set back.
  WHILE (local_anchor + make_interval(months => months)) AT TIME ZONE zone > at LOOP months := months - 1; END LOOP;
  WHILE (local_anchor + make_interval(months => months + 1)) AT TIME ZONE zone <= at LOOP months := months + 1; END LOOP;
  RETURN (local_anchor + make_interval(months => months)) AT TIME ZONE zone;
END $$;
CREATE FUNCTION billing.period_end(anchor timestamptz, zone text, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  local_anchor timestamp := anchor AT TIME ZONE zone;
  local_start timestamp := billing.period_start(anchor, zone, at) AT TIME ZONE zone;
  months integer := round((extract(year FROM local_start) - extract(year FROM local_anchor)) * 12
    + extract(month FROM local_start) - extract(month FROM local_anchor));
BEGIN
  RETURN (local_anchor + make_interval(months => months + 1)) AT TIME ZONE zone;
END $$;

INSERT INTO billing.spending (account_id, period_anchor, period_start, period_end)
SELECT id, created_at, billing.period_start(created_at, 'Asia/Tokyo', now()), billing.period_end(created_at, 'Asia/Tokyo', now())
FROM billing.accounts WHERE owner_type = 'user';

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pending_entries', 'spending', 'organization_spending', 'organization_entries', 'holds'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT app.is_admin()))', name || '_admin', name);
  END LOOP;
END
$$;
CREATE POLICY spending_own ON billing.spending FOR SELECT TO tsumugi_app
  USING (account_id IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));
CREATE POLICY holds_own ON billing.holds FOR SELECT TO tsumugi_app
  USING (account_id IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));
CREATE POLICY pending_entries_own ON billing.pending_entries FOR SELECT TO tsumugi_app
  USING (from_account IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id()))
    OR to_account IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));

GRANT SELECT, INSERT, DELETE ON billing.pending_entries, billing.holds TO tsumugi_app;
GRANT UPDATE (refused) ON billing.pending_entries TO tsumugi_app;
GRANT UPDATE (state, expires_at) ON billing.holds TO tsumugi_app;
GRANT SELECT, INSERT ON billing.spending, billing.organization_spending, billing.organization_entries TO tsumugi_app;
GRANT UPDATE (period_anchor, time_zone, period_start, period_end, cap_tokens, used_tokens, held_tokens, held_addon_tokens, at_cap, organization_id)
  ON billing.spending TO tsumugi_app;
GRANT UPDATE (period_anchor, time_zone, period_start, period_end, cap_tokens, used_tokens, held_tokens)
  ON billing.organization_spending TO tsumugi_app;

-- Tokens of an account that count against the cap in [from, until): answers that were paid with `token` and not taken back.
CREATE FUNCTION billing.used_between(p_account uuid, p_from timestamptz, p_until timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(e.token_amount), 0)::bigint FROM billing.token_ledger e
  WHERE e.from_account = p_account AND e.asset = 'token' AND e.purpose = 'generation'
    AND e.created_at >= p_from AND e.created_at < p_until
    -- Ids carry the time of a gateway; a day is more than clocks differ. It spares reading what is old.
    AND e.id >= (lpad(to_hex(greatest(0, (extract(epoch FROM p_from) * 1000)::bigint - 86400000)), 12, '0') || '00000000000000000000')::uuid
    AND NOT EXISTS (SELECT FROM billing.token_ledger r WHERE r.reverses_id = e.id)
$$;
CREATE FUNCTION billing.organization_used_between(p_organization uuid, p_from timestamptz, p_until timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT greatest(0, coalesce(sum(e.tokens), 0))::bigint FROM billing.organization_entries e
  WHERE e.organization_id = p_organization AND e.spent_at >= p_from AND e.spent_at < p_until
$$;

-- Moves a row that the caller has locked into the period of `p_at`.
CREATE FUNCTION billing.roll_period(p_account uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE billing.spending s SET period_start = n.first, period_end = n.last, used_tokens = billing.used_between(p_account, n.first, n.last)
  FROM (SELECT billing.period_start(o.period_anchor, o.time_zone, p_at) AS first, billing.period_end(o.period_anchor, o.time_zone, p_at) AS last
    FROM billing.spending o WHERE o.account_id = p_account) AS n
  WHERE s.account_id = p_account;
END $$;
CREATE FUNCTION billing.roll_organization_period(p_organization uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE billing.organization_spending s SET period_start = n.first, period_end = n.last,
    used_tokens = billing.organization_used_between(p_organization, n.first, n.last)
  FROM (SELECT billing.period_start(o.period_anchor, o.time_zone, p_at) AS first, billing.period_end(o.period_anchor, o.time_zone, p_at) AS last
    FROM billing.organization_spending o WHERE o.organization_id = p_organization) AS n
  WHERE s.organization_id = p_organization;
END $$;

-- The account of a user, made where it is missing, with its row of `spending`.
CREATE FUNCTION billing.open_account(p_user uuid, p_new_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE account uuid;
BEGIN
  INSERT INTO billing.accounts (id, owner_type, owner_id) VALUES (p_new_id, 'user', p_user) ON CONFLICT (owner_type, owner_id) DO NOTHING;
  SELECT id INTO STRICT account FROM billing.accounts WHERE owner_type = 'user' AND owner_id = p_user;
  INSERT INTO billing.spending (account_id, period_anchor, period_start, period_end)
  VALUES (account, now(), billing.period_start(now(), 'Asia/Tokyo', now()), billing.period_end(now(), 'Asia/Tokyo', now()))
  ON CONFLICT (account_id) DO NOTHING;
  RETURN account;
END $$;

-- Sets tokens aside for an answer before the model is asked: `p_prompt` plus `p_max_output`, or, when less than that is there, as
-- much as there is above `p_prompt + p_min_output`. Looks at the balance, the cap of the month and the cap of the organisation
-- under locks in this order: organisation, account; balances are read afterwards, by a statement of its own, so that what others
-- have booked while this one waited is seen. By the database's clock. Runs as the service also in a person's own transaction.
-- `p_needed`: the answer exists already; what is there is taken, be it nothing, and nothing is refused.
CREATE FUNCTION billing.hold(p_generation uuid, p_user uuid, p_prompt bigint, p_max_output bigint, p_min_output bigint, p_seconds integer,
  p_needed boolean DEFAULT false)
RETURNS TABLE (output_tokens bigint, tokens bigint, addon_tokens bigint) LANGUAGE plpgsql AS $$
DECLARE
  v_role text := coalesce(current_setting('app.role', true), '');
  v_account uuid;
  v_organization uuid;
  s billing.spending;
  o billing.organization_spending;
  v_at timestamptz;
  v_token bigint := 0;
  v_addon bigint := 0;
  v_cap_left bigint;
  v_organization_left bigint;
  v_left bigint;
  v_usable bigint;
  v_usable_addon bigint := 0;
  v_total bigint;
BEGIN
  IF app.user_id() <> p_user THEN RAISE insufficient_privilege USING MESSAGE = 'A person holds for himself only.'; END IF;
  -- Set back at the end; after an error the transaction is rolled back, and the setting with it.
  PERFORM set_config('app.role', 'service', true);
  SELECT a.id, sp.organization_id INTO v_account, v_organization FROM billing.accounts a LEFT JOIN billing.spending sp ON sp.account_id = a.id
  WHERE a.owner_type = 'user' AND a.owner_id = p_user;
  IF v_organization IS NOT NULL THEN
    SELECT * INTO o FROM billing.organization_spending x WHERE x.organization_id = v_organization FOR UPDATE;
  END IF;
  SELECT * INTO s FROM billing.spending x WHERE x.account_id = v_account FOR UPDATE;
  IF NOT FOUND THEN
    v_account := billing.open_account(p_user, gen_random_uuid());
    SELECT * INTO s FROM billing.spending x WHERE x.account_id = v_account FOR UPDATE;
  END IF;
  IF s.organization_id IS DISTINCT FROM v_organization THEN
    -- He changed his organisation a moment ago. Against the order of locks, but nobody holds both the other way round for long.
    v_organization := s.organization_id;
    SELECT * INTO o FROM billing.organization_spending x WHERE x.organization_id = v_organization FOR UPDATE;
  END IF;
  v_at := clock_timestamp();
  IF v_at >= s.period_end THEN
    PERFORM billing.roll_period(v_account, v_at);
    SELECT * INTO s FROM billing.spending x WHERE x.account_id = v_account;
  END IF;
  IF o.organization_id IS NOT NULL AND v_at >= o.period_end THEN
    PERFORM billing.roll_organization_period(v_organization, v_at);
    SELECT * INTO o FROM billing.organization_spending x WHERE x.organization_id = v_organization;
  END IF;
  SELECT coalesce(sum(b.balance) FILTER (WHERE b.asset = 'token'), 0), coalesce(sum(b.balance) FILTER (WHERE b.asset = 'addon_token'), 0)
  INTO v_token, v_addon FROM billing.account_balances b WHERE b.account_id = v_account;
  v_token := greatest(0, v_token - s.held_tokens);
  v_addon := greatest(0, v_addon - s.held_addon_tokens);
  -- NULL: no cap.
  IF s.cap_tokens IS NOT NULL THEN v_cap_left := greatest(0, s.cap_tokens - s.used_tokens - s.held_tokens); END IF;
  IF o.cap_tokens IS NOT NULL THEN v_organization_left := greatest(0, o.cap_tokens - o.used_tokens - o.held_tokens); END IF;
  v_left := least(v_cap_left, v_organization_left);
  v_usable := least(v_token, v_left);
  -- What was bought is used when the rest is out; when a cap keeps the rest back, only if the person wants it so.
  IF v_usable = v_token OR s.at_cap = 'use_bought' THEN v_usable_addon := v_addon; END IF;
  v_total := least(v_usable + v_usable_addon, p_prompt + p_max_output);
  IF v_total < p_prompt + p_min_output AND NOT p_needed THEN
    RAISE EXCEPTION USING
      ERRCODE = CASE WHEN v_token + v_addon < p_prompt + p_min_output THEN 'TB001'
        WHEN v_left = v_cap_left THEN 'TB002' ELSE 'TB003' END,
      MESSAGE = 'The tokens of an answer could not be held.',
      DETAIL = json_build_object('available', v_usable + v_usable_addon, 'needed', p_prompt + p_min_output)::text;
  END IF;
  output_tokens := greatest(0, v_total - p_prompt);
  tokens := least(v_total, v_usable);
  addon_tokens := v_total - tokens;
  IF v_total > 0 THEN
    IF o.organization_id IS NOT NULL THEN
      UPDATE billing.organization_spending x SET held_tokens = x.held_tokens + hold.tokens WHERE x.organization_id = v_organization;
    END IF;
    UPDATE billing.spending x SET held_tokens = x.held_tokens + hold.tokens, held_addon_tokens = x.held_addon_tokens + hold.addon_tokens
    WHERE x.account_id = v_account;
    INSERT INTO billing.holds (id, account_id, organization_id, tokens, addon_tokens, expires_at)
    VALUES (p_generation, v_account, o.organization_id, hold.tokens, hold.addon_tokens, v_at + make_interval(secs => p_seconds));
  END IF;
  PERFORM set_config('app.role', v_role, true);
  RETURN NEXT;
END $$;

-- Gives holds back that nothing is charged for. Locks holds, then organisations, then accounts, as `billing.book` does.
CREATE FUNCTION billing.release_holds(p_ids uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE released integer;
BEGIN
  PERFORM 1 FROM billing.holds h WHERE h.id = ANY (p_ids) AND h.state = 'held' ORDER BY h.id FOR UPDATE;
  PERFORM 1 FROM billing.organization_spending x
  WHERE x.organization_id IN (SELECT h.organization_id FROM billing.holds h WHERE h.id = ANY (p_ids)) ORDER BY x.organization_id FOR UPDATE;
  PERFORM 1 FROM billing.spending x
  WHERE x.account_id IN (SELECT h.account_id FROM billing.holds h WHERE h.id = ANY (p_ids)) ORDER BY x.account_id FOR UPDATE;
  WITH gone AS (DELETE FROM billing.holds h WHERE h.id = ANY (p_ids) AND h.state = 'held' RETURNING h.*),
  by_organization AS (
    UPDATE billing.organization_spending x SET held_tokens = x.held_tokens - g.tokens
    FROM (SELECT organization_id, sum(gone.tokens)::bigint AS tokens FROM gone GROUP BY 1) AS g WHERE x.organization_id = g.organization_id),
  by_account AS (
    UPDATE billing.spending x SET held_tokens = x.held_tokens - g.tokens, held_addon_tokens = x.held_addon_tokens - g.addon_tokens
    FROM (SELECT account_id, sum(gone.tokens)::bigint AS tokens, sum(gone.addon_tokens)::bigint AS addon_tokens FROM gone GROUP BY 1) AS g
    WHERE x.account_id = g.account_id)
  SELECT count(*) INTO released FROM gone;
  RETURN released;
END $$;

-- Those whose time is over. What another transaction has locked is being settled.
CREATE FUNCTION billing.release_expired_holds(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE expired uuid[];
BEGIN
  SELECT array_agg(id) INTO expired FROM (
    SELECT h.id FROM billing.holds h WHERE h.expires_at < clock_timestamp() AND h.state = 'held' ORDER BY h.expires_at LIMIT p_limit
    FOR UPDATE SKIP LOCKED) AS due;
  RETURN CASE WHEN expired IS NULL THEN 0 ELSE billing.release_holds(expired) END;
END $$;

-- Takes pending entries over into their chains: one statement for the client, all or nothing. The ends of the chains are compared
-- and set (sequence, hash and epoch); rows, balances, what was used and what was held change with them. Locks: heads, balances,
-- holds, organisations, accounts, each in one order.
-- Errors: TL001 another writer leads a chain or has moved its end; TL002 a row is not pending (any more).
CREATE FUNCTION billing.book(p_shards smallint[], p_epochs bigint[], p_seqs bigint[], p_hashes text[], p_new_seqs bigint[],
  p_new_hashes text[], p_ids uuid[], p_row_shards smallint[], p_row_seqs bigint[], p_row_hashes text[], p_row_prevs text[],
  p_hash_version smallint)
RETURNS TABLE (kind text, subject uuid, amount bigint, cap bigint) LANGUAGE plpgsql AS $$
DECLARE
  v_count integer;
  v_accounts uuid[];
  v_assets text[];
  v_balances bigint[];
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
    ON CONFLICT (account_id, asset) DO UPDATE SET balance = b.balance + excluded.balance
    RETURNING b.account_id, b.asset, b.balance),
  balances AS (
    SELECT array_agg(moved.account_id) AS accounts, array_agg(moved.asset) AS assets, array_agg(moved.balance) AS balances FROM moved),
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
  SELECT r.count, b.accounts, b.assets, b.balances, r.holds, r.spent, r.spent_tokens, r.spent_at, r.spent_organizations
  INTO v_count, v_accounts, v_assets, v_balances, v_holds, v_spent, v_spent_tokens, v_spent_at, v_spent_organizations
  FROM summed r, balances b;
  IF v_count <> cardinality(p_ids) THEN
    RAISE EXCEPTION USING ERRCODE = 'TL002', MESSAGE = 'An entry is not pending any more.';
  END IF;
  RETURN QUERY SELECT t.asset, t.account, t.balance, NULL::bigint FROM unnest(v_accounts, v_assets, v_balances) AS t (account, asset, balance);

  IF v_holds IS NOT NULL THEN
    WITH closed AS (DELETE FROM billing.holds h WHERE h.id = ANY (v_holds) RETURNING h.*)
    SELECT array_agg(c.account_id), array_agg(c.organization_id), array_agg(c.tokens), array_agg(c.addon_tokens)
    INTO v_held_accounts, v_held_organizations, v_held_tokens, v_held_addon FROM closed c;
  END IF;
  IF array_remove(v_spent_organizations || v_held_organizations, NULL) <> '{}' THEN
    PERFORM 1 FROM billing.organization_spending x WHERE x.organization_id = ANY (v_spent_organizations || v_held_organizations)
    ORDER BY x.organization_id FOR UPDATE;
    RETURN QUERY UPDATE billing.organization_spending x
    SET used_tokens = greatest(0, x.used_tokens + c.used), held_tokens = x.held_tokens - c.held
    FROM (
      SELECT m.id, sum(CASE WHEN m.spent_at >= y.period_start AND m.spent_at < y.period_end THEN m.used ELSE 0 END)::bigint AS used,
        sum(m.held)::bigint AS held
      FROM (
        SELECT t.id, t.used, 0 AS held, t.spent_at FROM unnest(v_spent_organizations, v_spent_tokens, v_spent_at) AS t (id, used, spent_at)
        UNION ALL SELECT t.id, 0, t.held, NULL FROM unnest(v_held_organizations, v_held_tokens) AS t (id, held)) AS m
      JOIN billing.organization_spending y ON y.organization_id = m.id GROUP BY m.id) AS c
    WHERE x.organization_id = c.id
    RETURNING 'organization_used', x.organization_id, x.used_tokens, x.cap_tokens;
  END IF;
  IF v_spent IS NOT NULL OR v_held_accounts IS NOT NULL THEN
    RETURN QUERY UPDATE billing.spending x
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
    RETURNING 'used', x.account_id, x.used_tokens, x.cap_tokens;
  END IF;
END $$;
