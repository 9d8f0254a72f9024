/**
 * What the three bare relays have in common: their options, and how the plain ones read the model. A relay stores nothing,
 * checks nobody and counts nothing: it is the least a server can do to stream a model to a client.
 */
import { parseArgs } from 'node:util';
import OpenAI from 'openai';

export type RelayOptions = { port: number; modelUrl: string; maxTokens: number };

/** Reads `--port`, `--model-url` (ending in `/v1`) and `--max-tokens` (of one answer). */
export function readRelayOptions(): RelayOptions {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'model-url': { type: 'string', default: 'http://127.0.0.1:8080/v1' },
      'max-tokens': { type: 'string', default: '200' },
    },
  });
  return { port: Number(values.port), modelUrl: values['model-url'], maxTokens: Number(values['max-tokens']) };
}

/** The request that every relay makes, so that the model server does the same work for each. */
export function chatRequest(text: string, maxTokens: number) {
  return {
    model: 'tsumugi-persona',
    stream: true as const,
    max_tokens: maxTokens,
    messages: [{ role: 'user' as const, content: text }],
  };
}

/** The way everybody writes it: the iterator of the `openai` SDK, one call of `onToken` a chunk. */
export async function readWithSdk(client: OpenAI, text: string, maxTokens: number, onToken: (token: string) => void) {
  const stream = await client.chat.completions.create(chatRequest(text, maxTokens));
  for await (const chunk of stream) {
    const token = chunk.choices[0]?.delta?.content;
    if (token) onToken(token);
  }
}

/** A client of the SDK as its documentation shows it. The key is for show: the model server of the benchmark takes any. */
export function openAi(modelUrl: string): OpenAI {
  return new OpenAI({ baseURL: modelUrl, apiKey: 'bench' });
}

/** Tells the harness, when there is one, where this process listens. */
export function announce(port: number): void {
  process.stdout.write(`listening on ${port}\n`);
}
