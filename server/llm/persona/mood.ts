/** What kind of message it is, by keywords. Coarse on purpose: a wrong guess must still read as a fitting answer. */
export type Mood =
  | 'greeting'
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
    /(あなた|君|きみ)(は|の名前|って|について)|自己紹介|誰(です|なの|？)|名前は/,
    /\b(who are you|your name|about yourself|what are you)\b/i,
  ],
  [
    'advice',
    /どうすれば|どうしたら|アドバイス|助言|おすすめ|教えて|べき(です|か|かな)/,
    /\b(should i|what would you do|advice|any tips|how (do|can|should) i|recommend|suggest)\b/i,
  ],
  [
    'sad',
    /悲し|寂し|さみし|つら|辛い|泣|落ち込|失敗|ふられ|別れ|最悪|しんど/,
    /\b(sad|lonely|cr(y|ied|ying)|miss (him|her|them|you)|lost|failed|heartbroken|depress\w*|awful|terrible|hurts?)\b/i,
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
  ['thanks', /ありがと|感謝|助かっ/, /\b(thanks?|thank you|grateful)\b/i],
  [
    'farewell',
    /おやすみ|またね|さようなら|バイバイ|また明日|またあした/,
    /\b(good ?night|bye|see you|talk later|good ?bye)\b/i,
  ],
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

export function moodOf(text: string, lang: 'en' | 'ja'): Mood {
  for (const [mood, ja, en] of rules) {
    if ((lang === 'ja' ? ja : en).test(text)) {
      // "Hello! I passed the exam" is about the exam.
      if (mood === 'greeting' && text.length > (lang === 'ja' ? 24 : 40)) continue;
      return mood;
    }
  }
  return 'story';
}
