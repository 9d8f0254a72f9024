/** The whole server, talked to through the client over real sockets: what a person can do in a conversation. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HeldModel } from './testing/held-model.ts';
import { openConversation, Person, when } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let model: HeldModel;
let server: TestServer;
let hana: Person;
beforeAll(async () => {
  model = await HeldModel.start();
  server = await startTestServer({ env: model.env });
  hana = await Person.signUp(server.url);
});
beforeEach(() => model.release());
afterEach(() => hana?.leave());
afterAll(async () => {
  await server?.close();
  await model?.[Symbol.asyncDispose]();
});

describe.each(['json', 'msgpack'] as const)('over %s', (codec) => {
  it('a first talk streams, is stored, metered, paid for and in the ledger', async () => {
    const client = await hana.device({ codec });
    const { balance: before } = await client.request('billing.balance', {});
    const conversation = await openConversation(client);
    model.hold();
    const generation = await conversation.send('Good morning! What are you reading? 🧵');
    const pieces: string[] = [];
    for await (const piece of generation) {
      pieces.push(piece);
      model.release();
    }
    const done = await generation.done;
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('')).toBe(done.text);
    expect(done).toMatchObject({ finishReason: 'stop', messageId: generation.messageId });
    expect(conversation.messages.map(({ role }) => role)).toEqual(['user', 'ai']);
    const { messages } = await client.request('chat.history', { conversationId: conversation.conversationId });
    expect(messages.map(({ text }) => text)).toEqual(['Good morning! What are you reading? 🧵', done.text]);

    const { tokensIn = 0, tokensOut = 0 } = done.usage ?? {};
    expect(Math.min(tokensIn, tokensOut)).toBeGreaterThan(0);
    const { balance } = await client.request('billing.balance', {});
    expect(before - balance).toBe(tokensIn + tokensOut);
    const { entries } = await client.request('billing.ledger', { limit: 10 });
    expect(entries.find(({ hash }) => hash === done.ledger?.hash)).toMatchObject({
      seq: done.ledger?.seq,
      messageId: done.messageId,
      tokenAmount: tokensIn + tokensOut,
    });
    const trace = await client.request('chat.trace', { generationId: generation.generationId });
    expect(trace.parts.map(({ part }) => part)).toContain('system');
    expect(trace.parts.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(trace.contextLimit);
  });
});

describe('a conversation', () => {
  it('is read back in pages, oldest first', async () => {
    const client = await hana.device({ pageSize: 2 });
    const conversation = await openConversation(client);
    for (const text of ['One', 'Two', 'Three']) await (await conversation.send(text)).done;
    const all = conversation.messages;
    conversation.detach();
    const again = await client.conversation(conversation.conversationId);
    expect(again.messages).toEqual(
      all.slice(-2).map((message) => expect.objectContaining({ messageId: message.messageId })),
    );
    while (await again.loadOlder()) expect(again.hasOlder).toBe(true);
    expect(again.messages.map(({ messageId }) => messageId)).toEqual(all.map(({ messageId }) => messageId));
  });

  it('takes the same message once, however often it is sent', async () => {
    const client = await hana.device();
    const conversation = await openConversation(client);
    const { conversationId } = conversation;
    const body = { conversationId, clientMessageId: 'once', text: 'Only once' };
    const [first, second] = await Promise.all([client.request('chat.send', body), client.request('chat.send', body)]);
    expect(second.generationId).toBe(first.generationId);
    await when(conversation, () => conversation.messages.length === 2);
    const third = await conversation.send('Only once', { clientMessageId: 'once' });
    expect(third.generationId).toBe(first.generationId);
    expect((await third.done).text).toBe(conversation.messages[1]?.text);
    const { messages } = await client.request('chat.history', { conversationId });
    expect(messages).toHaveLength(2);
    await expect(conversation.send('Another text', { clientMessageId: 'once' })).rejects.toMatchObject({
      code: 'chat.client_message_conflict',
    });
  });

  it('keeps what was written when it is stopped from another device', async () => {
    const [phone, desk] = await Promise.all([hana.device(), hana.device({ codec: 'msgpack' })]);
    const conversation = await openConversation(phone);
    model.hold();
    const generation = await conversation.send('Tell me a long story, please.');
    await when(conversation, () => generation.text.length > 0);
    expect(await desk.request('chat.stop', { generationId: generation.generationId })).toEqual({ stopped: true });
    const done = await generation.done;
    expect(done.finishReason).toBe('stopped');
    expect(done.text.length).toBeGreaterThan(0);
    expect(await desk.request('chat.stop', { generationId: generation.generationId })).toEqual({ stopped: false });
    const { messages } = await desk.request('chat.history', { conversationId: conversation.conversationId });
    expect(messages[1]).toMatchObject({ text: done.text, finishReason: 'stopped' });
  });

  it('branches: another answer, a changed question, and back', async () => {
    const client = await hana.device();
    const conversation = await openConversation(client);
    const first = await (await conversation.send('What is your favourite colour?')).done;
    const second = await (await conversation.regenerate()).done;
    expect(second.messageId).not.toBe(first.messageId);
    expect(conversation.messages[1]).toMatchObject({
      text: second.text,
      siblings: [first.messageId, second.messageId],
    });

    const question = conversation.messages[0];
    const edited = await (await conversation.edit(question?.messageId ?? '', 'What is your favourite book?')).done;
    expect(conversation.messages.map(({ text }) => text)).toEqual(['What is your favourite book?', edited.text]);
    expect(conversation.messages[0]?.siblings).toHaveLength(2);

    await conversation.select(first.messageId ?? '');
    expect(conversation.messages.map(({ text }) => text)).toEqual(['What is your favourite colour?', first.text]);
    const again = await client.request('chat.attach', { conversationId: conversation.conversationId });
    expect(again.messages).toEqual(conversation.messages);
    expect(again.conversation.revision).toBe(conversation.revision);
  });

  it('refuses a change that was made on an old view', async () => {
    const client = await hana.device();
    const conversation = await openConversation(client);
    const { messageId } = await (await conversation.send('Hello')).done;
    await expect(
      client.request('chat.regenerate', { messageId: messageId ?? '', expectedRevision: 0 }),
    ).rejects.toMatchObject({ code: 'chat.revision_conflict' });
  });

  it('is seen alike on two devices while it is written', async () => {
    const [phone, desk] = await Promise.all([hana.device(), hana.device()]);
    const here = await openConversation(phone);
    const there = await desk.conversation(here.conversationId);
    model.hold();
    const generation = await here.send('What do you see from your window?');
    await when(there, () => there.generation !== undefined);
    const late = await hana.device({ codec: 'msgpack' });
    await when(here, () => generation.text.length > 10);
    const afterwards = await late.conversation(here.conversationId);
    expect(afterwards.generation?.text.length).toBeGreaterThan(10);
    model.release();
    const done = await generation.done;
    await when(there, () => there.messages.length === 2);
    await when(afterwards, () => afterwards.messages.length === 2);
    for (const other of [there, afterwards])
      expect(other.messages[1]).toMatchObject({ messageId: done.messageId, text: done.text });
  });

  it('belongs to its person alone', async () => {
    const client = await hana.device();
    const conversation = await openConversation(client);
    const generation = await conversation.send('A secret');
    const mallory = await Person.signUp(server.url);
    const stranger = await mallory.device();
    const { conversationId } = conversation;
    const refused = [
      stranger.request('chat.attach', { conversationId }),
      stranger.request('chat.history', { conversationId }),
      stranger.request('chat.send', { conversationId, clientMessageId: 'x', text: 'Hi' }),
      stranger.request('chat.stop', { generationId: generation.generationId }),
      stranger.request('chat.trace', { generationId: generation.generationId }),
      stranger.request('chat.regenerate', { messageId: generation.parentId }),
    ];
    const codes = await Promise.all(
      refused.map((request) =>
        request.then(
          () => 'allowed',
          ({ code }) => code,
        ),
      ),
    );
    expect(codes).toEqual([
      'chat.conversation_not_found',
      'chat.conversation_not_found',
      'chat.conversation_not_found',
      'chat.generation_not_found',
      'chat.generation_not_found',
      'chat.message_not_found',
    ]);
    mallory.leave();
    await generation.done;
  });
});

describe('an account', () => {
  it('that signs out loses the sockets of that session, for good', async () => {
    const person = await Person.signUp(server.url);
    const client = await person.device();
    const closed = new Promise<string | undefined>((resolve) =>
      client.onState((state, reason) => state === 'closed' && resolve(reason?.code)),
    );
    await person.auth.signOut();
    expect(await closed).toBe('identity.unauthenticated');
    await expect(person.auth.accessToken()).rejects.toMatchObject({ code: 'identity.unauthenticated' });
  });

  it('that ends another session closes its sockets and keeps its own', async () => {
    const person = await Person.signUp(server.url);
    const phone = await person.device();
    const stolen = person.offlineDevice({ getTicket: async () => other.socketTicket() });
    const { AuthClient } = await import('../protocol/auth-client.ts');
    const other = new AuthClient({ url: server.url });
    await other.signIn(person.email, person.password);
    await stolen.connect();
    const closed = new Promise<void>((resolve) => stolen.onState((state) => state === 'closed' && resolve()));
    const { sessions } = await phone.request('identity.list_sessions', {});
    expect(sessions).toHaveLength(2);
    const theirs = sessions.find(({ current }) => !current);
    await phone.request('identity.end_session', { sessionId: theirs?.sessionId ?? '' });
    await closed;
    expect((await phone.request('identity.list_sessions', {})).sessions).toHaveLength(1);
    person.leave();
  });

  it('gets a fresh pair for its refresh token, once', async () => {
    const person = await Person.signUp(server.url);
    const used = person.auth.tokens?.refreshToken;
    const renewed = await person.auth.refresh();
    expect(renewed.refreshToken).not.toBe(used);
    const client = await person.device();
    expect(await client.request('identity.me', {})).toMatchObject({ email: person.email, displayName: 'Hana' });
    person.leave();
  });
});

it('serves its documents', async () => {
  const page = await fetch(`${server.url}/docs`);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await page.text()).toContain('id="chat.send"');
  const { paths } = (await (await fetch(`${server.url}/docs/openapi.json`)).json()) as { paths: object };
  expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/auth/sign-in', '/healthz', '/admin/connections']));
  expect(await (await fetch(`${server.url}/docs/asyncapi.json`)).json()).toMatchObject({ asyncapi: '3.0.0' });
});
