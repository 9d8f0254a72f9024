/** 000-R28: each entry of a person is proven to him, whichever side he was on and whatever it was for; nobody else sees it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseVerifierKey, type VerifierKey } from '../../../protocol/ledger-proof/signed-note.ts';
import { verifyEntryProof } from '../../../protocol/ledger-proof/verify-entry.ts';
import { systemClock } from '../../clock.ts';
import type { Movement } from '../ledger/movement.ts';
import { Reversals } from '../reversals/reversals.ts';
import { ProofService } from './service.ts';
import { ProofWorkshop } from './testing.ts';

let workshop: ProofWorkshop;
let proofs: ProofService;
let keys: VerifierKey[];
const payee = randomUUID();

beforeAll(async () => {
  workshop = await ProofWorkshop.open();
  const { billing, owner, userId } = workshop;
  const { database: db } = workshop.database;
  const { ledger, once } = billing;
  proofs = new ProofService(db, workshop.keys);
  keys = await Promise.all((await workshop.keys.lines()).map(parseVerifierKey));
  const booked = async (make: (account: string) => Movement) =>
    ledger.settled(await db.asService(async (tx) => ledger.enqueue(tx, [make(await ledger.accountOf(tx, userId))])));
  await ledger.settled(await db.asService((tx) => billing.grantSignUp(tx, userId)));
  for (const purpose of ['addon_purchase', 'clawback'] as const)
    await booked((account) => {
      const platform = ledger.platformAccountFor(account);
      const [fromAccount, toAccount] = purpose === 'clawback' ? [account, platform] : [platform, account];
      return { fromAccount, toAccount, asset: 'addon_token', tokenAmount: 70, purpose, idempotencyKey: randomUUID() };
    });
  const talk = { conversationId: randomUUID(), messageId: null, tokensIn: 4, tokensOut: 5, newConversation: false };
  const answer = { ...talk, generationId: randomUUID(), userId, payeeUserId: payee, atMs: Date.now() };
  await billing.booked(await db.asService((tx) => billing.settle(tx, [answer])));
  const operator = randomUUID();
  await owner`insert into identity.users (id) values (${operator})`;
  const reversals = new Reversals({ db, clock: systemClock, ledger, once, limitTokens: 1_000 });
  const [entry] = await owner`select id from billing.token_ledger where generation_id = ${answer.generationId}`;
  await reversals.request(operator, { entryId: entry?.['id'], reasonCode: 'other', reason: 'A test.' });
  await workshop.signer().round();
});
afterAll(() => workshop.close());

test.each([
  ['who pays', () => workshop.userId, 8],
  ['who is paid', () => payee, 2],
])('every entry of %s', async (_who, userOf, count) => {
  const { entries } = await workshop.billing.listLedger(userOf(), undefined, 50);
  expect(entries).toHaveLength(count);
  expect(new Set(entries.map(({ purpose }) => purpose))).toContain('reversal');
  for (const { shard, seq, hash } of entries) {
    const proof = await proofs.proofOf(userOf(), shard, seq);
    expect(proof.entry.hash).toBe(hash);
    expect(await verifyEntryProof(proof, keys)).toMatchObject({ ok: true, checkpoint: { size: proof.size } });
    await expect(proofs.proofOf(randomUUID(), shard, seq)).rejects.toMatchObject({ code: 'billing.entry_not_found' });
    // Nothing of it may be otherwise.
    const { entry } = proof;
    for (const wrong of [{ tokenAmount: entry.tokenAmount + 1 }, { purpose: 'adjustment' }, { seq: seq + 1 }])
      expect(await verifyEntryProof({ ...proof, entry: { ...entry, ...wrong } }, keys)).toMatchObject({ ok: false });
  }
});
