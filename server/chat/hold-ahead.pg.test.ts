/** What a warm turn may cost at most is held while it is being put together: before the model is asked, and never for nothing. */
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { OpenAiChatModel } from '../llm/client.ts';
import type { ChatRequest, StreamHandle, StreamListener } from '../llm/model.ts';
import { CommitGate } from './testing/commit-gate.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

const GRANT = 100_000;
const MAX_OUTPUT = 300;
const MEMORY = 300;
let bench: Bench;
let owner: postgres.Sql;
let engine: TestEngine;
let userId: string;
let reader: Reader;
let conversationId: string;
/** What the model was asked; what was held and how many generations were written at that moment; and its end. */
type Asked = { request: ChatRequest; held: Promise<number>; written: Promise<number>; ended: Promise<void> };
const asked: Asked[] = [];
/** All but the first words of an answer come when this has been resolved. */
let goOn = Promise.withResolvers<void>();

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 1_000 });
  owner = postgres(bench.test.ownerUrl, { max: 3, onnotice: () => {} });
  const options = { maxOutputTokens: MAX_OUTPUT, memoryTokens: MEMORY };
  engine = new TestEngine({ ...bench, model: notingModel(bench.model) }, 'ahead-test', options);
});
afterAll(async () => {
  await owner.end();
  await bench.close();
});
/** A conversation that was talked in, so that nothing of it has to be read. */
beforeEach(async () => {
  goOn.resolve();
  userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  reader = engine.connect(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
  await reader.done((await send()).generationId);
  asked.length = 0;
});

/** It is asked when what was held has been looked up, so that no answer can end before that. */
function notingModel(real: Bench['model']): Bench['model'] {
  const stream = (request: ChatRequest, listener: StreamListener): StreamHandle => {
    const [held, written, { promise: ended, resolve }] = [heldTokens(), generations(), Promise.withResolvers<void>()];
    asked.push({ request, held, written, ended });
    const rest = goOn.promise;
    let begun = false;
    const told: StreamListener = {
      onText(text) {
        if (begun) void rest.then(() => listener.onText(text));
        else listener.onText(text);
        begun = true;
      },
      onEnd: (end) =>
        void rest.then(() => {
          resolve();
          listener.onEnd(end);
        }),
    };
    let isAborted = false;
    let handle: StreamHandle | undefined;
    void Promise.all([held, written]).then(() => {
      handle = real.stream(request, told);
      if (isAborted) handle.abort();
    });
    return {
      abort() {
        isAborted = true;
        handle?.abort();
      },
    };
  };
  return new Proxy(real, {
    get: (model, name) => {
      if (name === 'stream') return stream;
      const value: unknown = Reflect.get(model, name, model);
      return typeof value === 'function' ? value.bind(model) : value;
    },
  });
}

const heldTokens = async () => Number((await account())?.held);
const generations = async () =>
  Number((await owner`select count(*) from chat.generations where conversation_id = ${conversationId}`)[0]?.['count']);
async function account() {
  const [row] = await owner<{ held: number; noted: number; balance: number }[]>`
    select coalesce((select sum(h.tokens + h.addon_tokens) from billing.holds h where h.account_id = a.id), 0)::int as held,
      (s.held_tokens + s.held_addon_tokens)::int as noted,
      (select sum(b.balance) from billing.account_balances b where b.account_id = a.id)::int as balance
    from billing.accounts a join billing.spending s on s.account_id = a.id where a.owner_id = ${userId}`;
  return row;
}
const nothingHeld = () => expect.poll(account).toMatchObject({ held: 0, noted: 0 });
const promptTokens = async (generationId: string) =>
  Number((await owner`select prompt_tokens as tokens from chat.generations where id = ${generationId}`)[0]?.['tokens']);
const send = (over: object = {}, by = engine, as = reader) =>
  by.turns.send(as.caller, { conversationId, clientMessageId: uuidv7(), text: 'And the sea?', ...over });
/** As if the conversation had been talked in there. */
function tellWhatIsKnown(gateway: TestEngine): void {
  const known = engine.engine.contexts.find(conversationId, userId);
  if (known === undefined) throw new Error('The conversation is not warm.');
  gateway.engine.contexts.note(known);
}
/** Another answer has all but `left` of what is there. */
const leaveTokens = async (left: number) => {
  const maxOutputTokens = (await bench.billing.balance(userId)) - left;
  const wish = { generationId: uuidv7(), userId, promptTokens: 0, maxOutputTokens, minOutputTokens: maxOutputTokens };
  await bench.db.asUser(userId, (tx) => bench.billing.hold(tx, wish));
  return maxOutputTokens;
};
/** The turn is committed, or refused, when the model was asked and `seen` has come. */
async function whileCommits<T>(
  work: () => Promise<T>,
  {
    seen = (one: Asked): Promise<unknown> => one.written,
    refusal,
  }: { seen?: (one: Asked) => Promise<unknown>; refusal?: string } = {},
): Promise<T> {
  await using gate = await CommitGate.close(bench.test.ownerUrl, refusal);
  const working = work();
  await expect.poll(() => asked.length).toBeGreaterThan(0);
  for (const one of asked.slice(0, 1)) await seen(one);
  await gate.open();
  return await working;
}

describe('a warm turn', () => {
  it('is held for before the model is asked, which is asked while the turn is being committed', async () => {
    const balance = Number((await account())?.balance);
    const { generationId } = await whileCommits(() => send());
    expect(await asked[0]?.written).toBe(1);
    const exact = (await promptTokens(generationId)) + MAX_OUTPUT;
    const held = Number(await asked[0]?.held);
    expect(held).toBeGreaterThanOrEqual(exact);
    // At most what might have been remembered, and the bytes of the text.
    expect(held).toBeLessThanOrEqual(exact + MEMORY + 'And the sea?'.length);
    const { usage } = await reader.done(generationId);
    expect(await account()).toEqual({ held: 0, noted: 0, balance: balance - usage.tokensIn - usage.tokensOut });
  });

  it('is held for exactly, with its rows, where the rest would not be enough for more', async () => {
    // Enough for what the answer costs, not for what it could cost at most.
    const before = await promptTokens((await send()).generationId);
    await expect.poll(() => engine.hub.runningCount).toBe(0);
    const other = await leaveTokens(before + MAX_OUTPUT + 100);
    const { generationId } = await send();
    const exact = (await promptTokens(generationId)) + (asked[1]?.request.maxOutputTokens ?? 0);
    expect(await asked[1]?.held).toBe(other + exact);
    expect(await asked[1]?.written).toBe(3);
    await reader.done(generationId);
    expect(await account()).toMatchObject({ held: other, noted: other });
  });

  it('is held for exactly where the balance is known not to be ample', async () => {
    const take = (await bench.billing.balance(userId)) - 2_000;
    const generationId = uuidv7();
    const wish = { generationId, userId, promptTokens: 0, maxOutputTokens: take, minOutputTokens: take };
    await bench.db.asUser(userId, (tx) => bench.billing.hold(tx, wish));
    const spent = { generationId, userId, payeeUserId: null, conversationId, messageId: null, newConversation: false };
    const charges = await bench.db.asService((tx) =>
      bench.billing.settle(tx, [{ ...spent, tokensIn: 0, tokensOut: take, atMs: Date.now() }]),
    );
    await bench.billing.booked(charges);
    // This one tells the balance.
    await reader.done((await send()).generationId);
    const last = await send();
    const exact = (await promptTokens(last.generationId)) + (asked.at(-1)?.request.maxOutputTokens ?? 0);
    expect(await asked.at(-1)?.held).toBe(exact);
    await reader.done(last.generationId);
    await nothingHeld();
  });

  it('is held for once, though the same message comes twice at once', async () => {
    const body = { clientMessageId: 'twice' };
    const [first, second] = await Promise.allSettled([send(body), send(body)]);
    const started = [first, second].flatMap((one) => (one.status === 'fulfilled' ? [one.value.generationId] : []));
    expect(new Set(started).size).toBe(1);
    expect(await generations()).toBe(2);
    await reader.done(started[0] ?? '');
    await nothingHeld();
  });
});

it('asks the model for one of many messages that come at once', async () => {
  goOn = Promise.withResolvers();
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => send({ text: `Message ${at}` })));
  const begun = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value.generationId] : []));
  expect(begun).toHaveLength(1);
  // What is asked for a turn that another one overtakes is paid for by nobody.
  expect(asked).toHaveLength(1);
  goOn.resolve();
  await reader.done(begun[0] ?? '');
  await nothingHeld();
});

describe('what was held ahead is given back', () => {
  it('when the conversation has gone on elsewhere: the answer that is written has its own', async () => {
    const other = new TestEngine(bench, 'elsewhere');
    const device = other.connect(userId);
    await device.done((await send({ text: 'Here.' }, other, device)).generationId);
    const { generationId } = await send();
    const exact = (await promptTokens(generationId)) + MAX_OUTPUT;
    // The try in vain had asked already, with its hold.
    expect(asked).toHaveLength(2);
    expect(await asked[0]?.held).toBeGreaterThan(MAX_OUTPUT);
    expect(await asked[1]?.held).toBe(exact);
    const done = await reader.done(generationId);
    expect(reader.texts.get(generationId)).toHaveLength(done.length);
    await nothingHeld();
  });

  it('when the conversation was deleted elsewhere', async () => {
    const other = new TestEngine(bench, 'deleting');
    await other.chat.delete(other.connect(userId).caller, conversationId);
    await expect(send()).rejects.toMatchObject({ code: 'chat.conversation_not_found' });
    await nothingHeld();
    expect(engine.hub.runningCount).toBe(0);
  });

  it('when the commit fails; nothing was shown, and the message can be sent again', async () => {
    const body = { clientMessageId: 'again' };
    const before = reader.pushes.length;
    const refusal = 'refused at the commit';
    await whileCommits(() => expect(send(body)).rejects.toThrow(refusal), { refusal });
    await nothingHeld();
    expect(reader.pushes.slice(before).filter(({ type }) => type === 'chat.delta')).toEqual([]);
    const { generationId } = await send(body);
    const done = await reader.done(generationId);
    expect(reader.texts.get(generationId)).toHaveLength(done.length);
    await nothingHeld();
  });

  it('when the model fails before the turn is committed', async () => {
    const model = new OpenAiChatModel({
      baseUrl: 'http://127.0.0.1:9/v1',
      apiKey: 'none',
      defaultModel: 'tsumugi-persona',
      idleTimeoutMs: 1_000,
      firstTokenTimeoutMs: 1_000,
      maxRetries: 0,
      maxRetryWaitMs: 1,
    });
    const broken = new TestEngine({ ...bench, model: notingModel(model) }, 'broken');
    const device = broken.connect(userId);
    tellWhatIsKnown(broken);
    const { generationId } = await whileCommits(() => send({}, broken, device), { seen: ({ ended }) => ended });
    expect(await asked[0]?.written).toBe(1);
    expect((await device.done(generationId)).finishReason).toBe('error');
    await nothingHeld();
  });

  it('when the gateway died in between: by the chore, after its time', async () => {
    const generationId = uuidv7();
    const bound = { generationId, userId, promptTokens: 500, maxOutputTokens: MAX_OUTPUT };
    expect(await bench.billing.holdAhead(bound)).toBe(true);
    await bench.billing.releaseExpiredHolds();
    expect(await account()).toMatchObject({ held: 800, noted: 800 });
    await owner`update billing.holds set expires_at = now() - interval '1 second' where id = ${generationId}`;
    await bench.billing.releaseExpiredHolds();
    expect(await account()).toMatchObject({ held: 0, noted: 0 });
    await bench.billing.giveBack([generationId]);
    expect(await account()).toMatchObject({ held: 0, noted: 0 });
  });
});

it('settles an answer that was held for ahead, though its gateway is gone', async () => {
  goOn = Promise.withResolvers();
  const noting = { ...bench, model: notingModel(bench.model) };
  const dying = new TestEngine(noting, 'dying', { maxOutputTokens: MAX_OUTPUT, memoryTokens: MEMORY });
  tellWhatIsKnown(dying);
  const witness = dying.connect(userId);
  const { generationId } = await send({ text: 'Tell me much.' }, dying, witness);
  await witness.next('chat.delta', (body) => body.generationId === generationId);
  const held = (await account())?.held ?? 0;
  expect(held).toBeGreaterThan((await promptTokens(generationId)) + MAX_OUTPUT);
  await dying.endLease();
  const before = (await account())?.balance ?? 0;
  const heir = new TestEngine(bench, 'heir');
  expect(await heir.recovery.closeLeftovers()).toBe(1);
  await heir.hub.idle();
  await nothingHeld();
  const spent = before - ((await account())?.balance ?? 0);
  expect(spent).toBeGreaterThanOrEqual(await promptTokens(generationId));
  expect(spent).toBeLessThanOrEqual(held);
  goOn.resolve();
  await dying.hub.idle();
});

it('never spends more than there is, though two gateways think that there is plenty', async () => {
  const west = new TestEngine(bench, 'west', { maxOutputTokens: MAX_OUTPUT, memoryTokens: MEMORY });
  const device = west.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  const { conversationId: there } = await west.chat.open(device.caller, { avatarId, kind: 'conversation' });
  await device.done((await send({ conversationId: there }, west, device)).generationId);
  for (const left of [10, 350, 500, 700, 900, 1_300]) {
    const other = await leaveTokens(left);
    const outcomes = await Promise.allSettled([send(), send({ conversationId: there }, west, device)]);
    const now = await account();
    expect(now?.held).toBe(now?.noted);
    expect(now?.held).toBeLessThanOrEqual(now?.balance ?? 0);
    for (const [at, one] of outcomes.entries()) {
      if (one.status === 'fulfilled') await (at === 0 ? reader : device).done(one.value.generationId);
      else expect(one.reason).toMatchObject({ code: 'billing.insufficient_tokens' });
    }
    await expect.poll(account).toMatchObject({ held: other, noted: other });
    expect((await account())?.balance).toBeGreaterThanOrEqual(other);
    await owner`delete from billing.holds where account_id = (select id from billing.accounts where owner_id = ${userId})`;
    await owner`update billing.spending set held_tokens = 0 where account_id = (select id from billing.accounts where owner_id = ${userId})`;
  }
  expect(GRANT).toBeGreaterThan((await account())?.balance ?? GRANT);
});
