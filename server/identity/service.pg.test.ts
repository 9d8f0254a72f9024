/** Accounts over a real database: 000-R1, 000-R19, 000-R25, 000-R27, 003-R65, X-Q1, X-Q2, X-Q4. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAppError } from '../errors.ts';
import { grantAdmin } from './admin.ts';
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
const signUp = (email = h.newMail()) => h.identity.signUp({ email, password }, origin);

async function auditOf(userId: string) {
  return h.test.database.asService(
    (tx) => tx.sql<
      {
        id: string;
        action: string;
        actor_type: string;
        ip_enc: Buffer | null;
        ip_prefix: string | null;
        payload: unknown;
      }[]
    >`
      select id, action, actor_type, ip_enc, ip_prefix::text, payload from ops.audit_logs where user_id = ${userId} order by ts, id`,
  );
}

describe('signing up', () => {
  test('makes an account, a session and an entry in the audit', async () => {
    const email = `Ａnn.${h.newMail()}`;
    const issued = await h.identity.signUp(
      { email, password, displayName: ' Ann ', locale: 'ja', timeZone: 'Europe/Berlin' },
      origin,
    );
    expect(await h.identity.me(issued.userId)).toMatchObject({
      email,
      displayName: 'Ann',
      locale: 'ja',
      timeZone: 'Europe/Berlin',
      roles: [],
    });
    expect(await h.identity.authenticate(issued.accessToken)).toEqual({
      userId: issued.userId,
      sessionId: issued.sessionId,
      roles: [],
    });
    expect((await auditOf(issued.userId)).map((row) => row.action)).toEqual(['identity.sign_up']);
  });

  test('000-R1, 000-R25: neither mail nor password nor token stands anywhere in clear', async () => {
    const email = h.newMail();
    const issued = await signUp(email);
    const dump = await h.test.database.asService(async ({ sql }) => {
      const rows: unknown[] = [];
      for (const table of ['users', 'profiles', 'credentials', 'sessions', 'refresh_tokens', 'access_tokens']) {
        const id = table === 'users' ? 'id' : 'user_id';
        rows.push(
          ...(await sql.unsafe(`select t::text as row from identity.${table} t where ${id} = $1`, [issued.userId])),
        );
      }
      rows.push(...(await sql`select t::text as row from ops.audit_logs t where user_id = ${issued.userId}`));
      return JSON.stringify(rows);
    });
    for (const secret of [email, email.split('@')[0] ?? '', password, issued.accessToken, issued.refreshToken]) {
      expect(dump).not.toContain(secret);
      expect(dump).not.toContain(Buffer.from(secret).toString('hex'));
    }
    expect(dump).toContain('$argon2id$');
  });

  test('refuses a mail in any spelling of a living account', async () => {
    const email = h.newMail();
    await signUp(email);
    expect(await codeOf(signUp(email.toUpperCase()))).toBe('identity.email_taken');
    expect(await codeOf(signUp(email.replace('@', '＠')))).toBe('identity.email_taken');
  });

  test('gives one of many simultaneous sign-ups of a mail the account', async () => {
    const email = h.newMail();
    const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(signUp(email))));
    expect(codes.filter((code) => code === 'done')).toHaveLength(1);
    expect(codes.filter((code) => code === 'identity.email_taken')).toHaveLength(7);
  });

  test('does nothing when what belongs to it fails', async () => {
    const failing = await h.anotherGateway({ onSignedUp: () => Promise.reject(new Error('no grant')) });
    const email = h.newMail();
    await expect(failing.signUp({ email, password }, origin)).rejects.toThrow('no grant');
    expect(await h.identity.admin.findUserId(email)).toBeUndefined();
  });

  test.each([
    [{ password: 'short' }, 'identity.weak_password'],
    [{ password: 'password1234' }, 'identity.weak_password'],
    [{ password: 'aaaaaaaaaaaaaa' }, 'identity.weak_password'],
    [{ password: 'x'.repeat(5) + 'y1'.repeat(200) }, 'identity.weak_password'],
    [{ email: 'nobody' }, 'protocol.invalid_body'],
    [{ displayName: 'a\u0000b' }, 'protocol.invalid_body'],
    [{ displayName: 'a\nb' }, 'protocol.invalid_body'],
    [{ displayName: 'a\u202eb' }, 'protocol.invalid_body'],
    [{ timeZone: 'Mars/Olympus' }, 'protocol.invalid_body'],
    [{ timeZone: '+09:00' }, 'protocol.invalid_body'],
    [{ locale: 'xx' }, 'protocol.invalid_body'],
  ])('refuses %j', async (change, code) => {
    expect(await codeOf(h.identity.signUp({ email: h.newMail(), password, ...change }, origin))).toBe(code);
  });
});

describe('signing in', () => {
  test('000-R19: opens one more session each time', async () => {
    const email = h.newMail();
    const first = await signUp(email);
    const second = await h.identity.signIn(email.toUpperCase(), password, origin);
    expect(second.userId).toBe(first.userId);
    const { sessions } = await h.identity.listSessions(first);
    expect(sessions.map((session) => session.sessionId).sort()).toEqual([first.sessionId, second.sessionId].sort());
    expect(sessions.filter((session) => session.current).map((session) => session.sessionId)).toEqual([
      first.sessionId,
    ]);
  });

  test('lists sessions a page at a time, goes on behind one that has ended, and behind no other', async () => {
    const email = h.newMail();
    const all = [await signUp(email)];
    for (let n = 0; n < 4; n++) {
      h.clock.advance(n % 2 === 0 ? 0 : 1_000);
      all.push(await h.identity.signIn(email, password, origin));
    }
    const [first] = all;
    if (first === undefined) throw new Error('Somebody has signed up.');
    const whole = await h.identity.listSessions(first);
    expect(whole.sessions.map(({ sessionId }) => sessionId).sort()).toEqual(all.map((each) => each.sessionId).sort());
    expect(whole.nextBefore).toBeNull();
    const page = await h.identity.listSessions(first, { limit: 2 });
    expect(page.sessions).toEqual(whole.sessions.slice(0, 2));
    expect(page.nextBefore).toBe(page.sessions[1]?.sessionId);
    await h.identity.endSession(first, page.nextBefore ?? '');
    const rest = await h.identity.listSessions(first, { before: page.nextBefore, limit: 3 });
    expect(rest).toEqual({ sessions: whole.sessions.slice(2), nextBefore: null });
    const stranger = await signUp();
    await expect(h.identity.listSessions(first, { before: stranger.sessionId })).rejects.toMatchObject({
      code: 'protocol.invalid_body',
      details: { field: 'before' },
    });
  });

  test('answers alike for a wrong password and an unknown mail, and notes both', async () => {
    const email = h.newMail();
    const { userId } = await signUp(email);
    h.clock.advance(1_000);
    const failures = await Promise.all(
      [email, h.newMail()].map((mail) =>
        h.identity.signIn(mail, 'wrong password', origin).catch((error: unknown) => error),
      ),
    );
    expect(failures[0]).toEqual(failures[1]);
    expect(await codeOf(Promise.reject(failures[0]))).toBe('identity.invalid_credentials');
    expect((await auditOf(userId)).map((row) => row.action)).toEqual(['identity.sign_up', 'identity.sign_in_failed']);
  });

  test('slows down guesses at one account, not its owner elsewhere, and right passwords do not count', async () => {
    const email = h.newMail();
    await signUp(email);
    for (let i = 0; i < 15; i++) await h.identity.signIn(email, password, origin);
    const codes = await Promise.all(
      Array.from({ length: 15 }, () => codeOf(h.identity.signIn(email, 'wrong password', origin))),
    );
    expect(codes.filter((code) => code === 'protocol.rate_limited').length).toBeGreaterThanOrEqual(4);
    expect(await codeOf(h.identity.signIn(email, password, origin))).toBe('protocol.rate_limited');
    expect(await codeOf(h.identity.signIn(email, password, { ...origin, address: '198.51.100.1' }))).toBe('done');
  });

  test('unknown mails are slowed down like known ones, and addresses as such', async () => {
    const limited = await h.anotherGateway({ limits: { signInPerAddress: { burst: 3, perSecond: 0.001 } } });
    const from = { ...origin, address: '192.0.2.9' };
    const codes: string[] = [];
    for (let i = 0; i < 4; i++) codes.push(await codeOf(limited.signIn(h.newMail(), password, from)));
    expect(codes).toEqual([...Array<string>(3).fill('identity.invalid_credentials'), 'protocol.rate_limited']);
    const unknown = h.newMail();
    const many = await Promise.all(
      Array.from({ length: 12 }, () => codeOf(h.identity.signIn(unknown, password, from))),
    );
    expect(many).toContain('protocol.rate_limited');
  });

  test('X-Q1: a hash of an older cost is made anew, another scheme is no password', async () => {
    const email = h.newMail();
    const { userId } = await signUp(email);
    const hashOf = async () =>
      (
        await h.test.database.asService(
          (tx) => tx.sql`select password_hash from identity.credentials where user_id = ${userId}`,
        )
      )[0];
    const before = await hashOf();
    const stronger = await h.anotherGateway({
      passwords: new (await import('./passwords.ts')).Passwords({
        memoryKib: 16,
        passes: 1,
        concurrency: 1,
        queueLimit: 5,
      }),
    });
    await stronger.signIn(email, password, origin);
    expect(await hashOf()).not.toEqual(before);
    expect(await codeOf(h.identity.signIn(email, password, origin))).toBe('done');
    await h.test.database.asService(
      (tx) => tx.sql`update identity.credentials set password_scheme = 'bcrypt' where user_id = ${userId}`,
    );
    expect(await codeOf(h.identity.signIn(email, password, origin))).toBe('identity.invalid_credentials');
  });

  test('a suspended account is told so only with the right password', async () => {
    const email = h.newMail();
    const { userId, accessToken } = await signUp(email);
    await h.identity.authenticate(accessToken);
    await h.identity.admin.setSuspended(userId, true);
    expect(await codeOf(h.identity.authenticate(accessToken))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.signIn(email, password, origin))).toBe('identity.forbidden');
    expect(await codeOf(h.identity.signIn(email, 'wrong password', origin))).toBe('identity.invalid_credentials');
  });
});

describe('the account', () => {
  test('changes what is given and keeps the rest', async () => {
    const { userId } = await signUp();
    await h.identity.updateProfile(userId, { displayName: '紬' });
    expect(await h.identity.updateProfile(userId, { locale: 'ja', timeZone: 'utc' })).toMatchObject({
      displayName: '紬',
      locale: 'ja',
      timeZone: 'UTC',
    });
    expect(await codeOf(h.identity.updateProfile(userId, { timeZone: 'x' }))).toBe('protocol.invalid_body');
  });

  test('a new password ends every other session and replaces the old', async () => {
    const email = h.newMail();
    const here = await signUp(email);
    const there = await h.identity.signIn(email, password, origin);
    await expect(h.identity.changePassword(here, 'wrong password', 'another good one')).rejects.toMatchObject({
      details: { field: 'currentPassword' },
    });
    expect(await codeOf(h.identity.changePassword(here, 'wrong password', 'another good one'))).toBe(
      'identity.invalid_credentials',
    );
    expect(await codeOf(h.identity.changePassword(here, password, email))).toBe('identity.weak_password');
    await h.identity.changePassword(here, password, 'another good one');
    expect(await codeOf(h.identity.authenticate(there.accessToken))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.refresh(there.refreshToken, origin))).toBe('identity.unauthenticated');
    expect(await codeOf(h.identity.authenticate(here.accessToken))).toBe('done');
    expect(h.ended).toContain(`${there.userId} ${there.sessionId}`);
    expect(await codeOf(h.identity.signIn(email, password, origin))).toBe('identity.invalid_credentials');
    expect(await codeOf(h.identity.signIn(email, 'another good one', origin))).toBe('done');
    expect((await auditOf(here.userId)).map((row) => row.action)).toContain('identity.password_changed');
  });
});

describe('operators', () => {
  test('X-Q4: a granted role counts at once on every gateway, and so does its end', async () => {
    const email = h.newMail();
    const issued = await signUp(email);
    const other = await h.anotherGateway();
    expect((await other.authenticate(issued.accessToken)).roles).toEqual([]);
    await grantAdmin(h.identity, email.toUpperCase());
    await expect.poll(async () => (await other.authenticate(issued.accessToken)).roles).toEqual(['admin']);
    expect((await h.identity.me(issued.userId)).roles).toEqual(['admin']);
    await h.identity.admin.revokeRole(issued.userId, 'admin');
    await expect.poll(async () => (await other.authenticate(issued.accessToken)).roles).toEqual([]);
    expect((await auditOf(issued.userId)).map((row) => row.action)).toContain('identity.role_granted');
    expect(await codeOf(grantAdmin(h.identity, h.newMail()))).toBe('ops.user_not_found');
  });

  test('000-R26: see mails masked, page by page, and can sign anyone out', async () => {
    h.clock.advance(1_000);
    const issued = [await signUp('zoe.private@example.org')];
    h.clock.advance(1_000);
    issued.push(await signUp());
    const first = await h.identity.admin.listAccounts({ limit: 1 });
    expect(first.accounts.map((account) => account.userId)).toEqual([issued[1]?.userId]);
    const next = await h.identity.admin.listAccounts({ limit: 1, before: first.nextBefore ?? '' });
    expect(next.accounts[0]).toMatchObject({
      userId: issued[0]?.userId,
      maskedEmail: 'z***@example.org',
      status: 'active',
    });
    expect(await h.identity.admin.signOutUser(issued[0]?.userId ?? '')).toBe(1);
    expect(await codeOf(h.identity.authenticate(issued[0]?.accessToken ?? ''))).toBe('identity.unauthenticated');
  });
});

describe('X-Q2: the audit', () => {
  test('keeps the network in clear and the whole address under the person’s key', async () => {
    const { userId } = await signUp();
    const [entry] = await auditOf(userId);
    expect(entry).toMatchObject({ ip_prefix: '203.0.113.0/24', actor_type: 'user' });
    expect(entry?.ip_enc?.includes(Buffer.from(origin.address))).toBe(false);
    const [key] = await h.test.database.asService(
      (tx) => tx.sql<{ id: string }[]>`select id from identity.data_keys where user_id = ${userId}`,
    );
    expect(entry?.ip_enc?.subarray(1, 17).toString('hex')).toBe(key?.id.replaceAll('-', ''));
  });
});
