-- A log that is unknown although the writer has written to it before was lost. Nothing is put behind such a hole: the writer is
-- told, and writes the whole of it again. Otherwise as before.
DROP FUNCTION live.append_log(text[], integer[], integer[], integer[], text[]);
CREATE FUNCTION live.append_log(ids text[], epochs integer[], seqs integer[], offsets integer[], texts text[])
RETURNS TABLE (generation text, is_lost boolean) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  slot record;
  unknown boolean := false;
  missing text[] := '{}';
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
    missing := ARRAY(
      SELECT p.id FROM unnest(ids, seqs) AS p (id, seq)
      WHERE NOT EXISTS (SELECT FROM live.log_heads known WHERE known.generation_id = p.id)
      GROUP BY 1 HAVING min(p.seq) > 0);
    INSERT INTO live.log_heads AS h (generation_id, epoch)
    SELECT p.id, max(p.epoch) FROM unnest(ids, epochs) AS p (id, epoch)
    WHERE NOT EXISTS (SELECT FROM live.log_heads known WHERE known.generation_id = p.id AND known.epoch >= p.epoch)
      AND p.id <> ALL (missing)
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
    RETURN QUERY SELECT DISTINCT p.id, false FROM unnest(ids, epochs) AS p (id, epoch)
      JOIN live.log_heads h ON h.generation_id = p.id AND h.epoch > p.epoch
      UNION ALL SELECT m.id, true FROM unnest(missing) AS m (id);
  END IF;
END
$$;
