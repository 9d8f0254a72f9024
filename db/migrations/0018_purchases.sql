-- Money: what is on sale, payments, purchases, refunds, tickets, entitlements, and the provider's events
-- (000-R15, 001-R23 … R27, R55, R61 … R63, 003-R46 … R49, X-Q5, X-Q6).
-- Amounts are in the smallest unit of their currency (yen have none smaller). Rows name users, who are never deleted: erasure
-- empties what is personal about them, and their keys.

-- Bought tokens and tickets in the sizes that are offered. Changes count for new payments: each payment keeps what it was for.
CREATE TABLE billing.addons (
  code text PRIMARY KEY CHECK (code ~ '^[a-z0-9_]{1,40}$'),
  kind text NOT NULL CHECK (kind IN ('addon_tokens', 'tickets')),
  name_en text NOT NULL CHECK (char_length(name_en) BETWEEN 1 AND 80),
  name_ja text NOT NULL CHECK (char_length(name_ja) BETWEEN 1 AND 80),
  -- Tokens or tickets.
  units bigint NOT NULL CHECK (units BETWEEN 1 AND 1000000000000),
  price_minor bigint NOT NULL CHECK (price_minor BETWEEN 1 AND 99999999),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  active boolean NOT NULL DEFAULT true,
  sort integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX addons_kind_idx ON billing.addons (kind, sort);
INSERT INTO billing.addons (code, kind, name_en, name_ja, units, price_minor, currency, sort) VALUES
  ('tokens_100k', 'addon_tokens', '100,000 tokens', '10万トークン', 100000, 500, 'jpy', 10),
  ('tokens_500k', 'addon_tokens', '500,000 tokens', '50万トークン', 500000, 2200, 'jpy', 20),
  ('tokens_2m', 'addon_tokens', '2,000,000 tokens', '200万トークン', 2000000, 8000, 'jpy', 30),
  ('tickets_5', 'tickets', '5 tickets', 'チケット5枚', 5, 600, 'jpy', 10),
  ('tickets_12', 'tickets', '12 tickets', 'チケット12枚', 12, 1300, 'jpy', 20),
  ('tickets_30', 'tickets', '30 tickets', 'チケット30枚', 30, 3000, 'jpy', 30);

-- Price plans for creators (003-R48): the prices that a creator may put on what he sells.
CREATE TABLE billing.price_tiers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  code text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9_]{1,40}$'),
  price_minor bigint NOT NULL CHECK (price_minor BETWEEN 0 AND 99999999),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  active boolean NOT NULL DEFAULT true,
  sort integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (currency, price_minor)
);
INSERT INTO billing.price_tiers (code, price_minor, currency, sort) VALUES
  ('free', 0, 'jpy', 0), ('jpy_100', 100, 'jpy', 10), ('jpy_300', 300, 'jpy', 20), ('jpy_500', 500, 'jpy', 30),
  ('jpy_980', 980, 'jpy', 40), ('jpy_1980', 1980, 'jpy', 50), ('jpy_4980', 4980, 'jpy', 60);

-- Who a user is at the provider. Neither name nor mail nor address: those stay with the provider.
CREATE TABLE billing.customers (
  user_id uuid NOT NULL REFERENCES identity.users (id),
  provider text NOT NULL CHECK (provider IN ('stripe', 'stripe_offline')),
  provider_customer_id text NOT NULL CHECK (char_length(provider_customer_id) BETWEEN 1 AND 255),
  -- As in `payments`: which look at the provider has been applied last.
  sync_issued bigint NOT NULL DEFAULT 0,
  sync_applied bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, provider),
  UNIQUE (provider, provider_customer_id)
);

-- What a person recognises his card by. The card itself is only at the provider.
CREATE TABLE billing.payment_methods (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  provider text NOT NULL CHECK (provider IN ('stripe', 'stripe_offline')),
  provider_method_id text NOT NULL CHECK (char_length(provider_method_id) BETWEEN 1 AND 255),
  type text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 40),
  brand text CHECK (char_length(brand) BETWEEN 1 AND 40),
  last4 text CHECK (last4 ~ '^[0-9]{4}$'),
  exp_month smallint CHECK (exp_month BETWEEN 1 AND 12),
  exp_year smallint CHECK (exp_year BETWEEN 2000 AND 9999),
  is_default boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  detached_at timestamptz,
  UNIQUE (provider, provider_method_id),
  CHECK (NOT (is_default AND detached_at IS NOT NULL))
);
CREATE INDEX payment_methods_user_id_idx ON billing.payment_methods (user_id);
CREATE UNIQUE INDEX payment_methods_one_default ON billing.payment_methods (user_id, provider) WHERE is_default;

-- Attempts to pay: made before the provider is asked, so that what comes back is never without its origin.
CREATE TABLE billing.payments (
  -- UUID version 7: the order of ids is the order of time.
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  provider text NOT NULL CHECK (provider IN ('stripe', 'stripe_offline')),
  -- payment: once. subscription: the checkout that begins one. invoice: a period of a subscription.
  mode text NOT NULL CHECK (mode IN ('payment', 'subscription', 'invoice')),
  product_type text NOT NULL CHECK (product_type ~ '^[a-z][a-z_]{0,39}$'),
  product_id text NOT NULL CHECK (char_length(product_id) BETWEEN 1 AND 64),
  quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  -- What all of it grants: tokens, tickets, or 1 for a thing.
  units bigint NOT NULL CHECK (units >= 0),
  amount bigint NOT NULL CHECK (amount >= 0),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  -- The client's key of the request that began it, and the digest of what it asked for.
  request_key text CHECK (char_length(request_key) BETWEEN 8 AND 64),
  request_digest bytea CHECK (octet_length(request_digest) = 32),
  session_id text CHECK (char_length(session_id) BETWEEN 1 AND 255),
  session_url text CHECK (char_length(session_url) BETWEEN 1 AND 2048),
  intent_id text CHECK (char_length(intent_id) BETWEEN 1 AND 255),
  invoice_id text CHECK (char_length(invoice_id) BETWEEN 1 AND 255),
  subscription_id text CHECK (char_length(subscription_id) BETWEEN 1 AND 255),
  -- mismatched: paid, but not what was asked for; nothing is granted and an operator looks at it.
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'processing', 'succeeded', 'failed', 'expired', 'mismatched')),
  -- A look at the provider takes the next number before it looks; one that was taken before an applied one comes too late.
  sync_issued bigint NOT NULL DEFAULT 0,
  sync_applied bigint NOT NULL DEFAULT 0,
  synced_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, request_key),
  UNIQUE (provider, session_id),
  UNIQUE (provider, intent_id),
  UNIQUE (provider, invoice_id),
  CHECK ((request_key IS NULL) = (request_digest IS NULL)),
  CHECK ((mode = 'invoice') = (invoice_id IS NOT NULL)),
  CHECK (sync_applied <= sync_issued)
);
CREATE INDEX payments_user_id_idx ON billing.payments (user_id, id);
CREATE INDEX payments_unsettled_idx ON billing.payments (provider, created_at) WHERE status IN ('open', 'processing');

-- The truth about what was bought (001-R23). A row is made when the money is there; what became of it since stands in the row.
CREATE TABLE billing.purchases (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  -- plan, addon_tokens, tickets, and what other domains register: pack, prompt, …
  type text NOT NULL CHECK (type ~ '^[a-z][a-z_]{0,39}$'),
  item_id text NOT NULL CHECK (char_length(item_id) BETWEEN 1 AND 64),
  quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  payment_provider text NOT NULL CHECK (payment_provider IN ('stripe', 'stripe_offline')),
  -- The provider's id of the payment: Stripe's payment intent, or its invoice where nothing was to be paid.
  payment_id text NOT NULL CHECK (char_length(payment_id) BETWEEN 1 AND 255),
  payment_row_id uuid NOT NULL UNIQUE REFERENCES billing.payments (id),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  amount_jpy bigint GENERATED ALWAYS AS (CASE WHEN currency = 'jpy' THEN amount_minor END) STORED,
  stripe_payment_intent text GENERATED ALWAYS AS (CASE WHEN payment_id LIKE 'pi\_%' THEN payment_id END) STORED,
  tokens_granted bigint NOT NULL DEFAULT 0 CHECK (tokens_granted >= 0),
  -- What was granted, and how much of it is taken back at the moment.
  units bigint NOT NULL CHECK (units >= 0),
  units_revoked bigint NOT NULL DEFAULT 0,
  -- Counts the changes: each is booked under a key of its own.
  revision integer NOT NULL DEFAULT 0 CHECK (revision >= 0),
  refunded_minor bigint NOT NULL DEFAULT 0,
  dispute text NOT NULL DEFAULT 'none' CHECK (dispute IN ('none', 'open', 'won', 'lost')),
  status text NOT NULL DEFAULT 'paid' CHECK (status IN ('paid', 'partially_refunded', 'refunded', 'disputed', 'charged_back')),
  refunded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (payment_provider, payment_id),
  CHECK (units_revoked BETWEEN 0 AND units),
  CHECK (refunded_minor BETWEEN 0 AND amount_minor)
);
CREATE INDEX purchases_user_id_idx ON billing.purchases (user_id, id);
CREATE INDEX purchases_item_idx ON billing.purchases (type, item_id, user_id);

-- Money that goes back: asked for here (durable before the provider is asked), or seen at the provider.
CREATE TABLE billing.refunds (
  id uuid PRIMARY KEY,
  purchase_id uuid NOT NULL REFERENCES billing.purchases (id),
  user_id uuid NOT NULL REFERENCES identity.users (id),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  origin text NOT NULL CHECK (origin IN ('operator', 'duplicate', 'provider')),
  reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
  requested_by uuid REFERENCES identity.users (id),
  request_key text CHECK (char_length(request_key) BETWEEN 8 AND 64),
  provider_refund_id text CHECK (char_length(provider_refund_id) BETWEEN 1 AND 255),
  status text NOT NULL CHECK (status IN ('requested', 'pending', 'succeeded', 'failed', 'canceled')),
  error_code text CHECK (char_length(error_code) BETWEEN 1 AND 100),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider_refund_id),
  UNIQUE (purchase_id, request_key)
);
CREATE INDEX refunds_user_id_idx ON billing.refunds (user_id);
CREATE INDEX refunds_requested_by_idx ON billing.refunds (requested_by);
CREATE INDEX refunds_due_idx ON billing.refunds (next_attempt_at) WHERE status = 'requested';

-- What the provider told, once an event. Only what it is about, never its body: the state is read at the provider, so neither
-- order nor repetition of events matters, and nothing personal is kept.
CREATE TABLE billing.provider_events (
  provider text NOT NULL CHECK (provider IN ('stripe', 'stripe_offline')),
  event_id text NOT NULL CHECK (char_length(event_id) BETWEEN 1 AND 255),
  type text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 255),
  subject_kind text CHECK (subject_kind ~ '^[a-z_]{1,40}$'),
  subject_id text CHECK (char_length(subject_id) BETWEEN 1 AND 255),
  -- Of Connect: whose event it is.
  account_id text CHECK (char_length(account_id) BETWEEN 1 AND 255),
  created_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  processed_at timestamptz,
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- Also the lease of who works on it.
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  error text CHECK (char_length(error) BETWEEN 1 AND 200),
  PRIMARY KEY (provider, event_id),
  CHECK ((subject_kind IS NULL) = (subject_id IS NULL))
);
CREATE INDEX provider_events_due_idx ON billing.provider_events (next_attempt_at) WHERE processed_at IS NULL;
CREATE INDEX provider_events_subject_idx ON billing.provider_events (provider, subject_kind, subject_id) WHERE processed_at IS NULL;
CREATE INDEX provider_events_received_idx ON billing.provider_events (received_at);

-- The truth about tickets (001-R27); rows never change.
CREATE TABLE billing.ticket_transactions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  -- refund: tickets that go because their money went back. What is given back (a dispute was won) is a grant.
  type text NOT NULL CHECK (type IN ('purchase', 'consume', 'refund', 'grant')),
  amount bigint NOT NULL CHECK (CASE WHEN type IN ('purchase', 'grant') THEN amount > 0 ELSE amount < 0 END),
  idempotency_key text NOT NULL CHECK (char_length(idempotency_key) BETWEEN 1 AND 120),
  purchase_id uuid REFERENCES billing.purchases (id),
  -- What it was spent on, as its domain names it.
  target_type text CHECK (target_type ~ '^[a-z][a-z_]{0,39}$'),
  target_id text CHECK (char_length(target_id) BETWEEN 1 AND 64),
  reason text CHECK (char_length(reason) BETWEEN 1 AND 200),
  granted_by uuid REFERENCES identity.users (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, idempotency_key),
  CHECK ((target_type IS NULL) = (target_id IS NULL)),
  CHECK (type NOT IN ('purchase', 'refund') OR purchase_id IS NOT NULL)
);
CREATE INDEX ticket_transactions_user_id_idx ON billing.ticket_transactions (user_id, id);
CREATE INDEX ticket_transactions_purchase_id_idx ON billing.ticket_transactions (purchase_id);
CREATE INDEX ticket_transactions_granted_by_idx ON billing.ticket_transactions (granted_by);
CREATE TRIGGER ticket_transactions_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.ticket_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE billing.ticket_transactions ENABLE ALWAYS TRIGGER ticket_transactions_refuse_change;

-- A cache (001-R26). Below zero only when tickets that were spent already had to go back with their money.
CREATE TABLE billing.user_ticket_balances (
  user_id uuid PRIMARY KEY REFERENCES identity.users (id),
  balance bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Rights to things (001-R25, R55).
CREATE TABLE billing.user_entitlements (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id),
  entitlement_type text NOT NULL CHECK (entitlement_type ~ '^[a-z][a-z_]{0,39}$'),
  entitlement_id text NOT NULL CHECK (char_length(entitlement_id) BETWEEN 1 AND 64),
  source text NOT NULL CHECK (source IN ('purchase', 'grant', 'restore')),
  source_purchase_id uuid REFERENCES billing.purchases (id),
  granted_by uuid REFERENCES identity.users (id),
  granted_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  revoke_reason text CHECK (char_length(revoke_reason) BETWEEN 1 AND 200),
  CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)),
  CHECK (source <> 'purchase' OR source_purchase_id IS NOT NULL)
);
CREATE UNIQUE INDEX user_entitlements_one_valid ON billing.user_entitlements (user_id, entitlement_type, entitlement_id)
  WHERE revoked_at IS NULL;
CREATE INDEX user_entitlements_user_id_idx ON billing.user_entitlements (user_id, id);
CREATE INDEX user_entitlements_source_purchase_id_idx ON billing.user_entitlements (source_purchase_id);
CREATE INDEX user_entitlements_granted_by_idx ON billing.user_entitlements (granted_by);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['addons', 'price_tiers', 'customers', 'payment_methods', 'payments', 'purchases', 'refunds',
                              'provider_events', 'ticket_transactions', 'user_ticket_balances', 'user_entitlements'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT identity.acts_as_admin()))', name || '_admin', name);
  END LOOP;
  -- A person reads his own; he writes nothing here.
  FOREACH name IN ARRAY ARRAY['payment_methods', 'payments', 'purchases', 'refunds', 'ticket_transactions', 'user_ticket_balances',
                              'user_entitlements'] LOOP
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()))', name || '_own', name);
  END LOOP;
  -- What is offered is for everybody to see.
  FOREACH name IN ARRAY ARRAY['addons', 'price_tiers'] LOOP
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING (active AND (SELECT app.role()) = ''user'')', name || '_offered', name);
  END LOOP;
END
$$;

GRANT SELECT, INSERT ON billing.addons, billing.price_tiers, billing.customers, billing.payment_methods, billing.payments, billing.purchases,
  billing.refunds, billing.provider_events, billing.ticket_transactions, billing.user_ticket_balances, billing.user_entitlements TO tsumugi_app;
GRANT UPDATE (name_en, name_ja, units, price_minor, currency, active, sort, updated_at) ON billing.addons TO tsumugi_app;
GRANT UPDATE (active, sort) ON billing.price_tiers TO tsumugi_app;
GRANT UPDATE (provider_customer_id, sync_issued, sync_applied) ON billing.customers TO tsumugi_app;
GRANT UPDATE (type, brand, last4, exp_month, exp_year, is_default, detached_at) ON billing.payment_methods TO tsumugi_app;
GRANT UPDATE (session_id, session_url, intent_id, subscription_id, status, sync_issued, sync_applied, synced_at, expires_at, updated_at)
  ON billing.payments TO tsumugi_app;
GRANT UPDATE (units, tokens_granted, units_revoked, revision, refunded_minor, dispute, status, refunded_at, updated_at) ON billing.purchases TO tsumugi_app;
GRANT UPDATE (provider_refund_id, status, error_code, attempts, next_attempt_at, updated_at) ON billing.refunds TO tsumugi_app;
GRANT UPDATE (processed_at, attempts, next_attempt_at, error) ON billing.provider_events TO tsumugi_app;
GRANT DELETE ON billing.provider_events TO tsumugi_app;
GRANT UPDATE (balance, updated_at) ON billing.user_ticket_balances TO tsumugi_app;
GRANT UPDATE (revoked_at, revoke_reason) ON billing.user_entitlements TO tsumugi_app;
