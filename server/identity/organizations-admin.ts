/** What operators do with organisations. Each call is entered in the operators' journal. */
import Type, { type Static } from 'typebox';
import { Nullable, Storable, Timestamp, Uuid } from '../../protocol/primitives.ts';
import { type AdminCall, adminReply } from '../admin-call.ts';
import { pageOf, uuidOf } from '../admin-query.ts';
import { AppError } from '../errors.ts';
import type { Organization, Organizations } from './organizations.ts';

const Name = Type.String({ minLength: 1, maxLength: 120, pattern: Storable });
const Cap = Nullable(
  Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000_000,
    description: 'Granted tokens a month for all members together; null: no cap.',
  }),
);
const Zone = Type.String({ minLength: 1, maxLength: 64, description: 'Time zone of its months, e.g. `Asia/Tokyo`.' });
const CreateBody = Type.Object({ name: Name, monthlyTokenLimit: Type.Optional(Cap), timeZone: Type.Optional(Zone) });
const ChangeBody = Type.Object({
  name: Type.Optional(Name),
  monthlyTokenLimit: Type.Optional(Cap),
  timeZone: Type.Optional(Zone),
});
const Role = Type.Union([Type.Literal('manager'), Type.Literal('member')]);
const MemberBody = Type.Object({
  userId: Uuid,
  role: Type.Optional(Role),
  spends: Type.Optional(
    Type.Boolean({ description: 'Whether he spends under the cap of this organisation; default true.' }),
  ),
});
const RemoveBody = Type.Object({ userId: Uuid });

const Summary = Type.Object({ organizationId: Uuid, name: Type.String(), createdAt: Timestamp });
const OrganizationPage = Type.Object({ organizations: Type.Array(Summary), nextBefore: Nullable(Uuid) });
const OrganizationRecord = Type.Object({
  ...Summary.properties,
  monthlyTokenLimit: Cap,
  usedTokens: Type.Integer(),
  heldTokens: Type.Integer(),
  periodEnd: Nullable(Timestamp),
  members: Type.Array(Type.Object({ userId: Uuid, role: Role, spends: Type.Boolean(), since: Timestamp })),
});
type OrganizationRecord = Static<typeof OrganizationRecord>;

const target = 'organization';
const notFound = 'identity.organization_not_found';

export function organizationAdminCalls(organizations: Organizations): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/organizations',
      action: 'organizations.list',
      says: 'Organisations, newest first; `before` and `limit` page.',
      reply: OrganizationPage,
      query: ['before', 'limit'],
      errors: ['protocol.invalid_body'],
      async run({ query }) {
        const { limit } = pageOf(query);
        const found = await organizations.list(uuidOf(query, 'before'), limit);
        const list = found.map(({ id, name, createdAt }) => ({
          organizationId: id,
          name,
          createdAt: createdAt.toISOString(),
        }));
        return adminReply({
          organizations: list,
          nextBefore: found.length < limit ? null : (found.at(-1)?.id ?? null),
        });
      },
    },
    {
      method: 'POST',
      path: '/admin/organizations',
      action: 'organizations.create',
      says: 'Makes an organisation. Its months are counted from now.',
      body: CreateBody,
      reply: OrganizationRecord,
      statuses: [201],
      errors: ['protocol.invalid_body'],
      note: ({ body }) => ({ monthlyTokenLimit: (body as Static<typeof CreateBody>).monthlyTokenLimit ?? null }),
      async run({ body }) {
        const { name, ...rest } = body as Static<typeof CreateBody>;
        return adminReply(toRecord(await organizations.create(name, capOf(rest))), 201);
      },
    },
    {
      method: 'GET',
      path: '/admin/organizations/:id',
      action: 'organizations.get',
      says: 'One organisation: its cap, what is used of it, its members.',
      target,
      reply: OrganizationRecord,
      errors: [notFound],
      run: async (_, id) => adminReply(toRecord(await organizations.get(idOf(id)))),
    },
    {
      method: 'PUT',
      path: '/admin/organizations/:id',
      action: 'organizations.change',
      says: 'Changes name, cap or time zone; what is left out stays. A cap counts at once.',
      target,
      body: ChangeBody,
      reply: OrganizationRecord,
      errors: ['protocol.invalid_body', notFound],
      note: ({ body }) => {
        const { monthlyTokenLimit } = body as Static<typeof ChangeBody>;
        return monthlyTokenLimit === undefined ? {} : { monthlyTokenLimit };
      },
      async run({ body }, id) {
        const { name, ...rest } = body as Static<typeof ChangeBody>;
        const change = { ...(name === undefined ? {} : { name }), ...capOf(rest) };
        return adminReply(toRecord(await organizations.change(idOf(id), change)));
      },
    },
    {
      method: 'POST',
      path: '/admin/organizations/:id/members',
      action: 'organizations.put_member',
      says: 'Adds a member, or changes him. Who spends here spends under no other organisation any more.',
      target,
      body: MemberBody,
      reply: OrganizationRecord,
      errors: ['protocol.invalid_body', notFound, 'ops.user_not_found'],
      note: ({ body }) => ({ userId: (body as Static<typeof MemberBody>).userId }),
      async run({ body }, id) {
        const { userId, role = 'member', spends = true } = body as Static<typeof MemberBody>;
        return adminReply(toRecord(await organizations.putMember(idOf(id), { userId, role, spends })));
      },
    },
    {
      method: 'POST',
      path: '/admin/organizations/:id/remove-member',
      action: 'organizations.remove_member',
      says: 'Takes a member out; he spends under no organisation then.',
      target,
      body: RemoveBody,
      reply: OrganizationRecord,
      errors: ['protocol.invalid_body', notFound, 'identity.not_a_member'],
      note: ({ body }) => ({ userId: (body as Static<typeof RemoveBody>).userId }),
      async run({ body }, id) {
        const { userId } = body as Static<typeof RemoveBody>;
        return adminReply(toRecord(await organizations.removeMember(idOf(id), userId)));
      },
    },
  ];
}

function capOf({ monthlyTokenLimit, timeZone }: Pick<Static<typeof ChangeBody>, 'monthlyTokenLimit' | 'timeZone'>) {
  return {
    ...(monthlyTokenLimit === undefined ? {} : { capTokens: monthlyTokenLimit }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
}

function idOf(id: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw new AppError(notFound);
  return id.toLowerCase();
}

function toRecord({ id, name, createdAt, spending, members }: Organization): OrganizationRecord {
  return {
    organizationId: id,
    name,
    createdAt: createdAt.toISOString(),
    monthlyTokenLimit: spending?.capTokens ?? null,
    usedTokens: spending?.usedTokens ?? 0,
    heldTokens: spending?.heldTokens ?? 0,
    periodEnd: spending?.periodEnd.toISOString() ?? null,
    members: members.map(({ createdAt: since, ...member }) => ({ ...member, since: since.toISOString() })),
  };
}
