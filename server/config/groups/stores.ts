/** Settings: what keeps the data, and the keys that protect it. */
import { integer, keyRing, url } from '../setting.ts';

export const stores = {
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
