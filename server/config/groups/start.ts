/** Settings: where and how the server listens. */
import { flag, integer, oneOf, origins, text } from '../setting.ts';

export const start = {
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
