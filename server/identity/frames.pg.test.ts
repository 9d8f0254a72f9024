/** Every command of identity: its reply is what the protocol promises. */
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { upFrames } from '../../protocol/up.ts';
import type { Caller } from '../peer.ts';
import { identityFrames } from './frames.ts';
import { createIdentityHarness, type IdentityHarness, origin, password } from './testing.ts';

let h: IdentityHarness;
let caller: Caller;
beforeAll(async () => {
  h = await createIdentityHarness();
  const issued = await h.identity.signUp({ email: h.newMail(), password }, origin);
  // None of these commands pushes.
  caller = { userId: issued.userId, sessionId: issued.sessionId, peer: undefined as never };
});
afterAll(() => h.close());

function expectReply(type: string, reply: unknown): void {
  const frame = upFrames.find((each) => each.type === type);
  if (frame === undefined) throw new Error(`There is no command ${type}.`);
  expect([...Compile(frame.reply).Errors(reply)]).toEqual([]);
}

test('identity.me and identity.update_profile', async () => {
  const frames = identityFrames(h.identity, { count: async () => 1 });
  expectReply('identity.me', await frames['identity.me'](caller, {}));
  const changed = await frames['identity.update_profile'](caller, { displayName: '紬', locale: 'ja' });
  expectReply('identity.update_profile', changed);
  expect(await frames['identity.me'](caller, {})).toEqual(changed);
});

test('identity.list_sessions, identity.change_password and identity.end_session', async () => {
  const frames = identityFrames(h.identity, { count: async () => 1 });
  const { email } = await h.identity.me(caller.userId);
  const other = await h.identity.signIn(email, password, origin);
  const listed = await frames['identity.list_sessions'](caller, {});
  expectReply('identity.list_sessions', listed);
  expect(listed.sessions.map((session) => session.current).sort()).toEqual([false, true]);
  expectReply('identity.end_session', await frames['identity.end_session'](caller, { sessionId: other.sessionId }));
  const reply = await frames['identity.change_password'](caller, {
    currentPassword: password,
    newPassword: 'another good one',
  });
  expectReply('identity.change_password', reply);
  expect((await frames['identity.list_sessions'](caller, {})).sessions).toHaveLength(1);
});
