-- Plans, subscriptions, the period each person is in, what was granted for it, and warnings about caps (000-R3, R4, R14).

-- What is offered. A change counts for periods that begin after it: each person keeps the terms that his period began with.
CREATE TABLE billing.plans (
  code text PRIMARY KEY CHECK (code ~ '^[a-z0-9_]{1,40}$'),
  name_en text NOT NULL CHECK (char_length(name_en) BETWEEN 1 AND 80),
  name_ja text NOT NULL CHECK (char_length(name_ja) BETWEEN 1 AND 80),
  avatar_limit integer NOT NULL CHECK (avatar_limit BETWEEN 0 AND 100000),
  -- Granted tokens that may be spent in a month. NULL: no cap.
  monthly_token_limit bigint CHECK (monthly_token_limit BETWEEN 0 AND 1000000000000),
  -- Tokens that each month begins with.
  monthly_tokens bigint NOT NULL CHECK (monthly_tokens BETWEEN 0 AND 1000000000000),
  price_minor bigint NOT NULL CHECK (price_minor BETWEEN 0 AND 99999999),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  interval text NOT NULL DEFAULT 'month' CHECK (interval IN ('month', 'year')),
  active boolean NOT NULL DEFAULT true,
  sort integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Everybody is on it who pays for nothing else.
  CHECK (code <> 'free' OR (price_minor = 0 AND active AND interval = 'month')),
  CHECK (code = 'free' OR price_minor > 0)
);
INSERT INTO billing.plans (code, name_en, name_ja, avatar_limit, monthly_token_limit, monthly_tokens, price_minor, currency, sort) VALUES
  ('free', 'Free', 'フリー', 10, 10000000, 100000, 0, 'jpy', 0),
  ('pro', 'Pro', 'プロ', 30, 20000000, 3000000, 1480, 'jpy', 10),
  ('business', 'Business', 'ビジネス', 50, 100000000, 15000000, 6980, 'jpy', 20);

-- Paid plans at a provider, as they were when they were looked at last.
CREATE TABLE billing.subscriptions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  provider text NOT NULL CHECK (provider IN ('stripe', 'stripe_offline')),
  provider_subscription_id text NOT NULL CHECK (char_length(provider_subscription_id) BETWEEN 1 AND 255),
  stripe_subscription_id text GENERATED ALWAYS AS (CASE WHEN provider = 'stripe' THEN provider_subscription_id END) STORED UNIQUE,
  -- What the current period is for. NULL until the provider has said it.
  plan_code text REFERENCES billing.plans (code),
  -- What the next one will be for, where that is another plan.
  next_plan_code text REFERENCES billing.plans (code),
  status text NOT NULL CHECK (status IN ('incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled')),
  -- Months are counted from here, in UTC, as the provider counts them.
  anchor timestamptz,
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean NOT NULL DEFAULT false,
  -- A second one beside one that lives: gives nothing, its money goes back, and it is ended at the provider.
  duplicate boolean NOT NULL DEFAULT false,
  -- Its money was taken back: gives nothing any more, and is ended at the provider.
  revoked_at timestamptz,
  ended_at timestamptz,
  -- The database's clock when the provider was asked: what was seen earlier never overwrites what was seen later.
  seen_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider, provider_subscription_id),
  CHECK ((current_period_start IS NULL) = (current_period_end IS NULL)),
  CHECK (current_period_start < current_period_end),
  CHECK ((anchor IS NULL) = (current_period_start IS NULL)),
  CHECK (status <> 'canceled' OR ended_at IS NOT NULL)
);
CREATE INDEX subscriptions_user_id_idx ON billing.subscriptions (user_id);
CREATE INDEX subscriptions_plan_code_idx ON billing.subscriptions (plan_code);
CREATE INDEX subscriptions_next_plan_code_idx ON billing.subscriptions (next_plan_code);
CREATE UNIQUE INDEX subscriptions_one_live ON billing.subscriptions (user_id) WHERE ended_at IS NULL AND NOT duplicate AND revoked_at IS NULL;
CREATE INDEX subscriptions_live_idx ON billing.subscriptions (provider, current_period_end) WHERE ended_at IS NULL;

-- The plan each person is on, the terms and the bounds of his period. Its row lock puts all changes of one person in order.
CREATE TABLE billing.user_plans (
  user_id uuid PRIMARY KEY REFERENCES identity.users (id) ON DELETE CASCADE,
  plan_code text NOT NULL REFERENCES billing.plans (code),
  -- NULL on the plan that costs nothing.
  subscription_id uuid REFERENCES billing.subscriptions (id),
  avatar_limit integer NOT NULL,
  cap_tokens bigint,
  grant_tokens bigint NOT NULL,
  anchor timestamptz NOT NULL,
  time_zone text NOT NULL,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  -- When it has to be looked at next.
  due_at timestamptz NOT NULL,
  -- What the person wants at the cap. NULL: as the server does.
  at_cap text CHECK (at_cap IN ('stop', 'use_bought')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (period_start < period_end)
);
CREATE INDEX user_plans_plan_code_idx ON billing.user_plans (plan_code);
CREATE INDEX user_plans_subscription_id_idx ON billing.user_plans (subscription_id);
CREATE INDEX user_plans_due_at_idx ON billing.user_plans (due_at);

-- Tokens that plans have granted; never more for a period than its plan gives. The ledger's entries have the same keys.
CREATE TABLE billing.plan_grants (
  idempotency_key text PRIMARY KEY CHECK (char_length(idempotency_key) BETWEEN 1 AND 200),
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  plan_code text NOT NULL REFERENCES billing.plans (code),
  subscription_id uuid REFERENCES billing.subscriptions (id),
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  tokens bigint NOT NULL CHECK (tokens > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (period_start < period_end)
);
CREATE INDEX plan_grants_user_id_idx ON billing.plan_grants (user_id, period_end);
CREATE INDEX plan_grants_plan_code_idx ON billing.plan_grants (plan_code);
CREATE INDEX plan_grants_subscription_id_idx ON billing.plan_grants (subscription_id);

-- What a refund or a dispute has taken of a plan's tokens, so that exactly that comes back when the money stays after all.
CREATE TABLE billing.plan_clawbacks (
  id uuid PRIMARY KEY,
  purchase_id uuid NOT NULL,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  tokens bigint NOT NULL CHECK (tokens > 0),
  restored boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX plan_clawbacks_user_id_idx ON billing.plan_clawbacks (user_id);
CREATE INDEX plan_clawbacks_purchase_id_idx ON billing.plan_clawbacks (purchase_id);

-- Warnings about caps: one for each part of a cap and period, told once. Stored before it is told, so that none gets lost.
CREATE TABLE billing.quota_warnings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id uuid REFERENCES billing.accounts (id),
  organization_id uuid REFERENCES identity.organizations (id) ON DELETE CASCADE,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  percent smallint NOT NULL CHECK (percent IN (80, 100)),
  used_tokens bigint NOT NULL,
  cap_tokens bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  told_at timestamptz,
  CHECK (num_nonnulls(account_id, organization_id) = 1),
  UNIQUE (account_id, period_start, percent),
  UNIQUE (organization_id, period_start, percent)
);
CREATE INDEX quota_warnings_untold_idx ON billing.quota_warnings (created_at) WHERE told_at IS NULL;

-- Zones come from browsers; one that this database does not know must not stop anybody from signing up.
CREATE FUNCTION billing.known_zone(zone text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN coalesce(zone, 'UTC');
EXCEPTION WHEN invalid_parameter_value THEN RETURN 'UTC';
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['plans', 'subscriptions', 'user_plans', 'plan_grants', 'plan_clawbacks', 'quota_warnings'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT identity.acts_as_admin()))', name || '_admin', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['subscriptions', 'user_plans', 'plan_grants', 'plan_clawbacks'] LOOP
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()))', name || '_own', name);
  END LOOP;
END
$$;
-- Also what is not offered any more: somebody may still be on it.
CREATE POLICY plans_offered ON billing.plans FOR SELECT TO tsumugi_app USING ((SELECT app.role()) = 'user');
CREATE POLICY quota_warnings_own ON billing.quota_warnings FOR SELECT TO tsumugi_app
  USING (account_id IN (SELECT a.id FROM billing.accounts a WHERE a.owner_type = 'user' AND a.owner_id = (SELECT app.user_id())));

GRANT SELECT, INSERT ON billing.plans, billing.subscriptions, billing.user_plans, billing.plan_grants, billing.plan_clawbacks,
  billing.quota_warnings TO tsumugi_app;
GRANT UPDATE (name_en, name_ja, avatar_limit, monthly_token_limit, monthly_tokens, price_minor, currency, interval, active, sort, updated_at)
  ON billing.plans TO tsumugi_app;
GRANT UPDATE (plan_code, next_plan_code, status, anchor, current_period_start, current_period_end, cancel_at_period_end, revoked_at, ended_at,
  seen_at, updated_at) ON billing.subscriptions TO tsumugi_app;
GRANT UPDATE (plan_code, subscription_id, avatar_limit, cap_tokens, grant_tokens, anchor, time_zone, period_start, period_end, due_at, at_cap,
  updated_at) ON billing.user_plans TO tsumugi_app;
GRANT UPDATE (restored) ON billing.plan_clawbacks TO tsumugi_app;
GRANT UPDATE (told_at) ON billing.quota_warnings TO tsumugi_app;
GRANT DELETE ON billing.user_plans TO tsumugi_app;
