/** What the model was given for one answer: which parts, how many tokens, which memories, and what did not fit. */
import { useEffect, useMemo } from 'preact/hooks';
import type { Trace, TracePart } from '../../../protocol/chat.ts';
import { formatNumber } from '../i18n/format.ts';
import { type TextKey, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { client } from '../session/store.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Loaded } from '../ui/loadable.ts';
import { Failed, Spinning } from '../ui/states.tsx';
import { whyText } from './trace-why.ts';

const partNames: Readonly<Record<TracePart['part'], TextKey>> = {
  system: 'trace.system',
  safety: 'trace.safety',
  memory: 'trace.memory',
  turn: 'trace.turn',
};
const partKinds = Object.keys(partNames) as TracePart['part'][];
const isPartKind = (part: string): part is TracePart['part'] => Object.hasOwn(partNames, part);

export function TraceDrawer({ generationId, onClose }: { generationId: string; onClose: () => void }) {
  const trace = useMemo(
    () => new Loaded<Trace>(() => client().request('chat.trace', { generationId })),
    [generationId],
  );
  useEffect(() => void trace.load(), [trace]);
  const now = trace.now.value;
  return (
    <Dialog kind="drawer-end" title={t('trace.title')} onClose={onClose}>
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void trace.load()} />}
      {(now.state === 'loading' || now.state === 'idle') && <Spinning />}
      {now.state === 'ready' && <TraceBody trace={now.value} />}
    </Dialog>
  );
}

function TraceBody({ trace }: { trace: Trace }) {
  return (
    <div class="trace">
      <p class="lead">{t('trace.lead')}</p>
      <TokenBar trace={trace} />
      <ol class="trace-parts">
        {trace.parts.map((part, i) => (
          <PartView key={i} part={part} />
        ))}
      </ol>
      <h3>{t('trace.left')}</h3>
      {trace.left.length === 0 && <p class="field-hint">{t('trace.nothingLeft')}</p>}
      <ul class="trace-left">
        {trace.left.map((left, i) => (
          <li key={i}>
            <strong>
              {isPartKind(left.part) ? t(partNames[left.part]) : left.part}{' '}
              {left.count > 0 && <> × {formatNumber(left.count)}</>}
            </strong>
            {left.tokens > 0 && <span>{t('trace.tokens', { count: formatNumber(left.tokens) })}</span>}
            <p>{whyText(left.why)}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** How the context was filled. The numbers stand beside it; the bar only shows them. */
function TokenBar({ trace }: { trace: Trace }) {
  const sums = partKinds
    .map((kind) => ({
      kind,
      tokens: trace.parts.filter((part) => part.part === kind).reduce((sum, part) => sum + part.tokens, 0),
    }))
    .filter((each) => each.tokens > 0);
  let x = 0;
  const inParts = sums.reduce((sum, each) => sum + each.tokens, 0);
  const total = Math.max(1, trace.tokensTotal, inParts);
  // Headings, separators and roles: what the parts do not say of themselves, so that the sum is the sum.
  const frame = total - inParts;
  return (
    <div class="token-bar">
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        {sums.map(({ kind, tokens }) => {
          const width = (tokens / total) * 100;
          const rect = (
            <rect key={kind} class={`part-${kind}`} x={x} width={Math.max(0, width - 0.4)} height="4" rx="1" />
          );
          x += width;
          return rect;
        })}
      </svg>
      <ul>
        {sums.map(({ kind, tokens }) => (
          <li key={kind}>
            <span class={`part-dot part-${kind}`} />
            {t(partNames[kind])} <b>{formatNumber(tokens)}</b>
          </li>
        ))}
        {frame > 0 && (
          <li>
            <span class="part-dot part-frame" />
            {t('trace.frame')} <b>{formatNumber(frame)}</b>
          </li>
        )}
      </ul>
      <p class="field-hint">
        {t('trace.sum', {
          total: formatNumber(trace.tokensTotal),
          limit: formatNumber(trace.contextLimit),
          reserved: formatNumber(trace.maxOutputTokens),
        })}
        <br />
        {t('trace.model', { model: trace.model })}
      </p>
    </div>
  );
}

function PartView({ part }: { part: TracePart }) {
  const { score, memoryId, avatarPromptVersion, messageId } = part.source;
  const source =
    avatarPromptVersion !== undefined
      ? t('trace.fromPrompt', { version: avatarPromptVersion })
      : memoryId !== undefined
        ? t('trace.fromMemory', { id: memoryId.slice(0, 8) })
        : messageId !== undefined
          ? t('trace.fromMessage', { role: t(part.role === 'assistant' ? 'chat.companion' : 'chat.you') })
          : undefined;
  return (
    <li class={`trace-part part-edge-${part.part}`}>
      <div class="trace-part-head">
        <strong>{t(partNames[part.part])}</strong>
        <span>{t('trace.tokens', { count: formatNumber(part.tokens) })}</span>
        {score !== undefined && (
          <span class="score" title={t('trace.scoreHint')}>
            <meter min={0} max={1} value={Math.max(0, score)} aria-label={t('trace.score')}>
              {score.toFixed(2)}
            </meter>
            {score.toFixed(2)}
          </span>
        )}
      </div>
      <p class="trace-why">
        {whyText(part.why)}
        {source !== undefined && <> · {source}</>}
      </p>
      {part.text === '' ? (
        <p class="field-hint">{t('trace.withheld')}</p>
      ) : (
        <details>
          <summary>
            {part.text.slice(0, 90)}
            {part.text.length > 90 ? '…' : ''}
          </summary>
          <pre class="prompt-text">
            {part.text}
            {part.text.length < part.textLength && '…'}
          </pre>
          {part.text.length < part.textLength && (
            <p class="field-hint">{t('trace.cut', { count: formatNumber(part.textLength) })}</p>
          )}
        </details>
      )}
    </li>
  );
}
