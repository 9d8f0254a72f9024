/**
 * What a setting is: one description that parsing, `--help` and the README's table are all made from.
 * Owns the kinds of values; knows no particular setting.
 */
export type Setting<T> = Readonly<{
  /** Name of the environment variable. */
  env: string;
  /** What a wrong value is told: "expected …". */
  expected: string;
  /** The same for one value, where more can be said than for all. */
  expectedOf(text: string): string;
  /** As a person would write the default; undefined when there is none. */
  defaultText: string | undefined;
  says: string;
  example: string | undefined;
  /** Never printed, not even in an error. */
  secret: boolean;
  group: string;
  defaultValue: T;
  /** Undefined when the text is not acceptable. */
  parse(text: string): T | undefined;
}>;

export type About<T> = {
  default: T;
  says: string;
  example?: string;
  secret?: boolean;
  group?: string;
  defaultText?: string;
};
type Kind<T> = {
  expected: string;
  expectedOf?(text: string): string;
  parse(text: string): T | undefined;
  show(value: T): string;
};

/** Groups come from the order of `group` blocks in `settings.ts`. */
function setting<T>(env: string, kind: Kind<T & {}>, about: About<T>): Setting<T> {
  const value = about.default;
  return {
    env,
    expected: kind.expected,
    expectedOf: (text) => kind.expectedOf?.(text) ?? kind.expected,
    defaultText: about.defaultText ?? (value === undefined || value === null ? undefined : kind.show(value)),
    says: about.says,
    example: about.example,
    secret: about.secret ?? false,
    group: about.group ?? '',
    defaultValue: value,
    parse: (text) => kind.parse(text),
  };
}

/** An optional setting has the default `undefined`; its type says so. */
export function text<T extends string | undefined>(
  env: string,
  about: About<T>,
): Setting<T extends string ? string : string | undefined> {
  const kind: Kind<string> = {
    expected: 'a non-empty text',
    parse: (given) => given,
    show: String,
  };
  return setting<string | undefined>(env, kind, about) as Setting<T extends string ? string : string | undefined>;
}

/** @param range.orZero 0 as well, which says something of its own. */
export function integer(
  env: string,
  range: { min: number; max: number; orZero?: boolean },
  about: About<number>,
): Setting<number> {
  return setting(
    env,
    {
      expected: `${range.orZero === true ? '0, or ' : ''}a whole number from ${range.min} to ${range.max}`,
      parse(given) {
        const value = /^-?\d+$/.test(given) ? Number(given) : Number.NaN;
        if (value === 0 && range.orZero === true) return 0;
        return value >= range.min && value <= range.max ? value : undefined;
      },
      show: String,
    },
    about,
  );
}

export function decimal(env: string, range: { min: number; max: number }, about: About<number>): Setting<number> {
  return setting(
    env,
    {
      expected: `a number from ${range.min} to ${range.max}`,
      parse(given) {
        const value = /^-?\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
        return value >= range.min && value <= range.max ? value : undefined;
      },
      show: String,
    },
    about,
  );
}

export function flag(env: string, about: About<boolean>): Setting<boolean> {
  return setting(
    env,
    {
      expected: 'true or false',
      parse: (given) =>
        /^(true|1|yes|on)$/i.test(given) ? true : /^(false|0|no|off)$/i.test(given) ? false : undefined,
      show: String,
    },
    about,
  );
}

export function oneOf<const C extends readonly string[]>(
  env: string,
  choices: C,
  about: About<C[number]>,
): Setting<C[number]> {
  return setting<C[number]>(
    env,
    {
      expected: `one of ${choices.join(', ')}`,
      parse: (given) => choices.find((choice) => choice === given),
      show: String,
    },
    about,
  );
}

/** An absolute URL with one of the schemes, without trailing slashes. */
export function url(env: string, schemes: readonly string[], about: About<undefined>): Setting<string | undefined> {
  const expected = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  const isUrl = (given: string): boolean => {
    const parsed = URL.canParse(given) ? new URL(given) : undefined;
    return parsed !== undefined && schemes.some((scheme) => parsed.protocol === `${scheme}:`) && parsed.host !== '';
  };
  return setting<string | undefined>(
    env,
    {
      expected,
      expectedOf: (given) => (isUrl(withoutPort(given)) ? 'a port from 1 to 65535 behind the host' : expected),
      parse: (given) => (isUrl(given) && new URL(given).port !== '0' ? given.replace(/\/+$/, '') : undefined),
      show: String,
    },
    about,
  );
}

/** Also what stands there and is no port; but not the half of a password that has a slash in it. */
const withoutPort = (given: string): string =>
  given.replace(/^([a-z]+:\/\/[^/?#]*):[^:/?#@\]]*(?=[/?#][^@]*$|$)/i, '$1');

/** Web origins (`https://example.org`), separated by commas. */
export function origins(env: string, about: About<readonly string[]>): Setting<readonly string[]> {
  return setting<readonly string[]>(
    env,
    {
      expected: 'web origins such as https://example.org, separated by commas, without a path',
      parse(given) {
        const list = given
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== '');
        return list.every((one) => /^https?:\/\/[^/?#]+$/.test(one) && URL.canParse(one))
          ? list.map((one) => new URL(one).origin)
          : undefined;
      },
      show: (list) => list.join(','),
    },
    about,
  );
}

/** `id:base64` pairs of 32-byte keys separated by commas; the first encrypts, the others still decrypt. */
export function keyRing(env: string, about: About<undefined>): Setting<string | undefined> {
  return setting<string | undefined>(
    env,
    {
      expected: 'one or more id:key pairs separated by commas, each key 32 random bytes in base64',
      parse(given) {
        const pairs = given.split(',').map((part) => part.trim());
        const ids = new Set<string>();
        for (const pair of pairs) {
          const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(pair);
          const [, id, key] = match ?? [];
          if (id === undefined || key === undefined || ids.has(id) || Buffer.from(key, 'base64').length !== 32)
            return undefined;
          ids.add(id);
        }
        return pairs.join(',');
      },
      show: String,
    },
    about,
  );
}

/** A time zone of the IANA database. */
export function timeZone(env: string, about: About<string>): Setting<string> {
  return setting(
    env,
    {
      expected: 'a time zone such as Asia/Tokyo',
      // Offsets and the like are known to some: only names that say a place, or UTC, mean the same everywhere.
      parse: (given) => (/^(UTC|[A-Za-z_]+\/[A-Za-z0-9_+\-/]+)$/.test(given) && isZone(given) ? given : undefined),
      show: String,
    },
    about,
  );
}

function isZone(given: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: given });
    return true;
  } catch {
    return false;
  }
}

/** Whole smallest units by currency: `JPY:1000,USD:500`. */
export function amounts(
  env: string,
  about: About<Readonly<Record<string, number>>>,
): Setting<Readonly<Record<string, number>>> {
  const expected = 'amounts by currency such as JPY:1000,USD:500, whole numbers of the smallest unit';
  const pairs = (given: string) =>
    given.split(',').map((part) => /^\s*([A-Z]{3})\s*:\s*(\d{1,12})\s*$/.exec(part) ?? []);
  return setting<Readonly<Record<string, number>>>(
    env,
    {
      expected,
      expectedOf(given) {
        const unknown = pairs(given).find(([, currency]) => currency !== undefined && !isCurrency(currency))?.[1];
        return unknown === undefined ? expected : `a currency of ISO 4217 instead of ${unknown}`;
      },
      parse(given) {
        const found: Record<string, number> = {};
        for (const [, currency, amount] of pairs(given)) {
          if (currency === undefined || !isCurrency(currency) || found[currency] !== undefined) return undefined;
          found[currency] = Number(amount);
        }
        return found;
      },
      show: (list) =>
        Object.entries(list)
          .map(([currency, amount]) => `${currency}:${amount}`)
          .join(','),
    },
    about,
  );
}

/** Of ISO 4217, as the offers of plans are held to. */
const isCurrency = (code: string): boolean => Intl.supportedValuesOf('currency').includes(code);
