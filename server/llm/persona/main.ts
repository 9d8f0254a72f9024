/** The persona as a process of its own, for the benchmark and for trying clients: `node server/llm/persona/main.ts --port 8080`. */
import { parseArgs } from 'node:util';
import { servePersona } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'tokens-per-second': { type: 'string', default: '40' },
    'first-token-ms': { type: 'string', default: '0' },
    tokens: { type: 'string', default: '128' },
    seed: { type: 'string', default: '1' },
    plain: { type: 'boolean', default: false },
    faults: { type: 'boolean', default: false },
  },
});
const { port } = await servePersona({
  port: Number(values.port),
  tokensPerSecond: Number(values['tokens-per-second']),
  firstTokenMs: Number(values['first-token-ms']),
  plainTokens: Number(values.tokens),
  seed: Number(values.seed),
  plain: values.plain,
  faults: values.faults,
});
console.log(JSON.stringify({ port, baseUrl: `http://127.0.0.1:${port}/v1` }));
