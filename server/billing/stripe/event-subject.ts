/** What an event is about: the object whose state is to be read. Pure; the rest of the event is not kept. */
import type { EventRow } from '../../../db/billing/stripe/events.ts';

export type SubjectKind =
  | 'checkout'
  | 'intent'
  | 'invoice'
  | 'subscription'
  | 'customer'
  | 'account'
  | 'transfer'
  | 'payout';
export type Subject = { kind: SubjectKind; id: string };
export type ReceivedEvent = Omit<EventRow, 'provider' | 'subject'> & {
  subject: Subject | undefined;
  livemode: boolean;
};

type Rule = { begins: string; kind: SubjectKind; of(object: Fields, previous: Fields): string | undefined };
type Fields = Readonly<Record<string, unknown>>;

const own = (object: Fields) => idIn(object['id']);
const by = (field: string) => (object: Fields) => idIn(object[field]);

/** The first that fits. */
const rules: readonly Rule[] = [
  { begins: 'checkout.session.', kind: 'checkout', of: own },
  { begins: 'payment_intent.', kind: 'intent', of: own },
  // Charges, their disputes and refunds: all that matters is seen from the payment.
  { begins: 'charge.', kind: 'intent', of: by('payment_intent') },
  { begins: 'refund.', kind: 'intent', of: by('payment_intent') },
  { begins: 'customer.subscription.', kind: 'subscription', of: own },
  { begins: 'customer.', kind: 'customer', of: (object) => idIn(object['customer']) ?? own(object) },
  {
    begins: 'payment_method.',
    kind: 'customer',
    of: (object, before) => idIn(object['customer']) ?? idIn(before['customer']),
  },
  { begins: 'invoice_payment.', kind: 'invoice', of: by('invoice') },
  { begins: 'invoice.', kind: 'invoice', of: own },
  { begins: 'account.updated', kind: 'account', of: own },
  { begins: 'transfer.', kind: 'transfer', of: own },
  { begins: 'payout.', kind: 'payout', of: own },
];

const MAX_ID = 255;
/** It is stored and logged: a character that the database cannot hold would make the provider repeat the event for days. */
const TYPE = /^[\w.-]{1,255}$/;

/** @returns undefined when it is no event at all. */
export function readEvent(value: unknown): ReceivedEvent | undefined {
  if (!isFields(value) || value['object'] !== 'event') return undefined;
  const eventId = idIn(value['id']);
  const type = value['type'];
  const created = value['created'];
  if (eventId === undefined || typeof type !== 'string' || !TYPE.test(type)) return undefined;
  if (typeof created !== 'number' || !(created >= 0 && created < 1e11)) return undefined;
  return {
    eventId,
    type,
    createdAtMs: Math.floor(created) * 1000,
    livemode: value['livemode'] === true,
    accountId: idIn(value['account']),
    subject: subjectOf(type, value['data']),
  };
}

function subjectOf(type: string, data: unknown): Subject | undefined {
  const rule = rules.find(({ begins }) => type.startsWith(begins));
  if (rule === undefined || !isFields(data) || !isFields(data['object'])) return undefined;
  const before = isFields(data['previous_attributes']) ? data['previous_attributes'] : {};
  const id = rule.of(data['object'], before);
  return id === undefined ? undefined : { kind: rule.kind, id };
}

/** Ids go into paths of requests and into the database: nothing else than what ids are made of. */
function idIn(value: unknown): string | undefined {
  if (isFields(value)) return idIn(value['id']);
  return typeof value === 'string' && value.length <= MAX_ID && /^[A-Za-z0-9_]+$/.test(value) ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
