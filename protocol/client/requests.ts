/**
 * The commands that have no answer yet. Owns their ids, their time limits and the choice of what is sent again after a
 * reconnect. Refuses to guess: a command whose repetition could act twice fails with `client.disconnected`.
 */
import type { UpType } from '../up.ts';
import type { ClientClock } from './environment.ts';
import { isRecord, TsumugiError } from './error.ts';
import type { Frame } from './link.ts';

export type RequestOptions = {
  /** From the call to the answer, waiting for a connection included. */
  timeoutMs?: number;
  signal?: AbortSignal;
};

type Request = {
  readonly id: number;
  readonly type: UpType;
  readonly body: object;
  readonly repeatable: boolean;
  sent: boolean;
  readonly settle: (outcome: { body: object } | { error: TsumugiError }) => void;
};

/** More than this waiting means that nobody looks at the answers any more. */
const maxPending = 1_000;

const always: ReadonlySet<UpType> = new Set<UpType>([
  'identity.me',
  'identity.update_profile',
  'identity.list_sessions',
  'billing.balance',
  'billing.usage',
  'billing.ledger',
  'billing.products',
  // Its `requestKey` makes it one checkout.
  'billing.checkout',
  'billing.portal',
  'billing.purchases',
  'billing.tickets',
  'billing.entitlements',
  'billing.payment_methods',
  'billing.price_tiers',
  'companion.list_avatars',
  'companion.find_avatars',
  'companion.update_avatar',
  'companion.publish_avatar',
  'companion.list_prompts',
  'companion.activate_prompt',
  'chat.open',
  'chat.list_conversations',
  'chat.send',
  'chat.attach',
  'chat.stop',
  'chat.history',
  'chat.trace',
]);

/** True when sending it a second time has the same effect and the same answer as sending it once. */
export function isRepeatable(type: UpType, body: object): boolean {
  if (always.has(type)) return true;
  if (type === 'chat.regenerate' || type === 'chat.edit')
    return 'clientMessageId' in body && body.clientMessageId !== undefined;
  // Its own first effect raises the revision, so that the repetition would be refused.
  if (type === 'chat.select') return !('expectedRevision' in body) || body.expectedRevision === undefined;
  return false;
}

export class Requests {
  readonly #pending = new Map<number, Request>();
  readonly #clock: ClientClock;
  /** Sends now, or returns false when there is no connection. May throw TsumugiError. */
  readonly #transmit: (frame: { type: string; id: number; body: object }) => boolean;
  #nextId = 1;

  constructor(clock: ClientClock, transmit: (frame: { type: string; id: number; body: object }) => boolean) {
    this.#clock = clock;
    this.#transmit = transmit;
  }

  /** @param onReply runs while the answer is being read, before any later frame is. */
  add(
    type: UpType,
    body: object,
    options: RequestOptions & { timeoutMs: number },
    onReply?: (body: object) => void,
  ): Promise<object> {
    if (options.signal?.aborted === true) return Promise.reject(TsumugiError.ofClient('client.aborted'));
    if (this.#pending.size >= maxPending) return Promise.reject(TsumugiError.ofClient('client.queue_full'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const fail = (code: 'client.timeout' | 'client.aborted') =>
        request.settle({ error: TsumugiError.ofClient(code) });
      const onAbort = () => fail('client.aborted');
      const timer = this.#clock.after(options.timeoutMs, () => fail('client.timeout'));
      const request: Request = {
        id,
        type,
        body,
        repeatable: isRepeatable(type, body),
        sent: false,
        settle: (outcome) => {
          if (!this.#pending.delete(id)) return;
          timer.cancel();
          options.signal?.removeEventListener('abort', onAbort);
          if ('error' in outcome) return reject(outcome.error);
          onReply?.(outcome.body);
          resolve(outcome.body);
        },
      };
      options.signal?.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(id, request);
      this.#send(request);
    });
  }

  /** Takes a `reply` or `error`; an answer to something given up is dropped. */
  answer(frame: Frame): void {
    const request = this.#pending.get(Number(frame['id']));
    if (request === undefined) return;
    if (frame.type === 'reply') {
      const body = frame['body'];
      request.settle(isRecord(body) ? { body } : { error: TsumugiError.ofClient('client.bad_frame') });
      return;
    }
    const error = errorOfFrame(frame);
    // A draining server has refused before doing anything: whatever it was may go to the next one.
    if (error.code === 'draining') request.sent = false;
    else request.settle({ error });
  }

  /** The connection is back: everything still unanswered goes out, in the order of the calls. */
  sendAll(): void {
    for (const request of [...this.#pending.values()]) if (!request.sent) this.#send(request);
  }

  /** The connection broke. */
  disconnected(): void {
    for (const request of [...this.#pending.values()]) {
      if (!request.sent) continue;
      if (request.repeatable) request.sent = false;
      else request.settle({ error: TsumugiError.ofClient('client.disconnected') });
    }
  }

  failAll(error: TsumugiError): void {
    for (const request of [...this.#pending.values()]) request.settle({ error });
  }

  #send(request: Request): void {
    try {
      request.sent = this.#transmit({ type: request.type, id: request.id, body: request.body });
    } catch (error) {
      request.settle({
        error: error instanceof TsumugiError ? error : TsumugiError.ofClient('client.bad_frame', String(error)),
      });
    }
  }
}

function errorOfFrame(frame: Frame): TsumugiError {
  return new TsumugiError(String(frame['code']), String(frame['message'] ?? frame['code']), {
    retryAfterMs: typeof frame['retryAfterMs'] === 'number' ? frame['retryAfterMs'] : undefined,
    details: isRecord(frame['details']) ? frame['details'] : undefined,
  });
}
