/** What must come of an action, by the rules and by nothing that the server's code says. Changes the world it is given. */
import type { Asset, Purpose } from '../../ledger/movement.ts';
import type { Action, Answered } from './action.ts';
import {
  balanceOf,
  get,
  heldOf,
  type ModelAccount,
  type ModelEntry,
  type Period,
  usedOf,
  usedOfOrganization,
  type World,
} from './world.ts';

export const SIGN_UP_TOKENS = 1_000;
/** What an operator may take back alone. */
export const REVERSAL_LIMIT = 1_500;
const SHARDS = 8;

/** @param id what the server has made up in this action. @returns what whoever asked must be told. */
export function decide(world: World, action: Action, id: string | undefined): unknown {
  switch (action.do) {
    case 'sign up':
      return signUp(world, action);
    case 'sign up again':
      return enqueue(world, [
        grantOf(world, action.userId, SIGN_UP_TOKENS, 'sign_up_grant', `sign_up:${accountOf(world, action.userId)}`),
      ]);
    case 'grant':
      return enqueue(world, [grantOf(world, action.userId, action.tokens, 'plan_grant', action.key)]);
    case 'set allowance':
      Object.assign(get(world.accounts, action.userId), action.change);
      return roll(world, get(world.accounts, action.userId));
    case 'set organisation':
      return setOrganization(world, action);
    case 'end month':
      get(world.accounts, action.userId).until = world.tick;
      return undefined;
    case 'begin month':
      return Object.assign(get(world.accounts, action.userId), { from: world.tick, until: Infinity }) && undefined;
    case 'end month of organisation':
      get(world.organizations, action.organizationId).until = world.tick;
      return undefined;
    case 'hold':
      return hold(world, action);
    case 'hold ahead':
      return holdAhead(world, action);
    case 'give back':
      release(world, (_, generationId) => action.generationIds.includes(generationId));
      return undefined;
    case 'settle':
      return settle(world, action.answers);
    case 'let expire':
    case 'extend':
      for (const generationId of action.generationIds) {
        const one = world.holds.get(generationId);
        if (one?.state === 'held') one.expired = action.do === 'let expire';
      }
      return undefined;
    case 'release expired':
      return release(world, ({ expired }) => expired);
    default:
      return decideOther(world, action, id);
  }
}

type Other = Extract<
  Action,
  { do: 'begin payment' | 'see payment' | 'ask reversal' | 'approve reversal' | 'decline reversal' | 'ask once' }
>;

function decideOther(world: World, action: Other, id: string | undefined): unknown {
  switch (action.do) {
    case 'begin payment': {
      const { paymentId, userId, units, amountMinor } = action;
      const nothing = {
        purchaseId: null,
        applied: 0,
        refundedMinor: 0,
        dispute: 'none',
        unitsRevoked: 0,
        revision: 0,
      } as const;
      world.purchases.set(paymentId, { paymentId, userId, units, amountMinor, ...nothing });
      return undefined;
    }
    case 'see payment':
      return seePayment(world, action, id);
    case 'ask reversal':
      return askReversal(world, action, id);
    case 'ask once': {
      const { userId, key, tokens } = action;
      const known = world.requests.get(`${userId} ${key}`);
      if (known !== undefined)
        return known.request === String(tokens)
          ? { answer: known.answer, repeated: true }
          : { refused: 'billing.idempotency_conflict' };
      world.requests.set(`${userId} ${key}`, { request: String(tokens), answer: { tokens } });
      enqueue(world, [grantOf(world, userId, tokens, 'adjustment', `once:${accountOf(world, userId)}:${key}`)]);
      return { answer: { tokens }, repeated: false };
    }
    default:
      return decideReversal(world, action);
  }
}

const accountOf = (world: World, userId: string) => get(world.accounts, userId).account;
const platformOf = (account: string) =>
  `00000000-0000-4000-8000-00000000000${Number.parseInt(account.slice(-2), 16) % SHARDS}`;

type NewEntry = Pick<ModelEntry, 'key' | 'from' | 'to' | 'asset' | 'amount' | 'purpose'> & Partial<ModelEntry>;

/** The first of a key stands. @returns how many are new. */
function enqueueNew(world: World, entries: readonly NewEntry[]): number {
  const fresh = entries.filter(({ key }) => !world.entries.has(key));
  const nothing = { generationId: null, organizationId: null, holdId: null, reverses: null };
  for (const entry of fresh) world.entries.set(entry.key, { ...nothing, ...entry, at: world.tick, booked: false });
  return fresh.length;
}
function enqueue(world: World, entries: readonly NewEntry[]): undefined {
  enqueueNew(world, entries);
}

function grantOf(
  world: World,
  userId: string,
  amount: number,
  purpose: Purpose,
  key: string,
  asset: Asset = 'token',
): NewEntry {
  const to = accountOf(world, userId);
  return { key, from: platformOf(to), to, asset, amount, purpose };
}

function signUp(world: World, { userId, account }: { userId: string; account: string }): undefined {
  const free = { capTokens: null, atCap: 'stop', organizationId: null } as const;
  const used = { tokensIn: 0, tokensOut: 0, conversations: 0 };
  world.accounts.set(userId, { userId, account, ...free, from: world.tick, until: Infinity, used });
  enqueue(world, [grantOf(world, userId, SIGN_UP_TOKENS, 'sign_up_grant', `sign_up:${account}`)]);
}

/** A period that is over is followed by the one under way. */
function roll(world: World, period: Period): undefined {
  if (world.tick < period.until) return;
  period.from = period.until;
  period.until = Infinity;
}

function setOrganization(
  world: World,
  { organizationId: id, capTokens }: { organizationId: string; capTokens: number | null },
): undefined {
  const known = world.organizations.get(id) ?? { id, capTokens, from: world.tick, until: Infinity };
  known.capTokens = capTokens;
  world.organizations.set(id, known);
  roll(world, known);
}

type Wish = {
  userId: string;
  generationId: string;
  promptTokens: number;
  maxOutputTokens: number;
  minOutputTokens: number;
};
type Refusal = 'billing.insufficient_tokens' | 'billing.monthly_cap_reached' | 'billing.organization_cap_reached';
type Place = { granted: number; bought: number; usable: number; usableBought: number; refusal: Refusal };

/** What an account may spend now, and which limit is the nearest. */
function placeOf(world: World, person: ModelAccount): Place {
  roll(world, person);
  const organization = person.organizationId === null ? undefined : get(world.organizations, person.organizationId);
  if (organization !== undefined) roll(world, organization);
  const held = heldOf(world, ({ account }) => account === person.account);
  const granted = Math.max(0, balanceOf(world, person.account, 'token') - held.tokens);
  const bought = Math.max(0, balanceOf(world, person.account, 'addon_token') - held.addonTokens);
  const left = Math.max(0, (person.capTokens ?? Infinity) - usedOf(world, person) - held.tokens);
  const organizationHeld = heldOf(world, ({ organizationId }) => organizationId === organization?.id).tokens;
  const organizationLeft =
    organization === undefined
      ? Infinity
      : Math.max(0, (organization.capTokens ?? Infinity) - usedOfOrganization(world, organization) - organizationHeld);
  const usable = Math.min(granted, left, organizationLeft);
  const usableBought = usable === granted || person.atCap === 'use_bought' ? bought : 0;
  const refusal = left <= organizationLeft ? 'billing.monthly_cap_reached' : 'billing.organization_cap_reached';
  return { granted, bought, usable, usableBought, refusal };
}

/** All of it, or nothing and no word of why. */
function holdAhead(world: World, wish: Omit<Wish, 'minOutputTokens'>): unknown {
  const outcome = hold(world, { ...wish, minOutputTokens: wish.maxOutputTokens });
  return 'refused' in outcome && outcome.refused === '23505' ? outcome : !('refused' in outcome);
}

function hold(world: World, wish: Wish): { refused: string } | { maxOutputTokens: number } {
  const { userId, generationId, promptTokens, maxOutputTokens, minOutputTokens } = wish;
  const undo = periodsOf(world);
  const place = placeOf(world, get(world.accounts, userId));
  const least = promptTokens + minOutputTokens;
  const total = Math.min(place.usable + place.usableBought, promptTokens + maxOutputTokens);
  const tooLittle = place.granted + place.bought < least ? 'billing.insufficient_tokens' : place.refusal;
  const refused = total < least ? tooLittle : world.holds.has(generationId) ? '23505' : undefined;
  if (refused !== undefined) {
    undo();
    return { refused };
  }
  setAside(world, userId, generationId, total, place.usable);
  return { maxOutputTokens: total - promptTokens };
}

/** A transaction that is rolled back has moved no period on. */
function periodsOf({ accounts, organizations }: World): () => void {
  const before = [...accounts.values(), ...organizations.values()].map((one) => ({
    one,
    from: one.from,
    until: one.until,
  }));
  return () => {
    for (const { one, ...period } of before) Object.assign(one, period);
  };
}

function setAside(world: World, userId: string, generationId: string, total: number, usable: number): void {
  const { account, organizationId } = get(world.accounts, userId);
  const tokens = Math.min(total, usable);
  if (total > 0)
    world.holds.set(generationId, {
      account,
      organizationId,
      tokens,
      addonTokens: total - tokens,
      state: 'held',
      expired: false,
    });
}

function release(world: World, is: (hold: { expired: boolean }, generationId: string) => boolean): number {
  const gone = [...world.holds].filter(([generationId, one]) => one.state === 'held' && is(one, generationId));
  for (const [generationId] of gone) world.holds.delete(generationId);
  return gone.length;
}

function settle(world: World, answers: readonly Answered[]): unknown {
  const known = new Set(
    [...world.entries.values()].flatMap((one) => (one.purpose === 'generation' ? [one.generationId] : [])),
  );
  const free = new Set<string>();
  for (const answer of answers) {
    if (answer.tokensIn + answer.tokensOut === 0) free.add(answer.generationId);
    else if (!known.has(answer.generationId)) charge(world, answer);
  }
  release(world, (_, generationId) => free.has(generationId));
  return answers.map(({ generationId }) => {
    if (free.has(generationId)) return [];
    const key = `generation:${generationId}`;
    return [key, `${key}:addon`].filter((one) => world.entries.has(one));
  });
}

/** Granted tokens first, then bought ones; never more than is held, or, where nothing is any more, than is there. */
function charge(
  world: World,
  { generationId, userId, payeeUserId, tokensIn, tokensOut, newConversation }: Answered,
): void {
  const person = get(world.accounts, userId);
  const total = tokensIn + tokensOut;
  if (!world.holds.has(generationId)) {
    const { usable, usableBought } = placeOf(world, person);
    setAside(world, userId, generationId, Math.min(usable + usableBought, total), usable);
  }
  person.used.tokensIn += tokensIn;
  person.used.tokensOut += tokensOut;
  person.used.conversations += newConversation ? 1 : 0;
  const held = world.holds.get(generationId);
  if (held === undefined) return;
  held.state = 'settling';
  const from = person.account;
  const to = payeeUserId === null || payeeUserId === userId ? platformOf(from) : accountOf(world, payeeUserId);
  const tokens = Math.min(total, held.tokens);
  const bought = Math.min(total - tokens, held.addonTokens);
  const key = `generation:${generationId}`;
  const shared = { from, to, purpose: 'generation', generationId } as const;
  const { organizationId } = held;
  if (tokens > 0)
    enqueue(world, [
      { ...shared, key, asset: 'token', amount: tokens, organizationId, holdId: bought > 0 ? null : generationId },
    ]);
  if (bought > 0)
    enqueue(world, [{ ...shared, key: `${key}:addon`, asset: 'addon_token', amount: bought, holdId: generationId }]);
}

function seePayment(world: World, action: Extract<Action, { do: 'see payment' }>, id: string | undefined): unknown {
  const purchase = get(world.purchases, action.paymentId);
  if (action.sync <= purchase.applied) return 'late';
  purchase.applied = action.sync;
  const { userId, units, amountMinor } = purchase;
  if (purchase.purchaseId === null) {
    purchase.purchaseId = id ?? '';
    enqueue(world, [grantOf(world, userId, units, 'addon_purchase', `purchase:${id}`, 'addon_token')]);
  }
  const { refundedMinor, dispute } = action;
  const contested = dispute === 'open' || dispute === 'lost';
  const revoked = contested ? units : Math.floor((units * refundedMinor) / amountMinor);
  const change = revoked - purchase.unitsRevoked;
  if (change === 0 && refundedMinor === purchase.refundedMinor && dispute === purchase.dispute)
    return { unitsRevoked: revoked };
  Object.assign(purchase, { refundedMinor, dispute, unitsRevoked: revoked, revision: purchase.revision + 1 });
  const key = `${purchase.purchaseId}:${purchase.revision}`;
  const back = grantOf(world, userId, Math.abs(change), 'adjustment', `restore:${key}`, 'addon_token');
  if (change < 0) enqueue(world, [back]);
  if (change > 0)
    enqueue(world, [{ ...back, from: back.to, to: back.from, purpose: 'clawback', key: `clawback:${key}` }]);
  return { unitsRevoked: revoked };
}

const reversible = new Set<Purpose>(['generation', 'sign_up_grant', 'plan_grant', 'adjustment']);

function askReversal(world: World, action: Extract<Action, { do: 'ask reversal' }>, id: string | undefined): unknown {
  const { operatorId, requestKey, reason } = action;
  const request = `${action.entry} ${reason}`;
  const known = requestKey === null ? undefined : world.requests.get(`${operatorId} ${requestKey}`);
  if (known !== undefined)
    return known.request === request ? known.answer : { refused: 'billing.idempotency_conflict' };
  const entry = get(world.entries, action.entry);
  if (entry.reverses !== null || !reversible.has(entry.purpose)) return { refused: 'billing.not_reversible' };
  if ([...world.reversals.values()].some((one) => one.entry === entry.key && one.state !== 'declined'))
    return { refused: 'billing.already_reversed' };
  const alone = (world.alone.get(operatorId) ?? 0) + entry.amount;
  const needsSecond = alone > REVERSAL_LIMIT || concerns(world, entry, operatorId);
  const state = needsSecond ? 'waiting' : 'approved';
  world.reversals.set(id ?? '', { id: id ?? '', entry: entry.key, state, requestedBy: operatorId, needsSecond });
  const answer = { id, state, needsSecond };
  if (requestKey !== null) world.requests.set(`${operatorId} ${requestKey}`, { request, answer });
  if (needsSecond) return answer;
  world.alone.set(operatorId, alone);
  takeBack(world, entry, id ?? '');
  return answer;
}

const concerns = (world: World, { from, to }: ModelEntry, operatorId: string): boolean => {
  const own = world.accounts.get(operatorId)?.account;
  return own !== undefined && (own === from || own === to);
};

function takeBack(world: World, entry: ModelEntry, reversalId: string): void {
  const { from: to, to: from, asset, amount, key: reverses } = entry;
  const counted = entry.purpose === 'generation' && asset === 'token';
  const organizationId = counted ? entry.organizationId : null;
  enqueue(world, [
    { key: `reversal:${reversalId}`, from, to, asset, amount, purpose: 'reversal', reverses, organizationId },
  ]);
}

function decideReversal(world: World, action: Extract<Other, { reversalId: string }>): unknown {
  const reversal = get(world.reversals, action.reversalId);
  if (reversal.state !== 'waiting') return { refused: 'billing.reversal_decided' };
  const entry = get(world.entries, reversal.entry);
  if (action.do === 'approve reversal') {
    if (reversal.requestedBy === action.operatorId || concerns(world, entry, action.operatorId))
      return { refused: 'billing.second_person_needed' };
    takeBack(world, entry, reversal.id);
  }
  reversal.state = action.do === 'approve reversal' ? 'approved' : 'declined';
  return { id: reversal.id, state: reversal.state, needsSecond: true };
}
