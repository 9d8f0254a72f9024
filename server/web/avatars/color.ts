/** Colours of portraits, derived from an avatar's accent so that they keep their contrast whatever the accent is. */

export type Rgb = readonly [red: number, green: number, blue: number];

/** @returns undefined unless `hex` is `#rrggbb` */
export function parseHex(hex: string): Rgb | undefined {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  if (match === null) return undefined;
  const [, red = '0', green = '0', blue = '0'] = match;
  return [Number.parseInt(red, 16), Number.parseInt(green, 16), Number.parseInt(blue, 16)];
}

export const toHex = (rgb: Rgb): string =>
  `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;

/** `amount` of `to` in `from`, 0 to 1. */
export const mix = (from: Rgb, to: Rgb, amount: number): Rgb => [
  from[0] + (to[0] - from[0]) * amount,
  from[1] + (to[1] - from[1]) * amount,
  from[2] + (to[2] - from[2]) * amount,
];

/** Relative luminance as WCAG defines it. */
export function luminance(rgb: Rgb): number {
  const linear = (part: number): number => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
}

export function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const night: Rgb = [18, 21, 42];
const white: Rgb = [255, 253, 249];

export type PortraitColors = Readonly<{ deep: string; deeper: string; cord: string; glyph: string }>;

/** A dyed ground, and a cord and a letter that can be told from it. */
export function portraitColors(accent: string): PortraitColors {
  const base = parseHex(accent) ?? [52, 72, 140];
  let deep = base;
  // Steeped in indigo until the letter on it can be read.
  for (let steps = 0; steps < 12 && contrast(deep, white) < 5.5; steps++) deep = mix(deep, night, 0.12);
  const cord = mix(base, white, 0.55);
  return { deep: toHex(deep), deeper: toHex(mix(deep, night, 0.35)), cord: toHex(cord), glyph: toHex(white) };
}
