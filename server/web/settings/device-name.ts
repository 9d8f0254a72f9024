/** "Firefox · Windows" from a user agent. A help for the eye, never for a decision. */
const browsers: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['Edge', /\bEdg\//],
  ['Opera', /\bOPR\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Headless)?(?:Chrome|CriOS)\//],
  ['Safari', /\bSafari\//],
];
const systems: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['Android', /\bAndroid\b/],
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['Linux', /\bLinux\b/],
];

/** @returns undefined when nothing is known */
export function deviceName(userAgent: string | null): string | undefined {
  if (userAgent === null || userAgent === '') return undefined;
  const find = (list: typeof browsers): string | undefined => list.find(([, pattern]) => pattern.test(userAgent))?.[0];
  const known = [find(browsers), find(systems)].filter((each) => each !== undefined);
  return known.length === 0 ? userAgent.slice(0, 40) : known.join(' · ');
}
