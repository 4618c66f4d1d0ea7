/** The language: what the person chose, else the browser's. Each dictionary is a file of its own that is loaded when it is spoken. */
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import type { Words } from '../locales/en.ts'

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: Words }
    returnNull: false
  }
}

/** By tag of BCP 47. */
export const languages = { en: 'English', 'zh-CN': '简体中文' } as const
export type Language = keyof typeof languages

const storageKey = 'berth-language'
const dictionaries: Readonly<Record<Language, () => Promise<Words>>> = {
  en: async () => (await import('../locales/en.ts')).en,
  'zh-CN': async () => (await import('../locales/zh-CN.ts')).zhCN,
}

function chosen(): Language {
  const kept = localStorage.getItem(storageKey)
  if (kept !== null && kept in languages) return kept as Language
  return navigator.languages
    .find((each) => /^(?:zh|en)\b/i.test(each))
    ?.toLowerCase()
    .startsWith('zh') === true
    ? 'zh-CN'
    : 'en'
}

/** Before the first drawing. */
export async function startLanguage(): Promise<void> {
  const language = chosen()
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    interpolation: { escapeValue: false },
    resources: { [language]: { translation: await dictionaries[language]() } },
    initAsync: false,
  })
  document.documentElement.lang = language
}

export async function speak(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, 'translation'))
    i18next.addResourceBundle(language, 'translation', await dictionaries[language]())
  localStorage.setItem(storageKey, language)
  document.documentElement.lang = language
  await i18next.changeLanguage(language)
}
