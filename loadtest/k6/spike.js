/** A crowd that comes at once and goes again. BASE (5) people, PEAK (100) at the top, HOLD seconds there (30). */
import { numberFrom, signUpPeople, talk, thresholds, withSocket } from './lib.js';

const base = numberFrom('BASE', 5);
const peak = numberFrom('PEAK', 100);

export const options = {
  scenarios: {
    spike: {
      executor: 'ramping-vus',
      startVUs: base,
      stages: [
        { duration: '10s', target: base },
        { duration: '5s', target: peak },
        { duration: `${numberFrom('HOLD', 30)}s`, target: peak },
        { duration: '5s', target: base },
        { duration: '10s', target: base },
      ],
      gracefulRampDown: '60s',
      gracefulStop: '60s',
    },
  },
  thresholds: thresholds({ tsumugi_ttft: ['p(95)<2000'] }),
};

export function setup() {
  return signUpPeople(numberFrom('USERS', Math.min(peak, 50)));
}

export default function (people) {
  withSocket(people, 120, (connection) => talk(connection, 2, 500, () => connection.end()));
}
