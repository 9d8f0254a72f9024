/** One person, one short talk: does the whole path work? `k6 run loadtest/k6/smoke.js` */
import { check } from 'k6';
import http from 'k6/http';
import { baseUrl, signUpPeople, talk, thresholds, withSocket } from './lib.js';

export const options = { vus: 1, iterations: 1, thresholds: thresholds({ tsumugi_tokens: ['count>0'] }) };

export function setup() {
  check(http.get(`${baseUrl}/healthz`), { 'the server lives': (r) => r.status === 200 });
  check(http.get(`${baseUrl}/readyz`), { 'the server is ready': (r) => r.status === 200 });
  return signUpPeople(1);
}

export default function (people) {
  withSocket(people, 60, (connection) => talk(connection, 2, 0, () => connection.end()));
}
