/** Settings: how much one client, user or answer may take. */
import { decimal, integer, oneOf } from '../setting.ts';

export const limits = {
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
      default: 40,
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
    { default: 50, says: 'Avatars that one user may own, whatever his plan allows.' },
  ),
  reversalLimitTokens: integer(
    'REVERSAL_LIMIT_TOKENS',
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    {
      default: 100_000,
      says: 'Tokens that one operator may take back in the ledger within a day; above it another operator has to agree.',
    },
  ),
  atCap: oneOf('AT_CAP', ['stop', 'use_bought'], {
    default: 'stop',
    says: 'At the monthly cap of a plan, for those who have not chosen: refuse further answers, or go on with bought tokens.',
  }),
  signUpGrantTokens: integer(
    'SIGN_UP_GRANT_TOKENS',
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    { default: 10_000_000, says: 'Tokens that a new account gets.' },
  ),
  billingMode: oneOf('BILLING_MODE', ['metered', 'free'], {
    default: 'metered',
    says: 'Whether prompt and longest answer are held against balance and caps before the model is asked; `free`, for servers where nobody pays, refuses nobody and only records.',
  }),
} as const;
