/** Each check is shown a world where all is well, and the same world with one thing broken: it must find that, and nothing else. */
import { describe, expect, test } from 'vitest';
import { ClientRecord } from '../people/record.ts';
import { answerPieces, answerText, question } from '../story.ts';
import { selectedBranch } from './devices.ts';
import { checkMoney } from './money.ts';
import type { Stored } from './stored.ts';
import { checkTexts } from './texts.ts';
import { checkTree } from './tree.ts';

type World = { record: ClientRecord; stored: Stored };
const grant = 1_000;
const answer = answerText('p0-1');
const used = { tokensIn: 10, tokensOut: answerPieces('p0-1').length };
const price = used.tokensIn + used.tokensOut;

function makeWorld(): World {
  const shared = { conversationId: 'c', userId: 'u' };
  const none = { finishReason: null, tokensIn: null, tokensOut: null, generationId: null };
  const asked = {
    ...shared,
    ...none,
    id: 'm1',
    parentId: null,
    role: 'user',
    text: question('p0-1'),
    clientMessageId: 'x',
  };
  const answered = { ...shared, ...used, id: 'm2', parentId: 'm1', role: 'ai', text: answer, clientMessageId: null };
  const entry = { asset: 'token', status: 'settled', conversationId: null, messageId: null };
  const stored: Stored = {
    messages: [
      { ...asked, createdAtMs: 1 },
      { ...answered, generationId: 'g', finishReason: 'stop', createdAtMs: 2 },
    ],
    generations: [
      {
        ...shared,
        ...used,
        id: 'g',
        parentId: 'm1',
        messageId: 'm2',
        clientRequestId: null,
        epoch: 1,
        owner: 'gateway',
        state: 'ended',
        finishReason: 'stop',
        errorCode: null,
      },
    ],
    conversations: [{ id: 'c', userId: 'u', headMessageId: 'm2' }],
    usage: [{ userId: 'u', ...used, conversations: 1 }],
    open: { holds: 0, pending: 0 },
    spending: [{ accountId: 'a', held: 0 }],
    accounts: [
      { id: 'a', userId: 'u' },
      { id: 'p', userId: null },
    ],
    entries: [
      {
        ...entry,
        id: 'e1',
        seq: 1,
        hash: 'h',
        from: 'p',
        to: 'a',
        amount: grant,
        purpose: 'sign_up_grant',
        generationId: null,
      },
      {
        ...entry,
        id: 'e2',
        seq: 2,
        hash: 'hash',
        from: 'a',
        to: 'p',
        amount: price,
        purpose: 'generation',
        generationId: 'g',
        conversationId: 'c',
      },
    ],
    balances: [
      { accountId: 'a', asset: 'token', balance: grant - price },
      { accountId: 'p', asset: 'token', balance: price - grant },
    ],
  };
  const record = new ClientRecord();
  record.text('g', 0, answer.slice(0, 40), 'phone');
  record.ask('x', 'u', 'c', question('p0-1'));
  record.acknowledge('x', 'm1', 'g');
  record.done(
    {
      ...{ conversationId: 'c', generationId: 'g', messageId: 'm2', finishReason: 'stop', usage: used, revision: 2 },
      ledger: { shard: 3, seq: 2, hash: 'hash' },
      length: answer.length,
    },
    'phone',
  );
  return { record, stored };
}

const check = ({ record, stored }: World) =>
  [...checkTexts(record, stored), ...checkTree(record, stored), ...checkMoney(stored)].map(
    ({ invariant }) => invariant,
  );

function first<T>(list: T[]): T {
  const [item] = list;
  if (item === undefined) throw new Error('an empty list');
  return item;
}
const last = <T>(list: T[]): T => first(list.slice(-1));

test('a world where all is well', () => {
  expect(check(makeWorld())).toEqual([]);
});

describe('one thing broken', () => {
  test.each<[string, string[], (world: World) => void]>([
    [
      'more was shown than is stored',
      ['nothing shown is lost'],
      ({ record }) => record.text('g', 40, 'and more', 'phone'),
    ],
    [
      'an answer lost its end',
      ['answers answer their question', 'ends are told as they are stored'],
      ({ stored }) => void Object.assign(last(stored.messages), { text: answer.slice(0, 50) }),
    ],
    [
      'the answer to another question',
      ['nothing shown is lost', 'answers answer their question', 'ends are told as they are stored'],
      ({ stored }) => void Object.assign(last(stored.messages), { text: answerText('p0-2') }),
    ],
    [
      'the end was told otherwise',
      ['ends are told as they are stored', 'every answer ends once'],
      ({ stored }) => void Object.assign(first(stored.generations), { finishReason: 'interrupted' }),
    ],
    [
      'an answer still runs',
      ['every answer ends once'],
      ({ stored }) => void Object.assign(first(stored.generations), { state: 'running' }),
    ],
    [
      'a message was sent twice',
      ['a clientMessageId is one message'],
      ({ stored }) => void stored.messages.push({ ...first(stored.messages), id: 'm3' }),
    ],
    [
      'an acknowledged message is gone',
      ['a clientMessageId is one message'],
      ({ record }) => {
        record.ask('y', 'u', 'c', 'Hello');
        record.acknowledge('y', 'm9', 'g9');
      },
    ],
    [
      'a message was acknowledged as two',
      ['a clientMessageId is one message'],
      ({ record }) => record.acknowledge('x', 'm1', 'g2'),
    ],
    [
      'the parent is missing',
      ['messages form a tree in order'],
      ({ stored }) =>
        void stored.messages.push({ ...first(stored.messages), id: 'm3', parentId: 'm9', clientMessageId: 'z' }),
    ],
    [
      'an answer is older than its question',
      ['messages form a tree in order'],
      ({ stored }) => void Object.assign(last(stored.messages), { createdAtMs: 0 }),
    ],
    [
      'the head is nowhere',
      ['the selected branch exists'],
      ({ stored }) => void Object.assign(first(stored.conversations), { headMessageId: 'm9' }),
    ],
    [
      'an answer was charged twice',
      [
        'ends are told as they are stored',
        'every answer is charged once',
        'balances are sums of entries',
        'balances are sums of entries',
      ],
      ({ stored }) => void stored.entries.push({ ...last(stored.entries), id: 'e3', seq: 3 }),
    ],
    [
      'something is still held',
      ['nothing is left open', 'nothing is left open'],
      ({ stored }) => {
        stored.open.holds = 1;
        stored.spending = [{ accountId: 'a', held: 5 }];
      },
    ],
    [
      'an entry is not booked',
      ['nothing is left open'],
      ({ stored }) => {
        stored.open = { holds: 0, pending: 1 };
      },
    ],
    [
      'an answer was not charged',
      [
        'ends are told as they are stored',
        'every answer is charged once',
        'balances are sums of entries',
        'balances are sums of entries',
      ],
      ({ stored }) => void stored.entries.pop(),
    ],
    [
      'an entry without a generation',
      ['every entry has its reason', 'balances are sums of entries', 'balances are sums of entries'],
      ({ stored }) => void stored.entries.push({ ...last(stored.entries), id: 'e3', seq: 3, generationId: 'g9' }),
    ],
    [
      'a balance is off',
      ['balances are sums of entries', 'each asset sums up to zero'],
      ({ stored }) => void Object.assign(first(stored.balances), { balance: 5 }),
    ],
    [
      'usage was counted twice',
      ['usage is the sum of answers'],
      ({ stored }) => void Object.assign(first(stored.usage), { tokensOut: 40 }),
    ],
    [
      'tokens were made up',
      [
        'usage is what the model wrote',
        'every answer ends once',
        'every answer is charged once',
        'usage is the sum of answers',
      ],
      ({ stored, record }) => {
        Object.assign(first(stored.generations), { tokensOut: 1 });
        record.ends.clear();
      },
    ],
  ])('%s', (_, expected, spoil) => {
    const world = makeWorld();
    spoil(world);
    expect(check(world)).toEqual(expected);
  });
});

test('half a pair of surrogates at the end was not shown to anybody', () => {
  const world = makeWorld();
  const first40 = answer.slice(0, 40);
  world.record.text('g', 40, '\ud83e', 'phone');
  expect(world.record.shown.get('g')?.text).toBe(`${first40}\ud83e`);
  expect(check(world)).toEqual([]);
});

test('the selected branch goes from the head to the root, and ends where it is cut', () => {
  const { stored } = makeWorld();
  const byId = new Map(stored.messages.map((one) => [one.id, one]));
  expect(selectedBranch('m2', byId).map(({ id }) => id)).toEqual(['m1', 'm2']);
  expect(selectedBranch(null, byId)).toEqual([]);
  expect(selectedBranch('m9', byId)).toEqual([]);
});
