-- Creators, what they earn and how it is paid (001-R14, 001-R28 … R30, 001-R59, 003-R48).
-- Money is bigint in the smallest unit of its currency. Earnings and lines only grow; a payout changes its state and nothing else.

CREATE TABLE identity.creators (
  id uuid PRIMARY KEY,
  -- 001-R14, 001-R59: one user is at most one creator. Accounts are never deleted (X-Q3), so what is owed keeps its owner.
  user_id uuid NOT NULL UNIQUE REFERENCES identity.users (id),
  -- A suspended creator goes on earning; nothing is paid to him.
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (id, user_id)
);

-- Shares that differ from the server's, each from a moment on. NULL: the server's again. Rows only grow.
CREATE TABLE billing.creator_shares (
  id uuid PRIMARY KEY,
  creator_id uuid NOT NULL REFERENCES identity.creators (id),
  share_bps integer CHECK (share_bps BETWEEN 0 AND 10000),
  effective_from timestamptz NOT NULL,
  set_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (creator_id, effective_from)
);

-- Every sale, refund and conversion once, with the share frozen at its moment. The truth of what a creator is owed.
CREATE TABLE billing.creator_earnings (
  id uuid PRIMARY KEY,
  creator_id uuid NOT NULL REFERENCES identity.creators (id),
  -- 'refund_undone': a dispute was won or a refund failed. 'tokens': earned tokens turned into money.
  -- 'payout_returned': a payout was cancelled or its transfer reversed; the money is owed again.
  kind text NOT NULL CHECK (kind IN ('sale', 'refund', 'refund_undone', 'tokens', 'payout_returned')),
  -- What it comes from: the same event is never counted twice.
  source_key text NOT NULL UNIQUE CHECK (char_length(source_key) BETWEEN 1 AND 200),
  -- No foreign key: whoever sells keeps his purchases where he likes; a check compares.
  purchase_id uuid,
  product_type text CHECK (product_type ~ '^[a-z_]{1,40}$'),
  product_id text CHECK (char_length(product_id) <= 100),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  gross_minor bigint NOT NULL,
  share_bps integer NOT NULL CHECK (share_bps BETWEEN 0 AND 10000),
  creator_minor bigint NOT NULL,
  platform_minor bigint NOT NULL,
  token_amount bigint CHECK (token_amount > 0),
  happened_at timestamptz NOT NULL,
  -- From when on it may be in a payout. A refund takes that of its sale: it is never paid later than what it takes back.
  available_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (id, creator_id, currency),
  CHECK (gross_minor = creator_minor + platform_minor OR kind = 'payout_returned'),
  CHECK (CASE kind
    WHEN 'refund' THEN gross_minor < 0 AND creator_minor BETWEEN gross_minor AND 0
    WHEN 'payout_returned' THEN gross_minor = 0 AND platform_minor = 0 AND creator_minor > 0
    WHEN 'tokens' THEN gross_minor > 0 AND creator_minor = gross_minor
    ELSE gross_minor > 0 AND creator_minor BETWEEN 0 AND gross_minor END),
  CHECK ((kind = 'tokens') = (token_amount IS NOT NULL)),
  CHECK ((kind IN ('sale', 'refund', 'refund_undone')) = (purchase_id IS NOT NULL))
);
CREATE INDEX creator_earnings_available_idx ON billing.creator_earnings (creator_id, currency, available_at);
CREATE INDEX creator_earnings_purchase_idx ON billing.creator_earnings (purchase_id) WHERE purchase_id IS NOT NULL;

-- Where a creator is paid. The bank's data stays with the provider; of it only a label (bank and last four digits), encrypted.
CREATE TABLE billing.payout_accounts (
  id uuid PRIMARY KEY,
  creator_id uuid NOT NULL,
  user_id uuid NOT NULL,
  provider text NOT NULL CHECK (provider IN ('stripe')),
  -- NULL until the provider has answered; asked again under this row's id, it gives the same account.
  provider_account_id text CHECK (char_length(provider_account_id) BETWEEN 1 AND 100),
  country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
  bank_label_enc bytea,
  details_submitted boolean NOT NULL DEFAULT false,
  payouts_enabled boolean NOT NULL DEFAULT false,
  -- How many things the provider still asks for, and why it stopped paying.
  requirements_due integer NOT NULL DEFAULT 0 CHECK (requirements_due >= 0),
  disabled_reason text CHECK (char_length(disabled_reason) <= 100),
  -- Of the provider's payment to the bank; NULL again after one that arrived.
  bank_failure_code text CHECK (char_length(bank_failure_code) <= 100),
  -- The provider's clock: news that are older than what is known are left out.
  provider_state_at timestamptz,
  is_default boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  FOREIGN KEY (creator_id, user_id) REFERENCES identity.creators (id, user_id),
  UNIQUE (id, creator_id),
  UNIQUE (provider, provider_account_id),
  CHECK (NOT is_default OR deleted_at IS NULL)
);
CREATE INDEX payout_accounts_creator_idx ON billing.payout_accounts (creator_id, user_id);
-- 001-R28, 001-Q8.
CREATE UNIQUE INDEX payout_accounts_one_default ON billing.payout_accounts (creator_id) WHERE is_default AND deleted_at IS NULL;

-- One run a month, in the time zone that the server had when it began.
CREATE TABLE billing.payout_runs (
  id uuid PRIMARY KEY,
  month text NOT NULL UNIQUE CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  time_zone text NOT NULL,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  -- The operator who began it; NULL: the server by itself.
  started_by uuid,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  CHECK (period_start < period_end)
);

CREATE TABLE billing.payouts (
  id uuid PRIMARY KEY,
  creator_id uuid NOT NULL REFERENCES identity.creators (id),
  run_id uuid NOT NULL REFERENCES billing.payout_runs (id),
  month text NOT NULL CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  time_zone text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  -- Carried in from the payout before: what was below the minimum, or a debt.
  opening_minor bigint NOT NULL,
  gross_minor bigint NOT NULL CHECK (gross_minor >= 0),
  refunds_minor bigint NOT NULL CHECK (refunds_minor <= 0),
  platform_minor bigint NOT NULL,
  share_minor bigint NOT NULL CHECK (share_minor >= 0),
  clawback_minor bigint NOT NULL CHECK (clawback_minor <= 0),
  returned_minor bigint NOT NULL CHECK (returned_minor >= 0),
  fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
  -- What is transferred.
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  -- Carried out to the next payout.
  closing_minor bigint NOT NULL,
  line_count integer NOT NULL CHECK (line_count >= 0),
  status text NOT NULL CHECK (status IN ('carried', 'pending', 'held', 'approved', 'transferring', 'paid', 'failed', 'reversed', 'canceled')),
  payout_account_id uuid,
  -- Rises with each retry after a definite refusal: a part of the provider's idempotency key.
  attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  -- Until then the gateway that claimed the transfer is working on it.
  claimed_until timestamptz,
  provider_transfer_id text UNIQUE CHECK (char_length(provider_transfer_id) BETWEEN 1 AND 100),
  -- What of the transfer came back.
  reversed_minor bigint NOT NULL DEFAULT 0,
  failure_code text CHECK (char_length(failure_code) <= 100),
  approved_at timestamptz,
  paid_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Nobody is paid twice for a month.
  UNIQUE (creator_id, currency, month),
  UNIQUE (id, creator_id, currency),
  FOREIGN KEY (payout_account_id, creator_id) REFERENCES billing.payout_accounts (id, creator_id),
  CHECK (period_start < period_end),
  CHECK (gross_minor + refunds_minor = platform_minor + share_minor + clawback_minor),
  CHECK (opening_minor + share_minor + clawback_minor + returned_minor = fee_minor + amount_minor + closing_minor),
  CHECK ((amount_minor = 0) = (status = 'carried')),
  CHECK (status <> 'carried' OR fee_minor = 0),
  CHECK (amount_minor = 0 OR closing_minor = 0),
  CHECK ((status IN ('paid', 'reversed')) = (provider_transfer_id IS NOT NULL)),
  CHECK (status NOT IN ('transferring', 'paid', 'reversed') OR payout_account_id IS NOT NULL),
  CHECK ((status = 'transferring') = (claimed_until IS NOT NULL)),
  CHECK (reversed_minor BETWEEN 0 AND amount_minor AND (status = 'reversed') = (reversed_minor = amount_minor AND amount_minor > 0)),
  CHECK (reversed_minor = 0 OR status IN ('paid', 'reversed'))
);
CREATE INDEX payouts_run_idx ON billing.payouts (run_id);
CREATE INDEX payouts_account_idx ON billing.payouts (payout_account_id, creator_id);
CREATE INDEX payouts_open_idx ON billing.payouts (status, id) WHERE status IN ('pending', 'held', 'approved', 'transferring', 'failed');

-- 001-R30. UNIQUE earning_id: nothing is paid twice. Creator and currency are repeated so that keys prove that they agree.
CREATE TABLE billing.payout_line_items (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  payout_id uuid NOT NULL,
  earning_id uuid NOT NULL UNIQUE,
  creator_id uuid NOT NULL,
  currency text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Deferred: lines are taken first, so that the payout's sums are those of exactly these lines.
  FOREIGN KEY (payout_id, creator_id, currency) REFERENCES billing.payouts (id, creator_id, currency) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY (earning_id, creator_id, currency) REFERENCES billing.creator_earnings (id, creator_id, currency)
);
CREATE INDEX payout_line_items_payout_idx ON billing.payout_line_items (payout_id, creator_id, currency);
CREATE INDEX payout_line_items_earning_idx ON billing.payout_line_items (earning_id, creator_id, currency);

-- Every state of a payout, with who and why. Reasons are operators' words: not for the creator.
CREATE TABLE billing.payout_events (
  id uuid PRIMARY KEY,
  payout_id uuid NOT NULL REFERENCES billing.payouts (id),
  ts timestamptz NOT NULL DEFAULT now(),
  from_status text,
  to_status text NOT NULL,
  actor_type text NOT NULL CHECK (actor_type IN ('service', 'admin', 'provider')),
  actor_id uuid,
  reason text CHECK (char_length(reason) <= 500),
  code text CHECK (char_length(code) <= 100)
);
CREATE INDEX payout_events_payout_idx ON billing.payout_events (payout_id, id);

-- The states and the ways between them. A payout that may be with the provider cannot be cancelled: nobody knows its outcome yet.
CREATE FUNCTION billing.guard_payout_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status IS DISTINCT FROM OLD.status AND NOT (OLD.status || '>' || NEW.status = ANY (ARRAY[
    'pending>approved', 'pending>held', 'pending>canceled',
    'held>pending', 'held>canceled',
    'approved>transferring', 'approved>held', 'approved>canceled',
    'transferring>paid', 'transferring>failed',
    'failed>approved', 'failed>held', 'failed>canceled',
    'paid>reversed'])) THEN
    RAISE EXCEPTION 'a payout does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.reversed_minor < OLD.reversed_minor OR NEW.attempt < OLD.attempt
     OR (OLD.provider_transfer_id IS NOT NULL AND NEW.provider_transfer_id IS DISTINCT FROM OLD.provider_transfer_id) THEN
    RAISE EXCEPTION 'what happened to a payout is not taken back' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER payouts_guard BEFORE UPDATE ON billing.payouts FOR EACH ROW EXECUTE FUNCTION billing.guard_payout_change();

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['creator_shares', 'creator_earnings', 'payout_line_items', 'payout_events'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.%I FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()',
      name || '_append_only', name);
    EXECUTE format('ALTER TABLE billing.%I ENABLE ALWAYS TRIGGER %I', name, name || '_append_only');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['identity.creators', 'billing.creator_shares', 'billing.creator_earnings', 'billing.payout_accounts',
                              'billing.payout_runs', 'billing.payouts', 'billing.payout_line_items', 'billing.payout_events'] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON %s FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      split_part(name, '.', 2) || '_service', name);
    EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO tsumugi_app USING ((SELECT identity.acts_as_admin()))',
      split_part(name, '.', 2) || '_admin', name);
  END LOOP;
  -- A creator reads his own; he writes nothing here.
  FOREACH name IN ARRAY ARRAY['creator_shares', 'creator_earnings', 'payout_accounts', 'payouts', 'payout_line_items'] LOOP
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app
      USING (creator_id IN (SELECT c.id FROM identity.creators c WHERE c.user_id = (SELECT app.user_id())))', name || '_own', name);
  END LOOP;
END
$$;
CREATE POLICY creators_own ON identity.creators FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()));

GRANT SELECT, INSERT ON identity.creators, billing.creator_shares, billing.creator_earnings, billing.payout_accounts, billing.payout_runs,
  billing.payouts, billing.payout_line_items, billing.payout_events TO tsumugi_app;
GRANT UPDATE (status, updated_at) ON identity.creators TO tsumugi_app;
GRANT UPDATE (provider_account_id, bank_label_enc, details_submitted, payouts_enabled, requirements_due, disabled_reason,
  bank_failure_code, provider_state_at, is_default, updated_at, deleted_at) ON billing.payout_accounts TO tsumugi_app;
GRANT UPDATE (finished_at) ON billing.payout_runs TO tsumugi_app;
GRANT UPDATE (status, payout_account_id, attempt, claimed_until, provider_transfer_id, reversed_minor, failure_code, approved_at, paid_at,
  updated_at) ON billing.payouts TO tsumugi_app;
