/**
 * What the k6 scripts share: accounts, the socket and the talk over it. Written for stock k6 from 0.49 to 2.x, hence `k6/ws`
 * and no syntax younger than ES2015 (object spread, `?.` and `??` do not parse in the older ones).
 */
import { check, fail } from 'k6';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import ws from 'k6/ws';

/** From sending a message to the first text of the answer, and to its last frame. */
export const ttft = new Trend('tsumugi_ttft', true);
export const answerTime = new Trend('tsumugi_answer', true);
/** Tokens of answers as the server settled them. */
export const tokens = new Counter('tsumugi_tokens');
/** Places where the pieces of an answer did not fit together, or its length was not what the server says. Must stay 0. */
export const holes = new Counter('tsumugi_holes');
/** Refusals, failed answers and sockets that closed too early. */
export const errors = new Counter('tsumugi_errors');

export const baseUrl = (__ENV.BASE_URL || 'http://127.0.0.1:3000').replace(/\/$/, '');
const password = 'a long load test password';
const subprotocol = 'tsumugi.v1.json';
const questions = [
  'Hello! How was your day?',
  'What would you cook with the first strawberries of the year?',
  '今日は少し疲れました。何か楽しい話をしてくれる?',
  'Tell me about a walk that you would take with me.',
];

/** A number from the environment, or `usual`. */
export function numberFrom(name, usual) {
  const value = Number(__ENV[name]);
  return __ENV[name] && value >= 0 ? value : usual;
}

/** Thresholds of every script; `more` adds and replaces. */
export function thresholds(more) {
  return Object.assign({ checks: ['rate==1'], tsumugi_holes: ['count==0'], tsumugi_errors: ['count==0'] }, more || {});
}

/** Runs in `setup()`: signs `count` people up and gives what the virtual users need to sign in as them. */
export function signUpPeople(count) {
  const people = [];
  const run = Date.now().toString(36);
  for (let n = 0; n < count; n++) {
    const email = `k6-${run}-${n}@example.com`;
    const response = post('/auth/sign-up', { email: email, password: password });
    if (response.status !== 200 && response.status !== 201)
      fail(`sign-up answered ${response.status}: ${response.body}`);
    people.push({ email: email, accessToken: response.json('accessToken'), until: expiry(response) });
  }
  return people;
}

// Each virtual user has its own copy of these two.
let session;
let requestId = 0;

/** The access token of this virtual user's person; signs in again a minute before it expires. */
export function accessToken(people) {
  if (!session) {
    const person = people[(__VU - 1) % people.length];
    session = { email: person.email, accessToken: person.accessToken, until: person.until };
  }
  if (Date.now() > session.until - 60000) {
    const response = post('/auth/sign-in', { email: session.email, password: password });
    if (!check(response, { 'signed in again': (r) => r.status === 200 })) fail(`sign-in answered ${response.status}`);
    session.accessToken = response.json('accessToken');
    session.until = expiry(response);
  }
  return session.accessToken;
}

/** Opens a socket and runs `task(connection)` on it until the task calls `connection.end()` or `seconds` have passed. */
export function withSocket(people, seconds, task) {
  const url = `${baseUrl.replace(/^http/, 'ws')}/ws`;
  const headers = { Authorization: `Bearer ${accessToken(people)}`, 'Sec-WebSocket-Protocol': subprotocol };
  const response = ws.connect(url, { headers: headers }, (socket) => {
    const connection = connect(socket);
    socket.setTimeout(() => connection.end('out of time'), seconds * 1000);
    connection.onHello = () => task(connection);
  });
  check(response, { 'socket was upgraded': (r) => r && r.status === 101 });
}

/** Request and reply, pushes by type, and an end that says whether it was wanted. */
function connect(socket) {
  const waiting = {};
  const listeners = {};
  let ended = false;
  const connection = {
    onHello: () => {},
    on: (type, listener) => {
      listeners[type] = listener;
    },
    request: (type, body, onReply) => {
      requestId += 1;
      waiting[requestId] = onReply;
      socket.send(JSON.stringify({ type: type, id: requestId, body: body }));
    },
    wait: (milliseconds, task) => socket.setTimeout(task, Math.max(1, milliseconds)),
    end: (problem) => {
      if (ended) return;
      ended = true;
      if (problem) note(problem);
      socket.close();
    },
  };
  socket.on('message', (message) => {
    const frame = JSON.parse(message);
    if (frame.type === 'gateway.hello') connection.onHello();
    else if (frame.type === 'reply') take(waiting, frame.id)(frame.body);
    else if (frame.type === 'error') {
      take(waiting, frame.id);
      connection.end(`${frame.code}: ${frame.message}`);
    } else if (listeners[frame.type]) listeners[frame.type](frame.body);
  });
  socket.on('error', (error) => connection.end(error.error()));
  socket.on('close', (code) => {
    if (!ended) note(`closed by the server with ${code}`);
    ended = true;
  });
  return connection;
}

/** Opens a conversation with the first avatar and talks `turns` times, `thinkMs` apart; then calls `onEnd`. */
export function talk(connection, turns, thinkMs, onEnd) {
  connection.request('companion.list_avatars', {}, (list) => {
    const avatar = list.avatars[(__VU - 1) % list.avatars.length];
    connection.request('chat.open', { avatarId: avatar.avatarId, kind: 'conversation' }, (opened) => {
      let turn = 0;
      const next = () => {
        if (turn === turns) onEnd();
        else {
          turn += 1;
          ask(connection, opened.conversationId, turn, () => connection.wait(thinkMs, next));
        }
      };
      next();
    });
  });
}

function ask(connection, conversationId, turn, onDone) {
  const askedAt = Date.now();
  let length = 0;
  let generationId;
  connection.on('chat.delta', (delta) => {
    if (generationId === undefined) {
      generationId = delta.generationId;
      ttft.add(Date.now() - askedAt);
    }
    // Another connection of the same person may write in another conversation.
    if (delta.generationId !== generationId) return;
    if (delta.offset > length) holes.add(1);
    length = Math.max(length, delta.offset + delta.text.length);
  });
  connection.on('chat.snapshot', (snapshot) => {
    if (snapshot.conversationId === conversationId) length = snapshot.generation.text.length;
  });
  connection.on('chat.done', (done) => {
    if (done.conversationId !== conversationId) return;
    answerTime.add(Date.now() - askedAt);
    tokens.add(done.usage.tokensOut);
    if (done.length !== length) holes.add(1);
    const whole = check(done, {
      'answer ended well': (d) => d.finishReason === 'stop' || d.finishReason === 'length',
      'answer is in the ledger': (d) => d.ledger !== null,
    });
    if (!whole) errors.add(1);
    onDone();
  });
  connection.request(
    'chat.send',
    {
      conversationId: conversationId,
      clientMessageId: `${__VU}-${__ITER}-${turn}-${askedAt}`,
      text: questions[(__VU + turn) % questions.length],
    },
    () => {},
  );
}

function post(path, body) {
  return http.post(`${baseUrl}${path}`, JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } });
}

function expiry(response) {
  return Date.now() + response.json('expiresInS') * 1000;
}

function take(waiting, id) {
  const found = waiting[id];
  delete waiting[id];
  return found || (() => {});
}

function note(problem) {
  errors.add(1);
  console.warn(`VU ${__VU}: ${problem}`);
}
