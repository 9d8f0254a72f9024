-- X-Q4: the setting `app.role = 'admin'` alone opens nothing. What may be read by operators is read by who holds the role.

DO $$
DECLARE p record;
BEGIN
  FOR p IN SELECT schemaname, tablename, policyname, qual FROM pg_policies WHERE qual LIKE '%app.is_admin()%' LOOP
    EXECUTE format('ALTER POLICY %I ON %I.%I USING (%s)', p.policyname, p.schemaname, p.tablename,
                   replace(p.qual, 'app.is_admin()', 'identity.acts_as_admin()'));
  END LOOP;
END $$;
