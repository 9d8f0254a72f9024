/** First words for who does not know how to begin, in the language of the avatar and not of the page. */
const texts: Readonly<Record<'en' | 'ja', readonly string[]>> = {
  en: ['How was your day?', 'I would like to tell you about mine.', 'Tell me something that made you smile.'],
  ja: ['今日はどんな一日でしたか？', '少し話を聞いてほしいです。', '最近うれしかったことを教えて。'],
};

export const suggestions = (lang: 'en' | 'ja'): readonly string[] => texts[lang];
