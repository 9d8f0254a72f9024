-- A hold ahead of its turn, as one statement that is a transaction of its own: the round trips of BEGIN, the context and COMMIT cost
-- more than the hold. All of it or an error. It does not wait for the disk: the commit of the turn behind it does, and what that finds
-- on the disk has this before it. Without the turn nothing is charged.
CREATE FUNCTION billing.hold_ahead(p_generation uuid, p_user uuid, p_prompt bigint, p_max_output bigint, p_seconds integer)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE held bigint;
BEGIN
  -- Within somebody's transaction it would go on with another person's rights.
  IF coalesce(nullif(current_setting('app.user_id', true), ''), p_user::text) <> p_user::text THEN
    RAISE insufficient_privilege USING MESSAGE = 'A hold ahead of its turn is a transaction of its own.';
  END IF;
  PERFORM set_config('app.role', 'user', true), set_config('app.user_id', p_user::text, true),
    set_config('synchronous_commit', 'off', true);
  SELECT h.tokens + h.addon_tokens INTO held
  FROM billing.hold(p_generation, p_user, p_prompt, p_max_output, p_max_output, p_seconds, false) AS h;
  RETURN held;
END $$;
