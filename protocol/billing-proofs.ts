/** Frames and HTTP bodies of the ledger's proofs: what shows, without trusting the server, that an entry stands where it stood. */
import Type, { type Static } from 'typebox';
import { defineUp } from './define.ts';
import { Hash, Nullable, Uuid } from './primitives.ts';

export const Shard = Type.Integer({ minimum: 0, maximum: 7, description: 'Chain of the ledger.' });
const Seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Place in the chain, from 1.' });
export const Size = Type.Integer({ minimum: 1, description: 'Entries that the tree has.' });
const Path = Type.Array(Hash, { description: 'Hashes of RFC 6962, from the leaf up.' });
const Note = Type.String({ description: 'A signed checkpoint: C2SP tlog-checkpoint in a signed note.' });

/** Everything that the hash of an entry covers, as `ledger-proof/entry-form.ts` writes it. */
export const ProvenEntry = Type.Object({
  shard: Shard,
  seq: Seq,
  entryId: Uuid,
  fromAccount: Type.String({ format: 'uuid', description: 'A pseudonym.' }),
  toAccount: Type.String({ format: 'uuid', description: 'A pseudonym.' }),
  asset: Type.String(),
  tokenAmount: Type.Integer(),
  unitPriceMicro: Type.Integer({ description: 'Millionths of a minor unit of currency for one token.' }),
  purpose: Type.String(),
  status: Type.String(),
  reversesId: Nullable(Uuid),
  conversationId: Nullable(Uuid),
  messageId: Nullable(Uuid),
  generationId: Nullable(Uuid),
  idempotencyKey: Type.String(),
  createdAtMs: Type.Integer({ description: 'Milliseconds since the epoch.' }),
  prevHash: Hash,
  hash: Hash,
});
export type ProvenEntry = Static<typeof ProvenEntry>;

export const EntryProof = Type.Object({
  entry: ProvenEntry,
  size: Size,
  path: Path,
  checkpoint: Note,
  verifierKey: Type.String({ description: 'What the checkpoint is signed with: `name+keyid+base64`.' }),
});
export type EntryProof = Static<typeof EntryProof>;

export const proof = defineUp('billing.proof', {
  says: 'The proof that an entry of the account stands in the ledger: its fields, its path in the Merkle tree, and a signed checkpoint.',
  body: Type.Object({ shard: Shard, seq: Seq }),
  reply: EntryProof,
  errors: ['billing.entry_not_found', 'billing.proof_pending'],
});

/** Reply of `GET /ledger/proof/inclusion`. */
export const InclusionProof = Type.Object({
  shard: Shard,
  seq: Seq,
  index: Type.Integer({ minimum: 0, description: 'Place of the leaf, from 0: one less than `seq`.' }),
  size: Size,
  leafHash: Hash,
  rootHash: Hash,
  path: Path,
  checkpoint: Note,
});
export type InclusionProof = Static<typeof InclusionProof>;

/** Reply of `GET /ledger/proof/consistency`. */
export const ConsistencyProof = Type.Object({
  shard: Shard,
  from: Size,
  to: Size,
  fromRootHash: Hash,
  toRootHash: Hash,
  path: Path,
  checkpoint: Note,
});
export type ConsistencyProof = Static<typeof ConsistencyProof>;
