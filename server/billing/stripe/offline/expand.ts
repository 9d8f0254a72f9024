/** Answers as Stripe gives them: lists in pages, ids replaced by their objects where `expand` asks for it. */
import type { Params } from './form.ts';
import type { OfflineObject } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';

const MAX_DEPTH = 4;
type Fields = Record<string, unknown>;

/** A copy without what is not Stripe's. */
export function present(store: OfflineStore, object: object, expand: readonly string[]): object {
  const copy = withoutOurs(structuredClone(object)) as Fields;
  for (const path of expand) {
    const parts = path.split('.');
    if (parts.length > MAX_DEPTH)
      throw new OfflineError(400, 'parameter_invalid', `You can expand at most ${MAX_DEPTH} levels: ${path}`, 'expand');
    open(store, copy, parts);
  }
  return copy;
}

function open(store: OfflineStore, at: unknown, [head, ...rest]: readonly string[]): void {
  if (head === undefined) return;
  if (Array.isArray(at)) {
    for (const item of at) open(store, item, [head, ...rest]);
    return;
  }
  if (typeof at !== 'object' || at === null) return;
  const fields = at as Fields;
  const value = fields[head];
  if (typeof value === 'string') {
    const found = store.any(value);
    if (found !== undefined) fields[head] = withoutOurs(structuredClone(found));
  }
  open(store, fields[head], rest);
}

function withoutOurs(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { offline: _, ...rest } = value as Fields;
  return rest;
}

/** One page of a list, newest first. */
export function pageOf(store: OfflineStore, url: string, all: readonly OfflineObject[], params: Params): object {
  const limit = Math.min(100, Math.max(1, params.integer('limit') ?? 10));
  const after = params.text('starting_after');
  const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  const data = all.slice(from, from + limit);
  const list = { object: 'list', url, has_more: all.length > from + limit, data };
  return present(
    store,
    { ...list, data: data.map((one) => withoutOurs(structuredClone(one))) },
    params.texts('expand'),
  );
}
