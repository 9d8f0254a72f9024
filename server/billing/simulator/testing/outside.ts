/** What happens to the database from outside of the server: time that passes, leases that lapse. As its owner. */
import type postgres from 'postgres';

export class Outside {
  readonly #owner: postgres.Sql;

  constructor(owner: postgres.Sql) {
    this.#owner = owner;
  }

  /** An account with an id that the seed decides, since the id decides the shard. */
  async openAccount(userId: string, account: string): Promise<void> {
    const sql = this.#owner;
    await sql`insert into identity.users (id) values (${userId}) on conflict do nothing`;
    await sql`select billing.open_account(${userId}, ${account})`;
    await this.newMoment();
  }

  /** A millisecond of the database's clock that lies behind everything so far, and before everything to come. */
  async newMoment(): Promise<Date> {
    for (;;) {
      const [row] = await this.#owner<{ at: Date; fresh: boolean }[]>`
        with clock as materialized (select date_trunc('milliseconds', clock_timestamp()) as at)
        select at, at > greatest((select max(created_at) from billing.token_ledger), (select max(created_at) from billing.pending_entries),
          (select max(period_start) from billing.spending), (select max(period_start) from billing.organization_spending)) is not false
          as fresh from clock`;
      if (row?.fresh) return row.at;
    }
  }

  async endMonth(userId: string): Promise<void> {
    const at = await this.newMoment();
    await this.#owner`
      update billing.spending s set period_end = ${at}, period_anchor = ${at} from billing.accounts a
      where a.id = s.account_id and a.owner_id = ${userId}`;
  }

  async endMonthOfOrganization(organizationId: string): Promise<void> {
    const at = await this.newMoment();
    await this.#owner`
      update billing.organization_spending set period_end = ${at}, period_anchor = ${at} where organization_id = ${organizationId}`;
  }

  async letExpire(generationIds: readonly string[]): Promise<void> {
    await this.#owner`
      update billing.holds set expires_at = clock_timestamp() - interval '1 second'
      where id = any(${[...generationIds]}::uuid[]) and state = 'held'`;
  }

  async entryId(key: string): Promise<string> {
    const [row] = await this.#owner<
      { id: string }[]
    >`select id from billing.token_ledger where idempotency_key = ${key}`;
    return row?.id ?? '';
  }

  /** Leaders that live keep what they lead, however slow this machine is. */
  async keepLeases(names: readonly string[]): Promise<void> {
    await this.#owner`
      update billing.ledger_heads set lease_until = clock_timestamp() + interval '1 hour' where leader = any(${[...names]}::text[])`;
  }

  /** Those of everybody else lapse. */
  async lapseLeases(names: readonly string[]): Promise<void> {
    await this.#owner`
      update billing.ledger_heads set lease_until = '-infinity' where leader <> all(${[...names]}::text[])`;
  }

  async leaders(): Promise<(string | null)[]> {
    const rows = await this.#owner<{ leader: string | null }[]>`select leader from billing.ledger_heads order by shard`;
    return rows.map(({ leader }) => leader);
  }
}
