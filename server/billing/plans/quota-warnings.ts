/**
 * Tells people when 80 % and 100 % of their monthly cap, or of their organisation's, are used: each once a period and cap, on all devices. A
 * warning is stored before it is told. One that nobody noted, because its gateway died in between, is found by the job; one that was
 * noted and not told is told again. So none is lost; told twice is one whose gateway died between telling and writing that down.
 */
import type { Spent } from '../../../db/billing/ledger/booking.ts';
import {
  findAudience,
  findUnnoted,
  lockUntold,
  noteAccounts,
  noteOrganizations,
  setTold,
  type WarningRow,
} from '../../../db/billing/plans/warnings.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { PlanLog, Tell } from './needs.ts';

type Parts = { db: Database; tell: Tell; log: PlanLog };

const LOWEST_PERCENT = 80;
const FULL_PERCENT = 100;
/** Who was noted needs no look at the database at each further answer. */
const REMEMBERED = 20_000;
const UNTOLD_S = 15;
const AT_ONCE = 500;

export class QuotaWarnings {
  readonly #parts: Parts;
  /** What was used when the last look was taken, by account or organisation: less than that is a new period, or it is another cap. */
  readonly #seen = new Map<string, { used: number; level: number; cap: number }>();
  readonly #working = new Set<Promise<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Listens to the ledger; never waits, never fails. */
  onBooked(spent: readonly Spent[]): void {
    const near = spent.filter((one) => this.#isNews(one));
    if (near.length === 0) return;
    const accountIds = near.filter(({ kind }) => kind === 'account').map(({ subject }) => subject);
    const organizationIds = near.filter(({ kind }) => kind === 'organization').map(({ subject }) => subject);
    const work = this.note(accountIds, organizationIds)
      .catch((error: unknown) => {
        for (const { subject } of near) this.#seen.delete(subject);
        this.#parts.log.warn({ error }, 'warnings about caps could not be noted; they are looked for later');
      })
      .finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  /** Waits for what is being told. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  /** Notes and tells what is due for these. */
  async note(accountIds: readonly string[], organizationIds: readonly string[]): Promise<void> {
    const { db } = this.#parts;
    const fresh = await db.asService(async (tx) => [
      ...(accountIds.length === 0 ? [] : await noteAccounts(tx, accountIds)),
      ...(organizationIds.length === 0 ? [] : await noteOrganizations(tx, organizationIds)),
    ]);
    if (fresh.length > 0) await db.asService((tx) => this.#tellAll(tx, fresh));
  }

  /** A chore: tells what was noted and not told. @param untoldS how old it has to be. */
  async tellUntold(untoldS = UNTOLD_S): Promise<void> {
    await this.#parts.db.asService(async (tx) => this.#tellAll(tx, await lockUntold(tx, untoldS, AT_ONCE)));
  }

  /** A chore: notes what nobody noted. Reads the rows of all who have a cap. */
  async noteMissed(): Promise<void> {
    const { db } = this.#parts;
    const missed = await db.asService((tx) => findUnnoted(tx, AT_ONCE));
    if (missed.accountIds.length + missed.organizationIds.length > 0)
      await this.note(missed.accountIds, missed.organizationIds);
  }

  async #tellAll(tx: Tx, warnings: readonly WarningRow[]): Promise<void> {
    if (warnings.length === 0) return;
    for (const warning of warnings) {
      const { organizationId, percent, usedTokens, capTokens, periodEnd } = warning;
      const body = {
        scope: organizationId === null ? ('user' as const) : ('organization' as const),
        organizationId,
        percent,
        usedTokens,
        monthlyTokenLimit: capTokens,
        periodEnd: periodEnd.toISOString(),
      };
      for (const userId of await findAudience(tx, warning))
        this.#parts.tell(userId, { type: 'billing.quota_warning', body });
    }
    await setTold(
      tx,
      warnings.map(({ id }) => id),
    );
  }

  #isNews({ subject, usedTokens: used, capTokens: cap }: Spent): boolean {
    if (cap === 0 || used * FULL_PERCENT < cap * LOWEST_PERCENT) return false;
    const level = used >= cap ? FULL_PERCENT : LOWEST_PERCENT;
    const before = this.#seen.get(subject);
    this.#seen.delete(subject);
    this.#seen.set(subject, { used, level, cap });
    if (this.#seen.size > REMEMBERED) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return before === undefined || cap !== before.cap || used < before.used || level > before.level;
  }
}
