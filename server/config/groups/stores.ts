/** Settings: what keeps the data, and the keys that protect it. */
import { integer, keyRing, text, url } from '../setting.ts';

export const stores = {
  databaseUrl: url('DATABASE_URL', ['postgres', 'postgresql'], {
    default: undefined,
    defaultText: 'embedded PostgreSQL 18',
    secret: true,
    says: 'PostgreSQL 15 or newer; the login owns the database and has CREATEROLE, or is a plain member of `tsumugi_app`.',
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
  ledgerKeys: keyRing('TSUMUGI_LEDGER_KEYS', {
    default: undefined,
    defaultText: 'the file of LEDGER_KEY_FILE',
    secret: true,
    says: 'Ed25519 seeds that sign the ledger’s checkpoints: `id:base64` pairs; all of them sign, the newest stands first. All gateways need the same.',
    example: 'l2:…base64…,l1:…base64…',
  }),
  ledgerKeyFile: text('LEDGER_KEY_FILE', {
    default: undefined,
    defaultText: 'ledger-keys in the data folder, generated',
    says: 'File with the same pairs, one a line, that only its owner may read.',
    example: '/etc/tsumugi/ledger-keys',
  }),
  ledgerOrigin: text('LEDGER_ORIGIN', {
    default: 'tsumugi.local/ledger',
    says: 'Name of the ledger in its checkpoints, a URL without scheme; a shard’s is `<origin>/<shard>`. Another name is another log.',
    example: 'talk.example.org/ledger',
  }),
  ledgerCheckpointDir: text('LEDGER_CHECKPOINT_DIR', {
    default: undefined,
    defaultText: 'ledger-checkpoints in the data folder',
    says: 'Folder of the files that signed checkpoints are appended to. Keep copies of it elsewhere.',
    example: '/mnt/worm/ledger',
  }),
  ledgerBucketUrl: url('LEDGER_BUCKET_URL', ['https', 'http'], {
    default: undefined,
    defaultText: 'no copies',
    says: 'Bucket of S3-compatible storage, with a prefix if wanted, that gets a copy of each checkpoint.',
    example: 'https://s3.example.org/bucket/ledger',
  }),
  ledgerBucketRegion: text('LEDGER_BUCKET_REGION', { default: 'us-east-1', says: 'Region of that bucket.' }),
  ledgerBucketAccessKey: text('LEDGER_BUCKET_ACCESS_KEY', {
    default: undefined,
    says: 'Access key of that bucket; it needs to write objects and nothing else.',
  }),
  ledgerBucketSecretKey: text('LEDGER_BUCKET_SECRET_KEY', {
    default: undefined,
    secret: true,
    says: 'Secret of that access key.',
  }),
  ledgerCheckpointSeconds: integer(
    'LEDGER_CHECKPOINT_SECONDS',
    { min: 1, max: 3600 },
    { default: 5, says: 'How often new entries of the ledger are signed.' },
  ),
} as const;
