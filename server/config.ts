/**
 * The configuration: parsed and checked once, then only read. The one place that sees the environment.
 * Owns what values mean together; what each one is stands in `config/settings.ts`.
 */
import { type SettingKey, type SettingValues, settings } from './config/settings.ts';

/** Derived facts beside the values, so that nobody decides them twice. */
export type Config = SettingValues &
  Readonly<{
    production: boolean;
    tls: boolean;
    /** By `npm start`, and so to end with it. */
    startedByNpm: boolean;
    /** Where the chat model comes from. */
    modelSource: 'persona' | 'openai' | 'compatible';
    /** Things an operator should hear about; logged once at start. */
    warnings: readonly string[];
  }>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** A wrong setting. The message is one line and names it; never contains a secret value. */
export class ConfigError extends Error {
  readonly setting: string;

  constructor(setting: string, problem: string) {
    super(`${setting}: ${problem}`);
    this.name = 'ConfigError';
    this.setting = setting;
  }
}

const keys = Object.keys(settings) as SettingKey[];
/** `openaiBaseUrl` → `--openai-base-url`: each setting can be given as a flag as well. */
export const flagOf = (key: SettingKey): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * @param args flags after the program's name; a flag wins over the environment.
 * @throws ConfigError for the first setting that is wrong.
 */
export function loadConfig(env: Environment = process.env, args: readonly string[] = []): Config {
  const given = { ...env, ...readFlags(args) };
  const values = Object.fromEntries(keys.map((key) => [key, readSetting(key, given)])) as SettingValues;
  checkTogether(values);
  const modelSource =
    values.openaiBaseUrl !== undefined ? 'compatible' : values.openaiApiKey !== undefined ? 'openai' : 'persona';
  return {
    ...values,
    production: values.nodeEnv === 'production',
    tls: values.tlsCertFile !== undefined,
    startedByNpm: given['npm_lifecycle_event'] === 'start',
    modelSource,
    warnings: findWarnings(values, given),
  };
}

function readSetting(key: SettingKey, given: Environment): unknown {
  const setting = settings[key];
  const text = given[setting.env]?.trim();
  // An empty variable is how compose files and shells say "not set".
  if (text === undefined || text === '') return setting.defaultValue;
  const value = setting.parse(text);
  if (value === undefined) {
    throw new ConfigError(
      setting.env,
      `expected ${setting.expectedOf(text)}${setting.secret ? '' : `, got ${JSON.stringify(text.slice(0, 80))}`}.`,
    );
  }
  return value;
}

function readFlags(args: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = splitFlag(args[i] ?? '');
    const key = keys.find((candidate) => flagOf(candidate) === name);
    if (key === undefined) throw new ConfigError(name, 'there is no such option; --help lists them all.');
    const value = inline ?? args[++i];
    if (value === undefined) throw new ConfigError(name, `expected ${settings[key].expected} behind it.`);
    found[settings[key].env] = value;
  }
  return found;
}

function splitFlag(arg: string): [name: string, value: string | undefined] {
  const at = arg.indexOf('=');
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

function checkTogether(values: SettingValues): void {
  if ((values.tlsCertFile === undefined) !== (values.tlsKeyFile === undefined)) {
    const missing = values.tlsCertFile === undefined ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE';
    throw new ConfigError(missing, 'expected a file as well: certificate and key belong together.');
  }
  if (values.ledgerBucketUrl !== undefined) {
    const { ledgerBucketAccessKey: access, ledgerBucketSecretKey: secret } = values;
    if (access === undefined) throw new ConfigError('LEDGER_BUCKET_ACCESS_KEY', 'expected one for LEDGER_BUCKET_URL.');
    if (secret === undefined) throw new ConfigError('LEDGER_BUCKET_SECRET_KEY', 'expected one for LEDGER_BUCKET_URL.');
  }
  if (/[\s+]|\/$/.test(values.ledgerOrigin))
    throw new ConfigError('LEDGER_ORIGIN', 'expected a name without spaces, plus signs and a slash at its end.');
  if (values.softBufferBytes >= values.hardBufferBytes) {
    throw new ConfigError(
      'SOFT_BUFFER_BYTES',
      `expected less than HARD_BUFFER_BYTES (${values.hardBufferBytes}), got ${values.softBufferBytes}.`,
    );
  }
  checkPayments(values);
  if (values.nodeEnv === 'production') checkProduction(values);
}

function checkPayments({
  stripeMode,
  stripeSecretKey,
  stripeWebhookSecret,
  stripeApiBase,
  redisUrl,
}: SettingValues): void {
  if (stripeMode === 'offline') {
    if (stripeSecretKey !== undefined)
      throw new ConfigError('STRIPE_SECRET_KEY', 'expected nothing with STRIPE_MODE=offline, which never asks Stripe.');
    if (redisUrl !== undefined)
      throw new ConfigError(
        'STRIPE_MODE',
        'expected stripe with REDIS_URL: the offline test payments are for one gateway.',
      );
    return;
  }
  if ((stripeSecretKey === undefined) !== (stripeWebhookSecret === undefined)) {
    const missing = stripeSecretKey === undefined ? 'STRIPE_SECRET_KEY' : 'STRIPE_WEBHOOK_SECRET';
    throw new ConfigError(missing, 'expected a value as well: key and webhook secret belong together.');
  }
  if (stripeWebhookSecret?.split(',').some((secret) => secret.trim() === ''))
    throw new ConfigError('STRIPE_WEBHOOK_SECRET', 'expected secrets separated by single commas, none of them empty.');
  if (stripeApiBase !== undefined && new URL(stripeApiBase).pathname !== '/')
    throw new ConfigError('STRIPE_API_BASE', 'expected scheme, host and port alone, without a path.');
}

/** Generated secrets live and die with one folder on one machine: nothing to run a service on. */
function checkProduction(values: SettingValues): void {
  if (values.masterKeys === undefined) {
    throw new ConfigError(
      settings.masterKeys.env,
      'expected keys of your own: NODE_ENV=production does not start with generated secrets.',
    );
  }
  if (values.stripeMode === 'offline')
    throw new ConfigError('STRIPE_MODE', 'expected stripe in production: offline payments are tests, nobody pays.');
  if (values.stripeApiBase?.startsWith('http:') === true)
    throw new ConfigError('STRIPE_API_BASE', 'expected https in production: the secret key travels there.');
  if (values.ledgerKeys === undefined && values.ledgerKeyFile === undefined) {
    throw new ConfigError(
      settings.ledgerKeys.env,
      'expected keys of your own, or LEDGER_KEY_FILE: NODE_ENV=production signs no ledger with a generated key.',
    );
  }
  if (values.argonMemoryKib < 19_456)
    throw new ConfigError('ARGON_MEMORY_KIB', `expected at least 19456 in production, got ${values.argonMemoryKib}.`);
  if (values.argonPasses < 2)
    throw new ConfigError('ARGON_PASSES', `expected at least 2 in production, got ${values.argonPasses}.`);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function findWarnings(values: SettingValues, given: Environment): string[] {
  const warnings: string[] = [];
  const known = new Set(keys.map((key) => settings[key].env));
  for (const name of Object.keys(given).sort()) {
    if (name.startsWith('TSUMUGI_') && !known.has(name))
      warnings.push(`${name} is not a setting; --help lists them all.`);
  }
  if (!isLoopback(values.host) && values.tlsCertFile === undefined && !values.trustProxy) {
    warnings.push(
      `HOST ${values.host} is reachable from outside without TLS: passwords and conversations travel in clear.`,
    );
  }
  if (values.nodeEnv === 'production' && values.databaseUrl === undefined) {
    warnings.push(
      'DATABASE_URL is not set: the embedded PostgreSQL keeps everything in the data folder of this machine.',
    );
  }
  return warnings;
}
