-- What the live store keeps when there is no Redis. Only the server itself (role 'service') touches it.
-- Logged tables, but for the buckets: what was acknowledged survives a kill -9 of everything.

CREATE TABLE live.sessions (
  user_id    text NOT NULL,
  session_id text NOT NULL,
  value      text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, session_id)
);
CREATE INDEX sessions_expires_at ON live.sessions (expires_at);

CREATE TABLE live.once (
  key        text PRIMARY KEY,
  value      text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX once_expires_at ON live.once (expires_at);

-- A lost bucket is a full bucket: no reason to write it ahead.
CREATE UNLOGGED TABLE live.buckets (
  key        text PRIMARY KEY,
  tokens     double precision NOT NULL,
  wait_ms    double precision NOT NULL, -- what the last taker was told; 0 when granted
  filled_at  timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX buckets_expires_at ON live.buckets (expires_at);

CREATE TABLE live.log_heads (
  generation_id text PRIMARY KEY,
  epoch         integer NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL DEFAULT now() + interval '7 days'
);
CREATE INDEX log_heads_expires_at ON live.log_heads (expires_at);

CREATE TABLE live.log_pieces (
  generation_id text NOT NULL, -- no foreign key: its check would lock and write the head for every piece
  seq           integer NOT NULL CHECK (seq >= 0),
  epoch         integer NOT NULL,
  at_offset     integer NOT NULL CHECK (at_offset >= 0),
  piece         text NOT NULL,
  PRIMARY KEY (generation_id, seq)
);
-- Every piece is written once and deleted some minutes later.
ALTER TABLE live.log_pieces SET (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 1);

CREATE TABLE live.leases (
  name       text PRIMARY KEY,
  owner      text, -- null: released
  epoch      bigint NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX leases_expires_at ON live.leases (expires_at);

-- Payloads that are too long for NOTIFY; the notification carries the id.
CREATE TABLE live.messages (
  message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payload    text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX messages_expires_at ON live.messages (expires_at);

-- Appends pieces and gives the generations that were refused because a higher epoch is known.
-- The fence must hold against a take-over at the same moment, without writing the head for every batch: who only appends
-- shares the lock of the generation's slot, who raises an epoch has it alone. Slots are locked in order: no deadlock.
-- The later statements see what was committed while the locks were waited for. The first piece of a first owner raises
-- nothing (there is no lower epoch), so beginnings and batches do not wait for each other.
-- The settings hold the plan to index look-ups: fresh tables have no statistics, and a scan of all heads for every piece is
-- what the planner would choose for ever.
CREATE FUNCTION live.append_log(ids text[], epochs integer[], seqs integer[], offsets integer[], texts text[])
RETURNS SETOF text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  slot record;
  unknown boolean := false;
  written integer;
BEGIN
  FOR slot IN
    SELECT hashtext(p.id) & 63 AS number, bool_or(h.epoch IS NULL OR h.epoch < p.epoch) AS unknown,
      bool_or(CASE WHEN h.epoch IS NULL THEN p.epoch > 1 ELSE h.epoch < p.epoch END) AS raising
    FROM unnest(ids, epochs) AS p (id, epoch) LEFT JOIN live.log_heads h ON h.generation_id = p.id
    GROUP BY 1 ORDER BY 1
  LOOP
    IF slot.raising THEN PERFORM pg_advisory_xact_lock(1953721709, slot.number);
    ELSE PERFORM pg_advisory_xact_lock_shared(1953721709, slot.number);
    END IF;
    unknown := unknown OR slot.unknown;
  END LOOP;

  IF unknown THEN
    INSERT INTO live.log_heads AS h (generation_id, epoch)
    SELECT p.id, max(p.epoch) FROM unnest(ids, epochs) AS p (id, epoch)
    WHERE NOT EXISTS (SELECT FROM live.log_heads known WHERE known.generation_id = p.id AND known.epoch >= p.epoch)
    GROUP BY 1 ORDER BY 1
    ON CONFLICT (generation_id) DO UPDATE SET epoch = excluded.epoch WHERE h.epoch < excluded.epoch;
  END IF;

  -- A piece again is the same piece; one of a newer owner replaces what an older one had written there.
  INSERT INTO live.log_pieces AS l (generation_id, seq, epoch, at_offset, piece)
  SELECT p.id, p.seq, p.epoch, p.at_offset, p.piece
  FROM unnest(ids, epochs, seqs, offsets, texts) AS p (id, epoch, seq, at_offset, piece)
  JOIN live.log_heads h ON h.generation_id = p.id AND h.epoch = p.epoch
  WHERE p.seq >= 0
  ON CONFLICT (generation_id, seq) DO UPDATE
    SET epoch = excluded.epoch, at_offset = excluded.at_offset, piece = excluded.piece WHERE l.epoch < excluded.epoch;
  GET DIAGNOSTICS written = ROW_COUNT;

  -- All written: nobody was refused.
  IF written < cardinality(ids) THEN
    RETURN QUERY SELECT DISTINCT p.id FROM unnest(ids, epochs) AS p (id, epoch)
      JOIN live.log_heads h ON h.generation_id = p.id AND h.epoch > p.epoch;
  END IF;
END
$$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['sessions', 'once', 'buckets', 'log_heads', 'log_pieces', 'leases', 'messages'] LOOP
    EXECUTE format('ALTER TABLE live.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE live.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY service ON live.%I TO tsumugi_app USING (app.is_service()) WITH CHECK (app.is_service())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON live.%I TO tsumugi_app', name);
  END LOOP;
END
$$;
