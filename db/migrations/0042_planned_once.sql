-- PostgreSQL planned the statements of these functions for each call: it takes a plan for all values for dearer where it does not know
-- how short the arrays are. The plans are the same.
ALTER FUNCTION billing.book(smallint[], bigint[], bigint[], text[], bigint[], text[], uuid[], smallint[], bigint[], text[], text[], smallint)
  SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION live.append_log(text[], integer[], integer[], integer[], text[]) SET plan_cache_mode = force_generic_plan;
