/** The model that the settings ask for: a provider, any compatible server, or the embedded persona over the same protocol. */
import type { Config } from '../config.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import { OpenAiChatModel } from './client.ts';
import { startPersona } from './persona/start.ts';

const PERSONA_MODEL = 'tsumugi-persona';
const OPENAI_MODEL = 'gpt-4o-mini';

/** Starts the persona when there is no provider. @throws Error when the persona does not start. */
export async function openModel(config: Config, log: Log, lifecycle: Lifecycle): Promise<OpenAiChatModel> {
  const timeouts = {
    connectTimeoutMs: config.llmConnectTimeoutMs,
    firstTokenTimeoutMs: config.llmFirstTokenTimeoutMs,
    idleTimeoutMs: config.llmIdleTimeoutMs,
    totalTimeoutMs: config.llmTotalTimeoutMs,
    maxRetries: config.llmMaxRetries,
    maxConnections: config.llmMaxConnections,
    contextTokens: config.openaiContextTokens,
  };
  const open = (at: { baseUrl?: string | undefined; apiKey?: string | undefined; defaultModel: string }) =>
    lifecycle.add('model', new OpenAiChatModel({ ...timeouts, ...at }), (model) => model.close());
  if (config.modelSource !== 'persona') {
    return open({
      baseUrl: config.openaiBaseUrl,
      apiKey: config.openaiApiKey,
      defaultModel: config.openaiModel ?? OPENAI_MODEL,
    });
  }
  const persona = lifecycle.add(
    'persona',
    await startPersona({ tokensPerSecond: config.personaTokensPerSecond, seed: config.personaSeed }),
    (running) => running.stop(),
  );
  log.info({}, 'no model is configured: the offline persona answers');
  return open({ baseUrl: persona.baseUrl, apiKey: persona.apiKey, defaultModel: PERSONA_MODEL });
}
