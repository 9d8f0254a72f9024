/** Asks the model server without anything in between, over a kept connection: what every added time is counted from. */
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, noDelay: true });
const dataLine = /^data: (\{.*\})\r?$/gm;

export type ModelAnswer = { firstTokenMs: number; text: string; pieces: number };

/** Streams one answer of at most `maxTokens`. @throws Error when the model refuses. */
export function askModel(modelUrl: string, question: string, maxTokens: number): Promise<ModelAnswer> {
  const body = JSON.stringify({
    model: 'tsumugi-persona',
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: maxTokens,
    messages: [{ role: 'user', content: question }],
  });
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let firstTokenMs = Number.NaN;
    let raw = '';
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer bench',
      'content-length': Buffer.byteLength(body),
    };
    const asking = request(`${modelUrl}/chat/completions`, { method: 'POST', agent, headers }, (response) => {
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        raw += chunk;
        if (Number.isNaN(firstTokenMs) && textsOf(raw).length > 0) firstTokenMs = performance.now() - startedAt;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`the model answered ${response.statusCode}`));
        else resolve({ firstTokenMs, text: textsOf(raw).join(''), pieces: textsOf(raw).length });
      });
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

function textsOf(raw: string): string[] {
  const texts: string[] = [];
  for (const [, json] of raw.matchAll(dataLine)) {
    const text = (JSON.parse(json ?? '{}') as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta
      ?.content;
    if (text) texts.push(text);
  }
  return texts;
}
