/** Who is a creator. Owns the rule that one user is at most one (001-R14); what creators earn is billing's. */
import type { Tx } from '../../db/client.ts';
import * as rows from '../../db/identity/creators.ts';

export class Creators {
  /** Makes him one where he is not yet. In a transaction of the service. */
  async ensure(tx: Tx, userId: string): Promise<rows.CreatorRow & { isNew: boolean }> {
    const isNew = await rows.insertCreator(tx, userId);
    const creator = await rows.findCreator(tx, userId);
    if (creator === undefined) throw new Error('A creator that was made a moment ago is not there.');
    return { ...creator, isNew };
  }

  /** Undefined for users who are no creators, and for those that this transaction may not see. */
  find(tx: Tx, userId: string): Promise<rows.CreatorRow | undefined> {
    return rows.findCreator(tx, userId);
  }

  async findById(tx: Tx, creatorId: string): Promise<rows.CreatorNameRow | undefined> {
    return (await rows.selectCreatorNames(tx, [creatorId]))[0];
  }

  /** Ids in order behind `after`. */
  list(tx: Tx, after: string | undefined, limit: number): Promise<string[]> {
    return rows.listCreatorIds(tx, after, limit);
  }

  /** @returns false when there is no such creator. */
  setStatus(tx: Tx, creatorId: string, status: rows.CreatorStatus): Promise<boolean> {
    return rows.updateCreatorStatus(tx, creatorId, status);
  }
}
