/** A ledger with entries, its signer and its files, and a superuser who does with it what he likes. For tests. */
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { genesisHash, hashEntry } from '../../../workers/billing/hash-entries.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { type Clock, systemClock } from '../../clock.ts';
import { BillingService } from '../service.ts';
import { CheckpointFiles } from './files.ts';
import { CheckpointKeys } from './keys.ts';
import { CheckpointSigner, type SignerParts } from './signer.ts';

export const newLedgerKey = (id = 'l1') => ({ id, key: createSecretKey(randomBytes(32)) });

export class ProofWorkshop {
  readonly database: TestDatabase;
  readonly owner: postgres.Sql;
  readonly pool: WorkerPool;
  readonly billing: BillingService;
  readonly folder: string;
  readonly files: CheckpointFiles;
  readonly masterKeys = [newLedgerKey()];
  readonly alarms: string[] = [];
  keys!: CheckpointKeys;
  readonly userId = randomUUID();
  /** The shard that the user's account pays in. */
  shard = -1;

  private constructor(database: TestDatabase, folder: string) {
    this.database = database;
    this.owner = postgres(database.ownerUrl, { max: 1, onnotice: () => {} });
    this.pool = new WorkerPool({ threads: 1, maxQueue: 100 });
    this.billing = new BillingService(database.database, this.pool, systemClock, {
      signUpGrantTokens: 1_000_000,
      mode: 'free',
    });
    this.folder = folder;
    this.files = new CheckpointFiles(join(folder, 'checkpoints'));
  }

  static async open(): Promise<ProofWorkshop> {
    const folder = await mkdtemp(join(tmpdir(), 'tsumugi-proofs-'));
    const workshop = new ProofWorkshop(await createTestDatabase(), folder);
    await workshop.readKeys();
    await workshop.spend(3);
    return workshop;
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.owner.end();
    await this.database.close();
    await rm(this.folder, { recursive: true });
  }

  async readKeys(origin = 'test.example/ledger'): Promise<void> {
    this.keys = await CheckpointKeys.open({ load: () => this.masterKeys }, origin);
  }

  /** Somebody else, whose account pays in this shard. */
  async newUser(shard: number): Promise<string> {
    const [userId, account] = [randomUUID(), `${randomUUID().slice(0, -2)}0${shard}`];
    await this.owner`insert into billing.accounts (id, owner_type, owner_id) values (${account}, 'user', ${userId})`;
    return userId;
  }

  /** Answers that the user pays for: entries of his shard. */
  async spend(count: number, userId: string = this.userId): Promise<void> {
    const answers = Array.from({ length: count }, () => ({
      generationId: randomUUID(),
      userId,
      payeeUserId: null,
      conversationId: randomUUID(),
      messageId: null,
      tokensIn: 10,
      tokensOut: 5,
      newConversation: false,
      atMs: Date.now(),
    }));
    const settled = await this.billing.booked(
      await this.database.database.asService((tx) => this.billing.settle(tx, answers)),
    );
    if (userId === this.userId) this.shard = settled[0]?.entry?.shard ?? -1;
  }

  /** As one that has just been started. */
  signer(change: Partial<SignerParts> = {}, clock: Clock = systemClock): CheckpointSigner {
    const log = {
      info() {},
      warn: ({ error }: { error?: unknown }) => void this.alarms.push(`warning: ${String(error)}`),
      error: ({ problem }: { problem?: string }) => void this.alarms.push(problem ?? ''),
    };
    return new CheckpointSigner({
      db: this.database.database,
      runner: this.pool,
      keys: this.keys,
      files: this.files,
      clock,
      log,
      led: () => [0, 1, 2, 3, 4, 5, 6, 7],
      everyMs: 1_000,
      ...change,
    });
  }

  /** As the superuser, with the guard switched off. */
  async force(...statements: string[]): Promise<void> {
    await this.owner.begin(async (sql) => {
      await sql`alter table billing.token_ledger disable trigger all`;
      for (const statement of statements) await sql.unsafe(statement.replaceAll(':shard', String(this.shard)));
      await sql`alter table billing.token_ledger enable trigger all`;
      await sql`alter table billing.token_ledger enable always trigger token_ledger_refuse_change`;
    });
  }

  /**
   * Writes a chain anew so that every hash of it is right again, heads and balances included: what somebody does who knows how the
   * ledger works and may do anything in the database.
   * @param change what he wants to be different, in SQL.
   */
  async rewriteChain(change: string): Promise<void> {
    await this.force(change);
    const rows = await this.owner`
      select *, extract(epoch from created_at) * 1000 as ms from billing.token_ledger where shard = ${this.shard} order by seq`;
    let prevHash = genesisHash(this.shard);
    const updates: string[] = ['update billing.token_ledger set seq = seq + 1000000 where shard = :shard'];
    for (const [index, row] of rows.entries()) {
      const hash = hashEntry(
        {
          entryId: row['id'],
          shard: this.shard,
          fromAccount: row['from_account'],
          toAccount: row['to_account'],
          asset: row['asset'],
          tokenAmount: Number(row['token_amount']),
          unitPriceMicro: Number(row['unit_price_micro']),
          purpose: row['purpose'],
          status: row['status'],
          reversesId: row['reverses_id'],
          conversationId: row['conv_id'],
          messageId: row['msg_id'],
          generationId: row['generation_id'],
          idempotencyKey: row['idempotency_key'],
          createdAtMs: Number(row['ms']),
        },
        index + 1,
        prevHash,
      );
      updates.push(
        `update billing.token_ledger set seq = ${index + 1}, hash = '\\x${hash}', prev_hash = '\\x${prevHash}' where id = '${row['id']}'`,
      );
      prevHash = hash;
    }
    updates.push(
      `update billing.ledger_heads set seq = ${rows.length}, hash = '\\x${prevHash}' where shard = :shard`,
      `update billing.account_balances b set balance = (select coalesce(sum(case when l.to_account = b.account_id then l.token_amount else -l.token_amount end), 0)
        from billing.token_ledger l where b.asset = l.asset and b.account_id in (l.from_account, l.to_account))`,
    );
    await this.force(...updates);
  }
}
