/** A JSON line of the log as people read it on a terminal: time, level, what happened, facts. */
const colours: Readonly<Record<string, string>> = {
  fatal: '35',
  error: '31',
  warn: '33',
  info: '36',
  debug: '90',
  trace: '90',
};

export function toReadableLine(line: string): string {
  const { level, time, msg, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const name = String(level);
  const clock = String(time).slice(11, 19);
  const error = facts['err'] ?? facts['error'];
  const stack = isErrorLike(error) ? `\n${error.stack.replace(/^/gm, '  ')}` : '';
  const rest = Object.entries(facts)
    .filter(([, value]) => !isErrorLike(value))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const head = `\u001b[90m${clock}\u001b[0m \u001b[${colours[name] ?? '0'}m${name.padEnd(5)}\u001b[0m ${String(msg ?? '')}`;
  return `${rest.length === 0 ? head : `${head} \u001b[90m${rest.join(' ')}\u001b[0m`}${stack}\n`;
}

function isErrorLike(value: unknown): value is { stack: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string';
}
