/** Tokens by day as threads of different length. The table beneath holds the same numbers for readers and for copying. */
import { formatCompact, formatDay, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import type { DayBar } from './fill-days.ts';

const height = 120;
const step = 14;

export function DayChart({ days }: { days: readonly DayBar[] }) {
  const used = days.some((day) => day.tokensIn + day.tokensOut > 0);
  const top = Math.max(1, ...days.map((day) => day.tokensIn + day.tokensOut));
  const scale = (tokens: number): number => (tokens / top) * (height - 6);
  const width = days.length * step;
  return (
    <figure class="day-chart">
      <svg
        viewBox={`0 0 ${width} ${height + 2}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t('usage.chartLabel', { days: days.length, top: formatNumber(used ? top : 0) })}
      >
        <line class="chart-base" x1="0" x2={width} y1={height} y2={height} />
        {days.map((day, i) => {
          const out = scale(day.tokensOut);
          const all = scale(day.tokensIn + day.tokensOut);
          return (
            <g key={day.day}>
              {all > 0 && (
                <rect class="chart-in" x={i * step + 3} y={height - all} width={step - 6} height={all} rx="3" />
              )}
              {out > 0 && (
                <rect class="chart-out" x={i * step + 3} y={height - out} width={step - 6} height={out} rx="3" />
              )}
              <title>{`${formatDay(day.day, 'long')}: ${formatNumber(day.tokensOut)} / ${formatNumber(day.tokensIn)}`}</title>
            </g>
          );
        })}
      </svg>
      <figcaption>
        <span>{formatDay(days[0]?.day ?? '')}</span>
        <span class="chart-legend">
          <i class="part-dot chart-out" />
          {t('usage.tokensOut')} <i class="part-dot chart-in" />
          {t('usage.tokensIn')}
          {used && ` · ${t('usage.most', { top: formatCompact(top) })}`}
        </span>
        <span>{formatDay(days.at(-1)?.day ?? '')}</span>
      </figcaption>
      <details>
        <summary>{t('usage.asTable')}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('usage.day')}</th>
              <th scope="col">{t('usage.tokensOut')}</th>
              <th scope="col">{t('usage.tokensIn')}</th>
              <th scope="col">{t('usage.conversations')}</th>
            </tr>
          </thead>
          <tbody>
            {[...days]
              .reverse()
              .filter((day) => day.tokensIn + day.tokensOut > 0)
              .map((day) => (
                <tr key={day.day}>
                  <th scope="row">{formatDay(day.day, 'long')}</th>
                  <td>{formatNumber(day.tokensOut)}</td>
                  <td>{formatNumber(day.tokensIn)}</td>
                  <td>{formatNumber(day.conversations)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
