/** Reversals in the operators' interface. */
import type { ReversalState } from '../../../db/billing/reversals.ts';
import { type AdminCall, adminReply as ok } from '../../admin-call.ts';
import { pageOf, uuidOf } from '../../admin-query.ts';
import { AppError } from '../../errors.ts';
import { RequestReversal, Reversal, ReversalPage } from './admin-shapes.ts';
import type { Reversals } from './reversals.ts';

const states: readonly ReversalState[] = ['waiting', 'approved', 'declined'];

export function reversalCalls(reversals: Reversals): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/ledger/reversals',
      action: 'reversals.list',
      says: 'Entries that operators take back or ask to, newest first; `state`, `before` and `limit` choose.',
      reply: ReversalPage,
      query: ['state', 'before', 'limit'],
      async run({ query }, _, admin) {
        const state = stateOf(query);
        const before = uuidOf(query, 'before');
        const page = { ...(state === undefined ? {} : { state }), ...(before === undefined ? {} : { before }) };
        return ok(await reversals.list(admin.userId, { ...page, limit: pageOf(query).limit }));
      },
    },
    {
      method: 'POST',
      path: '/admin/ledger/reversals',
      action: 'reversals.request',
      says: 'Takes an entry of the ledger back. Booked at once up to the limit that an operator has alone; else another one has to agree.',
      body: RequestReversal,
      reply: Reversal,
      errors: [
        'billing.entry_not_found',
        'billing.not_reversible',
        'billing.already_reversed',
        'billing.idempotency_conflict',
      ],
      note: ({ body }) => {
        const { entryId, reasonCode } = body as RequestReversal;
        return { entryId, reasonCode };
      },
      async run({ body }, _, admin) {
        return ok(await reversals.request(admin.userId, body as RequestReversal));
      },
    },
    {
      method: 'POST',
      path: '/admin/ledger/reversals/:id/approve',
      action: 'reversals.approve',
      says: 'Agrees to what another operator asked for, and books it.',
      target: 'reversal',
      reply: Reversal,
      errors: [
        'billing.reversal_not_found',
        'billing.reversal_decided',
        'billing.second_person_needed',
        'billing.already_reversed',
      ],
      run: async (_, id, admin) => ok(await reversals.approve(admin.userId, getId(id))),
    },
    {
      method: 'POST',
      path: '/admin/ledger/reversals/:id/decline',
      action: 'reversals.decline',
      says: 'Declines what was asked for, or takes one’s own wish back.',
      target: 'reversal',
      reply: Reversal,
      errors: ['billing.reversal_not_found', 'billing.reversal_decided'],
      run: async (_, id, admin) => ok(await reversals.decline(admin.userId, getId(id))),
    },
  ];
}

const getId = (id: string): string => uuidOf(new URLSearchParams({ id }), 'id') ?? '';

function stateOf(query: URLSearchParams): ReversalState | undefined {
  const given = query.get('state');
  if (given === null || given === '') return undefined;
  const state = states.find((each) => each === given);
  if (state === undefined) throw AppError.invalid('state', `one of ${states.join(', ')}`);
  return state;
}
