/** `/ledger/…`: checkpoints, proofs and verifier keys, for everybody. Parameters in, service, reply out. */
import { createHash } from 'node:crypto';
import type { LiveStore } from '../../../db/live/live-store.ts';
import { ConsistencyProof, InclusionProof, Shard, Size } from '../../../protocol/billing-proofs.ts';
import { SHARDS } from '../../../workers/billing/hash-entries.ts';
import { AppError } from '../../errors.ts';
import type { HttpReply, HttpRequest, Route } from '../../http.ts';
import type { ProofService } from './service.ts';

type Parts = {
  proofs: ProofService;
  live: Pick<LiveStore, 'takeTokens'>;
  /** What counts as one client. */
  networkOf(address: string): string | undefined;
  limit?: { burst: number; perSecond: number };
};

const errors = ['protocol.invalid_body', 'protocol.rate_limited', 'billing.proof_pending'] as const;

const shardQuery = { says: 'Chain of the ledger.', required: true, schema: Shard } as const;

export function proofRoutes(parts: Parts): Route[] {
  const { proofs } = parts;
  const limited =
    (answer: (request: HttpRequest, shard: string) => Promise<HttpReply>): Route['handle'] =>
    async (request, params) => {
      await checkRate(parts, request.address);
      return answer(request, params['shard'] ?? '');
    };
  return [
    {
      method: 'GET',
      path: '/ledger/keys',
      says: 'The verifier keys of the checkpoints, one a line as text; those that sign now first. Take them from here once, and keep them.',
      media: 'text/plain',
      errors: ['protocol.rate_limited'],
      handle: limited(async () => text(`${(await proofs.verifierLines()).join('\n')}\n`)),
    },
    {
      method: 'GET',
      path: '/ledger/checkpoint/:shard',
      says: 'The last signed checkpoint of a shard (0 to 7), as text: a C2SP tlog-checkpoint.',
      media: 'text/plain',
      errors,
      handle: limited(async (_request, shard) =>
        text(await proofs.checkpoint(readNumber('shard', shard, 0, SHARDS - 1))),
      ),
    },
    {
      method: 'GET',
      path: '/ledger/proof/inclusion',
      says: 'That an entry is in the tree of a size, by hashes alone.',
      query: {
        shard: shardQuery,
        seq: { says: 'Place of the entry in its chain, from 1.', required: true, schema: Size },
        size: { says: 'Entries of the tree; those of the last checkpoint by default.', schema: Size },
      },
      reply: InclusionProof,
      errors,
      handle: limited(async ({ query }) =>
        json(await proofs.inclusion(shardOf(query), sizeOf(query, 'seq'), optional(query, 'size'))),
      ),
    },
    {
      method: 'GET',
      path: '/ledger/proof/consistency',
      says: 'That a tree begins with the whole of a smaller one, by hashes alone.',
      query: {
        shard: shardQuery,
        from: { says: 'Entries of the smaller tree.', required: true, schema: Size },
        to: { says: 'Entries of the larger one; those of the last checkpoint by default.', schema: Size },
      },
      reply: ConsistencyProof,
      errors,
      handle: limited(async ({ query }) =>
        json(await proofs.consistency(shardOf(query), sizeOf(query, 'from'), optional(query, 'to'))),
      ),
    },
  ];
}

async function checkRate({ live, networkOf, limit }: Parts, address: string): Promise<void> {
  const client = createHash('sha256')
    .update(networkOf(address) ?? address)
    .digest('base64url')
    .slice(0, 22);
  const { retryAfterMs } = await live.takeTokens(`billing:proofs:${client}`, limit ?? { burst: 200, perSecond: 10 });
  if (retryAfterMs > 0) throw new AppError('protocol.rate_limited', { retryAfterMs: Math.ceil(retryAfterMs) });
}

const shardOf = (query: URLSearchParams): number => readNumber('shard', query.get('shard'), 0, SHARDS - 1);
const sizeOf = (query: URLSearchParams, name: string): number =>
  readNumber(name, query.get(name), 1, Number.MAX_SAFE_INTEGER);
const optional = (query: URLSearchParams, name: string): number | undefined =>
  query.has(name) ? sizeOf(query, name) : undefined;

function readNumber(name: string, given: string | null, min: number, max: number): number {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(given ?? '') ? Number(given) : Number.NaN;
  if (!(value >= min && value <= max)) throw AppError.invalid(name, `a whole number from ${min} to ${max}`);
  return value;
}

const headers = { 'cache-control': 'no-store' };
const json = (body: object): HttpReply => ({ status: 200, body, headers });
const text = (body: string): HttpReply => ({
  status: 200,
  body,
  headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' },
});
