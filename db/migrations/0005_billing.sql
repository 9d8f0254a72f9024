-- The token ledger, balances and usage (000-R13, R14, R28, R29).

-- A pseudonym that stays when its owner is erased: then only `owner_id` goes. Entries name accounts, never people.
CREATE TABLE billing.accounts (
  id uuid PRIMARY KEY,
  owner_type text NOT NULL CHECK (owner_type IN ('user', 'platform')),
  owner_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (owner_type, owner_id),
  CHECK (owner_type = 'user' OR owner_id IS NULL)
);

-- What the entries sum up to, for quick reading; `BillingService.verifyChain` compares. The platform's goes below zero: tokens
-- come from there. A user's may too, by the last answer that his balance allowed to begin.
CREATE TABLE billing.account_balances (
  account_id uuid NOT NULL REFERENCES billing.accounts (id),
  asset text NOT NULL,
  balance bigint NOT NULL,
  PRIMARY KEY (account_id, asset)
);

-- The end of each chain. Its row lock makes the one writer of a shard.
CREATE TABLE billing.ledger_heads (
  shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 7),
  seq bigint NOT NULL CHECK (seq >= 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);

CREATE TABLE billing.token_ledger (
  shard smallint NOT NULL REFERENCES billing.ledger_heads (shard),
  seq bigint NOT NULL CHECK (seq >= 1),
  -- UUID version 7, so that the order of ids is the order of time.
  id uuid NOT NULL UNIQUE,
  from_account uuid NOT NULL REFERENCES billing.accounts (id),
  to_account uuid NOT NULL REFERENCES billing.accounts (id),
  asset text NOT NULL,
  -- Moves from `from_account` to `to_account`, so that sums are zero by construction.
  token_amount bigint NOT NULL CHECK (token_amount > 0),
  -- Millionths of a minor unit of currency for one token.
  unit_price_micro bigint NOT NULL DEFAULT 0 CHECK (unit_price_micro >= 0),
  purpose text NOT NULL,
  -- No foreign keys: a conversation may be erased, its entries stay.
  conv_id uuid,
  msg_id uuid,
  generation_id uuid,
  -- 'reversed': this entry takes another one back. The other's state is derived, since rows never change.
  status text NOT NULL CHECK (status IN ('settled', 'reversed')),
  reverses_id uuid UNIQUE REFERENCES billing.token_ledger (id),
  idempotency_key text NOT NULL UNIQUE,
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
  hash_version smallint NOT NULL,
  -- Whole milliseconds: the hash covers them.
  created_at timestamptz NOT NULL CHECK (created_at = date_trunc('milliseconds', created_at)),
  PRIMARY KEY (shard, seq),
  CHECK ((status = 'reversed') = (reverses_id IS NOT NULL)),
  CHECK (from_account <> to_account)
);
CREATE INDEX token_ledger_from_account_idx ON billing.token_ledger (from_account, id);
CREATE INDEX token_ledger_to_account_idx ON billing.token_ledger (to_account, id);

CREATE TABLE billing.usage_counters (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  owner_type text NOT NULL CHECK (owner_type IN ('user', 'org')),
  owner_id uuid NOT NULL,
  -- Calendar day in UTC.
  period_day date NOT NULL,
  tokens_in bigint NOT NULL CHECK (tokens_in >= 0),
  tokens_out bigint NOT NULL CHECK (tokens_out >= 0),
  conv_count bigint NOT NULL CHECK (conv_count >= 0),
  UNIQUE (owner_type, owner_id, period_day)
);

-- The genesis of each shard, as `workers/billing/hash-entries.ts` defines it.
INSERT INTO billing.ledger_heads (shard, seq, hash)
SELECT shard, 0, sha256(convert_to('tsumugi.token_ledger.v1.shard.' || shard, 'UTF8')) FROM generate_series(0, 7) AS shard;
-- One account of the platform a shard, so that gateways which settle different shards never wait for one row.
INSERT INTO billing.accounts (id, owner_type, owner_id)
SELECT ('00000000-0000-4000-8000-00000000000' || shard)::uuid, 'platform', NULL FROM generate_series(0, 7) AS shard;

-- ALWAYS: also when somebody sets session_replication_role to skip triggers.
CREATE TRIGGER token_ledger_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.token_ledger
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE billing.token_ledger ENABLE ALWAYS TRIGGER token_ledger_refuse_change;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['accounts', 'account_balances', 'ledger_heads', 'token_ledger', 'usage_counters'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT app.is_admin()))', name || '_admin', name);
  END LOOP;
END
$$;

GRANT SELECT, INSERT ON billing.accounts, billing.account_balances, billing.token_ledger, billing.usage_counters TO tsumugi_app;
GRANT SELECT ON billing.ledger_heads TO tsumugi_app;
GRANT UPDATE (owner_id) ON billing.accounts TO tsumugi_app;
GRANT UPDATE (balance) ON billing.account_balances TO tsumugi_app;
GRANT UPDATE (seq, hash) ON billing.ledger_heads TO tsumugi_app;
GRANT UPDATE (tokens_in, tokens_out, conv_count) ON billing.usage_counters TO tsumugi_app;

-- A person reads his own; he writes nothing here.
CREATE POLICY accounts_own ON billing.accounts FOR SELECT TO tsumugi_app
  USING (owner_type = 'user' AND owner_id = (SELECT app.user_id()));
CREATE POLICY account_balances_own ON billing.account_balances FOR SELECT TO tsumugi_app
  USING (account_id IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));
CREATE POLICY token_ledger_own ON billing.token_ledger FOR SELECT TO tsumugi_app
  USING (from_account IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id()))
    OR to_account IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));
CREATE POLICY usage_counters_own ON billing.usage_counters FOR SELECT TO tsumugi_app
  USING (owner_type = 'user' AND owner_id = (SELECT app.user_id()));
