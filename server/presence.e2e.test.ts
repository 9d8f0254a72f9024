/** The whole server: what one device of a person knows of the others. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TsumugiClient } from '../protocol/client.ts';
import type { DownBody, DownType } from '../protocol/down.ts';
import { openConversation, Person } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let server: TestServer;
let hana: Person;
beforeAll(async () => {
  server = await startTestServer();
  hana = await Person.signUp(server.url);
});
afterAll(async () => {
  hana?.leave();
  await server?.close();
});

function next<T extends DownType>(client: TsumugiClient, type: T): Promise<DownBody<T>> {
  return new Promise((resolve) => {
    const stop = client.on(type, (body) => {
      stop();
      resolve(body);
    });
  });
}

it('devices learn how many there are, and that one of them types', async () => {
  const phone = await hana.device();
  expect(await phone.request('identity.presence', {})).toEqual({ connections: 1 });
  const two = next(phone, 'identity.presence');
  const desk = await hana.device({ codec: 'msgpack' });
  expect(await two).toEqual({ connections: 2 });

  const { conversationId } = await openConversation(phone);
  const typing = next(desk, 'chat.typing');
  await phone.request('chat.typing', { conversationId });
  expect(await typing).toMatchObject({ conversationId, sessionId: expect.any(String) });

  const one = next(phone, 'identity.presence');
  desk.close();
  expect(await one).toEqual({ connections: 1 });
});
