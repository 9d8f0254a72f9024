/**
 * The model server of a run: OpenAI's streaming protocol, and the answer that `story.ts` knows for each question. Goes on where
 * the answer stands when the last message is the beginning of it. A process of its own, so that it can be killed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { answerPieces, findTag } from './story.ts';

type Asked = { messages: { role: string; content: string }[] };

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'tokens-per-second': { type: 'string', default: '40' } },
});
const everyMs = 1000 / Number(values['tokens-per-second']);
const streams = new Set<{ step(now: number): boolean }>();
setInterval(() => {
  const now = performance.now();
  for (const stream of streams) if (!stream.step(now)) streams.delete(stream);
}, 5);
const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (request, response) => {
  void answer(request, response).catch(() => response.destroy());
});
server.listen(Number(values.port), '127.0.0.1', 4096, () => console.log('model server is ready'));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST' || !request.url?.endsWith('/chat/completions')) {
    response.end('{"object":"list","data":[]}');
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const { messages } = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
  const tag = findTag(messages.findLast(({ role }) => role === 'user')?.content ?? '') ?? 'unknown';
  const last = messages.at(-1);
  const pieces = after(answerPieces(tag), last?.role === 'assistant' ? last.content : '');
  const promptTokens = messages.reduce((sum, { content }) => sum + Math.ceil(content.length / 4) + 4, 3);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  stream(response, pieces, promptTokens);
}

/** What is left of the answer behind its beginning. */
function after(pieces: string[], beginning: string): string[] {
  if (!pieces.join('').startsWith(beginning)) return pieces;
  let skip = beginning.length;
  return pieces.flatMap((piece) => {
    const rest = piece.slice(Math.min(skip, piece.length));
    skip -= Math.min(skip, piece.length);
    return rest === '' ? [] : [rest];
  });
}

function stream(response: ServerResponse, pieces: string[], promptTokens: number): void {
  const head = { id: 'chatcmpl-chaos', object: 'chat.completion.chunk', created: 0, model: 'chaos' };
  const send = (choice: object) =>
    response.write(`data: ${JSON.stringify({ ...head, choices: [{ index: 0, ...choice }] })}\n\n`);
  send({ delta: { role: 'assistant', content: '' }, finish_reason: null });
  let next = 0;
  let dueMs = performance.now();
  streams.add({
    step(now) {
      if (response.destroyed) return false;
      for (; dueMs <= now && next < pieces.length; dueMs += everyMs)
        send({ delta: { content: pieces[next++] }, finish_reason: null });
      if (next < pieces.length) return true;
      send({ delta: {}, finish_reason: 'stop' });
      const usage = {
        prompt_tokens: promptTokens,
        completion_tokens: pieces.length,
        total_tokens: promptTokens + pieces.length,
      };
      response.end(`data: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`);
      return false;
    },
  });
}
