/** Events of the local Stripe server: kept for listing, and sent to every endpoint, signed, until one answers 2xx. */
import { createHmac } from 'node:crypto';
import type { Clock, Timer } from '../../../clock.ts';
import type { Event, OfflineObject, WebhookEndpoint } from './objects.ts';
import type { OfflineStore } from './store.ts';

export const API_VERSION = '2026-10-28.endive';

const RETRY_MS = [1_000, 5_000, 30_000, 300_000, 3_600_000] as const;
const TIMEOUT_MS = 10_000;

export class Webhooks {
  readonly #store: OfflineStore;
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  readonly #sending = new Set<Promise<void>>();
  #stopped = false;

  constructor(store: OfflineStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Says that something happened to an object, with its state at this moment. */
  emit(type: string, object: OfflineObject, more: { previous?: object; account?: string } = {}): Event {
    const endpoints = this.#store.list('webhook_endpoint');
    const event: Event = this.#store.add({
      ...this.#store.base('event'),
      type,
      api_version: API_VERSION,
      pending_webhooks: endpoints.length,
      request: { id: null, idempotency_key: null },
      data: { object: structuredClone(object), ...(more.previous ? { previous_attributes: more.previous } : {}) },
      ...(more.account ? { account: more.account } : {}),
    });
    for (const endpoint of endpoints) this.#begin(endpoint, event, 0);
    return event;
  }

  /** Waits for what is on its way now; what is to be tried again later is not waited for. */
  async idle(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    await this.idle();
  }

  #begin(endpoint: WebhookEndpoint, event: Event, attempt: number): void {
    const sending = this.#send(endpoint, event)
      .then((accepted) => this.#after(accepted, endpoint, event, attempt))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  #after(accepted: boolean, endpoint: WebhookEndpoint, event: Event, attempt: number): void {
    if (accepted) {
      event.pending_webhooks = Math.max(0, event.pending_webhooks - 1);
      this.#store.changed();
      return;
    }
    const waitMs = RETRY_MS[attempt];
    if (waitMs === undefined || this.#stopped) return;
    const timer = this.#clock.after(waitMs, () => {
      this.#timers.delete(timer);
      if (!this.#stopped) this.#begin(endpoint, event, attempt + 1);
    });
    this.#timers.add(timer);
  }

  async #send({ url, secret }: WebhookEndpoint, event: Event): Promise<boolean> {
    const body = JSON.stringify(event);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'stripe-signature': sign(body, secret, this.#store.now()),
        },
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    }
  }
}

/** The header that Stripe sends: `t=…,v1=…`. */
export function sign(body: string, secret: string, atS: number): string {
  return `t=${atS},v1=${createHmac('sha256', secret).update(`${atS}.${body}`).digest('hex')}`;
}
