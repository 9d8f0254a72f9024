/** Sessions and tokens over a real database: rotation, reuse, grace, tickets, ends that every gateway hears of. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAppError } from '../errors.ts';
import { createIdentityHarness, type IdentityHarness, origin, password } from './testing.ts';

let h: IdentityHarness;
beforeAll(async () => {
  h = await createIdentityHarness();
});
afterAll(() => h.close());

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  );
const signUp = () => h.identity.signUp({ email: h.newMail(), password }, origin);
const refresh = (token: string) => h.identity.refresh(token, origin);

describe('an access token', () => {
  test('lives fifteen minutes, also when the live store has lost it', async () => {
    const issued = await signUp();
    expect(issued.expiresInS).toBe(900);
    await h.live.dropSession(issued.userId, issued.sessionId);
    expect(await codeOf(h.identity.authenticate(issued.accessToken))).toBe('done');
    h.clock.advance(899_000);
    expect(await codeOf(h.identity.authenticate(issued.accessToken))).toBe('done');
    h.clock.advance(2_000);
    expect(await codeOf(h.identity.authenticate(issued.accessToken))).toBe('identity.unauthenticated');
  });

  test('goes on beside the one of another tab', async () => {
    const issued = await signUp();
    const renewed = await refresh(issued.refreshToken);
    expect(renewed.accessToken).not.toBe(issued.accessToken);
    expect(await codeOf(h.identity.authenticate(issued.accessToken))).toBe('done');
    expect(await codeOf(h.identity.authenticate(renewed.accessToken))).toBe('done');
  });

  test('of somebody else’s ids with another secret is worth nothing', async () => {
    const { accessToken } = await signUp();
    await h.identity.authenticate(accessToken);
    const changed = accessToken.slice(0, -2) + (accessToken.endsWith('AA') ? 'BA' : 'AA');
    for (const token of [changed, '', 'tsa_', `tsa_${'A'.repeat(86)}`, `${accessToken} `, 'x'.repeat(5_000)]) {
      expect(await codeOf(h.identity.authenticate(token))).toBe('identity.unauthenticated');
    }
  });
});

describe('a refresh token', () => {
  test('is used up; a chain of them keeps the session alive', async () => {
    const issued = await signUp();
    let token = issued.refreshToken;
    for (let day = 0; day < 40; day += 10) {
      h.clock.advance(10 * 86_400_000);
      const next = await refresh(token);
      expect(next).toMatchObject({ userId: issued.userId, sessionId: issued.sessionId });
      expect(next.refreshToken).not.toBe(token);
      token = next.refreshToken;
    }
  });

  test('that is used again ends the whole family, on every device and gateway', async () => {
    const issued = await signUp();
    const second = await refresh(issued.refreshToken);
    h.clock.advance(11_000);
    expect(await codeOf(refresh(issued.refreshToken))).toBe('identity.token_reused');
    expect(await codeOf(refresh(second.refreshToken))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.authenticate(second.accessToken))).toBe('identity.unauthenticated');
    expect(h.ended).toContain(`${issued.userId} ${issued.sessionId}`);
    const audit = await h.test.database.asService(
      (tx) =>
        tx.sql`select 1 from ops.audit_logs where user_id = ${issued.userId} and action = 'identity.token_reused'`,
    );
    expect(audit).toHaveLength(1);
  });

  test('asked for by two tabs at once gives both the same successor', async () => {
    const issued = await signUp();
    const both = await Promise.all([1, 2, 3].map(() => refresh(issued.refreshToken)));
    expect(new Set(both.map((tokens) => tokens.refreshToken)).size).toBe(1);
    for (const tokens of both) expect(await codeOf(h.identity.authenticate(tokens.accessToken))).toBe('done');
    const rows = await h.test.database.asService(
      (tx) => tx.sql`select 1 from identity.refresh_tokens where session_id = ${issued.sessionId}`,
    );
    expect(rows).toHaveLength(2);
  });

  test('has no grace once its successor was used: a thief and the owner cannot both go on', async () => {
    const issued = await signUp();
    const owner = await refresh(issued.refreshToken);
    const thief = await refresh(issued.refreshToken);
    expect(thief.refreshToken).toBe(owner.refreshToken);
    await refresh(thief.refreshToken);
    expect(await codeOf(refresh(issued.refreshToken))).toBe('identity.token_reused');
  });

  test('ends with its thirty days, with its session, and when it is nonsense', async () => {
    const issued = await signUp();
    const gone = await signUp();
    await h.identity.signOut(gone, false);
    expect(await codeOf(refresh(gone.refreshToken))).toBe('identity.unauthenticated');
    for (const token of ['', 'tsr_x', issued.accessToken])
      expect(await codeOf(refresh(token))).toBe('identity.unauthenticated');
    h.clock.advance(30 * 86_400_000 + 1);
    expect(await codeOf(refresh(issued.refreshToken))).toBe('identity.unauthenticated');
  });

  test('of a suspended account gives nothing', async () => {
    const issued = await signUp();
    await h.test.database.asService(
      (tx) => tx.sql`update identity.users set status = 'suspended' where id = ${issued.userId}`,
    );
    expect(await codeOf(refresh(issued.refreshToken))).toBe('identity.unauthenticated');
  });
});

describe('the end of a session', () => {
  test('is known to another gateway that had remembered it, and closes its sockets there', async () => {
    const heard: string[] = [];
    const other = await h.anotherGateway({ onSessionEnded: (_, sessionId) => heard.push(sessionId) });
    const issued = await signUp();
    await other.authenticate(issued.accessToken);
    await h.identity.signOut(issued, false);
    await expect.poll(() => heard).toContain(issued.sessionId);
    expect(await codeOf(other.authenticate(issued.accessToken))).toBe('identity.unauthenticated');
  });

  test('of all: every session of the account and of no other', async () => {
    const email = h.newMail();
    const first = await h.identity.signUp({ email, password }, origin);
    const second = await h.identity.signIn(email, password, origin);
    const stranger = await signUp();
    await h.identity.signOut(first, true);
    expect(await codeOf(h.identity.authenticate(second.accessToken))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.authenticate(stranger.accessToken))).toBe('done');
    expect(await h.identity.findEndedSessions([first.sessionId, second.sessionId, stranger.sessionId])).toHaveLength(2);
  });

  test('one’s own sessions can be ended one by one, another’s not', async () => {
    const [mine, other] = [await signUp(), await signUp()];
    expect(await codeOf(h.identity.endSession(mine, other.sessionId))).toBe('identity.session_not_found');
    expect(await codeOf(h.identity.authenticate(other.accessToken))).toBe('done');
    await h.identity.endSession(mine, mine.sessionId);
    expect(await codeOf(h.identity.endSession(mine, mine.sessionId))).toBe('identity.session_not_found');
    expect(h.ended).toContain(`${mine.userId} ${mine.sessionId}`);
  });

  test('during a refresh leaves no token alive, whichever comes first', async () => {
    for (let round = 0; round < 8; round++) {
      const issued = await signUp();
      const [renewed] = await Promise.all([
        refresh(issued.refreshToken).catch(() => undefined),
        h.identity.signOut(issued, true),
      ]);
      const fresh = await h.anotherGateway();
      expect(await codeOf(fresh.authenticate(renewed?.accessToken ?? issued.accessToken))).toBe(
        'identity.unauthenticated',
      );
    }
  });
});

describe('a socket ticket', () => {
  test('opens one socket, of twenty that try', async () => {
    const issued = await signUp();
    const principal = await h.identity.authenticate(issued.accessToken);
    const { ticket, expiresInS } = await h.identity.createSocketTicket(principal);
    expect(expiresInS).toBe(60);
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(h.identity.redeemTicket(ticket))));
    expect(codes.filter((code) => code === 'done')).toHaveLength(1);
    expect(codes.filter((code) => code === 'identity.unauthenticated')).toHaveLength(19);
  });

  test('stands for its session, and ends with it', async () => {
    const issued = await signUp();
    const principal = await h.identity.authenticate(issued.accessToken);
    const used = await h.identity.createSocketTicket(principal);
    expect(await h.identity.redeemTicket(used.ticket)).toEqual(principal);
    const late = await h.identity.createSocketTicket(principal);
    await h.identity.signOut(issued, false);
    expect(await codeOf(h.identity.redeemTicket(late.ticket))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.redeemTicket('tst_nonsense'))).toBe('identity.unauthenticated');
  });

  test('is good for a session that the live store has lost, and not for one that ended unheard', async () => {
    const issued = await signUp();
    const principal = await h.identity.authenticate(issued.accessToken);
    const [first, second] = [
      await h.identity.createSocketTicket(principal),
      await h.identity.createSocketTicket(principal),
    ];
    await h.live.dropSession(issued.userId, issued.sessionId);
    expect(await h.identity.redeemTicket(first.ticket)).toEqual(principal);
    await h.test.database.asService(
      (tx) =>
        tx.sql`update identity.sessions set ended_at = now(), end_reason = 'sign_out' where id = ${issued.sessionId}`,
    );
    expect(await codeOf(h.identity.redeemTicket(second.ticket))).toBe('identity.unauthenticated');
  });
});

test('sweeping removes what ran out and nothing else', async () => {
  const issued = await signUp();
  h.clock.advance(16 * 60_000);
  await h.identity.sweep();
  const left = await h.test.database.asService(
    (tx) => tx.sql`select 1 from identity.access_tokens where session_id = ${issued.sessionId}
      union all select 2 from identity.refresh_tokens where session_id = ${issued.sessionId}`,
  );
  expect(left).toHaveLength(1);
  expect(await codeOf(refresh(issued.refreshToken))).toBe('done');
});
