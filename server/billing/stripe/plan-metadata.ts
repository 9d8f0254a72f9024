/**
 * What a subscription is for, in the metadata of the provider's object: for its current period, and for the next one where that is
 * another. The price alone cannot say it: a change at the end of a period changes the price at once.
 */
import type { SoldProduct } from '../purchases/subscription-gateway.ts';
import { meta } from './metadata.ts';

const next = {
  type: 'tsumugi_next_product_type',
  id: 'tsumugi_next_product_id',
  /** Seconds; periods that begin then or later are for it. */
  from: 'tsumugi_next_from',
} as const;

type Metadata = Readonly<Record<string, string>>;

/** @param fromS when the period begins that `then` is for. */
export function planMetadata(now: SoldProduct, then: SoldProduct, fromS: number): Record<string, string> {
  const changes = now.type !== then.type || now.id !== then.id;
  return {
    [meta.productType]: now.type,
    [meta.productId]: now.id,
    // An empty value takes the name away.
    [next.type]: changes ? then.type : '',
    [next.id]: changes ? then.id : '',
    [next.from]: changes ? String(fromS) : '',
  };
}

/** @param periodStartS of the period that is asked about. */
export function plansOf(
  metadata: Metadata,
  periodStartS: number,
): { product: SoldProduct | null; nextProduct: SoldProduct | null } {
  const now = productIn(metadata[meta.productType], metadata[meta.productId]);
  const then = productIn(metadata[next.type], metadata[next.id]);
  const fromS = Number(metadata[next.from]);
  if (then === null || !(fromS > 0)) return { product: now, nextProduct: null };
  return periodStartS >= fromS ? { product: then, nextProduct: null } : { product: now, nextProduct: then };
}

function productIn(type: string | undefined, id: string | undefined): SoldProduct | null {
  return type && id ? { type, id } : null;
}
