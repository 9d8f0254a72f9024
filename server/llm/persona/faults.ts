/**
 * Failures on demand, so that tests meet a real server that misbehaves. Only heard when the server was started with `faults`.
 * `name:number`, in the header `x-persona-fault`, behind `!` in the model's name, or as `[[fault name:number]]` in its last
 * paragraph.
 */
export const faultNames = [
  // Before the answer: milliseconds without a header; seconds of Retry-After; status.
  'delay',
  'rate-limit',
  'rate-limit-once',
  'error',
  'error-once',
  'refuse-param',
  // Within the answer: after so many pieces.
  'drop',
  'stall',
  'malformed',
  'stream-error',
  'content-filter',
  'no-end',
  'slow-first',
  // Its form.
  'no-usage',
  'huge',
  'split-surrogates',
  'crlf',
  'reset-before-first',
] as const;
export type FaultName = (typeof faultNames)[number];
export type Fault = { name: FaultName; amount: number; param: string };

export function readFault(header: string | undefined, model: string, userText: string): Fault | undefined {
  const given = header ?? /!(.+)$/.exec(model)?.[1] ?? /\[\[fault ([^\]]+)\]\]/.exec(userText)?.[1];
  if (given === undefined) return undefined;
  const [name, param = ''] = given.trim().split(':');
  const known = faultNames.find((candidate) => candidate === name);
  return known === undefined ? undefined : { name: known, amount: Number.parseFloat(param) || 0, param };
}
