/** What an answer may cost is set aside before the model is asked; here with the rows of the turn, or not at all. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import type { ChatRequest, StreamHandle, StreamListener } from '../llm/model.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

const GRANT = 100_000;
const MAX_OUTPUT = 300;
let bench: Bench;
let engine: TestEngine;
let userId: string;
let reader: Reader;
let conversationId: string;
/** What the model was asked, and what was held at that moment. */
const asked: { request: ChatRequest; held: Promise<number> }[] = [];

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 500 });
  engine = new TestEngine({ ...bench, model: notingModel() }, 'holds-test', { maxOutputTokens: MAX_OUTPUT });
});
afterAll(() => bench.close());
beforeEach(async () => {
  asked.length = 0;
  userId = await bench.newUser();
  const avatarId = await bench.newAvatar(userId);
  reader = engine.connect(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
});

/** It is asked when what was held has been looked up, so that no answer can end before that. */
function notingModel(): Bench['model'] {
  const stream = (request: ChatRequest, listener: StreamListener): StreamHandle => {
    const held = heldTokens();
    asked.push({ request, held });
    let isAborted = false;
    let handle: StreamHandle | undefined;
    void held.then(() => {
      handle = bench.model.stream(request, listener);
      if (isAborted) handle.abort();
    });
    return {
      abort() {
        isAborted = true;
        handle?.abort();
      },
    };
  };
  return new Proxy(bench.model, {
    get: (model, name) => {
      if (name === 'stream') return stream;
      const value: unknown = Reflect.get(model, name, model);
      return typeof value === 'function' ? value.bind(model) : value;
    },
  });
}

const heldTokens = async () =>
  Number(
    (
      await bench.db.asService(
        (tx) => tx.sql`
          select coalesce(sum(h.tokens + h.addon_tokens), 0) as held from billing.holds h
          join billing.accounts a on a.id = h.account_id where a.owner_id = ${userId}`,
      )
    )[0]?.['held'],
  );
const send = (over: object = {}) =>
  engine.turns.send(reader.caller, {
    conversationId,
    clientMessageId: uuidv7(),
    text: 'How was the sea today?',
    ...over,
  });
/** Somebody else's answer has all but `left` of the tokens. */
const leaveTokens = (left: number) =>
  bench.db.asUser(userId, (tx) =>
    bench.billing.hold(tx, {
      generationId: uuidv7(),
      userId,
      promptTokens: 0,
      maxOutputTokens: GRANT - left,
      minOutputTokens: 1,
    }),
  );
const rowsOf = (generationId: string) =>
  bench.db.asService(
    (tx) =>
      tx.sql<{ promptTokens: number; maxOutputTokens: number }[]>`
        select prompt_tokens as "promptTokens", (trace_json->>'maxOutputTokens')::int as "maxOutputTokens"
        from chat.generations where id = ${generationId}`,
  );

describe('a turn', () => {
  it('holds prompt and longest answer before the model is asked, and gives the rest back at its end', async () => {
    const { generationId } = await send();
    const [row] = await rowsOf(generationId);
    expect(await asked[0]?.held).toBe((row?.promptTokens ?? 0) + MAX_OUTPUT);
    const { usage } = await reader.done(generationId);
    expect(await heldTokens()).toBe(0);
    const balance = await bench.billing.balance(userId);
    expect(balance).toBe(GRANT - usage.tokensIn - usage.tokensOut);
  });

  it('asks for a shorter answer when the tokens run out, and says so in the trace', async () => {
    const first = await send();
    await reader.done(first.generationId);
    const [{ promptTokens = 0 } = {}] = await rowsOf(first.generationId);
    const { tokensOut } = (await reader.done(first.generationId)).usage;
    // The next prompt has the same parts and the first turn besides.
    const left = promptTokens + tokensOut + 200;
    await leaveTokens(left + GRANT - (await bench.billing.balance(userId)));
    const { generationId } = await send();
    const [row] = await rowsOf(generationId);
    const shortened = asked[1]?.request.maxOutputTokens ?? 0;
    expect(shortened).toBe(left - (row?.promptTokens ?? 0));
    expect(shortened).toBeLessThan(MAX_OUTPUT);
    await expect.poll(async () => (await rowsOf(generationId))[0]?.maxOutputTokens).toBe(shortened);
    const { usage } = await reader.done(generationId);
    expect(usage.tokensOut).toBeLessThanOrEqual(shortened);
  });

  it('that cannot be paid leaves nothing behind, and can be sent again', async () => {
    await leaveTokens(3);
    const body = { clientMessageId: 'poor' };
    await expect(send(body)).rejects.toMatchObject({ code: 'billing.insufficient_tokens' });
    expect(asked).toEqual([]);
    expect((await engine.chat.history(reader.caller, { conversationId })).messages).toEqual([]);
    expect(engine.hub.runningCount).toBe(0);
    const { revision } = (await engine.chat.attach(reader.caller, { conversationId })).conversation;
    expect(revision).toBe(0);
    await bench.db.asService(
      (tx) => tx.sql`
        select billing.release_holds(array(select h.id from billing.holds h join billing.accounts a on a.id = h.account_id
          where a.owner_id = ${userId}))`,
    );
    await reader.done((await send(body)).generationId);
  });

  it('that was overtaken holds nothing for the try in vain', async () => {
    const other = new TestEngine(bench, 'overtaking');
    const device = other.connect(userId);
    const { generationId } = await send();
    await reader.done(generationId);
    const elsewhere = await other.turns.send(device.caller, {
      conversationId,
      clientMessageId: uuidv7(),
      text: 'Here.',
    });
    await device.done(elsewhere.generationId);
    // This gateway still knows the conversation from before.
    const again = await send();
    const [row] = await rowsOf(again.generationId);
    expect(await asked.at(-1)?.held).toBe((row?.promptTokens ?? 0) + MAX_OUTPUT);
    await reader.done(again.generationId);
    expect(await heldTokens()).toBe(0);
  });

  it('is held for by nobody where nobody pays', async () => {
    const free = new TestEngine({ ...bench, model: notingModel() }, 'free', { billingMode: 'free' });
    const guest = free.connect(userId);
    await leaveTokens(0);
    const before = await heldTokens();
    const body = { conversationId, clientMessageId: uuidv7(), text: 'For nothing?' };
    const { generationId } = await free.turns.send(guest.caller, body);
    expect(await asked[0]?.held).toBe(before);
    expect((await guest.done(generationId)).finishReason).toBe('stop');
  });
});
