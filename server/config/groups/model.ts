/** Settings: the language model and the search over memories. */
import { decimal, integer, text, url } from '../setting.ts';

const second = 1000;
const minute = 60 * second;

export const model = {
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
    // Less than that has no room for an avatar's prompt, a question and an answer.
    { min: 1024, max: 4_000_000, orZero: true },
    {
      default: 0,
      defaultText: 'known models: theirs, others 8192',
      says: 'Tokens of prompt and answer together, at least 1024; 0 takes the model’s own.',
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
