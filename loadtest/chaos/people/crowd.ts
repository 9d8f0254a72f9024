/** All people of a run: their accounts, devices and conversations, made over the public API. */

import { AuthClient } from '../../../protocol/auth-client.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import type { Random } from '../random.ts';
import { Device } from './device.ts';
import { Person } from './person.ts';
import type { ClientRecord } from './record.ts';
import type { Tally } from './tally.ts';

export type CrowdOptions = {
  users: number;
  devicesPerUser: number;
  conversationsPerUser: number;
  origins: readonly string[];
};

export async function makeCrowd(
  options: CrowdOptions,
  random: Random,
  record: ClientRecord,
  tally: Tally,
): Promise<Person[]> {
  const people: Person[] = [];
  for (let index = 0; index < options.users; index++)
    people.push(await makePerson(`p${index}`, index, options, random, record, tally));
  return people;
}

async function makePerson(
  name: string,
  index: number,
  { devicesPerUser, conversationsPerUser, origins }: CrowdOptions,
  random: Random,
  record: ClientRecord,
  tally: Tally,
): Promise<Person> {
  const origin = origins[index % origins.length] ?? '';
  const auth = new AuthClient({ url: origin });
  const [email, password] = [`${name}@example.com`, 'a long pass phrase'];
  const { userId } = await auth.signUp({ email, password, displayName: name, locale: 'en' });
  const conversationIds = await openConversations(origin, auth, conversationsPerUser);
  const devices = Array.from({ length: devicesPerUser }, (_, at) => {
    // Devices of one person begin at different gateways and speak both codecs.
    const codec = at % 2 === 0 ? 'json' : 'msgpack';
    return new Device(`${name}/d${at}`, { email, password, userId }, record, { origins, first: index + at, codec });
  });
  await Promise.all(
    devices.map(async (device) => {
      for (const conversationId of conversationIds) await device.conversation(conversationId);
    }),
  );
  return new Person({ name, userId, devices, conversationIds }, random.fork(name), tally);
}

/** One with each of the avatars that come with the server: an empty one would be given out again. */
async function openConversations(origin: string, auth: AuthClient, count: number): Promise<string[]> {
  const client = new TsumugiClient({ url: origin, getTicket: () => auth.socketTicket() });
  await client.connect();
  const { avatars } = await client.request('companion.list_avatars', {});
  const ids: string[] = [];
  for (const { avatarId } of avatars.slice(0, count))
    ids.push((await client.request('chat.open', { avatarId, kind: 'conversation' })).conversationId);
  client.close();
  return ids;
}
