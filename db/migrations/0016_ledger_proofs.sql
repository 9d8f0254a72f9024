-- Merkle trees over the chains of the ledger and the checkpoints that were signed of them.

-- Roots of whole subtrees of 256, 256², … leaves: with them a proof reads a few hundred rows, however long the chain is. They can
-- always be recomputed from the entries. `index` counts the subtrees of a level from 0.
CREATE TABLE billing.ledger_tree_nodes (
  shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 7),
  level smallint NOT NULL CHECK (level BETWEEN 1 AND 6),
  index bigint NOT NULL CHECK (index >= 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (shard, level, index)
);

-- Signed notes, for handing out. What counts are the files outside of the database: these rows could be rewritten with the rest.
CREATE TABLE billing.ledger_checkpoints (
  shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 7),
  -- Entries that the tree has.
  size bigint NOT NULL CHECK (size >= 1),
  note text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shard, size)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['ledger_tree_nodes', 'ledger_checkpoints'] LOOP
    EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
      name || '_service', name);
    EXECUTE format('CREATE POLICY %I ON billing.%I FOR SELECT TO tsumugi_app USING ((SELECT app.is_admin()))', name || '_admin', name);
  END LOOP;
END
$$;

GRANT SELECT, INSERT ON billing.ledger_tree_nodes, billing.ledger_checkpoints TO tsumugi_app;
-- Only where a check has found them to differ from the entries.
GRANT UPDATE (hash) ON billing.ledger_tree_nodes TO tsumugi_app;
