/** Every setting there is, described once. A new one gets one entry here; nothing else reads the environment. */
import { decimal, flag, integer, keyRing, oneOf, origins, type Setting, text, url } from './setting.ts';

const second = 1000;
const minute = 60 * second;

const start = {
  port: integer(
    'PORT',
    { min: 0, max: 65_535 },
    {
      default: 3000,
      says: 'Port that the server listens on; 0 takes a free one.',
    },
  ),
  host: text('HOST', {
    default: '127.0.0.1',
    says: 'Address that the server listens on.',
    example: '0.0.0.0',
  }),
  dataDir: text('TSUMUGI_DATA_DIR', {
    default: '.tsumugi',
    says: 'Folder of everything that the embedded defaults keep: database, generated keys, lock.',
  }),
  nodeEnv: oneOf('NODE_ENV', ['development', 'production', 'test'], {
    default: 'development',
    says: '`production` refuses to start with generated secrets.',
  }),
  logLevel: oneOf('LOG_LEVEL', ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], {
    default: 'info',
    says: 'The quietest level that is logged.',
  }),
  tlsCertFile: text('TLS_CERT_FILE', {
    default: undefined,
    says: 'Certificate chain in PEM; with `TLS_KEY_FILE` the server speaks TLS itself.',
    example: '/etc/tsumugi/cert.pem',
  }),
  tlsKeyFile: text('TLS_KEY_FILE', {
    default: undefined,
    says: 'Private key of the certificate in PEM.',
    example: '/etc/tsumugi/key.pem',
  }),
  publicOrigins: origins('PUBLIC_ORIGINS', {
    default: [],
    defaultText: 'the address of the request itself',
    says: 'Web origins whose pages may open sockets with a ticket and use the sign-in cookie.',
    example: 'https://talk.example.org',
  }),
  trustProxy: flag('TRUST_PROXY', {
    default: false,
    says: 'Takes the client’s address from the last X-Forwarded-For entry. Only behind a proxy of your own.',
  }),
} as const;

const stores = {
  databaseUrl: url('DATABASE_URL', ['postgres', 'postgresql'], {
    default: undefined,
    defaultText: 'embedded PostgreSQL 18',
    secret: true,
    says: 'PostgreSQL 15 or newer.',
    example: 'postgres://tsumugi:secret@db/tsumugi',
  }),
  databasePoolSize: integer(
    'DATABASE_POOL_SIZE',
    { min: 2, max: 200 },
    { default: 10, says: 'Connections to PostgreSQL.' },
  ),
  redisUrl: url('REDIS_URL', ['redis', 'rediss'], {
    default: undefined,
    defaultText: 'live state in PostgreSQL',
    secret: true,
    says: 'Redis 7 or Valkey for live state; needed for more than one gateway.',
    example: 'redis://cache:6379',
  }),
  masterKeys: keyRing('TSUMUGI_MASTER_KEYS', {
    default: undefined,
    defaultText: 'generated file in the data folder',
    secret: true,
    says: 'Keys that wrap the users’ data keys: `id:base64` pairs, the first encrypts, the others still decrypt.',
    example: 'k2:…base64…,k1:…base64…',
  }),
} as const;

const model = {
  openaiBaseUrl: url('OPENAI_BASE_URL', ['http', 'https'], {
    default: undefined,
    defaultText: 'api.openai.com with a key, else the embedded persona',
    says: 'Any server that speaks the OpenAI protocol.',
    example: 'http://127.0.0.1:11434/v1',
  }),
  openaiApiKey: text('OPENAI_API_KEY', {
    default: undefined,
    secret: true,
    says: 'Key of the provider. With neither key nor URL the embedded persona answers offline.',
  }),
  openaiModel: text('OPENAI_MODEL', {
    default: undefined,
    defaultText: 'gpt-4o-mini, or tsumugi-persona offline',
    says: 'Model that answers.',
    example: 'gpt-4.1-mini',
  }),
  openaiEmbeddingModel: text('OPENAI_EMBEDDING_MODEL', {
    default: undefined,
    defaultText: 'the offline embedding',
    says: 'Model that embeds memories.',
    example: 'text-embedding-3-small',
  }),
  openaiContextTokens: integer(
    'OPENAI_CONTEXT_TOKENS',
    { min: 0, max: 4_000_000 },
    {
      default: 0,
      defaultText: 'known models: theirs, others 8192',
      says: 'Tokens of prompt and answer together; 0 takes the model’s own.',
    },
  ),
  llmConnectTimeoutMs: integer(
    'LLM_CONNECT_TIMEOUT_MS',
    { min: 100, max: 5 * minute },
    { default: 10 * second, says: 'Wait for a connection to the provider.' },
  ),
  llmFirstTokenTimeoutMs: integer(
    'LLM_FIRST_TOKEN_TIMEOUT_MS',
    { min: 100, max: 60 * minute },
    { default: minute, says: 'Wait for the first token, retries not counted.' },
  ),
  llmIdleTimeoutMs: integer(
    'LLM_IDLE_TIMEOUT_MS',
    { min: 100, max: 60 * minute },
    { default: 30 * second, says: 'Longest silence between two tokens.' },
  ),
  llmTotalTimeoutMs: integer(
    'LLM_TOTAL_TIMEOUT_MS',
    { min: second, max: 24 * 60 * minute },
    {
      default: 10 * minute,
      says: 'Longest time for one answer, retries included.',
    },
  ),
  llmMaxRetries: integer(
    'LLM_MAX_RETRIES',
    { min: 0, max: 10 },
    {
      default: 2,
      says: 'Further attempts when the provider fails before the first token.',
    },
  ),
  llmMaxConnections: integer(
    'LLM_MAX_CONNECTIONS',
    { min: 1, max: 100_000 },
    {
      default: 1024,
      says: 'Connections to the provider, one for each running answer.',
    },
  ),
  personaTokensPerSecond: decimal(
    'PERSONA_TOKENS_PER_SECOND',
    { min: 1, max: 10_000 },
    { default: 40, says: 'Pace of the embedded persona.' },
  ),
  personaSeed: integer(
    'PERSONA_SEED',
    { min: 0, max: 2_147_483_647 },
    {
      default: 1,
      says: 'The same seed and dialogue give the same answers of the embedded persona.',
    },
  ),
} as const;

const limits = {
  signUpBurst: integer(
    'SIGN_UP_BURST',
    { min: 1, max: 1_000_000 },
    {
      default: 100,
      says: 'Sign-ups from one address before it is slowed down.',
    },
  ),
  signUpPerMinute: decimal(
    'SIGN_UP_PER_MINUTE',
    { min: 0.01, max: 1_000_000 },
    { default: 20, says: 'Sign-ups from one address afterwards.' },
  ),
  signInBurst: integer(
    'SIGN_IN_BURST',
    { min: 1, max: 1_000_000 },
    {
      default: 200,
      says: 'Sign-ins from one address before it is slowed down.',
    },
  ),
  signInPerMinute: decimal(
    'SIGN_IN_PER_MINUTE',
    { min: 0.01, max: 1_000_000 },
    { default: 60, says: 'Sign-ins from one address afterwards.' },
  ),
  signInFailureBurst: integer(
    'SIGN_IN_FAILURE_BURST',
    { min: 1, max: 1_000_000 },
    {
      default: 10,
      says: 'Wrong passwords for one account before it is slowed down.',
    },
  ),
  signInFailurePerMinute: decimal(
    'SIGN_IN_FAILURE_PER_MINUTE',
    { min: 0.01, max: 1_000_000 },
    { default: 1, says: 'Wrong passwords for one account afterwards.' },
  ),
  framesPerSecond: integer(
    'FRAMES_PER_SECOND',
    { min: 1, max: 1_000_000 },
    { default: 50, says: 'Commands of one connection, sustained.' },
  ),
  framesBurst: integer(
    'FRAMES_BURST',
    { min: 1, max: 1_000_000 },
    { default: 200, says: 'Commands of one connection at once.' },
  ),
  userFramesPerSecond: integer(
    'USER_FRAMES_PER_SECOND',
    { min: 1, max: 1_000_000 },
    {
      default: 200,
      says: 'Commands of one user over all connections, sustained.',
    },
  ),
  userFramesBurst: integer(
    'USER_FRAMES_BURST',
    { min: 1, max: 1_000_000 },
    { default: 1000, says: 'Commands of one user at once.' },
  ),
  maxConnections: integer(
    'MAX_CONNECTIONS',
    { min: 1, max: 1_000_000 },
    { default: 50_000, says: 'Sockets of this server.' },
  ),
  maxConnectionsPerUser: integer(
    'MAX_CONNECTIONS_PER_USER',
    { min: 1, max: 1_000_000 },
    { default: 2000, says: 'Sockets of one user.' },
  ),
  maxConnectionsPerAddress: integer(
    'MAX_CONNECTIONS_PER_ADDRESS',
    { min: 1, max: 1_000_000 },
    { default: 20_000, says: 'Sockets from one address.' },
  ),
  maxFrameBytes: integer(
    'MAX_FRAME_BYTES',
    { min: 1024, max: 4 * 1024 * 1024 },
    { default: 128 * 1024, says: 'Largest message a client may send.' },
  ),
  softBufferBytes: integer(
    'SOFT_BUFFER_BYTES',
    { min: 1024, max: 4 * 1024 * 1024 },
    {
      default: 64 * 1024,
      says: 'What a client that stops reading may cost, bytes; its deltas are merged from a quarter of it on.',
    },
  ),
  hardBufferBytes: integer(
    'HARD_BUFFER_BYTES',
    { min: 16 * 1024, max: 16 * 1024 * 1024 },
    {
      default: 512 * 1024,
      says: 'Unread bytes of a socket above which it is closed and told to resume.',
    },
  ),
  rollUpMs: integer(
    'ROLL_UP_MS',
    { min: 10, max: 100 },
    {
      default: 30,
      says: 'How long tokens are gathered before they are stored and sent together; the first is sent at once.',
    },
  ),
  maxRunningGenerationsPerUser: integer(
    'MAX_RUNNING_GENERATIONS_PER_USER',
    { min: 1, max: 100_000 },
    { default: 64, says: 'Answers of one user at a time.' },
  ),
  failover: oneOf('FAILOVER', ['interrupt', 'continue'], {
    default: 'interrupt',
    says: 'What happens to an answer whose server died: closed as interrupted, or written on by the model behind the text so far.',
  }),
  maxOutputTokens: integer(
    'MAX_OUTPUT_TOKENS',
    { min: 16, max: 128_000 },
    { default: 1000, says: 'Tokens of one answer at most, where the avatar does not say otherwise.' },
  ),
  historyTokens: integer(
    'HISTORY_TOKENS',
    { min: 0, max: 1_000_000 },
    { default: 4000, says: 'Tokens of earlier turns that go into a prompt at most.' },
  ),
  memoryTokens: integer(
    'MEMORY_TOKENS',
    { min: 0, max: 100_000 },
    { default: 600, says: 'Tokens of retrieved memories that go into a prompt at most.' },
  ),
  maxAvatarsPerUser: integer(
    'MAX_AVATARS_PER_USER',
    { min: 1, max: 100_000 },
    { default: 50, says: 'Avatars that one user may own.' },
  ),
  signUpGrantTokens: integer(
    'SIGN_UP_GRANT_TOKENS',
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    { default: 10_000_000, says: 'Tokens that a new account gets.' },
  ),
} as const;

const operation = {
  metricsToken: text('METRICS_TOKEN', {
    default: undefined,
    defaultText: 'loopback only',
    secret: true,
    says: 'Bearer token that `/metrics` asks for.',
  }),
  workerThreads: integer(
    'WORKER_THREADS',
    { min: 0, max: 256 },
    {
      default: 0,
      defaultText: 'by the number of cores',
      says: 'Threads for CPU work.',
    },
  ),
  workerQueueLimit: integer(
    'WORKER_QUEUE_LIMIT',
    { min: 1, max: 1_000_000 },
    {
      default: 2000,
      says: 'Waiting CPU tasks above which `busy` is answered.',
    },
  ),
  liveLogKeepMs: integer(
    'LIVE_LOG_KEEP_MS',
    { min: 0, max: 24 * 60 * minute },
    {
      default: 2 * minute,
      says: 'How long the log of a finished answer stays readable for late joiners.',
    },
  ),
  argonMemoryKib: integer(
    'ARGON_MEMORY_KIB',
    { min: 8, max: 4 * 1024 * 1024 },
    {
      default: 19_456,
      says: 'Memory of one password hash (argon2id), KiB. At least 19456 in production.',
    },
  ),
  argonPasses: integer(
    'ARGON_PASSES',
    { min: 1, max: 100 },
    {
      default: 2,
      says: 'Passes of one password hash. At least 2 in production.',
    },
  ),
  argonConcurrency: integer(
    'ARGON_CONCURRENCY',
    { min: 1, max: 64 },
    { default: 2, says: 'Password hashes at a time.' },
  ),
  argonQueueLimit: integer(
    'ARGON_QUEUE_LIMIT',
    { min: 1, max: 100_000 },
    {
      default: 200,
      says: 'Waiting password hashes above which `busy` is answered.',
    },
  ),
  drainTimeoutMs: integer(
    'DRAIN_TIMEOUT_MS',
    { min: 0, max: 60 * minute },
    {
      default: 10 * second,
      says: 'How long a stop waits for running answers before they are interrupted.',
    },
  ),
  drainDelayMs: integer(
    'DRAIN_DELAY_MS',
    { min: 0, max: 10 * minute },
    {
      default: 0,
      says: 'How long a stop only says so at `/readyz` before it closes sockets: the time a load balancer needs to notice.',
    },
  ),
} as const;

/** In the order in which they are shown. */
export const settingGroups = [
  { title: 'Start', settings: start },
  { title: 'Stores and keys', settings: stores },
  { title: 'Model', settings: model },
  { title: 'Limits', settings: limits },
  { title: 'Operation', settings: operation },
] as const;

export const settings = {
  ...start,
  ...stores,
  ...model,
  ...limits,
  ...operation,
};
type Settings = typeof settings;
type ValueOf<S> = S extends Setting<infer T> ? T : never;
export type SettingKey = keyof Settings;
/** Every value, parsed and within its bounds. */
export type SettingValues = {
  readonly [K in SettingKey]: ValueOf<Settings[K]>;
};
