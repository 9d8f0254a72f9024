/**
 * Organisations (000-Q1): people who spend under a common cap. Operators make them and say who belongs to them. What may be spent is
 * billing's; it is told in the transaction that changes who spends where.
 */

import type { Database, Tx } from '../../db/client.ts';
import { lockUser } from '../../db/identity/accounts.ts';
import * as rows from '../../db/identity/organizations.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { AppError } from '../errors.ts';
import { checkTimeZone } from './rules.ts';

export type OrganizationCap = { capTokens?: number | null; timeZone?: string };
export type OrganizationSpending = {
  capTokens: number | null;
  usedTokens: number;
  heldTokens: number;
  periodEnd: Date;
};
/** What an organisation's members may spend; billing provides it. All in transactions of the service. */
export type OrganizationAllowance = {
  setCap(tx: Tx, organizationId: string, change: OrganizationCap): Promise<void>;
  /** Null: under none. */
  setSpender(tx: Tx, userId: string, organizationId: string | null): Promise<void>;
  find(tx: Tx, organizationId: string): Promise<OrganizationSpending | undefined>;
};
export type Organization = rows.OrganizationRow & {
  spending: OrganizationSpending | undefined;
  members: rows.MemberRow[];
};

/** Members that one answer shows. */
const MAX_SHOWN = 500;

export class Organizations {
  readonly #db: Database;
  readonly #allowance: OrganizationAllowance;

  constructor(db: Database, allowance: OrganizationAllowance) {
    this.#db = db;
    this.#allowance = allowance;
  }

  async create(name: string, cap: OrganizationCap): Promise<Organization> {
    const organizationId = uuidv7();
    const checked = checkCap(cap);
    await this.#db.asService(async (tx) => {
      await rows.insertOrganization(tx, organizationId, checkName(name));
      await this.#allowance.setCap(tx, organizationId, checked);
    });
    return this.get(organizationId);
  }

  /** What is left out stays. @throws AppError `identity.organization_not_found` */
  async change(organizationId: string, change: OrganizationCap & { name?: string }): Promise<Organization> {
    const { name, ...cap } = change;
    const checked = checkCap(cap);
    await this.#db.asService(async (tx) => {
      await getLocked(tx, organizationId);
      if (name !== undefined) await rows.renameOrganization(tx, organizationId, checkName(name));
      if (Object.keys(checked).length > 0) await this.#allowance.setCap(tx, organizationId, checked);
    });
    return this.get(organizationId);
  }

  /** With its first members. @throws AppError `identity.organization_not_found` */
  get(organizationId: string): Promise<Organization> {
    return this.#db.asService(async (tx) => {
      const found = await rows.findOrganization(tx, organizationId);
      if (found === undefined) throw new AppError('identity.organization_not_found');
      const [spending, members] = await Promise.all([
        this.#allowance.find(tx, organizationId),
        rows.listMembers(tx, organizationId, MAX_SHOWN),
      ]);
      return { ...found, spending, members };
    });
  }

  /** Newest first. */
  list(before: string | undefined, limit: number): Promise<rows.OrganizationRow[]> {
    return this.#db.asService((tx) => rows.listOrganizations(tx, before, limit));
  }

  /**
   * Adds a member, or changes him. Who `spends` here spends under no other organisation any more.
   * @throws AppError `identity.organization_not_found`, `ops.user_not_found`
   */
  async putMember(
    organizationId: string,
    member: Pick<rows.MemberRow, 'userId' | 'role' | 'spends'>,
  ): Promise<Organization> {
    await this.#db.asService(async (tx) => {
      // The person first: two organisations that want him go one after the other.
      const status = await lockUser(tx, member.userId);
      if (status === undefined || status === 'deleted') throw new AppError('ops.user_not_found');
      await getLocked(tx, organizationId);
      await rows.putMember(tx, organizationId, member);
      await this.#followSpending(tx, member.userId);
    });
    return this.get(organizationId);
  }

  /** @throws AppError `identity.organization_not_found`, `identity.not_a_member` */
  async removeMember(organizationId: string, userId: string): Promise<Organization> {
    await this.#db.asService(async (tx) => {
      await lockUser(tx, userId);
      await getLocked(tx, organizationId);
      if (!(await rows.deleteMember(tx, organizationId, userId))) throw new AppError('identity.not_a_member');
      await this.#followSpending(tx, userId);
    });
    return this.get(organizationId);
  }

  async #followSpending(tx: Tx, userId: string): Promise<void> {
    await this.#allowance.setSpender(tx, userId, await rows.findSpendsUnder(tx, userId));
  }
}

async function getLocked(tx: Tx, organizationId: string): Promise<void> {
  if ((await rows.lockOrganization(tx, organizationId)) === undefined)
    throw new AppError('identity.organization_not_found');
}

function checkName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '') throw AppError.invalid('name', 'more than white space');
  return trimmed;
}

const checkCap = ({ timeZone, ...cap }: OrganizationCap): OrganizationCap =>
  timeZone === undefined ? cap : { ...cap, timeZone: checkTimeZone(timeZone) };
