-- Where clocks are set back an hour comes twice, and local time tells the second one only. Whoever has signed up in the first one would
-- have had a month of less than an hour: months are counted from the anchor itself, which is one of their boundaries.
CREATE FUNCTION billing.month_boundary(anchor timestamptz, zone text, months integer) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN months = 0 THEN anchor
    ELSE ((anchor AT TIME ZONE zone) + make_interval(months => months)) AT TIME ZONE zone END
$$;
CREATE OR REPLACE FUNCTION billing.period_start(anchor timestamptz, zone text, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  local_anchor timestamp := anchor AT TIME ZONE zone;
  local_at timestamp := at AT TIME ZONE zone;
  months integer := (extract(year FROM local_at) - extract(year FROM local_anchor)) * 12
    + extract(month FROM local_at) - extract(month FROM local_anchor);
BEGIN
  -- At most one step in each direction, but for clocks that were set back.
  WHILE billing.month_boundary(anchor, zone, months) > at LOOP months := months - 1; END LOOP;
  WHILE billing.month_boundary(anchor, zone, months + 1) <= at LOOP months := months + 1; END LOOP;
  RETURN billing.month_boundary(anchor, zone, months);
END $$;
CREATE OR REPLACE FUNCTION billing.period_end(anchor timestamptz, zone text, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  local_anchor timestamp := anchor AT TIME ZONE zone;
  local_start timestamp := billing.period_start(anchor, zone, at) AT TIME ZONE zone;
  months integer := round((extract(year FROM local_start) - extract(year FROM local_anchor)) * 12
    + extract(month FROM local_start) - extract(month FROM local_anchor));
BEGIN
  RETURN billing.month_boundary(anchor, zone, months + 1);
END $$;
