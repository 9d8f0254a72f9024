import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { helpText, settingsTable } from './config/help.ts';
import { BEGIN, END, README } from './config/readme-table.ts';
import { settings } from './config/settings.ts';
import { ConfigError, loadConfig } from './config.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const messageOf = (env: Record<string, string>, args: string[] = []): string => {
  try {
    loadConfig(env, args);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('values', () => {
  test('nothing set: every default, the persona, loopback, no warning', () => {
    expect(loadConfig({})).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      dataDir: '.tsumugi',
      modelSource: 'persona',
      rollUpMs: 40,
      tls: false,
      warnings: [],
    });
  });

  test('environment, empty meaning not set, and flags that win', () => {
    expect(loadConfig({ PORT: ' 8080 ', HOST: '' }).port).toBe(8080);
    expect(loadConfig({ PORT: '8080' }, ['--port', '9000', '--openai-base-url=http://127.0.0.1:1/v1/'])).toMatchObject({
      port: 9000,
      openaiBaseUrl: 'http://127.0.0.1:1/v1',
      modelSource: 'compatible',
    });
    expect(loadConfig({ OPENAI_API_KEY: 'sk-x' }).modelSource).toBe('openai');
    expect(loadConfig({ PUBLIC_ORIGINS: 'https://a.example, https://b.example' }).publicOrigins).toEqual([
      'https://a.example',
      'https://b.example',
    ]);
  });

  test.each([
    ['PORT', '70000'],
    ['PORT', '3e3'],
    ['ROLL_UP_MS', '5'],
    ['ROLL_UP_MS', '101'],
    ['LOG_LEVEL', 'loud'],
    ['OPENAI_BASE_URL', 'localhost:11434'],
    ['DATABASE_URL', 'mysql://x'],
    ['REDIS_URL', 'http://x'],
    ['PUBLIC_ORIGINS', 'https://a.example/path'],
    ['TSUMUGI_MASTER_KEYS', 'k1:short'],
    ['TSUMUGI_MASTER_KEYS', `k1:${key},k1:${key}`],
    ['TRUST_PROXY', 'maybe'],
    ['STRIPE_MODE', 'pretend'],
    ['STRIPE_API_BASE', 'api.stripe.com'],
    ['NODE_ENV', 'staging'],
  ])('%s=%s is refused in one line that names it', (name, value) => {
    const message = messageOf({ [name]: value });
    expect(message).toMatch(new RegExp(`^${name}: expected .+\\.$`));
    expect(message).not.toContain('\n');
  });

  test.each([
    ['DATABASE_URL', 'postgres://host:99999/x'],
    ['DATABASE_URL', 'postgres://u:p@host:port/x?sslmode=require'],
    ['REDIS_URL', 'redis://[::1]:70000'],
    ['REDIS_URL', 'rediss://:p@cache:0'],
  ])('%s=%s is told that it is the port', (name, value) => {
    expect(messageOf({ [name]: value })).toBe(`${name}: expected a port from 1 to 65535 behind the host.`);
  });

  test('what is no port is not told to be one', () => {
    for (const value of ['postgres://u:p/w@host/x', 'mysql://host:99999/x', 'postgres://'])
      expect(messageOf({ DATABASE_URL: value })).toMatch(/^DATABASE_URL: expected a URL that begins with postgres:/);
    expect(messageOf({ REDIS_URL: 'redis://cache:6379' })).toBe('accepted');
  });

  test('a context that no prompt fits in is refused; 0 is the model’s own', () => {
    for (const tokens of ['5', '-1', '1023'])
      expect(messageOf({ OPENAI_CONTEXT_TOKENS: tokens })).toMatch(
        /^OPENAI_CONTEXT_TOKENS: expected 0, or a whole number from 1024 to/,
      );
    for (const tokens of [0, 1024])
      expect(loadConfig({ OPENAI_CONTEXT_TOKENS: `${tokens}` }).openaiContextTokens).toBe(tokens);
  });

  test('a refused secret is not repeated', () => {
    expect(messageOf({ TSUMUGI_MASTER_KEYS: 'k1:hunter2' })).not.toContain('hunter2');
    expect(messageOf({ DATABASE_URL: 'http://u:hunter2@db' })).not.toContain('hunter2');
  });

  test('flags that do not exist or lack a value', () => {
    expect(messageOf({}, ['--prot', '1'])).toMatch(/^--prot: /);
    expect(messageOf({}, ['--port'])).toMatch(/^--port: expected/);
  });
});

describe('what values mean together', () => {
  test('certificate and key', () => {
    expect(messageOf({ TLS_CERT_FILE: 'c.pem' })).toMatch(/^TLS_KEY_FILE: /);
    expect(loadConfig({ TLS_CERT_FILE: 'c.pem', TLS_KEY_FILE: 'k.pem' }).tls).toBe(true);
  });

  test('the soft limit lies below the hard one', () => {
    expect(messageOf({ SOFT_BUFFER_BYTES: '524288' })).toMatch(/^SOFT_BUFFER_BYTES: /);
  });

  test('production refuses generated keys and cheap password hashes', () => {
    const production = { NODE_ENV: 'production' };
    expect(messageOf(production)).toMatch(/^TSUMUGI_MASTER_KEYS: /);
    expect(messageOf({ ...production, TSUMUGI_MASTER_KEYS: `k1:${key}` })).toMatch(/^TSUMUGI_LEDGER_KEYS: /);
    const keys = { TSUMUGI_MASTER_KEYS: `k1:${key}`, TSUMUGI_LEDGER_KEYS: `l1:${key}` };
    expect(messageOf({ ...production, ...keys })).toBe('accepted');
    expect(messageOf({ ...production, TSUMUGI_MASTER_KEYS: `k1:${key}`, LEDGER_KEY_FILE: '/keys' })).toBe('accepted');
    expect(messageOf({ ...production, ...keys, ARGON_MEMORY_KIB: '64' })).toMatch(/^ARGON_MEMORY_KIB: /);
  });

  test('a bucket for checkpoints needs both of its keys', () => {
    const bucket = { LEDGER_BUCKET_URL: 'https://s3.example.org/bucket' };
    expect(messageOf(bucket)).toMatch(/^LEDGER_BUCKET_ACCESS_KEY: /);
    expect(messageOf({ ...bucket, LEDGER_BUCKET_ACCESS_KEY: 'a' })).toMatch(/^LEDGER_BUCKET_SECRET_KEY: /);
    expect(messageOf({ ...bucket, LEDGER_BUCKET_ACCESS_KEY: 'a', LEDGER_BUCKET_SECRET_KEY: 'b' })).toBe('accepted');
    expect(messageOf({ LEDGER_ORIGIN: 'a b' })).toMatch(/^LEDGER_ORIGIN: /);
  });

  test('warns of plain text to the outside and of misspelt settings', () => {
    expect(loadConfig({ HOST: '0.0.0.0' }).warnings).toEqual([expect.stringContaining('without TLS')]);
    expect(loadConfig({ HOST: '0.0.0.0', TLS_CERT_FILE: 'c', TLS_KEY_FILE: 'k' }).warnings).toEqual([]);
    expect(loadConfig({ TSUMUGI_DATADIR: 'x' }).warnings).toEqual([expect.stringContaining('TSUMUGI_DATADIR')]);
  });
});

describe('the descriptions', () => {
  test('help and table tell of every setting', () => {
    for (const { env } of Object.values(settings)) {
      expect(helpText()).toContain(`${env}  (--`);
      expect(settingsTable()).toContain(`| \`${env}\` |`);
    }
  });

  test('each name stands for one setting, and each default is acceptable', () => {
    const all = Object.values(settings);
    expect(new Set(all.map(({ env }) => env)).size).toBe(all.length);
    for (const { env, defaultValue, parse } of all) {
      if (typeof defaultValue === 'number' || typeof defaultValue === 'boolean')
        expect([env, parse(String(defaultValue))]).toEqual([env, defaultValue]);
    }
  });

  test.skipIf(!existsSync(README))('the README’s table is current (npm run docs:settings)', () => {
    const readme = readFileSync(README, 'utf8');
    expect(readme).toContain(`${BEGIN}\n${settingsTable()}\n${END}`);
  });
});

describe('payments', () => {
  const stripe = { STRIPE_SECRET_KEY: 'sk_live_x', STRIPE_WEBHOOK_SECRET: 'whsec_x' };
  const production = { NODE_ENV: 'production', TSUMUGI_MASTER_KEYS: `k1:${key}`, DATABASE_URL: 'postgres://x/y' };

  test('key and webhook secret belong together', () => {
    expect(messageOf(stripe)).toBe('accepted');
    expect(messageOf({ STRIPE_SECRET_KEY: 'sk_live_x' })).toMatch(/^STRIPE_WEBHOOK_SECRET: /);
    expect(messageOf({ STRIPE_WEBHOOK_SECRET: 'whsec_x' })).toMatch(/^STRIPE_SECRET_KEY: /);
  });

  test.each([',', 'whsec_x,', 'whsec_x, ,whsec_y'])('a webhook secret is never empty: %j', (secrets) => {
    expect(messageOf({ ...stripe, STRIPE_WEBHOOK_SECRET: secrets })).toMatch(/^STRIPE_WEBHOOK_SECRET: /);
    expect(messageOf({ ...stripe, STRIPE_WEBHOOK_SECRET: 'whsec_x, whsec_y' })).toBe('accepted');
  });

  test('offline payments are for trying on one machine, never for production', () => {
    expect(messageOf({ STRIPE_MODE: 'offline' })).toBe('accepted');
    expect(messageOf({ STRIPE_MODE: 'offline', ...stripe })).toMatch(/^STRIPE_SECRET_KEY: /);
    expect(messageOf({ STRIPE_MODE: 'offline', REDIS_URL: 'redis://x' })).toMatch(/^STRIPE_MODE: /);
    expect(messageOf({ STRIPE_MODE: 'offline', ...production })).toMatch(/^STRIPE_MODE: /);
  });

  test('the key travels by TLS, and to a host alone', () => {
    expect(messageOf({ ...stripe, STRIPE_API_BASE: 'http://127.0.0.1:12111' })).toBe('accepted');
    expect(messageOf({ ...stripe, STRIPE_API_BASE: 'http://127.0.0.1:12111/v1' })).toMatch(/^STRIPE_API_BASE: /);
    expect(messageOf({ ...stripe, ...production, STRIPE_API_BASE: 'http://127.0.0.1:12111' })).toMatch(
      /^STRIPE_API_BASE: /,
    );
  });

  test('no secret is shown', () => {
    expect(messageOf({ STRIPE_SECRET_KEY: 'sk_live_hidden' })).not.toContain('hidden');
  });
});
