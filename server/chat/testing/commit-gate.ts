/** Commits of turns wait at their very end until a test has seen what it wants to see meanwhile; then they happen, or are refused. */
import postgres from 'postgres';

/** In a database of the test's own. */
const LOCK = 4711;

export class CommitGate implements AsyncDisposable {
  /** One connection: the lock belongs to its session. */
  readonly #owner: postgres.Sql;
  #closed = true;

  private constructor(owner: postgres.Sql) {
    this.#owner = owner;
  }

  /** @param refusal what a commit fails with when the gate is opened; none: it happens. */
  static async close(ownerUrl: string, refusal?: string): Promise<CommitGate> {
    const owner = postgres(ownerUrl, { max: 1, onnotice: () => {} });
    const rest = refusal === undefined ? 'return null' : `raise exception '${refusal}'`;
    await owner.unsafe(`
      select pg_advisory_lock(${LOCK});
      create function chat.at_commit() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(${LOCK}); ${rest}; end $$;
      create constraint trigger at_commit after insert on chat.generations deferrable initially deferred
        for each row execute function chat.at_commit()`);
    return new CommitGate(owner);
  }

  async open(): Promise<void> {
    if (!this.#closed) return;
    this.#closed = false;
    await this.#owner`select pg_advisory_unlock(${LOCK})`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.open();
    await this.#owner.unsafe('drop trigger at_commit on chat.generations; drop function chat.at_commit()');
    await this.#owner.end();
  }
}
