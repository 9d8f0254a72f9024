import { DrizzleQueryError } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import { AppError } from './errors.ts';
import { createLog, type Log } from './log.ts';
import { scrub } from './log-scrub.ts';

function logOf(readable = false): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { log: createLog({ level: 'debug', readable, write: (line) => lines.push(line) }), lines };
}
const SECRET = 'hunter2-Zx81';

/** Everything somebody could pass by mistake: each holds SECRET where it must not come out. */
const mistakes: readonly (readonly [string, object])[] = [
  ['a password', { password: SECRET }],
  ['a new password', { newPassword: SECRET }],
  ['an access token', { accessToken: SECRET }],
  ['a refresh token', { refresh_token: SECRET }],
  ['tokens in a list', { tokens: [SECRET] }],
  ['a ticket', { ticket: SECRET }],
  [
    'headers',
    {
      headers: {
        authorization: `Bearer ${SECRET}`,
        Cookie: `refresh=${SECRET}`,
        'set-cookie': [`refresh=${SECRET}`],
        'x-api-key': SECRET,
      },
    },
  ],
  ['a bearer in a text', { note: `sent Authorization: Bearer ${SECRET}` }],
  ['a ticket in a URL', { url: `/ws?ticket=${SECRET}&x=1` }],
  ['a token in a URL', { path: `https://x.example/a?access_token=${SECRET}` }],
  ['a database URL', { url: `postgres://tsumugi:${SECRET}@db/x` }],
  ['an API key by look', { note: `key sk-${SECRET}abcdefgh` }],
  ['a key of the payment provider by look', { note: `key sk_live_${SECRET}abcdefgh` }],
  ['its signing secret by look', { note: `key whsec_${SECRET}abcdefgh` }],
  ['a token of ours by look', { note: `got tsa_${SECRET}AH8M7Lcf6eo2L7iD0gw` }],
  ['master keys', { masterKeys: `k1:${SECRET}` }],
  ['a configuration', { config: { openaiApiKey: SECRET, masterKeys: SECRET } }],
  ['a mail field', { email: `${SECRET}@example.com` }],
  ['a mail in a text', { note: `no account for ${SECRET}@example.co.jp` }],
  ['a Japanese mail address', { note: `${SECRET}@例え.テスト is unknown` }],
  ['a body', { body: { text: SECRET } }],
  ['a frame', { frame: { type: 'chat.send', body: { text: SECRET } } }],
  ['a text', { text: SECRET }],
  ['a prompt', { systemPrompt: SECRET, messages: [{ content: SECRET }] }],
  ['a name', { displayName: SECRET }],
  ['an address', { address: SECRET }],
  ['an error with a token in its message', { error: new Error(`bad token=${SECRET} ?token=${SECRET}`) }],
  ['a cause', { err: new Error('outer', { cause: new Error(`postgres://u:${SECRET}@db/x`) }) }],
  [
    'a driver error',
    {
      error: Object.assign(new Error('duplicate key'), {
        code: '23505',
        detail: `Key (mail)=(${SECRET})`,
        query: SECRET,
        parameters: [SECRET],
        args: [SECRET],
      }),
    },
  ],
  ['details of an AppError', { error: new AppError('internal', { given: SECRET }) }],
  ['deep nesting', { a: { b: { c: { password: SECRET } } } }],
  ['bytes', { payload: Buffer.from(SECRET) }],
  [
    'a failed statement of Drizzle',
    { error: new DrizzleQueryError('insert into t values ($1)', [SECRET], new Error('refused')) },
  ],
  [
    'a failed statement whose value looks like a place in the code',
    { err: new DrizzleQueryError('select $1', [`x\n    at ${SECRET} (file.ts:1:1)`, SECRET]) },
  ],
  ['a map', { headers: new Map([['authorization', SECRET]]) }],
];

describe('what must not be written', () => {
  test.each(mistakes)('%s', (_, facts) => {
    for (const readable of [false, true]) {
      const { log, lines } = logOf(readable);
      log.info(facts, 'a mistake');
      expect(lines).toHaveLength(1);
      expect(lines.join('')).toContain('a mistake');
      expect(lines.join('')).not.toContain(SECRET);
    }
  });

  test('the message is looked at, too', () => {
    const { log, lines } = logOf();
    log.warn({}, `GET /ws?ticket=${SECRET} by ${SECRET}@example.com with Bearer ${SECRET}`);
    expect(lines.join('')).not.toContain(SECRET);
  });

  test('a token in a path that is an object key stays what it is: only values are facts', () => {
    expect(scrub({ password: null, tokensIn: 5, hasToken: true })).toEqual({
      password: null,
      tokensIn: 5,
      hasToken: true,
    });
  });
});

describe('what is written', () => {
  test('one JSON object a line with level, time, message and facts', () => {
    const { log, lines } = logOf();
    log.error({ userId: 'u1', tookMs: 5, error: Object.assign(new TypeError('broke'), { code: 'E_X' }) }, 'it broke');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      msg: 'it broke',
      userId: 'u1',
      tookMs: 5,
      error: { type: 'TypeError', message: 'broke', code: 'E_X', stack: expect.stringContaining('TypeError: broke') },
    });
    expect(JSON.parse(lines[0] ?? '').time).toMatch(/^\d{4}-.*Z$/);
  });

  test('nothing below the level', () => {
    const lines: string[] = [];
    const log = createLog({ level: 'warn', readable: false, write: (line) => lines.push(line) });
    log.info({}, 'quiet');
    log.warn({}, 'loud');
    expect(lines).toHaveLength(1);
  });

  test('whatever is passed, it does not throw', () => {
    const cycle: Record<string, unknown> = { a: 1 };
    cycle['self'] = cycle;
    const trap = {
      get fine() {
        throw new Error('no');
      },
    };
    const { log, lines } = logOf();
    for (const facts of [
      cycle,
      trap,
      {
        big: 10n,
        none: undefined,
        fn: () => 1,
        date: new Date(Number.NaN),
        list: Array(500).fill(1),
        text: 'x'.repeat(1e5),
      },
    ])
      log.info(facts, 'odd');
    expect(lines).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(20_000);
  });

  test('readable lines keep the stack of an error', () => {
    const { log, lines } = logOf(true);
    log.error({ error: new Error('broke'), part: 'x' }, 'it broke');
    expect(lines[0]).toMatch(/error.* it broke .*part=x/);
    expect(lines[0]).toContain('Error: broke\n');
  });
});
