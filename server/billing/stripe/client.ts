/** The Stripe SDK as this server uses it, and its errors in our words. */
import Stripe from 'stripe';
import { ProviderError } from '../purchases/gateway.ts';

export type StripeSettings = {
  secretKey: string;
  /** Undefined for Stripe itself. Scheme, host and port: a server that speaks Stripe's protocol. */
  apiBase?: string | undefined;
  timeoutMs?: number;
};

const TIMEOUT_MS = 20_000;
const RETRIES = 2;

export function createStripe({ secretKey, apiBase, timeoutMs = TIMEOUT_MS }: StripeSettings): Stripe {
  return new Stripe(secretKey, {
    ...(apiBase === undefined ? {} : hostOf(apiBase)),
    maxNetworkRetries: RETRIES,
    timeout: timeoutMs,
    telemetry: false,
    appInfo: { name: 'Tsumugi' },
  });
}

function hostOf(apiBase: string): { protocol: 'http' | 'https'; host: string; port: string } {
  const { protocol, hostname, port } = new URL(apiBase);
  const isTls = protocol === 'https:';
  return { protocol: isTls ? 'https' : 'http', host: hostname, port: port || (isTls ? '443' : '80') };
}

/** Runs one request. @throws ProviderError, whose message never carries what was sent. */
export async function ask<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw toProviderError(error);
  }
}

/** As `ask`; undefined for what the provider does not have. */
export async function askFor<T extends object>(request: Promise<T>): Promise<T | undefined> {
  try {
    const found = await request;
    return 'deleted' in found && found.deleted === true ? undefined : found;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeInvalidRequestError && error.code === 'resource_missing') return undefined;
    throw toProviderError(error);
  }
}

/** A wrong key is worth another try as well: an operator mends it, and nothing is lost until then. */
function toProviderError(error: unknown): unknown {
  const { errors } = Stripe;
  if (!(error instanceof errors.StripeError)) return error;
  const isOurFault =
    (error instanceof errors.StripeInvalidRequestError && error.code !== 'lock_timeout') ||
    error instanceof errors.StripeCardError ||
    error instanceof errors.StripeIdempotencyError;
  return new ProviderError(error.code ?? error.type, !isOurFault, { cause: error, param: error.param });
}
