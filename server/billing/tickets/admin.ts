/** What operators give away and take back: tickets and rights. Each call is entered in the operators' journal. */
import Type, { type Static } from 'typebox';
import type { Database } from '../../../db/client.ts';
import { Uuid, Worded } from '../../../protocol/primitives.ts';
import { type AdminCall, adminReply } from '../../admin-call.ts';
import { AppError } from '../../errors.ts';
import type { ProductRegistry } from '../purchases/product.ts';
import type { Entitlements } from './entitlements.ts';
import type { Tickets } from './tickets.ts';

const Reason = Type.String({ minLength: 3, maxLength: 200, pattern: Worded });
const GrantTickets = Type.Object({
  userId: Uuid,
  amount: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  reason: Reason,
  requestKey: Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$', description: 'The same key never grants twice.' }),
});
const GrantRight = Type.Object({
  userId: Uuid,
  type: Type.String({ pattern: '^[a-z][a-z_]{0,39}$' }),
  itemId: Type.String({ minLength: 1, maxLength: 64 }),
});
const RevokeRight = Type.Object({ userId: Uuid, reason: Reason });

type Parts = {
  db: Database;
  tickets: Tickets;
  entitlements: Entitlements;
  products: ProductRegistry;
  /** @throws AppError `ops.user_not_found` */
  checkUser(userId: string): Promise<void>;
};

export function ticketAdminCalls({ db, tickets, entitlements, products, checkUser }: Parts): AdminCall[] {
  return [
    {
      method: 'POST',
      path: '/admin/tickets',
      action: 'tickets.grant',
      says: 'Gives tickets to somebody.',
      body: GrantTickets,
      reply: Type.Object({ balance: Type.Integer() }),
      errors: ['protocol.invalid_body', 'ops.user_not_found', 'billing.idempotency_conflict'],
      note: ({ body }) => {
        const { userId, amount } = body as Static<typeof GrantTickets>;
        return { userId, amount };
      },
      async run({ body }, _, admin) {
        const { userId, amount, reason, requestKey } = body as Static<typeof GrantTickets>;
        await checkUser(userId);
        const move = { userId, amount, key: `operator:${requestKey}`, reason, grantedBy: admin.userId };
        return adminReply({ balance: await db.asService((tx) => tickets.grant(tx, move)) });
      },
    },
    {
      method: 'POST',
      path: '/admin/entitlements',
      action: 'entitlements.grant',
      says: 'Gives somebody the right to a thing for free; `granted` is false when he has it.',
      body: GrantRight,
      reply: Type.Object({ granted: Type.Boolean() }),
      errors: ['protocol.invalid_body', 'ops.user_not_found', 'billing.product_not_found'],
      note: ({ body }) => {
        const { userId, type, itemId } = body as Static<typeof GrantRight>;
        return { userId, type, itemId };
      },
      async run({ body }, _, admin) {
        const { userId, type, itemId: id } = body as Static<typeof GrantRight>;
        await checkUser(userId);
        const granted = await db.asService(async (tx) => {
          const product = products.find(type);
          if (product?.unit !== 'thing' || !(await product.checkExists(tx, id)))
            throw new AppError('billing.product_not_found');
          return entitlements.grantFree(tx, userId, { type, id }, admin.userId);
        });
        return adminReply({ granted });
      },
    },
    {
      method: 'POST',
      path: '/admin/entitlements/:id/revoke',
      action: 'entitlements.revoke',
      says: 'Ends a right, whatever it came from; `revoked` is false when it does not hold.',
      target: 'entitlement',
      body: RevokeRight,
      reply: Type.Object({ revoked: Type.Boolean() }),
      errors: ['protocol.invalid_body'],
      async run({ body }, id, admin) {
        const { userId, reason } = body as Static<typeof RevokeRight>;
        if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw AppError.invalid('id', 'a UUID');
        const by = { reason, revokedBy: admin.userId };
        const revoked = await db.asService((tx) => entitlements.revoke(tx, userId, id.toLowerCase(), by));
        return adminReply({ revoked });
      },
    },
  ];
}
