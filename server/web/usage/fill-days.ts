/** Days of usage for a chart. Pure. */

export type DayBar = Readonly<{ day: string; tokensIn: number; tokensOut: number; conversations: number }>;

/** The last `count` days up to `today` (UTC, `YYYY-MM-DD`), oldest first, with the days without use that the server leaves out. */
export function fillDays(days: readonly DayBar[], today: string, count: number): DayBar[] {
  const known = new Map(days.map((day) => [day.day, day]));
  const lastMs = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: count }, (_, i) => {
    const day = new Date(lastMs - (count - 1 - i) * 86_400_000).toISOString().slice(0, 10);
    return known.get(day) ?? { day, tokensIn: 0, tokensOut: 0, conversations: 0 };
  });
}
