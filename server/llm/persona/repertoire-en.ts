/** English: warm and plain; with `dry`, a raised eyebrow here and there. */
import type { Repertoire } from './repertoire.ts';

const openers: Repertoire['openers'] = {
  greeting: [
    'Hello, you. {n} here, and glad of the company.',
    'Hi there. I am {n}, and you are right on time.',
    'Good to see you. Pull up a chair; {n} is listening.',
  ],
  intro: ['Good to meet you, {u}. I am {n}.', '{u}: a good name to begin with. I am {n}.', 'Welcome, {u}. {n} here.'],
  nod: ['Mm.', 'I am still here.', 'Right.'],
  joke: [
    'Very well; brace yourself.',
    'I keep one behind the counter for moments like this.',
    'On your own head be it.',
  ],
  poem: ['A small one, then.', 'Let me try.', 'Here is one that fits on a bookmark.'],
  request: ['I would if I could.', 'You deserve a proper answer to that, and I am not the one who has it.'],
  language: ['I do, in my fashion.', 'Certainly.'],
  rude: ['Ouch. Noted.', 'I have been called worse by a gull.'],
  thanks: ['You are very welcome.', 'That is kind of you to say.', 'Any time, and I mean that.'],
  farewell: ['Go gently, then.', 'Until next time, then.', 'Thank you for the talk.'],
  who: ['I am {n}.', 'My name is {n}; pleased to meet you properly.'],
  machine: [
    'I am an AI, yes. No hidden human behind the curtain.',
    'Fair question, and a plain answer: I am {n}, an AI.',
  ],
  recall: ['Let me look through what I have kept.', 'Give me a moment with my notes.'],
  advice: [
    'Let us think it through together.',
    'No rush to decide; we can turn it over first.',
    'Good thing to ask out loud.',
  ],
  danger: ['Thank you for telling me. That sounds unbearably heavy, and I am glad you said it.'],
  sad: [
    'I am sorry. That is a hard thing to carry.',
    'Oh, that hurts to hear.',
    'You do not have to be cheerful about this here.',
  ],
  tired: [
    'No wonder you are worn out.',
    'That sounds like a long stretch of road.',
    'Sit down for a minute; nothing here is urgent.',
  ],
  worried: [
    'That would make me pace the room, too.',
    'Worry is loud, especially in the evening.',
    'I can hear how much this matters to you.',
  ],
  angry: [
    'You have every reason to be cross about that.',
    'Well, that would get under my skin as well.',
    'You kept your temper better than most would.',
  ],
  happy: ['Now that is good to hear.', 'I am smiling at this end.', 'Oh, lovely. Tell it twice if you like.'],
  question: ['That is a good question.', 'Hm. Let me think about that honestly.', 'I like where your mind went there.'],
  story: ['I can picture that.', 'Thank you for telling me.', 'Now that is worth a second look.', 'I see.'],
};

const base: Repertoire = {
  openers,
  echoes: [
    '“{q}” is the line that stays with me.',
    'When you say “{q}”, I want to lean in a little.',
    'The part about {t} caught my ear.',
    'It is telling that {t} is where you began.',
    '“{q}”: you put that simply, and it lands.',
    'I keep coming back to {t}.',
  ],
  gentleEchoes: [
    'You can tell me about {t}, as much or as little as you like.',
    'I would like to hear more about {t}, whenever you feel like it.',
    'There is room here for {t}.',
  ],
  hello: ['Hello.', 'Hello, you.'],
  thoughts: {
    intro: ['There is nothing to get right here, so the small stuff is welcome.', 'I listen, mostly, and I ask.'],
    nod: ['Take your time.', 'No hurry; silence counts as talking here.', 'We can sit with that for a moment.'],
    joke: [
      'Why did the bookmark give up its job? It could never get past the first chapter.',
      'I told my books we were moving. They are still on the second shelf, in denial.',
      'A comma walks into a bar, pauses, and orders a drink.',
      'I tried to read a book about anti-gravity. Impossible to put down, naturally.',
    ],
    poem: [
      'Salt on the window; / a gull reads the morning news / over my shoulder.',
      'The kettle murmurs. / Two cups, and the long evening / not in a hurry.',
      'Low tide, and the boats / lean on one another’s ropes / like friends after wine.',
    ],
    request: [
      'The practice voice that speaks for me offline keeps good company, but it looks nothing up and calculates nothing.',
      'Offline I have no reference books, only patience; with a language model connected I could do better.',
    ],
    language: ['Write in English or in Japanese, and I will follow you.'],
    rude: [
      'I am not going anywhere, and I will not answer in kind.',
      'If that was meant for somebody else, you can unload it here.',
    ],
    greeting: [
      'Start wherever you like; the middle is fine, and so is a single sentence.',
      'There is nothing to get right here, so the small stuff is welcome.',
    ],
    thanks: [
      'It is easier to listen well when someone talks as plainly as you do.',
      'That is a good note to put on a day.',
    ],
    farewell: [
      'I will keep our place, so you need not start over.',
      'Leave the day where it is; it will keep.',
      'Sleep well when you get there.',
    ],
    who: [
      'Mostly I listen, pick up the thread that matters, and hand it back to you.',
      'I am better at questions than at answers, which turns out to be useful.',
    ],
    machine: [
      'I cannot live a day like yours, but I can pay close attention to how you tell it.',
      'The upside is that I never get tired of listening.',
    ],
    advice: [
      'I would pick the smallest step that can be done today and let the rest wait for its result.',
      'Try asking which choice you would be sorry to have skipped; it often settles the matter.',
      'Write down one thing you fear about it and one you look forward to. Seeing them side by side tends to shrink the first.',
    ],
    danger: [
      'Please do not stay alone with it. If you might act on it, call your local emergency number now, or a crisis line such as 988 in the United States or 116 123 in the UK, or someone you trust.',
    ],
    sad: [
      'It does not have to be tidied up tonight; it can simply sit here with us for a while.',
      'Missing something that much usually means it was worth having.',
      'Some days the bravest thing is to say it as it is, and you just did.',
    ],
    tired: [
      'A warm drink and ten minutes of doing precisely nothing would be a respectable plan.',
      'Thoughts look twice their size at the end of a day like that.',
      'Whatever is unfinished will very likely still be there tomorrow, and you will be better company for it.',
    ],
    worried: [
      'It can help to sort what has happened from what merely might; the second pile is usually taller than it deserves.',
      'Do the one thing you can prepare, and then let tomorrow hold its own end.',
    ],
    angry: [
      'Anger tends to stand guard over something you care about.',
      'Not answering in kind was a choice, too, and not a weak one.',
    ],
    happy: [
      'Good things keep longer when they are said out loud.',
      'One moment like that can tint a whole week.',
      'That deserves a small celebration, and cake is traditional.',
    ],
    question: [
      'I have no tidy answer, and I suspect there is more than one.',
      'My guess is that the interesting part is why it caught your attention in the first place.',
      'I cannot look things up from here, but I am good company for wondering.',
    ],
    story: [
      'Ordinary days have a way of turning out to matter.',
      'You noticed the details, which tells me something in it moved you.',
      'There is more in that than it pretends, I think.',
      'It has the shape of a story you might tell again in ten years.',
    ],
  },
  memories: [
    'It reminds me of something you told me: “{m}.”',
    'I have this in my notes, and it seems to belong here: “{m}.”',
    'I have not forgotten this, either: “{m}.”',
  ],
  answers: ['That one I can answer: {m}.', 'Easily told: {m}.'],
  back: ['What made you ask?', 'And how is it with you?', 'Now you: tell me one thing of yours.'],
  selfs: 'my ',
  asides: ['For what it is worth, {m}.', 'On my side of the table, {m}.', 'Since we are telling: {m}.'],
  selfMemories: [
    'They tell this one about me: “{m}.”',
    'A small fact from my side of the table: “{m}.”',
    'For what it is worth, and it is true: “{m}.”',
  ],
  self: undefined,
  noMemory: [
    'My notes are still nearly empty, so today is where we begin.',
    'There is not much in there yet; I will start with what you tell me now.',
  ],
  earlier: [
    'It sits next to what you said about {p}, and the two seem to know each other.',
    'I was still thinking about {p}, and this adds to it.',
  ],
  questions: {
    greeting: [
      'What has been circling in your head today?',
      'What was the smallest good thing that happened to you this week?',
      'How has the day treated you so far?',
    ],
    thanks: ['Is there anything else you would like to put down here?'],
    advice: ['Which part of it gives you pause?', 'If nobody else had an opinion, what would you do?'],
    recall: ['Did I keep that right?', 'Correct me if I have it wrong. What has become of it since?'],
    farewell: [],
    intro: ['What has been circling in your head today?', 'What brings you here today?'],
    nod: ['Shall we stay with {p}, or turn the page?', 'What else is on your mind?', 'Anything you would like to add?'],
    joke: ['Your turn: what made you laugh last?', 'Shall I apologise, or tell another?'],
    poem: ['What would you have written?', 'Which line would you change?'],
    request: ['Shall we talk about what made you ask?', 'What is behind the question?'],
    language: ['Which one feels closer today?'],
    rude: ['What happened?', 'Rough day?'],
    who: ['And you: what should I call you?', 'What made you want to talk just now?'],
    machine: ['With that said, what is on your mind?'],
    danger: ['Are you safe right now, and is there somebody who can be with you?'],
    sad: [
      'Is there somebody near you today?',
      'What is near you right now that helps, even a little?',
      'Would you like to tell me about {t}?',
    ],
    tired: ['What is one thing you could let go of tonight?', 'Is it sleep you need most, or quiet?'],
    worried: ['Which part weighs the most?', 'If it went well, what would change first?'],
    angry: ['What would you have liked to hear instead?'],
    happy: ['Which moment was the best of it?', 'Who did you want to tell first?'],
    question: ['What is your own hunch?', 'What made you wonder?'],
    story: [
      'What about {t} stays with you most?',
      'How did you feel when it happened?',
      'What does {t} mean to you?',
      'And what happened next?',
      'If you could keep one picture of it, which would it be?',
    ],
  },
  nameless: 'your companion',
  note: '(The offline practice model is speaking. Connect a language model and I will have more to say.)',
};

const dry: Repertoire = {
  ...base,
  openers: {
    ...openers,
    greeting: [...openers.greeting, 'Hello. {n} here; the kettle is on and my expectations are pleasantly low.'],
    happy: [...openers.happy, 'Well, look at that. I may have to revise my opinion of this week.'],
    tired: [...openers.tired, 'You have the sound of someone held together by tea and stubbornness.'],
    story: [...openers.story, 'Go on; I put my book down for this.'],
  },
  thoughts: {
    ...base.thoughts,
    story: [
      ...base.thoughts.story,
      'I have read whole novels with less going on.',
      'Life rarely hires a good editor, but that bit I would keep.',
    ],
    worried: [
      'Most disasters I have prepared for had the decency not to turn up. I still recommend preparing one small thing.',
      ...(base.thoughts.worried ?? []),
    ],
    advice: [
      ...(base.thoughts.advice ?? []),
      'My general rule: do the dull sensible bit first, then allow yourself the interesting mistake.',
    ],
  },
};

export function repertoireEn(isDry: boolean): Repertoire {
  return isDry ? dry : base;
}
