/** A sequence diagram as inline SVG: actors and steps in, a picture and the same in words out. No styles of its own, see `style.css`. */
import { type Html, html } from './html.ts';

export type Step<Actor extends string> =
  /** An arrow from one to another. */
  | { from: Actor; to: Actor; says: string }
  /** Something that happens at one of them. */
  | { at: Actor; says: string };

const COLUMN = 190;
const ROW = 38;
const TOP = 56;

/** @param title what the picture shows, for those who cannot see it; the steps stand below it as a list. */
export function sequence<Actor extends string>(
  id: string,
  title: string,
  actors: Readonly<Record<Actor, string>>,
  steps: readonly Step<Actor>[],
): Html {
  const names = Object.keys(actors) as Actor[];
  const x = (actor: Actor) => COLUMN / 2 + names.indexOf(actor) * COLUMN;
  const [width, height] = [names.length * COLUMN, TOP + steps.length * ROW + 12];
  return html`<div class="scroll" tabindex="0"><svg class="sequence" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-title">
<title id="${id}-title">${title}</title>
${names.map(
  (name) => html`<line class="life" x1="${x(name)}" x2="${x(name)}" y1="38" y2="${height}"></line>
<rect class="actor" x="${x(name) - 72}" y="6" width="144" height="32" rx="6"></rect><text x="${x(name)}" y="27">${actors[name]}</text>`,
)}
${steps.map((step, i) => drawStep(step, TOP + i * ROW + 22, x))}
</svg></div>
<details><summary>The same in words</summary><ol>${steps.map((step) => html`<li>${tellStep(step, actors)}</li>`)}</ol></details>`;
}

function tellStep<Actor extends string>(step: Step<Actor>, actors: Readonly<Record<Actor, string>>): string {
  return 'at' in step ? `${actors[step.at]}: ${step.says}` : `${actors[step.from]} → ${actors[step.to]}: ${step.says}`;
}

function drawStep<Actor extends string>(step: Step<Actor>, y: number, x: (actor: Actor) => number): Html {
  if ('at' in step) {
    const middle = x(step.at);
    return html`<rect class="note" x="${middle - 90}" y="${y - 17}" width="180" height="25" rx="4"></rect><text x="${middle}" y="${y}">${step.says}</text>`;
  }
  const [start, end] = [x(step.from), x(step.to)];
  const back = end < start ? 1 : -1;
  return html`<text x="${(start + end) / 2}" y="${y - 5}">${step.says}</text><line class="arrow" x1="${start}" x2="${end}" y1="${y + 2}" y2="${y + 2}"></line>
<path class="head" d="M ${end} ${y + 2} l ${back * 8} -4 v 8 z"></path>`;
}
