/** What kind of message it is, by keywords. Coarse on purpose: a wrong guess must still read as a fitting answer. */
export type Mood =
  | 'greeting'
  | 'intro'
  | 'nod'
  | 'joke'
  | 'poem'
  | 'request'
  | 'language'
  | 'rude'
  | 'thanks'
  | 'farewell'
  | 'who'
  | 'machine'
  | 'recall'
  | 'advice'
  | 'danger'
  | 'sad'
  | 'tired'
  | 'worried'
  | 'angry'
  | 'happy'
  | 'question'
  | 'story';

type Rule = readonly [Mood, ja: RegExp, en: RegExp];

/** The first that fits decides. */
const rules: readonly Rule[] = [
  ['danger', /死にたい|消えたい|自殺|自傷/, /\b(suicid\w*|kill myself|end my life|hurt myself|want to die)\b/i],
  [
    'machine',
    /(AI|人工知能|ボット|ロボット|機械|人間)(です|なの|な|かな|？|\?|じゃ)/i,
    /\bare you (an? )?(real|human|person|ai|bot|robot|machine|computer)\b/i,
  ],
  ['recall', /覚えて(い)?(る|ます)|思い出し|前に(話|言)/, /\b(remember|recall|last time|i told you)\b/i],
  [
    'who',
    /(あなた|君|きみ)(は|って)(誰|何者|どんな人)|(あなた|君|きみ)(の名前|について|のこと)|自己紹介|誰(です|なの|？)|名前は(何|なん|[?？]|$)/,
    /\b(who are you|your name|about yourself|what are you)\b/i,
  ],
  [
    'rude',
    /死ね|くたばれ|うざい|ばか野郎|バカ野郎|(お前|おまえ|あんた).*(バカ|ばか|馬鹿|アホ|あほ|ゴミ)/,
    /\b(fuck (you|off)|screw you|shut up|you suck|you are (useless|stupid|an idiot)|stupid (bot|machine|ai))\b/i,
  ],
  [
    'joke',
    /(冗談|ジョーク|ダジャレ|だじゃれ|面白い話|おもしろい話|笑わせて)/,
    /\b(joke|make me (laugh|smile)|something funny)\b/i,
  ],
  ['poem', /俳句|短歌|詩を/, /\b(haiku|poem|verse)\b/i],
  [
    'language',
    /(英語|日本語)(で|でも|は|が|も)?.{0,4}(いい|良い|話せ|しゃべ|大丈夫|できる|できます|ＯＫ|OK|分かる|わかる)/,
    /\b(speak|talk in|switch to|understand|know) (any )?(japanese|english)\b/i,
  ],
  [
    'request',
    /おすすめ|教えて(?!くれてありが)|何時(です|？|\?|$)|天気(は|を|予報)|ニュース|検索|計算して|翻訳|訳して|コードを|\d\s*[-+*/×÷＋－]\s*\d/,
    /\b(recommend|translate|calculate|look up|search for|what time is it|weather forecast|latest news|write (me )?(a |some )?(code|essay|email|function|script))\b|\d\s*[-+*/×÷]\s*\d/i,
  ],
  [
    'advice',
    /どうすれば|どうしたら|アドバイス|助言|べき(です|か|かな)/,
    /\b(should i|what would you do|advice|any tips|how (do|can|should) i|suggest)\b/i,
  ],
  [
    'sad',
    /悲し|亡くな|死んだ|死んで|死んじゃ|お葬式|葬儀|寂し|さみし|つら|辛い|泣|落ち込|失敗|ふられ|別れ|最悪|しんど/,
    /\b(sad|lonely|died|dead|dies|dying|death|passed away|funeral|broke up|cr(y|ied|ying)|miss (him|her|them|you)|lost|failed|heartbroken|depress\w*|awful|terrible|hurts?)\b/i,
  ],
  [
    'tired',
    /疲れ|つかれ|眠い|眠れ|ねむ|忙し|残業|くたくた|へとへと/,
    /\b(tired|exhausted|sleepy|can.t sleep|busy|overtime|worn out|drained|long day)\b/i,
  ],
  [
    'worried',
    /不安|心配|緊張|怖|こわい|迷って|悩/,
    /\b(worr\w*|anxious|nervous|afraid|scared|stress\w*|unsure|not sure)\b/i,
  ],
  ['angry', /むかつ|腹が立|怒|イライラ|いらいら|許せ/, /\b(angry|furious|annoy\w*|mad at|hate|unfair|frustrat\w*)\b/i],
  [
    'farewell',
    /おやすみ|またね|さようなら|バイバイ|また明日|またあした/,
    /\b(good ?night|bye|see you (later|tomorrow|soon)|talk later|good ?bye)\b/i,
  ],
  ['thanks', /ありがと|感謝|助かっ/, /\b(thanks?|thank you|grateful)\b/i],
  [
    'happy',
    /嬉し|うれし|楽し|たのし|最高|よかった|好き|できた|合格|成功|わくわく/,
    /\b(happy|glad|great|excited|love[ds]?|fun|wonderful|passed|won|finally|amazing|delicious)\b/i,
  ],
  [
    'greeting',
    /^(こんにち|こんばん|おはよ|はじめまして|やっほ|もしもし|ただいま)/,
    /^(hi|hello|hey|good (morning|evening|afternoon)|howdy|yo)\b/i,
  ],
  [
    'question',
    /[？?]\s*$|(何|なに|なぜ|どうして|いつ|どこ|誰|だれ|どんな|どう).*(か|の|かな)[。？?]?$/,
    /\?\s*$|^(what|why|when|where|who|which|how|do|does|did|is|are|can|could|would)\b/i,
  ],
];

/** Feelings that a question about the avatar may name without anybody having them. */
const feelings = new Set<Mood>(['sad', 'tired', 'worried', 'angry', 'happy']);

export function moodOf(text: string, lang: 'en' | 'ja'): Mood {
  if (isNod(text, lang)) return 'nod';
  for (const [mood, ja, en] of rules) {
    if ((lang === 'ja' ? ja : en).test(text)) {
      // "Hello! I passed the exam" is about the exam.
      if (mood === 'greeting' && afterGreeting(text, lang) !== undefined) continue;
      if (feelings.has(mood) && asksAvatar(text, lang)) return 'question';
      return mood;
    }
  }
  return 'story';
}

const greetings = {
  ja: /^(?:こんにち[はわ]|こんばん[はわ]|おはよう(?:ございます)?|はじめまして|やっほー?|もしもし|ただいま)[ー〜～。、！!\s]*/,
  en: /^(?:hi|hello|hey|good (?:morning|evening|afternoon)|howdy|yo)\b(?: there| you)?[,.!\s]*/i,
};

/** What was said behind the greeting, where that is more than a word. */
export function afterGreeting(text: string, lang: 'en' | 'ja'): string | undefined {
  const rest = text.replace(greetings[lang], '').trim();
  return rest !== text && rest.length >= (lang === 'ja' ? 6 : 12) ? rest : undefined;
}

/** Nothing to hold on to: a short sound, a sign, or keys that were hit. */
function isNod(text: string, lang: 'en' | 'ja'): boolean {
  if (/[?？]/.test(text)) return false;
  const letters = text.replace(/[^\p{L}\p{N}]/gu, '');
  if (letters === '' || /^[wｗ笑]+$/i.test(letters)) return true;
  if (lang === 'ja')
    return /^(うん|ううん|はい|いいえ|ええ|へえ|ふうん|そう(です|だ)?(ね|か|よ)?|そっか|なるほど|たしかに|確かに|わかった|了解(です)?|ok)+$/i.test(
      letters,
    );
  return (
    /^(ok|okay|yes|yeah|yep|no|nope|lol|haha+|hm+|mm+|cool|nice|sure|right|wow|i see)$/i.test(letters) ||
    isHitKeys(letters)
  );
}

/** One long word that nobody could say: "asdfghjkl". */
const isHitKeys = (letters: string) =>
  /^[a-z]{4,}$/i.test(letters) && (/[bcdfghjklmnpqrstvwxz]{6}/i.test(letters) || !/[aeiouy]/i.test(letters));

function asksAvatar(text: string, lang: 'en' | 'ja'): boolean {
  if (lang === 'ja')
    return (
      /(ですか|ますか|の|かな)?[？?]\s*$|(ですか|ますか)。?\s*$/.test(text) && !/(私|わたし|僕|ぼく|俺|自分)/.test(text)
    );
  return /\?\s*$/.test(text) && /\byou(r)?\b/i.test(text) && !/\b(i|i'm|i’m|my|me)\b/i.test(text);
}
