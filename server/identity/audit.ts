/**
 * The security audit of accounts (000-R27, 003-R65). Whole addresses are encrypted: with the person's key where the person
 * is known to have acted, else with the server's own. Payloads hold codes and counts only.
 */
import type { Tx } from '../../db/client.ts';
import type { Cells } from '../../db/columns/cells.ts';
import { insertAudit } from '../../db/ops/audit.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Clock } from '../clock.ts';
import { networkOf, plainAddress } from './addresses.ts';
import { cleanUserAgent } from './rules.ts';

/** Where a request came from. */
export type Origin = Readonly<{ address: string; userAgent: string | undefined }>;

export type AuditAction =
  | 'identity.sign_up'
  | 'identity.sign_up_refused'
  | 'identity.sign_in'
  | 'identity.sign_in_failed'
  | 'identity.sign_out'
  | 'identity.token_reused'
  | 'identity.password_changed'
  | 'identity.password_change_failed'
  | 'identity.session_ended'
  | 'identity.status_changed'
  | 'identity.role_granted'
  | 'identity.role_revoked';

export type AuditEvent = Readonly<{
  action: AuditAction;
  /** Whom it is about. */
  userId: string | null;
  /** Whoever did it: the user himself, the server on somebody's order, or nobody known. */
  actor: 'user' | 'service' | 'anonymous';
  origin: Origin | undefined;
  sessionId?: string;
  payload?: Readonly<Record<string, string | number | boolean>>;
}>;

export class Audit {
  readonly #cells: Cells;
  readonly #clock: Clock;

  constructor(cells: Cells, clock: Clock) {
    this.#cells = cells;
    this.#clock = clock;
  }

  /** Adds an entry in the transaction of what it tells of. */
  async write(tx: Tx, event: AuditEvent): Promise<void> {
    const id = uuidv7(this.#clock.now());
    const address = event.origin && plainAddress(event.origin.address);
    // What a stranger did stands under the server's key: it is not the account holder's data to erase, and an attempt costs
    // the same work whether the account exists or not.
    const owner = event.actor === 'user' ? event.userId : null;
    const cell = { table: 'ops.audit_logs', column: 'ip_enc', rowId: id };
    await insertAudit(tx, {
      id,
      atMs: this.#clock.now(),
      userId: event.userId,
      actorType: event.actor,
      actorId: event.actor === 'user' ? event.userId : null,
      action: event.action,
      target: event.sessionId === undefined ? null : { type: 'session', id: event.sessionId },
      ipEnc: address === undefined ? null : await this.#cells.encrypt(tx, owner, cell, address),
      network: address === undefined ? null : (networkOf(address) ?? null),
      userAgent: cleanUserAgent(event.origin?.userAgent),
      payload: event.payload ?? {},
    });
  }
}
