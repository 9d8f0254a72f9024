/** A gateway's part of billing over connections of its own. Can be abandoned as a process that was killed is. */
import type postgres from 'postgres';
import { Database } from '../../../../db/client.ts';
import { PostgresLiveStore } from '../../../../db/live/postgres.ts';
import type { TaskRunner } from '../../../../workers/runner.ts';
import { ManualClock } from '../../../clock.ts';
import { addonTokenProduct } from '../../purchases/addon-tokens.ts';
import { ProductRegistry } from '../../purchases/product.ts';
import { Reversals } from '../../reversals/reversals.ts';
import { BillingService } from '../../service.ts';
import { REVERSAL_LIMIT, SIGN_UP_TOKENS } from './oracle.ts';

const CONNECTIONS = 4;

export class Gateway {
  readonly name: string;
  readonly db: Database;
  /** Stands still: nothing is booked or renewed by itself, only when somebody asks or says so. */
  readonly clock = new ManualClock(Date.now());
  readonly billing: BillingService;
  readonly reversals: Reversals;
  readonly products = new ProductRegistry();
  readonly #live: PostgresLiveStore;
  readonly #owner: postgres.Sql;

  constructor(parts: { name: string; url: string; owner: postgres.Sql; runner: TaskRunner }) {
    const { name, url, owner, runner } = parts;
    this.name = name;
    this.#owner = owner;
    this.db = new Database(url, { max: CONNECTIONS, connection: { application_name: name } });
    this.#live = new PostgresLiveStore(url, { maxConnections: 1 });
    const options = { signUpGrantTokens: SIGN_UP_TOKENS };
    const { db, clock } = this;
    this.billing = new BillingService(db, runner, clock, options, { name, news: this.#live });
    const { ledger, once } = this.billing;
    this.reversals = new Reversals({ db, clock, ledger, once, limitTokens: REVERSAL_LIMIT });
    this.products.add(addonTokenProduct(ledger));
  }

  async start(): Promise<void> {
    // All connections that it will ever have: postgres.js 3.4.9 cannot bear to lose one that is still asking for types.
    await Promise.all(Array.from({ length: CONNECTIONS }, () => this.db.ping()));
    await this.billing.start();
  }

  /** In good order: its shards are free at once. */
  async stop(): Promise<void> {
    await this.billing.stop();
    await this.db.close();
    await this.#live.close();
  }

  /** As `kill -9` does: whatever it was about to do is cut off, at both ends, and nothing is given back. */
  async kill(): Promise<void> {
    // At once, so that nobody opens a new connection behind those that are cut.
    const closing = this.db.close(0);
    await this.#cut();
    await closing;
    await this.#live.close();
  }

  /** Waits until the server has rolled back what was open. */
  async #cut(): Promise<void> {
    for (;;) {
      // Not by its own time-out, which looks every 100 ms only.
      const open = await this.#owner`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = ${this.name} and datname = current_database()`;
      if (open.length === 0) return;
    }
  }
}
