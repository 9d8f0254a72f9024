/** Statements of payouts, written by the workers out of the stored lines; and one-use addresses to fetch them by. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type LineRow, listLines } from '../../../db/billing/payouts/lines.ts';
import { findPayout, type PayoutRow } from '../../../db/billing/payouts/payouts.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { LiveStore } from '../../../db/live/live-store.ts';
import type { Statement, StatementLine } from '../../../workers/billing/statement.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { CreatorDirectory } from './needs.ts';

export type Format = 'pdf' | 'csv';
export type Written = { body: string | Uint8Array; contentType: string; fileName: string };
type Lang = 'en' | 'ja';
/** Who asks: the creator himself, or an operator. */
export type Asker = { userId: string } | { operatorId: string };

const LINES_A_TASK = 5_000;
/** More would be a book; the CSV has them all, and the PDF says so. */
const LINES_IN_PDF = 1_000;
const TICKET_LIFE_MS = 2 * 60_000;
const TICKET = /^[A-Za-z0-9_-]{43}$/;

type Parts = {
  db: Database;
  clock: Clock;
  runner: TaskRunner;
  creators: CreatorDirectory;
  live: Pick<LiveStore, 'putOnce' | 'takeOnce'>;
};

export class Statements {
  readonly #parts: Parts;
  #fonts: Promise<{ regular: Uint8Array; bold: Uint8Array }> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @param lang undefined: the creator's own.
   * @throws AppError `billing.payout_not_found`, also for another creator's; `busy`.
   */
  async write(asker: Asker, payoutId: string, format: Format, lang?: Lang): Promise<Written> {
    const { statement, lines } = await this.#read(asker, (tx) =>
      this.#load(tx, payoutId, lang, format === 'pdf' ? LINES_IN_PDF : LINES_A_TASK),
    );
    const fileName = `tsumugi-payout-${statement.month}-${statement.currency}-${payoutId.slice(-12)}.${format}`;
    if (format === 'pdf') {
      const input = { statement, lines: lines.map(toLine), fonts: await this.#loadFonts() };
      const body = await this.#parts.runner.run('billing/write-statement-pdf', input);
      return { body, contentType: 'application/pdf', fileName };
    }
    return { body: await this.#writeCsv(asker, statement, lines), contentType: 'text/csv; charset=utf-8', fileName };
  }

  /** An address that serves the statement once, to whoever has it, within two minutes. */
  async ticket(
    userId: string,
    payoutId: string,
    format: Format,
    lang?: Lang,
  ): Promise<{ path: string; expiresAt: string }> {
    const { db, live, clock } = this.#parts;
    await db.asUser(userId, (tx) => getPayout(tx, payoutId));
    const ticket = randomBytes(32).toString('base64url');
    await live.putOnce(keyOf(ticket), JSON.stringify({ userId, payoutId, format, lang }), TICKET_LIFE_MS);
    return { path: `/billing/statements/${ticket}`, expiresAt: new Date(clock.now() + TICKET_LIFE_MS).toISOString() };
  }

  /** @throws AppError `protocol.not_found` for one that was used, is too old, or never was. */
  async redeem(ticket: string): Promise<Written> {
    const stored = TICKET.test(ticket) ? await this.#parts.live.takeOnce(keyOf(ticket)) : undefined;
    if (stored === undefined) throw new AppError('protocol.not_found');
    const { userId, payoutId, format, lang } = JSON.parse(stored) as {
      userId: string;
      payoutId: string;
      format: Format;
      lang?: Lang;
    };
    return this.write({ userId }, payoutId, format, lang);
  }

  /** In pieces, so that no thread is busy with one creator's month for long. */
  async #writeCsv(asker: Asker, statement: Statement, first: readonly LineRow[]): Promise<string> {
    let text = '';
    let lines = first;
    for (let isFirst = true; ; isFirst = false) {
      const after = lines.at(-1)?.lineId;
      const isLast = lines.length < LINES_A_TASK;
      const part = { statement, lines: lines.map(toLine), isFirst, isLast };
      text += await this.#parts.runner.run('billing/write-statement-csv', part);
      if (isLast) return text;
      lines = await this.#read(asker, (tx) => listLines(tx, statement.payoutId, after, LINES_A_TASK));
    }
  }

  async #load(tx: Tx, payoutId: string, lang: Lang | undefined, limit: number) {
    const payout = await getPayout(tx, payoutId);
    const creator = await this.#parts.creators.findById(tx, payout.creatorId);
    const { creatorId, month, startMs, endMs, timeZone, currency, status, lineCount, createdAtMs, paidAtMs } = payout;
    const statement: Statement = {
      lang: lang ?? creator?.locale ?? 'en',
      creatorName: creator?.displayName ?? '',
      ...{ payoutId, creatorId, month, startMs, endMs, timeZone, currency, status, lineCount, createdAtMs, paidAtMs },
      sums: sumsOf(payout),
    };
    return { statement, lines: await listLines(tx, payoutId, undefined, limit) };
  }

  #read<T>(asker: Asker, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { db } = this.#parts;
    return 'userId' in asker ? db.asUser(asker.userId, work) : db.asAdmin(asker.operatorId, work);
  }

  #loadFonts() {
    const { resolve } = createRequire(import.meta.url);
    const load = async (path: string) =>
      new Uint8Array(await readFile(resolve(`@expo-google-fonts/biz-udgothic/${path}`)));
    this.#fonts ??= Promise.all([
      load('400Regular/BIZUDGothic_400Regular.ttf'),
      load('700Bold/BIZUDGothic_700Bold.ttf'),
    ]).then(([regular, bold]) => ({ regular, bold }));
    return this.#fonts;
  }
}

/** Only its hash is kept: who reads the live store gets no address. */
const keyOf = (ticket: string): string => `billing.statement:${createHash('sha256').update(ticket).digest('hex')}`;

async function getPayout(tx: Tx, payoutId: string): Promise<PayoutRow> {
  const payout = await findPayout(tx, payoutId);
  if (payout === undefined) throw new AppError('billing.payout_not_found');
  return payout;
}

function toLine(row: LineRow): StatementLine {
  const { kind, purchaseId, productType, productId, tokenAmount, grossMinor, shareBps, creatorMinor, platformMinor } =
    row;
  const amounts = { tokenAmount, grossMinor, shareBps, creatorMinor, platformMinor };
  return { atMs: row.happenedAtMs, kind, purchaseId, productType, productId, ...amounts };
}

function sumsOf(payout: PayoutRow): Statement['sums'] {
  const { openingMinor, grossMinor, refundsMinor, platformMinor, shareMinor } = payout;
  const { clawbackMinor, returnedMinor, feeMinor, amountMinor, closingMinor } = payout;
  return {
    ...{ openingMinor, grossMinor, refundsMinor, platformMinor, shareMinor },
    ...{ clawbackMinor, returnedMinor, feeMinor, amountMinor, closingMinor },
  };
}
