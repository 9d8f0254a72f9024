-- Organisations and who belongs to them (000-Q1): as much as spending under a common cap needs.

CREATE TABLE identity.organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE identity.organization_members (
  organization_id uuid NOT NULL REFERENCES identity.organizations (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  role text NOT NULL DEFAULT 'member' CHECK (role IN ('manager', 'member')),
  -- What he spends counts against the cap of this organisation as well. One at most.
  spends boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_user_id_idx ON identity.organization_members (user_id);
CREATE UNIQUE INDEX organization_members_one_spends ON identity.organization_members (user_id) WHERE spends;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['organizations', 'organization_members'] LOOP
    EXECUTE format('ALTER TABLE identity.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE identity.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON identity.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON identity.%I FOR SELECT TO tsumugi_app USING ((SELECT identity.acts_as_admin()))', name || '_admin', name);
  END LOOP;
END
$$;
-- A member sees his organisation and his own membership, not who else belongs to it.
CREATE POLICY organization_members_own ON identity.organization_members FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()));
CREATE POLICY organizations_own ON identity.organizations FOR SELECT TO tsumugi_app
  USING (id IN (SELECT m.organization_id FROM identity.organization_members m WHERE m.user_id = (SELECT app.user_id())));

GRANT SELECT, INSERT ON identity.organizations, identity.organization_members TO tsumugi_app;
GRANT UPDATE (name, updated_at) ON identity.organizations TO tsumugi_app;
GRANT UPDATE (role, spends) ON identity.organization_members TO tsumugi_app;
GRANT DELETE ON identity.organization_members TO tsumugi_app;
